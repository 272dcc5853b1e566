// Command melody broadcasts with olahol/melody, whose hub and queues are
// gorilla/websocket's example made into a library. A message for which a
// session's queue has no room is lost; the session stays.
package main

import (
	"net/http"

	"github.com/olahol/melody"

	"chatd/bench/peers/listen"
)

func main() {
	m := melody.New()
	m.Config.MessageBufferSize = 256
	m.Config.MaxMessageSize = 64 << 10
	m.Upgrader.CheckOrigin = func(*http.Request) bool { return true }
	m.HandleMessage(func(_ *melody.Session, payload []byte) { m.Broadcast(payload) })
	m.HandleMessageBinary(func(_ *melody.Session, payload []byte) { m.BroadcastBinary(payload) })
	listen.Serve(listen.On(), func(w http.ResponseWriter, r *http.Request) { m.HandleRequest(w, r) })
}

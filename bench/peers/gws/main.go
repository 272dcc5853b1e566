// Command gws broadcasts with lxzan/gws: its Broadcaster encodes a message
// once and puts a write into each connection's queue, which has no bound.
package main

import (
	"net/http"
	"sync"

	"github.com/lxzan/gws"

	"chatd/bench/peers/listen"
)

// room is everybody. The lock keeps the order of messages the same for all.
type room struct {
	gws.BuiltinEventHandler
	mu      sync.Mutex
	members map[*gws.Conn]struct{}
}

// OnOpen implements gws.Event.
func (r *room) OnOpen(c *gws.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[c] = struct{}{}
}

// OnClose implements gws.Event.
func (r *room) OnClose(c *gws.Conn, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, c)
}

// OnMessage implements gws.Event.
func (r *room) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.members {
		b.Broadcast(c)
	}
}

func main() {
	upgrader := gws.NewUpgrader(&room{members: make(map[*gws.Conn]struct{})}, &gws.ServerOption{
		ReadMaxPayloadSize: 64 << 10,
		Authorize:          func(*http.Request, gws.SessionStorage) bool { return true },
	})
	listen.Serve(listen.On(), func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go c.ReadLoop()
	})
}

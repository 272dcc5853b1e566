// Command centrifuge is a chat on centrifugal/centrifuge: its memory broker
// keeps each channel's history, and clients that come back recover from it. It
// speaks centrifuge's own JSON protocol, at /ws over a WebSocket and at /sse in
// server-sent events; a room is a channel.
package main

import (
	"context"
	"flag"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"

	"chatd/bench/peers/listen"
)

// historyTime is how long a message is kept, as by chatd.
const historyTime = 24 * time.Hour

func main() {
	history := flag.Int("history", 100, "messages that are kept of each channel")
	ln := listen.On()
	// Nothing is logged, and there is no presence: nobody asks who is there.
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		listen.Fail(err)
	}
	node.OnConnecting(func(_ context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil // anonymous
	})
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
			reply(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: true}}, nil)
		})
		c.OnPublish(func(_ centrifuge.PublishEvent, reply centrifuge.PublishCallback) {
			reply(centrifuge.PublishReply{Options: centrifuge.PublishOptions{HistorySize: *history, HistoryTTL: historyTime}}, nil)
		})
	})
	if err := node.Run(); err != nil {
		listen.Fail(err)
	}
	// Who only listens answers no pings.
	http.Handle("/sse", centrifuge.NewSSEHandler(node, centrifuge.SSEConfig{PingPongConfig: centrifuge.PingPongConfig{PongTimeout: -1}}))
	// Its buffers are shared where they can be, and a deep stack is not kept by
	// those who are silent: what it says of large pools of clients.
	handler := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{UseWriteBufferPool: true, ProcessCommandsOffReadLoop: true})
	listen.Serve(ln, handler.ServeHTTP)
}

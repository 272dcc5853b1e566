// Command nbio broadcasts with lesismal/nbio: an epoll server without a
// goroutine for each connection. What a socket does not take is buffered up to
// 4 MiB, then the connection is closed. With a certificate it speaks TLS, by its fork of
// crypto/tls.
package main

import (
	"net"
	"net/http"
	"sync"

	"github.com/lesismal/llib/std/crypto/tls"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"chatd/bench/peers/listen"
)

// room is everybody. The lock keeps the order of messages the same for all.
type room struct {
	mu      sync.Mutex
	members map[*websocket.Conn]struct{}
}

func (r *room) broadcast(_ *websocket.Conn, kind websocket.MessageType, payload []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.members {
		c.WriteMessage(kind, payload) // a broken one is told by OnClose
	}
}

func main() {
	logging.SetLevel(logging.LevelNone)
	r := &room{members: make(map[*websocket.Conn]struct{})}
	upgrader := websocket.NewUpgrader()
	upgrader.CheckOrigin = func(*http.Request) bool { return true }
	upgrader.KeepaliveTime = 0
	upgrader.OnOpen(func(c *websocket.Conn) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.members[c] = struct{}{}
	})
	upgrader.OnMessage(r.broadcast)
	upgrader.OnClose(func(c *websocket.Conn, _ error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.members, c)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, req *http.Request) { upgrader.Upgrade(w, req, nil) })
	ln, certificate := listen.OnTLS()
	config := nbhttp.Config{
		Network:            "tcp",
		Listen:             func(string, string) (net.Listener, error) { return ln, nil },
		Handler:            mux,
		IOMod:              nbhttp.IOModNonBlocking,
		MaxLoad:            1 << 20,
		MaxWriteBufferSize: 256 * 16 << 10,
	}
	if addrs := []string{ln.Addr().String()}; certificate.File == "" {
		config.Addrs = addrs
	} else {
		pair, err := tls.LoadX509KeyPair(certificate.File, certificate.Key)
		if err != nil {
			listen.Fail(err)
		}
		config.AddrsTLS, config.TLSConfig = addrs, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	}
	engine := nbhttp.NewEngine(config)
	if err := engine.Start(); err != nil {
		listen.Fail(err)
	}
	select {}
}

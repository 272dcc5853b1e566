package room

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"os"
	"sync"
	"time"

	"chatd/poller"
	"chatd/room/handshake"
)

// idleTimeout is how long a connection that asked for the page may stay for
// more. It is longer than proxies keep theirs (nginx and AWS for a minute, Caddy
// for two): whoever closes first must not be the one that may just be asked.
const idleTimeout = 130 * time.Second

// web answers, through net/http, the requests that are not for the WebSocket.
// It is the listener of its http.Server: sessions hand it the connections
// whose first request turned out to be one. From then on such a connection is
// an ordinary one, with its goroutine; should it ask for the WebSocket in a
// later request, as behind a proxy that keeps connections, it comes back. Its
// channels carry connections, never messages.
type web struct {
	server  *Server
	http    *http.Server
	conns   chan net.Conn
	closing chan struct{}
	once    sync.Once // closes closing
	serving sync.WaitGroup
}

func newWeb(s *Server) *web {
	v := &web{server: s, conns: make(chan net.Conn), closing: make(chan struct{})}
	v.http = &http.Server{
		Handler:           http.HandlerFunc(v.serve),
		ReadHeaderTimeout: s.config.HandshakeTimeout,
		ReadTimeout:       s.config.HandshakeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    s.config.MaxHead,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				s.closed(c.(*pageConn).source)
			}
		},
	}
	v.serving.Go(func() { _ = v.http.Serve(v) }) // ends with ErrServerClosed, always
	return v
}

// take hands over the socket fd, of a connection from source, from which head
// has been read.
func (v *web) take(fd, source int32, head []byte) {
	f := os.NewFile(uintptr(fd), "")
	conn, err := net.FileConn(f) // duplicates fd
	f.Close()
	if err != nil {
		v.server.refused(netip.AddrPort{}, handshake.Exhausted.Reason, 0)
		v.server.closed(source)
		return
	}
	page := &pageConn{Conn: conn, source: source, client: v.server.sources.client(source), head: append([]byte(nil), head...), stall: v.server.config.WriteTimeout}
	v.serving.Go(func() {
		select {
		case v.conns <- page:
		case <-v.closing:
			conn.Close()
			v.server.closed(source)
		}
	})
}

func (v *web) serve(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == Path {
		v.giveBack(rw, r)
		return
	}
	v.server.config.Page.ServeHTTP(rw, r)
}

// giveBack returns a connection to the event loop, with the request as it
// came.
func (v *web) giveBack(rw http.ResponseWriter, r *http.Request) {
	r.RequestURI = r.URL.RequestURI() // the dump of an absolute one has no Host
	head, err := httputil.DumpRequest(r, false)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	conn, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	ahead, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	page := conn.(*pageConn)
	fd, err := poller.Dup(page.Conn.(*net.TCPConn))
	if err != nil {
		v.server.refused(page.RemoteAddr().(*net.TCPAddr).AddrPort(), handshake.Exhausted.Reason, 0)
		v.server.closed(page.source)
		return
	}
	v.server.adopt(nil, fd, append(head, ahead...), page.source)
}

func (v *web) shutdown(ctx context.Context) error {
	v.once.Do(func() { close(v.closing) })
	err := v.http.Shutdown(ctx)
	if err != nil {
		v.http.Close()
	}
	v.serving.Wait()
	return err
}

// Accept implements net.Listener.
func (v *web) Accept() (net.Conn, error) {
	select {
	case c := <-v.conns:
		return c, nil
	case <-v.closing:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (v *web) Close() error {
	v.once.Do(func() { close(v.closing) })
	return nil
}

// Addr implements net.Listener.
func (v *web) Addr() net.Addr { return &net.TCPAddr{} }

// pageConn is a connection whose first bytes have been read already.
type pageConn struct {
	net.Conn
	source int32          // see client
	client netip.AddrPort // that a proxy speaks for, see sources
	head   []byte
	stall  time.Duration // after which a peer that takes nothing is given up; 0: never
}

// RemoteAddr implements net.Conn.
func (c *pageConn) RemoteAddr() net.Addr {
	if c.client.IsValid() {
		return net.TCPAddrFromAddrPort(c.client)
	}
	return c.Conn.RemoteAddr()
}

// Write implements net.Conn. net/http's own limit is for a whole answer,
// however large.
func (c *pageConn) Write(p []byte) (int, error) {
	if c.stall > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// Read implements net.Conn.
func (c *pageConn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

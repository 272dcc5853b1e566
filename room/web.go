package room

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"chatd/poller"
	"chatd/room/handshake"
)

// idleTimeout is how long a connection that asked for the page may stay for
// more.
const idleTimeout = time.Minute

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
	page := &pageConn{Conn: conn, source: source, head: append([]byte(nil), head...), stall: v.server.config.WriteTimeout}
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
	v.server.sources.leave(page.source) // it is counted anew
	v.server.adopt(nil, fd, append(head, ahead...))
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
	source int32 // see client
	head   []byte
	stall  time.Duration // after which a peer that takes nothing is given up; 0: never
}

// Write implements net.Conn. net/http's own limit is for a whole answer,
// however large.
func (c *pageConn) Write(p []byte) (n int, err error) {
	for range slowest {
		if c.stall > 0 {
			if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
				return n, err
			}
		}
		k, err := c.Conn.Write(p[n:])
		if n += k; k == 0 && !c.takes() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
	return n, os.ErrDeadlineExceeded
}

// slowest is how many times its time a peer may have for one Write, as long as it
// takes something in each.
const slowest = 10

// takes reports whether the peer has lately acknowledged something, which need
// not be enough for its socket to take more.
func (c *pageConn) takes() bool {
	p, known := poller.ProgressOf(c.Conn.(syscall.Conn))
	return known && p.Quiet < c.stall
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

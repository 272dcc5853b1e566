package room

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chatd/poller"
	"chatd/poller/tls13"
	"chatd/room/handshake"
)

// idleTimeout is how long a connection that asked for the page may stay for
// more. It is longer than proxies keep theirs (nginx and AWS for a minute, Caddy
// for two): whoever closes first must not be the one that may just be asked.
const idleTimeout = 130 * time.Second

// web answers, through net/http, the requests that are not for the event loop.
// It is the listener of its http.Server: sessions hand it the connections
// whose first request turned out to be one. From then on such a connection is
// an ordinary one, with its goroutine, as long as its requests are; with any
// other, as behind a proxy that keeps connections, it goes back (pageConn). Its
// channels carry connections, never messages.
type web struct {
	server  *Server
	http    *http.Server
	conns   chan net.Conn
	closing chan struct{}
	once    sync.Once // closes closing
	serving sync.WaitGroup
	open    atomic.Int64 // connections that are here
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
			page := c.(*pageConn)
			page.idle.Store(state == http.StateNew || state == http.StateIdle)
			if state == http.StateClosed && !page.left {
				v.closed(page.source)
			}
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, pageConnKey{}, c)
		},
		DisableGeneralOptionsHandler: true,
	}
	v.serving.Go(func() { _ = v.http.Serve(v) }) // ends with ErrServerClosed, always
	return v
}

// pageConnKey is what a request's context has its pageConn under.
type pageConnKey struct{}

// take hands over the socket fd, of a connection from source, from which b has
// been read: the request r, and what is behind it. It goes on with session, unless
// that is nil.
func (v *web) take(fd, source int32, session *tls13.Session, b []byte, r handshake.Result) {
	v.open.Add(1)
	f := os.NewFile(uintptr(fd), "")
	socket, err := net.FileConn(f) // duplicates fd
	f.Close()
	if err != nil {
		if session != nil {
			session.Wipe()
		}
		v.server.refused(netip.AddrPort{}, handshake.Exhausted.Reason, 0)
		v.closed(source)
		return
	}
	conn := socket
	if session != nil {
		conn = tls13.NewConn(socket, session)
	}
	page := &pageConn{Conn: conn, socket: socket.(syscall.Conn), web: v, source: source, client: v.server.sources.client(source), stall: v.server.config.WriteTimeout}
	page.ahead = append(page.ahead, b[r.Begin:]...)
	page.begin(r)
	v.serving.Go(func() {
		select {
		case v.conns <- page:
		case <-v.closing:
			conn.Close()
			v.closed(source)
		}
	})
}

// closed counts a connection that was here and is closed.
func (v *web) closed(source int32) {
	v.open.Add(-1)
	v.server.closed(source)
}

// The methods that there are for the page, and for the WebSocket.
const (
	pageMethods   = "GET, HEAD, OPTIONS"
	socketMethods = "GET, OPTIONS"
)

func (v *web) serve(rw http.ResponseWriter, r *http.Request) {
	if c := r.Context().Value(pageConnKey{}).(*pageConn); c.secured() != nil {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}
	}
	api := v.server.config.API != nil && isAPI(r.URL.Path) && !v.server.handshake.IsEvents(r.URL.Path)
	if r.ContentLength < 0 || r.ContentLength > 0 && !api {
		// Nobody reads a body of a page, and where one in chunks ends, pageConn does not know.
		rw.Header().Set("Connection", "close")
	}
	if api {
		v.server.config.API.ServeHTTP(rw, r)
		return
	}
	if r.Method != http.MethodOptions {
		if name, ok := strings.CutPrefix(r.URL.Path, PagePath); ok && !v.server.hasPage(rw, r, name) {
			return
		}
		v.server.config.Page.ServeHTTP(rw, r)
		return
	}
	methods := pageMethods
	switch {
	case r.URL.Path == Path || strings.HasPrefix(r.URL.Path, Path+"/"):
		methods = socketMethods
	case v.server.handshake.IsEvents(r.URL.Path):
		methods = handshake.EventsMethods
		v.server.allowEvents(rw.Header(), r)
	}
	rw.Header().Set("Allow", methods)
	rw.WriteHeader(http.StatusNoContent)
}

// isAPI reports whether a path is that of the API, or below.
func isAPI(path string) bool {
	return strings.HasPrefix(path, RoomsPath) || path == strings.TrimSuffix(RoomsPath, "/")
}

// AllowsOrigin reports whether pages of an origin may read what is served under the
// name host.
func (s *Server) AllowsOrigin(origin, host string) bool {
	return s.handshake.AllowsOrigin(origin, host)
}

// RefuseRoom is the HTTP status, and the sentence, with which a room's segment of a
// path is refused; 0: it is not. Encoded says that it is not as it came.
func (s *Server) RefuseRoom(name string, encoded bool) (status int, text string) {
	return s.handshake.RefuseRoom(name, encoded)
}

// allowEvents has a browser go on that asks whether a page of another origin may read
// events with a program of its own, which says more than EventSource does (Fetch
// §3.2.2).
func (s *Server) allowEvents(answer http.Header, r *http.Request) {
	answer.Set("Cache-Control", "no-store")
	answer.Set("Vary", "Origin")
	if origin := r.Header.Values("Origin"); len(origin) == 1 && s.handshake.AllowsOrigin(origin[0], r.Host) {
		answer.Set("Access-Control-Allow-Origin", origin[0])
		answer.Set("Access-Control-Allow-Methods", "GET, HEAD")
		answer.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
	}
}

// hasPage reports whether a room of that name can be there, and else says why it
// can't.
func (s *Server) hasPage(rw http.ResponseWriter, r *http.Request, name string) bool {
	status, text := s.handshake.RefuseRoom(name, strings.Contains(r.URL.EscapedPath(), "%"))
	if status != 0 {
		http.Error(rw, text, status)
	}
	return status == 0
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

// pageConn is a connection whose first bytes have been read already. It shows
// net/http one request at a time, and only such as are for it: with what else
// comes, or comes in pieces, the connection goes back to the event loop, with
// every byte as it came.
type pageConn struct {
	net.Conn
	socket syscall.Conn // of the Conn, or of that below it
	web    *web
	source int32          // see client
	client netip.AddrPort // that a proxy speaks for, see sources
	stall  time.Duration  // after which a peer that takes nothing is given up; 0: never

	// Owned by the goroutine that net/http serves the connection with, or by
	// the one that reads for it meanwhile.
	ahead []byte // was read, and not shown
	whole int64  // bytes that belong to the request: those of ahead, and then what comes
	body  bool   // … and whatever follows: it is the last one
	left  bool   // it went back

	idle atomic.Bool // net/http waits for a request. What reads for it may outlast its connection
}

// secured is the Conn of one over TLS, nil if it isn't.
func (c *pageConn) secured() *tls13.Conn {
	conn, _ := c.Conn.(*tls13.Conn)
	return conn
}

// begin shows net/http the request r, which ahead begins with.
func (c *pageConn) begin(r handshake.Result) {
	head := int64(r.N - r.Begin)
	c.whole = head + min(max(0, r.Length), math.MaxInt64-head) // a length may be any number
	c.body = r.Length < 0
}

// Read implements net.Conn.
func (c *pageConn) Read(p []byte) (int, error) {
	if c.whole == 0 && !c.body {
		if !c.idle.Load() {
			// Net/http looks whether the peer is still there. Nothing has come
			// that it may have; writing will tell.
			return 0, nil
		}
		if n, err := c.next(p); n > 0 || err != nil {
			return n, err
		}
	}
	if !c.body {
		p = p[:min(int64(len(p)), c.whole)]
	}
	n, err := copy(p, c.ahead), error(nil)
	c.ahead = c.ahead[n:]
	if n == 0 {
		n, err = c.Conn.Read(p)
	}
	c.whole = max(0, c.whole-int64(n))
	return n, err
}

// next begins the next request. One that comes whole, and alone, is read into p.
func (c *pageConn) next(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		n, err := c.Conn.Read(p)
		if err != nil {
			return 0, err
		}
		r := c.web.server.handshake.Look(p[:n])
		if r.Verdict == handshake.HTTP && r.N-r.Begin == n && !r.Body {
			return n, nil
		}
		c.ahead = append([]byte(nil), p[:n]...)
	}
	r := c.web.server.handshake.Look(c.ahead)
	c.ahead = c.ahead[r.Begin:]
	switch {
	case r.Verdict == handshake.HTTP:
		c.begin(r)
	case len(c.ahead) > 0:
		c.giveBack()
		return 0, io.EOF
	}
	return 0, nil // nothing, or blank lines alone: it is still idle
}

// giveBack returns the connection to the event loop. Net/http closes its own
// descriptor.
func (c *pageConn) giveBack() {
	s := c.web.server
	fd, err := poller.Dup(c.socket)
	if err != nil {
		s.refused(c.peer(), handshake.Exhausted.Reason, 0)
		return
	}
	back := new(client)
	if conn := c.secured(); conn != nil {
		back = newSecure()
		back.resume(conn)
	}
	c.left = true
	c.web.open.Add(-1)
	s.adopt(nil, fd, back, c.ahead, c.source)
}

// peer is the address of the other side, the zero value on a unix socket.
func (c *pageConn) peer() netip.AddrPort {
	if addr, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return addr.AddrPort()
	}
	return netip.AddrPort{}
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
	p, known := poller.ProgressOf(c.socket)
	return known && p.Quiet < c.stall
}

package room

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"chatd/poller"
	"chatd/poller/tls13"
	"chatd/room/handshake"
)

// ring is whether the servers of the tests write through io_uring.
var ring bool

var only = flag.String("room.only", "", "run the tests only in one way: plain, tls or ring")

// overTLS is whether the peers of the tests speak TLS.
var overTLS bool

// TestMain runs everything three times: with plain sends, over TLS, and with io_uring,
// if the kernel lets us.
func TestMain(m *testing.M) {
	// Go's own poller, too, has descriptors, from the first socket on.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	flag.Parse()
	status := 0
	in := func(way string) bool {
		benchmarking := flag.Lookup("test.bench").Value.String() != ""
		return status == 0 && (*only == way || *only == "" && (way == "plain" || !benchmarking))
	}
	if in("plain") {
		status = m.Run()
	}
	if in("tls") {
		overTLS = true
		status = m.Run()
		overTLS = false
	}
	if u, err := poller.NewUring(slog.Default()); err == nil && in("ring") {
		u.Close()
		ring = true
		status = m.Run()
	}
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func sender(t *testing.T, log *slog.Logger) func() poller.Sender {
	if !ring {
		return poller.NewPlain
	}
	return func() poller.Sender {
		u, err := poller.NewUring(log)
		if err != nil {
			t.Error(err)
			return poller.Plain{}
		}
		return u
	}
}

// patience bounds what would otherwise hang; no test depends on its length.
const patience = 60 * time.Second

// testServer is a server on a real socket whose clock is the test's.
type testServer struct {
	*Server
	t      *testing.T
	addr   string
	secure string // the address of the listener that speaks TLS
	log    *syncBuffer
}

// startServer starts a server and, at the end of the test, sends everybody
// away and checks that nothing is left over: no connection, member, segment,
// descriptor (and, see TestMain, goroutine).
func startServer(t *testing.T, change ...func(*Config)) *testServer {
	t.Helper()
	files := openFiles(t)
	s := &testServer{t: t, log: new(syncBuffer)}
	config := Config{
		Queue: 256, MaxMessage: 64 << 10, HandshakeTimeout: 5 * time.Second, DrainTimeout: 10 * time.Second,
		TLS:  tls13.NewAcceptor(serverTLS()),
		Page: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the page") }),
		Log:  slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&config)
	}
	pool := poller.NewPool(1, sender(t, config.Log), config.Log)
	epoll, err := poller.New(pool, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	listener, err := poller.Listen("127.0.0.1:0", config.Log)
	if err != nil {
		t.Fatal(err)
	}
	secure, err := poller.Listen("127.0.0.1:0", config.Log)
	if err != nil {
		t.Fatal(err)
	}
	s.addr, s.secure = listener.Addr().String(), secure.Addr().String()
	s.Server = New(config, pool, epoll, func() { listener.Resume(); secure.Resume() })
	if err := errors.Join(listener.Start(epoll, pool, s.Server), secure.Start(epoll, pool, s.Secure())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		listener.Close()
		secure.Close()
		s.shutdown()
		epoll.Close()
		pool.Close()
		w := poller.NewWorker(pool, poller.Plain{})
		s.clock = func() int64 { return math.MaxInt64 / 2 } // beyond any history
		for range 3 * ticksPerSecond {                      // a quiet log is trimmed, then let go
			s.Tick()
			for pool.Step(w) {
			}
		}
		if left := s.leftOver(); left != "" {
			t.Error(left)
		}
		if st := s.Stats(); st.Conns != 0 || st.Members != 0 {
			t.Errorf("%d connections and %d members left over", st.Conns, st.Members)
		}
		s.until(func() bool { return openFiles(t) <= files }) // net/http closes its own in its own time
	})
	return s
}

// shutdown sends everybody away while the clock runs fast.
func (s *testServer) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				s.t.Error("shutdown:", err)
			}
			return
		case <-time.After(time.Millisecond):
			s.Tick()
		}
	}
}

// until waits for a condition that has to come true and that nobody tells of.
// The pause only leaves the processor to those who make it so.
func (s *testServer) until(true func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !true(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("gave up waiting; %+v\n%s", s.Stats(), s.log)
		}
		time.Sleep(time.Millisecond)
	}
}

// room is the default room's hub, which must be there.
func (s *testServer) room() (h *hub) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.ask(ctx, &s.directory.Task, func() { h = s.directory.room(handshake.DefaultRoom) }); err != nil || h == nil {
		s.t.Fatal("there is no room: ", err)
	}
	return h
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// peer is a bare client that says exactly the bytes it is told to.
type peer struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

const upgradeRequest = "GET /ws HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// dial opens a connection.
func (s *testServer) dial() *peer {
	s.t.Helper()
	return s.connect().secured()
}

// dialThrough opens a connection of a proxy's, which begins with header.
func (s *testServer) dialThrough(header string) *peer {
	s.t.Helper()
	p := s.connect()
	p.say(header)
	return p.secured()
}

// connect opens a connection on which nothing has been said, of TLS either.
func (s *testServer) connect() *peer {
	s.t.Helper()
	addr := s.addr
	if overTLS {
		addr = s.secure
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.peerOn(c)
}

// secured is p, over TLS if that is spoken.
func (p *peer) secured() *peer {
	if overTLS {
		p.Conn = tls.Client(beneath{p.Conn.(*net.TCPConn)}, clientTLS())
		p.r = bufio.NewReader(p.Conn)
	}
	return p
}

// greeted makes the handshake of TLS, if that is spoken, and waits until the server has
// made it: else it is made when something is said.
func (s *testServer) greeted(p *peer) *peer {
	s.t.Helper()
	if c, ok := p.Conn.(*tls.Conn); ok {
		made := s.tls.full.Load() + 1
		if err := c.Handshake(); err != nil {
			s.t.Fatal(err)
		}
		s.until(func() bool { return s.tls.full.Load() == made })
	}
	return p
}

// tcp is the socket of a connection, whatever is spoken over it.
func (p *peer) tcp() *net.TCPConn {
	if c, ok := p.Conn.(*tls.Conn); ok {
		return c.NetConn().(beneath).TCPConn
	}
	return p.Conn.(*net.TCPConn)
}

// peerOn is the peer that speaks through c.
func (s *testServer) peerOn(c net.Conn) *peer {
	c.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { c.Close() })
	return &peer{Conn: c, t: s.t, r: bufio.NewReader(c)}
}

// join opens a connection and makes it a member.
func (s *testServer) join() *peer {
	s.t.Helper()
	p := s.dial()
	p.say(upgradeRequest)
	p.joined()
	return p
}

func (p *peer) say(bytes string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, bytes); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) joined() {
	p.t.Helper()
	r := p.response()
	if r.StatusCode != http.StatusSwitchingProtocols {
		p.t.Fatalf("status %s", r.Status)
	}
}

// response reads an HTTP response and its body.
func (p *peer) response() *http.Response {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			p.t.Fatal(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r
}

// masked is a client's frame.
func masked(op ws.OpCode, fin bool, payload string) string {
	var b bytes.Buffer
	f := ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(payload)), [4]byte{7, 1, 9, 200})
	if err := ws.WriteFrame(&b, f); err != nil {
		panic(err)
	}
	return b.String()
}

func text(s string) string { return masked(ws.OpText, true, s) }

// frame reads a frame.
func (p *peer) frame() (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(p.r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(p.r, f.Payload)
	return f, err
}

// expect reads a message and compares it.
func (p *peer) expect(op ws.OpCode, payload string) {
	p.t.Helper()
	f, err := p.frame()
	if err != nil {
		p.t.Fatal(err)
	}
	if f.Header.OpCode != op || string(f.Payload) != payload {
		p.t.Fatalf("got %v %.60q, want %v %.60q", f.Header.OpCode, f.Payload, op, payload)
	}
}

// expectClose reads a close frame with code (0: without one) and then the end
// of the stream.
func (p *peer) expectClose(code ws.StatusCode) {
	p.t.Helper()
	f, err := p.frame()
	if err != nil {
		p.t.Fatalf("want close %d: %v", code, err)
	}
	got, _ := ws.ParseCloseFrameData(f.Payload)
	if f.Header.OpCode != ws.OpClose || got != code && (code != 0 || len(f.Payload) > 0) {
		p.t.Fatalf("got %v %q, want close %d", f.Header.OpCode, f.Payload, code)
	}
	p.expectEnd()
}

// expectEnd checks that the server has closed its side.
func (p *peer) expectEnd() {
	p.t.Helper()
	if b, err := p.r.ReadByte(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("want the end of the stream, got byte %#x, %v", b, err)
	}
}

// number makes a message that carries one.
func number(n int, size int) string {
	b := make([]byte, max(8, size))
	binary.BigEndian.PutUint64(b, uint64(n))
	return string(b)
}

func numberOf(payload []byte) int { return int(binary.BigEndian.Uint64(payload)) }

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *syncBuffer) count(what string) int { return strings.Count(b.String(), what) }

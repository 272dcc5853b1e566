package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"

	"chatd/room/chat"
)

// server is a scripted one, without a network, so that time may be a test's own.
type server struct {
	t     *testing.T
	pipes chan net.Conn
	peers chan *peer

	mu     sync.Mutex
	down   error                     // of a connection
	answer func(http.ResponseWriter) // to a handshake, instead of agreeing to it
}

// refuse has connections fail with down, or handshakes answered by answer, until
// both are nil.
func (s *server) refuse(down error, answer func(http.ResponseWriter)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.answer = down, answer
}

func (s *server) refuses() (answer func(http.ResponseWriter), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer, s.down
}

// peer is a client, seen by the server.
type peer struct {
	t     *testing.T
	query url.Values
	token string // as the Authorization says it
	conn  *websocket.Conn
	pipe  net.Conn // the server's end
	gone  chan struct{}
}

type pipeListener struct {
	*server
	closed chan struct{}
}

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.pipes:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l pipeListener) Close() error   { close(l.closed); return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

type pipeKey struct{}

// inBubble runs a test with a server and time of its own.
func inBubble(t *testing.T, test func(t *testing.T, s *server)) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, pipes: make(chan net.Conn), peers: make(chan *peer, 1)}
		web := &http.Server{
			Handler:     http.HandlerFunc(s.serve),
			ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, pipeKey{}, c) },
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			_ = web.Serve(pipeListener{s, make(chan struct{})})
		}()
		test(t, s)
		web.Close()
		<-stopped
	})
}

func (s *server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if _, down := s.refuses(); down != nil {
		return nil, down
	}
	ours, theirs := net.Pipe()
	select {
	case s.pipes <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if answer, _ := s.refuses(); answer != nil {
		answer(w)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{chat.Protocol}})
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.CloseNow()
	p := &peer{t: s.t, query: r.URL.Query(), token: r.Header.Get("Authorization"), conn: conn, pipe: r.Context().Value(pipeKey{}).(net.Conn), gone: make(chan struct{})}
	s.peers <- p
	<-p.gone
}

// next is the next client that connects.
func (s *server) next() *peer { return <-s.peers }

// welcome is next, and welcomes it at seq.
func (s *server) welcome(seq int, resumed bool) *peer {
	p := s.next()
	p.welcome(seq, resumed)
	return p
}

func (p *peer) welcome(seq int, resumed bool) {
	p.t.Helper()
	p.send(`{"type":"welcome","id":"me","session":"proof","room":"lobby","name":"","epoch":"0000000a","seq":%d,"resumed":%t,`+
		`"members":3,"retry":{"min_ms":1000,"max_ms":8000},"limits":{"message":100,"name":32,"rooms":16}}`, seq, resumed)
}

func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		p.t.Fatal(err)
	}
}

// say sends a message of somebody's.
func (p *peer) say(seq int, id, nonce, text string) {
	p.t.Helper()
	p.send(`{"type":"say","room":"lobby","seq":%d,"at":%d,"id":%q,"name":"Ana","text":%q,"nonce":%q}`, seq, 1000+seq, id, text, nonce)
}

// hear is the client's next event.
func (p *peer) hear() (event struct{ Type, Text, Nonce, Name string }) {
	p.t.Helper()
	_, b, err := p.conn.Read(p.t.Context())
	if err == nil {
		err = json.Unmarshal(b, &event)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return event
}

// heard checks the client's next says.
func (p *peer) heard(nonces ...string) {
	p.t.Helper()
	for _, nonce := range nonces {
		if e := p.hear(); e.Type != "say" || e.Nonce != nonce {
			p.t.Fatalf("heard %+v, not what was said under %s", e, nonce)
		}
	}
}

// cut ends the connection without a word.
func (p *peer) cut() {
	p.conn.CloseNow()
	close(p.gone)
}

// end closes the connection properly.
func (p *peer) end(code websocket.StatusCode, reason string) {
	_ = p.conn.Close(code, reason)
	close(p.gone)
}

// goodbye waits for the client to close the connection properly.
func (p *peer) goodbye() {
	p.t.Helper()
	if _, b, err := p.conn.Read(p.t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		p.t.Errorf("read %q, %v; not a normal close", b, err)
	}
	close(p.gone)
}

package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// Frame is one frame on the wire.
type Frame struct {
	ws.Header
	Payload string // unmasked, of control frames only
}

// Wire is what went over one connection.
type Wire struct {
	Request  *http.Request
	Response *http.Response
	Refusal  string  // what the server said instead of upgrading
	Client   []Frame // from the client
	Server   []Frame // from the server
	Broken   string  // what was no WebSocket
}

// tap passes connections on to a server and looks at what goes over them. Its
// first connection that asks for a WebSocket is the one that counts.
type tap struct {
	listener net.Listener
	target   string
	pinged   chan struct{} // the client has answered a ping
	work     sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	wire  Wire
	done  bool // pinged is closed
}

func newTap(ctx context.Context, target string) (*tap, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tap{listener: l, target: target, pinged: make(chan struct{})}
	t.work.Go(t.accept)
	return t, nil
}

// close waits for both ends to hang up, or ends that, and returns what was seen.
func (t *tap) close() Wire {
	t.listener.Close()
	over := make(chan struct{})
	go func() { defer close(over); t.work.Wait() }()
	select {
	case <-over:
	case <-time.After(grace):
	}
	t.mu.Lock()
	for _, c := range t.conns {
		c.Close()
	}
	t.conns = nil
	t.mu.Unlock()
	<-over
	return t.wire
}

func (t *tap) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", t.target)
		if err != nil {
			client.Close()
			continue
		}
		t.mu.Lock()
		t.conns = append(t.conns, client, server)
		t.mu.Unlock()
		requests := make(chan *http.Request, 1)
		t.work.Go(func() { t.fromClient(client, server, requests) })
		t.work.Go(func() { t.fromServer(server, client, requests) })
	}
}

// forward passes on what is read, and goes on reading when nobody takes it.
type forward struct {
	from, to net.Conn
}

func (f *forward) Read(b []byte) (int, error) {
	n, err := f.from.Read(b)
	if n > 0 {
		_, _ = f.to.Write(b[:n]) // whoever is gone has its reasons: the other is still heard
	}
	if err != nil {
		_ = f.to.(*net.TCPConn).CloseWrite()
	}
	return n, err
}

func (t *tap) fromClient(client, server net.Conn, requests chan<- *http.Request) {
	r := bufio.NewReader(&forward{client, server})
	request, err := http.ReadRequest(r)
	if err == nil {
		requests <- request
	}
	close(requests)
	if err == nil && isUpgrade(request) {
		t.frames(r, true)
	}
	_, _ = io.Copy(io.Discard, r)
}

func isUpgrade(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }

func (t *tap) fromServer(server, client net.Conn, requests <-chan *http.Request) {
	r := bufio.NewReader(&forward{server, client})
	defer io.Copy(io.Discard, r)
	if _, err := r.Peek(1); err != nil {
		return
	}
	request := <-requests
	if request == nil || !isUpgrade(request) {
		return
	}
	response, err := http.ReadResponse(r, request)
	if err != nil {
		return
	}
	refusal := ""
	if response.StatusCode != http.StatusSwitchingProtocols {
		b, _ := io.ReadAll(io.LimitReader(response.Body, 500)) // says more, if it can be had
		refusal = response.Status + ": " + strings.TrimSpace(string(b))
	}
	t.mu.Lock()
	t.wire.Request, t.wire.Response, t.wire.Refusal = request, response, refusal
	t.mu.Unlock()
	if refusal == "" {
		t.frames(r, false)
	}
}

// frames looks at all frames of one side.
func (t *tap) frames(r io.Reader, client bool) {
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			t.broken(err, client)
			return
		}
		f := Frame{Header: h}
		if h.OpCode.IsControl() && h.Length <= ws.MaxControlFramePayloadSize {
			b := make([]byte, h.Length)
			_, err = io.ReadFull(r, b)
			if h.Masked {
				ws.Cipher(b, h.Mask, 0)
			}
			f.Payload = string(b)
		} else {
			_, err = io.CopyN(io.Discard, r, h.Length)
		}
		if err != nil {
			t.broken(fmt.Errorf("within a frame: %w", err), client)
			return
		}
		t.see(f, client)
	}
}

// broken notes what was no frame. An end between frames is none, and what has
// no close frame is found by the judge.
func (t *tap) broken(err error, client bool) {
	if err == io.EOF || strings.Contains(err.Error(), net.ErrClosed.Error()) || strings.Contains(err.Error(), "connection reset") {
		return
	}
	side := "server"
	if client {
		side = "client"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wire.Broken = side + ": " + err.Error()
}

func (t *tap) see(f Frame, client bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !client {
		t.wire.Server = append(t.wire.Server, f)
		return
	}
	t.wire.Client = append(t.wire.Client, f)
	if !t.done && t.wire.answersPing() {
		t.done = true
		close(t.pinged)
	}
}

// answersPing reports whether the client has sent a pong for a ping that it got.
func (w *Wire) answersPing() bool {
	for _, ping := range w.Server {
		for _, pong := range w.Client {
			if ping.OpCode == ws.OpPing && pong.OpCode == ws.OpPong && ping.Payload == pong.Payload {
				return true
			}
		}
	}
	return false
}

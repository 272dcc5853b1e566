package conformance

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// peer is a client that sends the bytes that it is told to, nothing else.
type peer struct {
	reader
	target Target
	conn   transport
	agreed *agreement // permessage-deflate, if it was agreed upon
}

// transport is a connection, by TLS or not.
type transport interface {
	net.Conn
	CloseWrite() error
}

// beneath is the socket beneath TLS. Its end is an error: TLS says its own (RFC 8446
// §6.1), and crypto/tls would take the one for the other.
type beneath struct{ net.Conn }

var errUnsaid = errors.New("the stream ends without close_notify (RFC 8446 §6.1)")

func (b beneath) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if err == io.EOF {
		err = errUnsaid
	}
	return n, err
}

func dial(t Target) *peer {
	conn, err := net.DialTimeout("tcp", t.Addr, t.Patience)
	if err != nil {
		failf("no connection: %v", err)
	}
	p := &peer{target: t, conn: conn.(*net.TCPConn)}
	if t.TLS != nil {
		p.secure(conn)
	}
	p.in = bufio.NewReader(p)
	return p
}

// secure makes the handshake of TLS.
func (p *peer) secure(conn net.Conn) {
	c := tls.Client(beneath{conn}, p.target.TLS)
	p.conn = c
	ctx, cancel := context.WithTimeout(context.Background(), p.target.Patience)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		conn.Close()
		failf("no TLS: %v", err)
	}
}

// Read implements io.Reader: it waits as long as a server's answer may take.
func (p *peer) Read(b []byte) (int, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(p.target.Patience)); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}

// write sends b in pieces of this many bytes, 0: at once. That the server
// takes it no more is no failure: what it sent tells.
func (p *peer) write(b []byte, pieces int) {
	if pieces == 0 {
		pieces = max(len(b), 1)
	}
	for piece := range slices.Chunk(b, pieces) {
		if _, err := p.conn.Write(piece); err != nil {
			return
		}
	}
}

// response reads the answer to a request of this method, without its body.
func (p *peer) response(method string) *http.Response {
	r, err := http.ReadResponse(p.in, &http.Request{Method: method})
	if err != nil {
		failf("no HTTP response: %v", err)
	}
	return r
}

// opened reads the answer to the opening handshake h, which must be that the
// connection is established (RFC 6455 §4.2.2).
func (p *peer) opened(h *head) {
	r := p.response(h.method)
	if r.StatusCode != http.StatusSwitchingProtocols {
		failf("status %s, want 101 (RFC 6455 §4.2.2)", r.Status)
	}
	if r.Proto != "HTTP/1.1" {
		failf("%s, want HTTP/1.1 (RFC 6455 §4.2.2)", r.Proto)
	}
	if u := r.Header.Values("Upgrade"); len(u) != 1 || !strings.EqualFold(u[0], "websocket") {
		failf("Upgrade %q, want websocket (RFC 6455 §4.2.2)", u)
	}
	if c := r.Header.Values("Connection"); !hasToken(c, "Upgrade") {
		failf("Connection %q, want Upgrade (RFC 6455 §4.2.2)", c)
	}
	keys := h.get("Sec-WebSocket-Key")
	want := accept(keys[len(keys)-1])
	if got := r.Header.Values("Sec-WebSocket-Accept"); len(got) != 1 || got[0] != want {
		failf("Sec-WebSocket-Accept %q, want %q (RFC 6455 §4.2.2)", got, want)
	}
	if s := r.Header.Values("Sec-WebSocket-Protocol"); len(s) > 0 {
		failf("subprotocol %q, which the target does not speak (RFC 6455 §4.2.2)", s)
	}
	p.agreed = agree(offersIn(h.get("Sec-WebSocket-Extensions")), r.Header.Values("Sec-WebSocket-Extensions"))
	if p.agreed != nil {
		p.inflater = &inflater{alone: p.agreed.serverNoContextTakeover}
	}
}

// accept is the answer to a Sec-WebSocket-Key (RFC 6455 §4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(strings.TrimSpace(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// hasToken reports whether a list in header fields has the token, in any case.
func hasToken(values []string, token string) bool {
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if strings.EqualFold(strings.TrimSpace(item), token) {
			return true
		}
	}
	return false
}

// finished is called where the server's stream has ended, or must end now.
// Whatever else comes is a failure, and so is a stream that stays open (RFC
// 6455 §7.1.1). A connection that is reset has lost what was under way, but is
// closed: that is asked of a Strict target only.
func (p *peer) finished(end error) {
	if end == nil {
		end = p.next().end
	}
	switch {
	case end == nil:
		failf("more comes where the stream should end")
	case isTimeout(end):
		failf("the server does not close the connection (RFC 6455 §7.1.1)")
	case !errors.Is(end, io.EOF) && p.target.Strict:
		failf("the connection is not closed cleanly: %v (RFC 6455 §7.1.1)", end)
	}
}

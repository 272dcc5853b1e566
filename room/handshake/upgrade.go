package handshake

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
)

// opening is an opening handshake with everything that matters for the answer: the
// client's own has been judged already, and ws.Upgrader knows no list in more than one
// Connection field, nor one in Upgrade.
const (
	opening = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + anyKey
	offered = "\r\nSec-WebSocket-Extensions: permessage-deflate" // where one is agreed to
	chosen  = "\r\nSec-WebSocket-Protocol: "                     // where one is agreed to
	ending  = "\r\n\r\n"

	anyKey     = "AAAAAAAAAAAAAAAAAAAAAA=="
	keySize    = 24 // bytes; 16 in base64 (RFC 6455 §4.1)
	acceptSize = 28 // bytes; a SHA-1 in base64
)

// upgrader makes the answers to valid opening handshakes, any number of goroutines at a
// time. From one client to the next only the key differs that is accepted: ws.Upgrader
// makes the answer once for each subprotocol.
type upgrader struct {
	ws      ws.Upgrader
	offered string   // what the opening offers
	answers sync.Map // of *template, by the subprotocol that was agreed upon
}

// template is an answer without the accepted key.
type template struct{ before, after []byte }

// newUpgrader makes one that agrees to extension, if it is not nil.
func newUpgrader(extension *httphead.Option) *upgrader {
	u := new(upgrader)
	u.ws.Protocol = func([]byte) bool { return true } // it is chosen already
	if extension != nil {
		u.ws.Negotiate = func(httphead.Option) (httphead.Option, error) { return *extension, nil }
		u.offered = offered
	}
	return u
}

// upgrade makes the answer to a valid opening handshake with this key, which
// agrees to the subprotocol, if there is one (RFC 6455 §4.2.2).
func (u *upgrader) upgrade(key []byte, protocol string) []byte {
	known, ok := u.answers.Load(protocol)
	if !ok {
		known, _ = u.answers.LoadOrStore(protocol, u.template(protocol))
	}
	t := known.(*template)
	b := make([]byte, 0, len(t.before)+acceptSize+len(t.after))
	b = append(b, t.before...)
	b = appendAccept(b, key)
	return append(b, t.after...)
}

// template has ws.Upgrader answer.
func (u *upgrader) template(protocol string) *template {
	request := opening + u.offered
	if protocol != "" {
		request += chosen + protocol
	}
	var answer bytes.Buffer
	if _, err := u.ws.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewBufferString(request + ending), &answer}); err != nil {
		panic(err) // not reached
	}
	before, after, found := bytes.Cut(answer.Bytes(), appendAccept(nil, []byte(anyKey)))
	if !found {
		panic("the key is not accepted") // not reached
	}
	return &template{before, after}
}

// appendAccept appends what shows that a key of keySize bytes was understood (RFC 6455
// §4.2.2).
func appendAccept(b, key []byte) []byte {
	const id = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	var both [keySize + len(id)]byte
	copy(both[copy(both[:], key):], id)
	sum := sha1.Sum(both[:])
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

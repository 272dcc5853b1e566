package handshake

import (
	"io"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
)

// opening is an opening handshake with everything that matters but the key. The
// upgrader gets it in place of the client's, which has been judged already: of
// a head it would read every line again, and it knows no list in more than one
// Connection field, nor one in Upgrade.
const (
	opening = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
	offered = "\r\nSec-WebSocket-Extensions: permessage-deflate" // where one is agreed to
	chosen  = "\r\nSec-WebSocket-Protocol: "                     // where one is agreed to
	ending  = "\r\n\r\n"
	keySize = 24 // bytes; 16 in base64 (RFC 6455 §4.1)
)

// upgrader makes the answer to a valid opening handshake. It is not changed
// once it is in use, by any number of goroutines.
type upgrader struct {
	ws        ws.Upgrader
	offered   string // what the opening offers
	exchanges sync.Pool
}

// newUpgrader makes one that agrees to extension, if it is not nil.
func newUpgrader(extension *httphead.Option) *upgrader {
	u := &upgrader{ws: ws.Upgrader{ReadBufferSize: 256, WriteBufferSize: 256}} // for the opening and its answer
	u.ws.Protocol = func([]byte) bool { return true }                          // it is chosen already
	if extension != nil {
		u.ws.Negotiate = func(httphead.Option) (httphead.Option, error) { return *extension, nil }
		u.offered = offered
	}
	u.exchanges.New = func() any { return new(exchange) }
	return u
}

// exchange is the connection that the upgrader reads a request from and writes
// the answer to.
type exchange struct {
	request  []byte
	unread   []byte // of request
	response []byte
}

// Read implements io.Reader.
func (e *exchange) Read(p []byte) (int, error) {
	if len(e.unread) == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.unread)
	e.unread = e.unread[n:]
	return n, nil
}

// Write implements io.Writer.
func (e *exchange) Write(p []byte) (int, error) {
	e.response = append(e.response, p...)
	return len(p), nil
}

// upgrade makes the answer to a valid opening handshake with this key, which
// agrees to the subprotocol, if there is one (RFC 6455 §4.2.2).
func (u *upgrader) upgrade(key []byte, protocol string) ([]byte, error) {
	e := u.exchanges.Get().(*exchange)
	defer u.exchanges.Put(e)
	e.request = append(e.request[:0], opening...)
	e.request = append(e.request, key...)
	e.request = append(e.request, u.offered...)
	if protocol != "" {
		e.request = append(e.request, chosen...)
		e.request = append(e.request, protocol...)
	}
	e.request = append(e.request, ending...)
	e.unread, e.response = e.request, nil
	_, err := u.ws.Upgrade(e)
	response := e.response
	e.response = nil // the caller's
	return response, err
}

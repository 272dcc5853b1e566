package handshake

import (
	"io"
	"sync"

	"github.com/gobwas/ws"
)

// opening is an opening handshake with everything that matters but the key. The
// upgrader gets it in place of the client's, which has been judged already: of
// a head it would read every line again, and it knows no list in more than one
// Connection field, nor one in Upgrade.
const (
	opening = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
	ending  = "\r\n\r\n"
	keySize = 24 // bytes; 16 in base64 (RFC 6455 §4.1)
)

// upgrader needs buffers for the opening and for its answer, of 129 bytes.
var upgrader = ws.Upgrader{ReadBufferSize: 256, WriteBufferSize: 256}

// exchange is the connection that the upgrader reads a request from and writes
// the answer to.
type exchange struct {
	request  [len(opening) + keySize + len(ending)]byte
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

var exchanges = sync.Pool{New: func() any {
	e := new(exchange)
	copy(e.request[:], opening)
	copy(e.request[len(opening)+keySize:], ending)
	return e
}}

// upgrade makes the answer to a valid opening handshake with this key (RFC 6455
// §4.2.2).
func upgrade(key []byte) ([]byte, error) {
	e := exchanges.Get().(*exchange)
	defer exchanges.Put(e)
	copy(e.request[len(opening):], key)
	e.unread, e.response = e.request[:], nil
	_, err := upgrader.Upgrade(e)
	response := e.response
	e.response = nil // the caller's
	return response, err
}

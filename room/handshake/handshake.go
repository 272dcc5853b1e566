// Package handshake looks at the first bytes of a connection: whether they
// open a WebSocket (RFC 6455 §4.2), are another HTTP request, or neither.
//
// It is pure: bytes in, verdict and answer out.
package handshake

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
)

// MaxHead is the largest HTTP head in bytes.
const MaxHead = 8 << 10

// Verdict is what the first bytes of a connection are.
type Verdict uint8

// The verdicts.
const (
	Incomplete Verdict = iota // not the whole head yet
	Upgrade                   // a valid opening handshake
	HTTP                      // a request for something else
	Refuse                    // not acceptable
)

// Result is what Look found.
type Result struct {
	Verdict  Verdict
	N        int    // Upgrade: the length of the head; what follows are frames
	Response []byte // Upgrade, Refuse: the answer to send
	Reason   string // Refuse: one word or two, for logs and counters
}

// Handshake is what the server accepts. It is not changed once it is in use,
// by any number of goroutines.
type Handshake struct {
	Path        string   // of the WebSocket; a request for another path is HTTP
	AllowOrigin []string // see originAllowed
}

// Look judges b, all the bytes that have come so far.
func (h *Handshake) Look(b []byte) Result {
	if len(b) > 0 && !httphead.OctetTypes[b[0]].IsToken() {
		return refuse(badRequest) // no method begins like this; TLS does
	}
	head, line, end, status := parse(b)
	if status != parsed {
		switch {
		case status == malformedLine:
			return refuse(badRequest)
		case len(b) > MaxHead:
			return refuse(headTooLarge)
		case status == unfinished:
			return Result{Verdict: Incomplete}
		}
	}
	switch path, _, _ := bytes.Cut(line.URI, []byte{'?'}); {
	case end > MaxHead:
		return refuse(headTooLarge)
	case string(path) != h.Path:
		return Result{Verdict: HTTP}
	case status == malformedHeader:
		return refuse(badRequest)
	}
	if r := h.check(line, &head); r != nil {
		return refuse(r)
	}
	response, err := upgrade(b[:end])
	if err != nil {
		return refuse(badRequest)
	}
	return Result{Verdict: Upgrade, N: end, Response: response}
}

// check applies the rules for a client's opening handshake (RFC 6455 §4.2.1).
func (h *Handshake) check(line httphead.RequestLine, head *head) *refusal {
	switch {
	case string(line.Method) != http.MethodGet:
		return badMethod
	case line.Version.Major != 1 || line.Version.Minor < 1:
		return badProtocol
	case head.host.count != 1:
		return badHost
	case !head.upgrade.hasToken("websocket"), !head.connection.hasToken("upgrade"):
		return upgradeRequired
	case head.version.count != 1:
		return noVersion
	case string(head.version.value) != "13": // §4.4
		return badVersion
	case head.key.count != 1 || !isKey(head.key.value):
		return badKey
	case head.origin.count > 0 && !h.originAllowed(head.origin.value, head.host.value):
		return badOrigin
	}
	return nil
}

// isKey reports whether v is 16 bytes in base64.
func isKey(v []byte) bool {
	var key [18]byte
	n, err := base64.StdEncoding.Strict().Decode(key[:], v[:min(len(v), 24)])
	return err == nil && n == 16 && len(v) == 24
}

// exchange is the connection that ws.Upgrader reads the request from and
// writes the answer to.
type exchange struct {
	io.Reader
	written []byte
}

// Write implements io.Writer.
func (e *exchange) Write(p []byte) (int, error) {
	e.written = append(e.written, p...)
	return len(p), nil
}

var upgrader = ws.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 256}

// upgrade makes the answer to a whole opening handshake.
func upgrade(head []byte) ([]byte, error) {
	e := exchange{Reader: bytes.NewReader(head)}
	if _, err := upgrader.Upgrade(&e); err != nil {
		return nil, err
	}
	return e.written, nil
}

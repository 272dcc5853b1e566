package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/gobwas/ws"

	"chatd/poller"
)

// The dialects: what servers and clients say in their frames.
const (
	Raw              = "raw"               // messages are what is in the frames, as they came
	Chat             = "chat"              // chat.v1
	Events           = "events"            // server-sent events; those who send speak chat.v1
	Centrifuge       = "centrifuge"        // the JSON protocol of centrifugal/centrifuge
	CentrifugeEvents = "centrifuge-events" // the same as server-sent events; those who send speak it over a WebSocket
	Mercure          = "mercure"           // server-sent events of dunglas/mercure; those who send publish by HTTP
)

// dialect is stateless: what it has to know of a client is in the client's place.
type dialect interface {
	// speaker is that of a client that sends.
	speaker() dialect
	// request is the handshake of a client, whose place is nil if it needs none.
	request(t *Target, room string, p *place) []byte
	// answered is what is wrong with the answer to it.
	answered(r *http.Response) error
	// next takes a frame off b: n is its length, 0 if it is not whole.
	next(b []byte) (op ws.OpCode, payload []byte, n int, err error)
	// greet is called once the handshake is answered. It reports whether the
	// client is a member by that; otherwise hear has to call joined.
	greet(w *poller.Worker, c *client) bool
	// hear takes in a frame's payload and returns how many good messages were in
	// it, heard for the first time.
	hear(w *poller.Worker, c *client, payload []byte, now int64) (heard uint64)
	// say appends a frame, or a request, that says m, of size bytes.
	say(b []byte, t *Target, room string, m message, size int) []byte
	// posts reports whether what is said is a request, which goes over a connection
	// of its own.
	posts() bool
	// shortest is the size of the shortest message that can be recognised.
	shortest() int
	// resumes reports whether clients have places at which they go on.
	resumes() bool
}

var dialects = map[string]dialect{
	Raw: raw{}, Chat: chat{protocol}, Events: events{},
	Centrifuge: centrifuge{}, CentrifugeEvents: centrifugeEvents{}, Mercure: mercure{},
}

// Dialects is the names of all.
func Dialects() []string { return slices.Sorted(maps.Keys(dialects)) }

// MinMessage is the size of the shortest message that the harness can recognise;
// 0 if there is no such dialect.
func MinMessage(dialect string) int {
	if d := dialects[dialect]; d != nil {
		return d.shortest()
	}
	return 0
}

// Resumes reports whether a dialect's clients can come back to where they were.
func Resumes(dialect string) bool {
	d := dialects[dialect]
	return d != nil && d.resumes()
}

// Numbers reports whether a dialect tells messages' numbers as chatd's HTTP API does.
func Numbers(dialect string) bool { return dialect == Chat || dialect == Events }

// webSocket is what dialects over a WebSocket have in common: the subprotocol that
// the handshake asks for, and must get; "": none.
type webSocket string

func (webSocket) posts() bool { return false }

func (webSocket) next(b []byte) (op ws.OpCode, payload []byte, n int, err error) { return nextFrame(b) }

func (subprotocol webSocket) answered(r *http.Response) error {
	switch {
	case r.StatusCode != http.StatusSwitchingProtocols:
		return refused(r, "upgrade")
	case r.Header.Get("Sec-WebSocket-Accept") != secAccept:
		return errors.New("upgrade answered with a wrong Sec-WebSocket-Accept")
	case r.Header.Get("Sec-WebSocket-Extensions") != "":
		return errCompressed
	case subprotocol != "" && r.Header.Get("Sec-WebSocket-Protocol") != string(subprotocol):
		return fmt.Errorf("the server does not speak %s", subprotocol)
	}
	return nil
}

// refused is the server's answer to a request that it does not grant.
func refused(r *http.Response, what string) error {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 200)) // as much as there is
	return fmt.Errorf("%s refused: %s: %s", what, r.Status, bytes.TrimSpace(body))
}

// raw has neither greetings nor places.
type raw struct{ webSocket }

func (d raw) speaker() dialect                              { return d }
func (raw) request(t *Target, room string, _ *place) []byte { return t.request(room, "", "") }
func (raw) greet(*poller.Worker, *client) bool              { return true }
func (raw) shortest() int                                   { return headBytes + 1 }
func (raw) resumes() bool                                   { return false }

func (raw) hear(_ *poller.Worker, c *client, payload []byte, now int64) uint64 {
	m, err := decode(payload, c.fleet.size)
	if err != nil {
		c.corrupt(err)
		return 0
	}
	return c.message(m, now)
}

func (raw) say(b []byte, _ *Target, _ string, m message, size int) []byte {
	b, payload := appendFrame(b, ws.OpBinary, size)
	m.encode(payload)
	ws.Cipher(payload, mask, 0)
	return b
}

// appendText appends a client's text frame.
func appendText(b, text []byte) []byte {
	b, payload := appendFrame(b, ws.OpText, len(text))
	copy(payload, text)
	ws.Cipher(payload, mask, 0)
	return b
}

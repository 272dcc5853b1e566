package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gobwas/ws"

	"chatd/poller"
)

// events is server-sent events: those of chat.v1, in chunks, for clients that only
// listen. Those who send speak chat.v1 over a WebSocket.
type events struct{}

func (events) speaker() dialect                   { return chat{protocol} }
func (events) shortest() int                      { return chat{}.shortest() }
func (events) resumes() bool                      { return true }
func (events) posts() bool                        { return false }
func (events) greet(*poller.Worker, *client) bool { return true }

func (events) say([]byte, *Target, string, message, int) []byte {
	panic("a reader of events says nothing")
}

// request asks for what came after the client's last event; without one, for nothing
// that was said before.
func (events) request(t *Target, room string, p *place) []byte {
	last := ""
	if p != nil && p.epoch != "" {
		last = fmt.Sprintf("Last-Event-ID: %s.%d.%d\r\n", p.epoch, p.seq, p.at)
	}
	return t.get(t.room(room)+"/events?since=now", last)
}

var errNoEvents = errors.New("the answer is no stream of events")

func (events) answered(r *http.Response) error {
	switch {
	case r.StatusCode != http.StatusOK:
		return refused(r, "events")
	case r.Header.Get("Content-Type") != "text/event-stream" || len(r.TransferEncoding) != 1:
		return errNoEvents
	}
	return nil
}

var (
	errChunk = errors.New("what comes is no chunk (RFC 9112 §7.1)")
	errEnded = errors.New("the answer ended")
	crlf     = []byte("\r\n")
)

// next takes a chunk off b: one has one event.
func (events) next(b []byte) (op ws.OpCode, payload []byte, n int, err error) {
	payload, n, err = nextChunk(b)
	return ws.OpText, payload, n, err
}

// nextChunk takes a chunk off b: n is its length, 0 if it is not whole.
func nextChunk(b []byte) (chunk []byte, n int, err error) {
	line, rest, whole := bytes.Cut(b, crlf)
	if !whole {
		return nil, 0, nil
	}
	size, err := strconv.ParseUint(string(line), 16, 31)
	switch {
	case err != nil:
		return nil, 0, errChunk
	case size == 0:
		return nil, 0, errEnded
	case uint64(len(rest)) < size+uint64(len(crlf)):
		return nil, 0, nil
	}
	return rest[:size], len(line) + len(crlf) + int(size) + len(crlf), nil
}

var errNoSay = errors.New("an event that is none of a room's")

func (d events) hear(_ *poller.Worker, c *client, payload []byte, now int64) uint64 {
	if e := c.place.known(); e != nil && bytes.Equal(e.text, payload) {
		return c.known(now)
	}
	id, kind, data, ok := readEvent(payload)
	if !ok {
		c.corrupt(errNoSay)
		return 0
	}
	switch kind {
	case "", "members": // a comment, when to come back, how many there are
		return 0
	case "gap":
		c.gap(string(data))
		return 0
	}
	var v chatEvent
	epoch, _, found := strings.Cut(id, ".")
	if json.Unmarshal(data, &v) != nil || !found || id != fmt.Sprintf("%s.%d.%d", epoch, v.Seq, v.At) {
		c.corrupt(errNoSay)
		return 0
	}
	e := &event{text: bytes.Clone(payload), epoch: epoch, seq: v.Seq, at: v.At}
	e.m, e.err = decodeText(v.Text, c.fleet.size)
	return c.learn(e, now)
}

// readEvent takes an event apart, which ends with a blank line. Only one that is said
// has an id.
func readEvent(b []byte) (id, kind string, data []byte, ok bool) {
	text, ok := bytes.CutSuffix(b, []byte("\n\n"))
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			id = string(value)
		case "event":
			kind = string(value)
		case "data":
			ok = ok && data == nil
			data = value
		case "", "retry":
		default:
			ok = false
		}
	}
	return id, kind, data, ok && (kind == "say") == (id != "")
}

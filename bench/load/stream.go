package load

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"chatd/poller"
)

// stream is what dialects of other servers' events have in common: chunks begin and
// end anywhere.
type stream struct{}

func (stream) answered(r *http.Response) error {
	switch {
	case r.StatusCode != http.StatusOK:
		return refused(r, "events")
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") || len(r.TransferEncoding) != 1:
		return errNoEvents
	}
	return nil
}

var blankLine = []byte("\n\n")

// next takes chunks off b up to one with which an event ends: others may end before.
func (stream) next(b []byte) (op ws.OpCode, payload []byte, n int, err error) {
	for !bytes.HasSuffix(payload, blankLine) {
		chunk, size, err := nextChunk(b[n:])
		if size == 0 || err != nil {
			return 0, nil, 0, err
		}
		if n == 0 {
			payload = chunk
		} else { // what is joined is a copy
			payload = append(payload[:len(payload):len(payload)], chunk...)
		}
		n += size
	}
	return ws.OpText, payload, n, nil
}

// eachData calls f for what each event in b says: one line each.
func eachData(b []byte, f func(data []byte)) {
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			f(bytes.TrimSpace(data))
		}
	}
}

// centrifugeEvents is what centrifuge pushes, as server-sent events. Those who send
// do so over a WebSocket.
type centrifugeEvents struct{ stream }

func (centrifugeEvents) speaker() dialect                   { return centrifuge{} }
func (centrifugeEvents) shortest() int                      { return centrifuge{}.shortest() }
func (centrifugeEvents) resumes() bool                      { return true }
func (centrifugeEvents) posts() bool                        { return false }
func (centrifugeEvents) greet(*poller.Worker, *client) bool { return false } // the reply to subscribe does

func (centrifugeEvents) say([]byte, *Target, string, message, int) []byte {
	panic("a reader of events says nothing")
}

// request has the commands in its query.
func (centrifugeEvents) request(t *Target, room string, p *place) []byte {
	return t.get("/sse?cf_connect="+url.QueryEscape(string(joining(room, p))), "")
}

func (centrifugeEvents) hear(w *poller.Worker, c *client, payload []byte, now int64) (heard uint64) {
	eachData(payload, func(data []byte) {
		if c.phase != closed && !bytes.Equal(data, ping) { // nobody waits for its pong
			heard += centrifuge{}.line(w, c, data, now)
		}
	})
	return heard
}

// mercure is the protocol of that name (https://mercure.rocks/spec): who listens and
// who publishes use the same address. A room is a topic.
type mercure struct{ stream }

const (
	mercurePath = "/.well-known/mercure"
	mercureKey  = "the key of a hub that is only compared" // of bench/peers/mercure
)

// mercureToken allows to publish everywhere.
var mercureToken = func() string {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"mercure": map[string]any{"publish": []string{"*"}}})
	text, err := t.SignedString([]byte(mercureKey))
	if err != nil {
		panic(err)
	}
	return text
}()

func (d mercure) speaker() dialect                 { return d }
func (mercure) shortest() int                      { return headLength + 1 }
func (mercure) resumes() bool                      { return false } // its hub keeps nothing
func (mercure) posts() bool                        { return true }
func (mercure) greet(*poller.Worker, *client) bool { return true }

func (mercure) request(t *Target, room string, _ *place) []byte {
	return t.get(mercurePath+"?topic="+channel(room), "")
}

func (mercure) hear(_ *poller.Worker, c *client, payload []byte, now int64) (heard uint64) {
	eachData(payload, func(data []byte) {
		m, err := decodeText(string(data), c.fleet.size)
		if err != nil {
			c.corrupt(err)
			return
		}
		heard += c.message(m, now)
	})
	return heard
}

// say posts a form, in which nothing has to be escaped.
func (mercure) say(b []byte, t *Target, room string, m message, size int) []byte {
	body := m.appendText([]byte("topic="+channel(room)+"&data="), size)
	return t.appendPost(b, mercurePath, "application/x-www-form-urlencoded", "Authorization: Bearer "+mercureToken+"\r\n", body)
}

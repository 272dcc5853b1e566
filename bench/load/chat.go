package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"chatd/poller"
)

// chat is chat.v1: events in JSON, each in a text frame. (static/PROTOCOL.md)
type chat struct{ webSocket }

// protocol is its subprotocol.
const protocol = "chat.v1"

func (d chat) speaker() dialect { return d }
func (chat) shortest() int      { return headLength + 1 }
func (chat) resumes() bool      { return true }

// request asks for what came after the client's place; without one, for nothing
// that was said before.
func (chat) request(t *Target, room string, p *place) []byte {
	query := "since=now"
	if p != nil && p.epoch != "" {
		query = "since=" + p.epoch + "." + strconv.FormatUint(p.seq, 10)
		if p.at != 0 {
			query += "." + strconv.FormatInt(p.at, 10)
		}
		query += "&session=" + url.QueryEscape(p.session)
	}
	return t.request(room, query, "Sec-WebSocket-Protocol: "+protocol+"\r\n")
}

func (chat) greet(*poller.Worker, *client) bool { return false } // the server does

// chatEvent is what the harness looks at in an event.
type chatEvent struct {
	Type    string
	Epoch   string
	Session string
	Seq     uint64
	At      int64
	Resumed bool
	Text    string
	From    uint64
	To      uint64
	Why     string
	Code    string
	Message string
}

var (
	errNoEvent   = errors.New("a frame that is no event of chat.v1")
	errNoWelcome = errors.New("an event before the welcome")
)

func (d chat) hear(_ *poller.Worker, c *client, payload []byte, now int64) uint64 {
	if e := c.place.known(); e != nil && bytes.Equal(e.text, payload) {
		return c.known(now)
	}
	var v chatEvent
	if json.Unmarshal(payload, &v) != nil {
		c.corrupt(errNoEvent)
		return 0
	}
	if c.phase == greeting && v.Type != "welcome" {
		c.lost(errNoWelcome)
		return 0
	}
	switch v.Type {
	case "say":
		e := &event{text: bytes.Clone(payload), seq: v.Seq, at: v.At}
		e.m, e.err = decodeText(v.Text, c.fleet.size)
		return c.learn(e, now)
	case "welcome":
		d.welcome(c, &v)
	case "gap":
		c.gap(fmt.Sprintf("%d to %d, because of %s", v.From, v.To, v.Why))
	case "error":
		c.fleet.note(fmt.Errorf("the server answers %s: %s", v.Code, v.Message))
	}
	return 0 // members and others are no messages
}

// welcome makes c a member at the place that v tells.
func (chat) welcome(c *client, v *chatEvent) {
	p := &c.place
	if p.epoch != "" && !v.Resumed {
		c.gap("who came back was not resumed")
	}
	if v.Epoch != p.epoch || v.Seq != p.seq {
		p.at = 0 // the last message is another one
	}
	p.epoch, p.seq, p.session = v.Epoch, v.Seq, v.Session
	c.joined()
}

// say has the message's number as its nonce, of fixed length as the text.
func (chat) say(b []byte, _ *Target, _ string, m message, size int) []byte {
	text := make([]byte, 0, size+64)
	text = append(text, `{"type":"say","text":"`...)
	text = m.appendText(text, size)
	text = fmt.Appendf(text, `","nonce":"%010d"}`, m.seq)
	return appendText(b, text)
}

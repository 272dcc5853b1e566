package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"chatd/poller"
)

// centrifuge is the JSON protocol of centrifugal/centrifuge: commands, replies and
// pushes, of which a frame may have several, a line each. A room is a channel.
type centrifuge struct{ webSocket }

func (d centrifuge) speaker() dialect { return d }
func (centrifuge) shortest() int      { return headLength + 1 }
func (centrifuge) resumes() bool      { return true }

// request is the same for all: the channel is named later.
func (centrifuge) request(t *Target, _ string, _ *place) []byte { return t.request("", "", "") }

// channel is that of a room.
func channel(room string) string {
	if room == "" {
		return "lobby"
	}
	return room
}

// The ids of the commands that make a client a member.
const (
	connectID = 1 + iota
	subscribeID
	firstPublishID
)

// greet connects and subscribes, in one frame.
func (centrifuge) greet(w *poller.Worker, c *client) bool {
	c.send(w, appendText(nil, joining(c.roomName(), &c.place)))
	return false
}

// joining is the commands that connect and subscribe, from a place on.
func joining(room string, p *place) []byte {
	text := fmt.Appendf(nil, "{\"id\":%d,\"connect\":{}}\n{\"id\":%d,\"subscribe\":{\"channel\":%q", connectID, subscribeID, channel(room))
	if p.epoch != "" {
		text = fmt.Appendf(text, `,"recover":true,"epoch":%q,"offset":%d`, p.epoch, p.seq)
	}
	return append(text, "}}"...)
}

// reply is what the harness looks at in what a server says.
type reply struct {
	ID    int
	Error *struct {
		Code    int
		Message string
	}
	Subscribe *struct {
		Epoch        string
		Offset       uint64
		Recovered    bool
		Publications []json.RawMessage
	}
	Push *struct {
		Pub        json.RawMessage
		Disconnect *struct{ Reason string }
	}
}

// publication is a message.
type publication struct {
	Data   string
	Offset uint64
}

const pushEnd = "}}"

var (
	beforePub    = []byte(`,"pub":`)
	publications = []byte(`"publications":[`)
	ping         = []byte("{}")
	pong         = appendText(nil, ping)
	errNoReply   = errors.New("a line that is no reply or push of centrifuge")
)

func (d centrifuge) hear(w *poller.Worker, c *client, payload []byte, now int64) (heard uint64) {
	for line := range bytes.SplitSeq(payload, []byte{'\n'}) {
		if c.phase == closed {
			break
		}
		heard += d.line(w, c, bytes.TrimSpace(line), now)
	}
	return heard
}

func (d centrifuge) line(w *poller.Worker, c *client, line []byte, now int64) uint64 {
	switch {
	case len(line) == 0:
		return 0
	case bytes.Equal(line, ping):
		c.send(w, pong)
		return 0
	}
	if e := c.place.known(); e != nil && d.pushes(line, e.text) {
		return c.known(now)
	}
	line, recovered := d.recovered(line, c.place.known())
	var r reply
	if json.Unmarshal(line, &r) != nil {
		c.corrupt(errNoReply)
		return 0
	}
	switch {
	case r.Error != nil && c.phase == greeting:
		c.lost(fmt.Errorf("refused with error %d %s", r.Error.Code, r.Error.Message))
	case r.Error != nil:
		c.fleet.note(fmt.Errorf("the server answers error %d %s", r.Error.Code, r.Error.Message))
	case r.Subscribe != nil:
		p := &c.place
		if p.epoch != "" && (!r.Subscribe.Recovered || r.Subscribe.Epoch != p.epoch) {
			c.gap("who came back did not recover")
			p.seq = r.Subscribe.Offset
		} else if p.epoch == "" {
			p.seq = r.Subscribe.Offset
		}
		p.epoch = r.Subscribe.Epoch
		c.joined()
		var heard uint64
		for range recovered {
			heard += c.known(now)
		}
		for _, pub := range r.Subscribe.Publications {
			heard += d.publication(c, pub, now)
		}
		return heard
	case r.Push != nil && r.Push.Disconnect != nil:
		c.lost(errors.New("disconnected by the server: " + r.Push.Disconnect.Reason))
	case r.Push != nil && r.Push.Pub != nil:
		return d.publication(c, r.Push.Pub, now)
	}
	return 0
}

// pushes reports whether line is the push of that publication, told as before.
func (centrifuge) pushes(line, pub []byte) bool {
	rest, ok := bytes.CutSuffix(line, []byte(pushEnd))
	if !ok {
		return false
	}
	rest, ok = bytes.CutSuffix(rest, pub)
	return ok && bytes.HasSuffix(rest, beforePub)
}

// recovered takes the publications that are known, from e on, off a reply to
// subscribe, if they are all of them, and returns how many they were. It saves
// understanding the same fifty for each who comes back.
func (centrifuge) recovered(line []byte, e *event) (rest []byte, n int) {
	i := bytes.Index(line, publications)
	if i < 0 || e == nil {
		return line, 0
	}
	i += len(publications)
	for rest = line[i:]; e != nil && bytes.HasPrefix(rest, e.text); e = e.next {
		n++
		rest = bytes.TrimPrefix(rest[len(e.text):], []byte{','})
	}
	return append(line[:i:i], rest...), n
}

func (centrifuge) publication(c *client, pub []byte, now int64) uint64 {
	if e := c.place.known(); e != nil && bytes.Equal(e.text, pub) {
		return c.known(now)
	}
	var v publication
	if json.Unmarshal(pub, &v) != nil {
		c.corrupt(errUnknown)
		return 0
	}
	e := &event{text: bytes.Clone(pub), seq: v.Offset}
	e.m, e.err = decodeText(v.Data, c.fleet.size)
	return c.learn(e, now)
}

func (centrifuge) say(b []byte, _ *Target, room string, m message, size int) []byte {
	text := make([]byte, 0, size+len(room)+64)
	text = append(text, `{"id":`...)
	text = strconv.AppendUint(text, firstPublishID+m.seq, 10)
	text = append(text, `,"publish":{"channel":"`...)
	text = append(text, channel(room)...)
	text = append(text, `","data":"`...)
	text = m.appendText(text, size)
	return appendText(b, append(text, `"}}`...))
}

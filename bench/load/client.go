package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/poller"
)

// client is one connection. All of it belongs to the fleet's worker.
type client struct {
	Wire
	fleet   *Fleet
	target  *Target
	number  int
	slot    int // in fleet.clients
	phase   phase
	kind    Kind
	gapped  bool // the server has told of a gap
	room    int
	tail    []byte
	check   checker
	place   place // of dialects that have them
	dialect dialect
	sender  *Sender // nil: it only listens

	former *client // when it begins: whose place it takes, as it was cut
	back   comeback
}

type phase uint8

const (
	fresh    phase = iota
	shaking        // until the handshake is answered
	greeting       // until it is a member
	open
	cut // it will come back
	closed
)

// Run implements poller.Runner.
func (c *client) Run(w *poller.Worker) {
	switch c.phase {
	case closed, cut:
		return
	case fresh:
		c.begin(w)
		return
	case open:
		if c.kind == Stuck {
			if c.Hangup() {
				c.lost(errors.New("hung up on"))
			}
			return
		}
		if c.kind == Lagging && !c.fleet.awake {
			return
		}
	}
	for c.connected() && c.read(w) {
	}
	if c.sender != nil && c.phase == open {
		c.sender.refill(w, c)
	}
}

// connected reports whether it has a socket, whatever it is waiting for.
func (c *client) connected() bool { return c.phase < cut }

// Writable implements poller.Handler.
func (c *client) Writable(w *poller.Worker) { c.ScheduleOn(w) }

// Panicked implements poller.Runner.
func (c *client) Panicked(_ *poller.Worker, cause any) { c.lost(fmt.Errorf("harness: %v", cause)) }

func (c *client) begin(w *poller.Worker) {
	c.phase = shaking
	if c.former != nil {
		c.replace(c.former)
	} else if c.kind != Fleeting {
		c.slot = len(c.fleet.clients)
		c.fleet.clients = append(c.fleet.clients, c)
	}
	if c.kind == Stuck {
		c.place.last = &event{} // it would keep all that came since
	} else if c.place.last == nil {
		c.place.last = c.fleet.newest[c.room-c.fleet.rooms.First]
	}
	if err := c.fleet.poller.Watch(&c.Conn); err != nil {
		c.lost(err)
		return
	}
	request := c.dialect.request(c.target, c.roomName(), &c.place)
	if n := c.Wire.Send(w, request); n != len(request) {
		c.lost(errors.New("can't send the handshake"))
	}
}

func (c *client) roomName() string { return c.fleet.rooms.name(c.room) }

// send is for what is short enough to find room.
func (c *client) send(w *poller.Worker, frame []byte) {
	if n := c.Wire.Send(w, frame); n != len(frame) {
		c.lost(errors.New("can't send a few bytes"))
	}
}

// read reads once and reports whether there may be more.
func (c *client) read(w *poller.Worker) bool {
	into := w.Scratch
	if len(c.tail) > len(into)/2 { // of a long frame, as one with all that was missed
		into = make([]byte, 2*len(c.tail))
	}
	kept := copy(into, c.tail)
	n := c.Read(into[kept:])
	switch {
	case n == poller.WouldBlock:
		return false
	case n == 0:
		c.lost(errors.New("hung up on"))
		return false
	case n < 0:
		c.lost(unix.Errno(-n))
		return false
	}
	b := into[:kept+n]
	if c.phase == shaking {
		b = c.shake(w, b)
	}
	if c.kind == Stuck && c.phase == open { // what came with the answer would count as delivered
		return false
	}
	if c.phase == greeting || c.phase == open {
		b = c.hear(w, b)
	}
	c.tail = append(c.tail[:0], b...)
	if len(c.tail) == 0 {
		c.tail = nil
	}
	return kept+n == len(into) || c.secure != nil || c.Hangup()
}

var endOfHead = []byte("\r\n\r\n")

// shake looks at the answer to the handshake and returns what follows it.
func (c *client) shake(w *poller.Worker, b []byte) []byte {
	end := bytes.Index(b, endOfHead)
	if end < 0 {
		return b
	}
	end += len(endOfHead)
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		err = fmt.Errorf("no HTTP answer: %w", err)
	} else {
		err = c.dialect.answered(r)
	}
	if err != nil {
		c.lost(err)
		return nil
	}
	c.phase = greeting
	if c.dialect.greet(w, c) || c.kind == Stuck { // a stuck one does not hear what it is answered
		c.joined()
	}
	return b[end:]
}

// joined is called when it has become a member.
func (c *client) joined() {
	if c.phase != greeting {
		return
	}
	c.phase = open
	c.fleet.open.Add(1)
	c.fleet.opened.Add(1)
	<-c.fleet.permits
	if c.kind == Fleeting {
		c.close()
	}
}

// hear works on the whole frames in b and returns the rest.
func (c *client) hear(w *poller.Worker, b []byte) []byte {
	now := Now()
	heard, bytes := uint64(0), 0
	for c.phase == greeting || c.phase == open {
		op, payload, size, err := c.dialect.next(b)
		if err != nil {
			c.lost(err)
			break
		}
		if size == 0 {
			break
		}
		b = b[size:]
		switch op {
		case ws.OpText, ws.OpBinary:
			if n := c.dialect.hear(w, c, payload, now); n > 0 {
				heard += n
				bytes += size
			}
		case ws.OpPing:
			f, body := appendFrame(nil, ws.OpPong, len(payload))
			copy(body, payload)
			ws.Cipher(body, mask, 0)
			c.Wire.Send(w, f) // a pong that does not fit is missed by nobody
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(payload)
			c.lost(fmt.Errorf("closed by the server with code %d %s", code, reason))
		}
	}
	c.fleet.delivered.Add(heard)
	c.fleet.bytes.Add(uint64(bytes))
	return b
}

// corrupt takes in what can't be used.
func (c *client) corrupt(err error) {
	c.check.faults.Corrupt++
	c.fleet.note(err)
}

// message takes in a message, and returns 1 if it is a good one, heard for the
// first time.
func (c *client) message(m message, now int64) uint64 {
	if int(m.room) != c.room {
		c.check.faults.Foreign++
		c.fleet.note(fmt.Errorf("a message of room %d came to a client in room %d", m.room, c.room))
		return 0
	}
	if !c.check.hear(m) {
		return 0
	}
	if c.kind == Healthy { // how late the others are is up to them
		c.fleet.window.record(m, now)
	}
	c.back.heard(c.fleet, m, now)
	return 1
}

// lost is called when the client can't go on, because of the server unless
// the fleet is closing.
func (c *client) lost(why error) {
	f := c.fleet
	if f.losing && c.phase == open && c.sender == nil {
		c.close()
		c.phase = cut
		return
	}
	if !f.ending {
		f.note(why)
		switch {
		case c.phase == shaking || c.phase == greeting:
			f.failed.Add(1)
			if c.back.began != 0 { // it was one of the server's before
				f.cutOff.Add(1)
			}
		case c.kind == Stuck:
			f.dropped.Add(1)
		default:
			f.cutOff.Add(1)
		}
	}
	c.close()
	c.place = place{}
}

func (c *client) close() {
	switch c.phase {
	case closed, cut:
		return
	case open:
		c.fleet.open.Add(-1)
	default:
		<-c.fleet.permits
	}
	c.phase = closed
	c.tail = nil
	c.Close()
}

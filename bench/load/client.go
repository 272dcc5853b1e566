package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/poller"
)

// client is one connection. All of it belongs to the fleet's worker.
type client struct {
	poller.Conn
	fleet  *Fleet
	phase  phase
	kind   Kind
	room   int
	tail   []byte
	check  checker
	sender *Sender // nil: it only listens
}

type phase uint8

const (
	fresh phase = iota
	shaking
	open
	closed
)

// Run implements poller.Runner.
func (c *client) Run(w *poller.Worker) {
	switch c.phase {
	case closed:
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
	}
	for c.phase != closed && c.read(w) {
	}
	if c.sender != nil && c.phase == open {
		c.sender.refill(w, c)
	}
}

// Writable implements poller.Handler.
func (c *client) Writable(w *poller.Worker) { c.ScheduleOn(w) }

// Panicked implements poller.Runner.
func (c *client) Panicked(_ *poller.Worker, cause any) { c.lost(fmt.Errorf("harness: %v", cause)) }

func (c *client) begin(w *poller.Worker) {
	c.phase = shaking
	if c.kind != Fleeting {
		c.fleet.clients = append(c.fleet.clients, c)
	}
	if err := c.fleet.poller.Watch(&c.Conn); err != nil {
		c.lost(err)
		return
	}
	request := c.fleet.target.request(c.fleet.rooms.name(c.room))
	if n := w.Send(c.FD(), request); n != len(request) {
		c.lost(errors.New("can't send the handshake"))
	}
}

// read reads once and reports whether there may be more.
func (c *client) read(w *poller.Worker) bool {
	kept := copy(w.Scratch, c.tail)
	n := c.Read(w.Scratch[kept:])
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
	b := w.Scratch[:kept+n]
	if c.phase == shaking {
		b = c.shake(b)
	}
	if c.phase == open {
		b = c.hear(w, b)
	}
	c.tail = append(c.tail[:0], b...)
	if len(c.tail) == 0 {
		c.tail = nil
	}
	return kept+n == len(w.Scratch) || c.Hangup()
}

var endOfHead = []byte("\r\n\r\n")

// shake looks at the answer to the handshake and returns what follows it.
func (c *client) shake(b []byte) []byte {
	end := bytes.Index(b, endOfHead)
	if end < 0 {
		return b
	}
	end += len(endOfHead)
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	switch {
	case err != nil:
		c.lost(fmt.Errorf("no HTTP answer: %w", err))
	case r.StatusCode != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(io.LimitReader(r.Body, 200))
		c.lost(fmt.Errorf("upgrade refused: %s: %s", r.Status, bytes.TrimSpace(body)))
	case r.Header.Get("Sec-WebSocket-Accept") != secAccept:
		c.lost(errors.New("upgrade answered with a wrong Sec-WebSocket-Accept"))
	case r.Header.Get("Sec-WebSocket-Extensions") != "":
		c.lost(errCompressed)
	default:
		c.phase = open
		c.fleet.open.Add(1)
		c.fleet.opened.Add(1)
		<-c.fleet.permits
		if c.kind == Fleeting {
			c.close()
		}
		return b[end:]
	}
	return nil
}

// hear works on the whole frames in b and returns the rest.
func (c *client) hear(w *poller.Worker, b []byte) []byte {
	now := Now()
	heard := uint64(0)
	for c.phase == open {
		op, payload, n, err := nextFrame(b)
		if err != nil {
			c.lost(err)
			break
		}
		if n == 0 {
			break
		}
		b = b[n:]
		switch op {
		case ws.OpText, ws.OpBinary:
			if c.message(payload, now) {
				heard++
			}
		case ws.OpPing:
			f, body := appendFrame(nil, ws.OpPong, len(payload))
			copy(body, payload)
			ws.Cipher(body, mask, 0)
			w.Send(c.FD(), f) // a pong that does not fit is missed by nobody
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(payload)
			c.lost(fmt.Errorf("closed by the server with code %d %s", code, reason))
		}
	}
	c.fleet.delivered.Add(heard)
	return b
}

// message takes in a message and reports whether it is a good one, heard for
// the first time.
func (c *client) message(payload []byte, now int64) bool {
	m, err := decode(payload, c.fleet.size)
	if err != nil {
		c.check.faults.Corrupt++
		c.fleet.note(err)
		return false
	}
	if int(m.room) != c.room {
		c.check.faults.Foreign++
		c.fleet.note(fmt.Errorf("a message of room %d came to a client in room %d", m.room, c.room))
		return false
	}
	if !c.check.hear(m) {
		return false
	}
	c.fleet.window.record(m, now)
	return true
}

// lost is called when the client can't go on, because of the server unless
// the fleet is closing.
func (c *client) lost(why error) {
	f := c.fleet
	if !f.ending {
		f.note(why)
		switch {
		case c.phase == shaking:
			f.failed.Add(1)
		case c.kind == Stuck:
			f.dropped.Add(1)
		default:
			f.cutOff.Add(1)
		}
	}
	c.close()
}

func (c *client) close() {
	switch c.phase {
	case closed:
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

package soak

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/bench/load"
	"chatd/poller"
)

// client is one connection. All of it belongs to the crowd's worker.
type client struct {
	load.Wire
	crowd     *crowd
	room      *room
	stage     stage
	offers    bool  // permessage-deflate
	deflates  bool  // it was agreed on
	full      bool  // reads everything it is sent, and must not be cut off
	asleep    bool  // does not read
	early     bool  // what it reads next is not in the ledger yet, so it waits
	upgrades  int64 // that were over when it came
	parted    bool  // there was one in its handshake of TLS
	born      int   // messages of the ledger that everybody had heard at its beginning
	place     place
	heard     uint64
	publisher *publisher // nil: it only listens
	tail      []byte     // of what was read: less than a frame
	out       bytes.Buffer
	leave     leave
}

type stage uint8

const (
	fresh    stage = iota
	securing       // the handshake of TLS is under way: the socket is another goroutine's
	shaking
	open
	leaving // its close frame or FIN is out; it reads to the end
	gone
)

// The sample key of RFC 6455 §1.3: the same for all, as nothing depends on it.
const (
	secKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	secAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	fields    = " HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + secKey + "\r\nSec-WebSocket-Version: 13\r\n"
	deflating = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
)

var (
	errHungUp = errors.New("hung up on")
	errBroken = errors.New("no WebSocket frames")
	errLate   = errors.New("a message behind the close frame")
)

// Run implements poller.Runner.
func (c *client) Run(w *poller.Worker) {
	switch c.stage {
	case securing:
		return
	case fresh:
		c.begin()
	}
	for c.stage != gone && !c.asleep && c.read(w) {
	}
	if c.publisher != nil {
		c.publisher.fill(w)
	}
	c.flush(w)
	c.leave.check(c)
}

// Writable implements poller.Handler.
func (c *client) Writable(w *poller.Worker) { c.ScheduleOn(w) }

// Panicked implements poller.Runner.
func (c *client) Panicked(_ *poller.Worker, cause any) {
	c.crowd.fault(fmt.Errorf("harness: %v", cause))
	c.gone()
}

func (c *client) begin() {
	c.stage = shaking
	c.born, c.place = c.room.slowest, c.room.ledger.begin()
	c.crowd.clients = append(c.crowd.clients, c)
	if err := c.crowd.poller.Watch(&c.Conn); err != nil {
		c.over(err)
		return
	}
	c.out.WriteString("GET " + c.room.path() + fields)
	if c.offers {
		c.out.WriteString(deflating)
	}
	c.out.WriteString("\r\n")
}

// secured goes on once the handshake of TLS is made, or has failed.
func (c *client) secured(err error) {
	c.stage = fresh
	c.parted = c.crowd.upgrades.since(c.upgrades)
	switch {
	case err != nil && c.parted:
		c.crowd.tally.Parted++
	case err != nil:
		c.crowd.fault(fmt.Errorf("handshake of TLS: %w", err))
	case c.parted: // the server may have been replaced before it knew
		c.crowd.tally.Fleeting++
	default:
		c.crowd.tally.Secured++
	}
	if err != nil {
		c.gone()
		return
	}
	c.Schedule()
}

// flush writes what the socket takes, once it is the worker's.
func (c *client) flush(w poller.Sender) {
	for tries := 0; c.stage >= shaking && c.stage != gone && tries < 2; tries++ {
		if c.out.Len() > 0 {
			n := c.Send(w, c.out.Bytes())
			if n < 0 && n != poller.WouldBlock {
				return // broken, which reading finds out
			}
			c.out.Next(max(n, 0))
		}
		if c.out.Len() == 0 && c.Flush() {
			return
		}
		c.WantWrite(true) // room that comes before the poller knows would go unseen
	}
}

// read reads once and reports whether there may be more.
func (c *client) read(w *poller.Worker) bool {
	kept := copy(w.Scratch, c.tail)
	if c.early {
		c.keep(c.hear(w.Scratch[:kept]))
		return !c.early
	}
	n := c.Read(w.Scratch[kept:])
	switch {
	case n == poller.WouldBlock:
		return false
	case n == 0:
		c.over(errHungUp)
		return false
	case n < 0:
		c.over(unix.Errno(-n))
		return false
	}
	b := w.Scratch[:kept+n]
	if c.stage == shaking {
		b = c.shake(b)
	}
	if c.stage == open || c.stage == leaving {
		b = c.hear(b)
	}
	c.keep(b)
	return !c.early && (kept+n == len(w.Scratch) || c.Secure() || c.Hangup())
}

// shakes reports whether it is not yet a client.
func (c *client) shakes() bool { return c.stage <= shaking }

// keep keeps what was read but not worked on.
func (c *client) keep(b []byte) {
	if c.tail = append(c.tail[:0], b...); len(b) == 0 {
		c.tail = nil
	}
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
		c.over(fmt.Errorf("no HTTP answer: %w", err))
	case r.StatusCode != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(io.LimitReader(r.Body, 200)) // says more, if it can be had
		c.over(fmt.Errorf("refused: %s: %s", r.Status, bytes.TrimSpace(body)))
	case r.Header.Get("Sec-WebSocket-Accept") != secAccept:
		c.over(errors.New("a wrong Sec-WebSocket-Accept"))
	default:
		c.stage = open
		c.place.since = load.Now()
		c.deflates = r.Header.Get("Sec-WebSocket-Extensions") != ""
		c.crowd.tally.Connected++
		c.room.joined = true
		if c.deflates {
			c.crowd.tally.Deflating++
		}
		<-c.crowd.permits
		return b[end:]
	}
	return nil
}

// hear works on the whole frames in b and returns the rest.
func (c *client) hear(b []byte) []byte {
	var r bytes.Reader
	c.early = false
	for c.stage != gone {
		r.Reset(b)
		h, err := ws.ReadHeader(&r)
		size := len(b) - r.Len() + int(h.Length)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && len(b) < size {
			break // not whole
		}
		if err == nil {
			err = c.check(h)
		}
		if err != nil {
			c.wrong(err)
			break
		}
		payload := b[size-int(h.Length) : size]
		switch h.OpCode {
		case ws.OpText, ws.OpBinary:
			if c.message(h, payload); c.early {
				return b
			}
		case ws.OpPing:
			c.send(ws.NewPongFrame(payload))
		case ws.OpClose:
			c.leave.told(c, payload)
		}
		b = b[size:]
	}
	return b
}

// check refuses frames that chatd does not send.
func (c *client) check(h ws.Header) error {
	state := ws.StateClientSide
	if c.deflates {
		state |= ws.StateExtended
	}
	err := ws.CheckHeader(h, state)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errBroken, err)
	case h.Masked || !h.Fin || h.OpCode == ws.OpContinuation || h.Length > mostMessage:
		return fmt.Errorf("%w: %+v", errBroken, h)
	}
	return nil
}

// message takes in a message.
func (c *client) message(h ws.Header, payload []byte) {
	var err error
	if c.leave.code != 0 {
		err = errLate
	}
	if err == nil && h.Rsv1() {
		c.crowd.tally.Inflated++
		payload, err = c.crowd.inflater.inflate(payload)
	}
	if err == nil {
		err = c.crowd.belongs(c.room, payload)
	}
	if err == nil {
		err = c.room.ledger.hear(&c.place, h.OpCode, payload)
	}
	switch {
	case errors.Is(err, errEarly):
		c.early = true
		return
	case err != nil:
		c.wrong(err)
		return
	}
	c.heard++
	if p := c.publisher; p != nil && identify(payload).publisher == p.id {
		p.back++
	}
}

// send puts a frame into out.
func (c *client) send(f ws.Frame) {
	if err := ws.WriteFrame(&c.out, ws.MaskFrameInPlace(f)); err != nil {
		panic(err) // memory takes everything
	}
}

// wrong ends a client that was sent what it must not be: what follows is no
// fault of its own.
func (c *client) wrong(err error) {
	c.crowd.fault(err)
	c.gone()
}

// count adds what it heard, and may have missed, to t.
func (c *client) count(t *Tally) {
	if c.full {
		t.Heard += c.heard
		return
	}
	t.Loose += c.heard
	switch {
	case c.leave.code != 0: // behind all that was due
	case c.place.known:
		t.Missed += c.room.ledger.unheard(c.place.next)
	default:
		t.Missed += c.room.ledger.unheard(c.born)
	}
}

// gone closes the socket.
func (c *client) gone() {
	if c.stage == gone {
		return
	}
	if c.shakes() {
		<-c.crowd.permits
	}
	c.stage = gone
	c.Close()
	c.tail = nil
	c.count(&c.crowd.tally)
	all := c.crowd.clients
	for i := range all {
		if all[i] == c {
			all[i] = all[len(all)-1]
			c.crowd.clients = all[:len(all)-1]
			break
		}
	}
	if c.publisher != nil {
		c.publisher.retire()
	}
}

package room

import (
	"chatd/poller"
	"chatd/poller/tls13"
	"chatd/room/carry"
	"chatd/room/frame"
)

// inbound is what a session remembers of its peer between two reads. A peer
// that has nothing unfinished and has used up nothing of its rates needs none.
// It belongs to the session.
type inbound struct {
	tail    []byte        // an unfinished frame or head, or frames that have to wait
	more    bool          // tail has frames that have not been looked at
	decoder frame.Decoder // an unfinished message
	meter   meter

	handshake *tls13.Handshake // of TLS, under way
}

func (in *inbound) carry(w *carry.Writer) {
	w.Bytes(in.tail)
	w.Bool(in.more)
	in.decoder.Carry(w)
	in.meter.carry(w)
}

// restore reads what carry has written, of a session in that phase.
func (in *inbound) restore(r *carry.Reader, of phase, rates *rates) {
	in.tail = append([]byte(nil), r.Bytes()...)
	in.more = r.Bool()
	in.decoder.Restore(r)
	in.meter.restore(r, rates)
	// Read is behind the tail, where there must be room.
	switch unfinished := max(frame.Want(in.tail), frame.MaxHeader+4); {
	case of == phaseOpen && !in.more && len(in.tail) >= unfinished:
		r.Fail("%d bytes are no unfinished frame", len(in.tail))
	case of != phaseOpen && (in.more || !in.meter.atRest()):
		r.Fail("one who is no member has sent messages")
	case of != phaseOpen && len(in.tail) >= poller.ScratchSize:
		r.Fail("a head, or what follows, of %d bytes", len(in.tail))
	}
}

// unread is what was read and is not used yet.
func (c *client) unread() []byte {
	if c.in == nil {
		return nil
	}
	return c.in.tail
}

func (c *client) setUnread(b []byte) {
	switch {
	case len(b) > 0:
		c.remember().tail = b
	case c.in != nil:
		c.in.tail = nil
	}
}

// remember makes sure that there is an inbound.
func (c *client) remember() *inbound {
	if c.in == nil {
		c.in = new(inbound)
	}
	return c.in
}

// rest lets go of what is not needed until more comes.
func (c *client) rest() {
	if in := c.in; in != nil && len(in.tail) == 0 && !in.more && in.decoder.AtRest() && in.meter.atRest() {
		c.in = nil
	}
}

package load

import "fmt"

// place is how far a client is in its room's messages. It outlives connections:
// who comes back goes on there.
type place struct {
	epoch   string // of the room's numbers; "": nobody has told yet, so neither of them is known
	seq     uint64 // of the last message heard
	at      int64  // its time, of chat.v1
	session string // of chat.v1
	last    *event // the last message heard, or what came before the first
}

// event is a message as the server tells it. All members hear the same bytes: so
// who is the first to hear them understands them, and the others compare, which
// costs them less than the server's work. A fleet has the events of a room in a
// chain, of which what everybody has heard is garbage.
type event struct {
	text  []byte
	epoch string // "": the welcome tells
	seq   uint64
	at    int64
	m     message
	err   error // the message can't be used
	next  *event
}

// known is the event that should come next, nil if nobody has heard it.
func (p *place) known() *event { return p.last.next }

// known hears the known event; see event.
func (c *client) known(now int64) uint64 {
	c.place.last = c.place.last.next
	return c.event(c.place.last, now)
}

// learn hears an event that is not the known one; see event.
func (c *client) learn(e *event, now int64) uint64 {
	p := &c.place
	for next := p.known(); next != nil && next.seq <= e.seq; next = p.known() {
		p.last = next
	}
	if p.known() == nil && e.seq > p.last.seq {
		p.last.next, p.last = e, e
		room := c.room - c.fleet.rooms.First
		c.fleet.newest[room] = e
		if c.fleet.places != nil && e.err == nil {
			c.fleet.places[room][e.seq] = e.m
		}
	}
	return c.event(e, now)
}

// event returns how many good messages it was, heard for the first time.
func (c *client) event(e *event, now int64) uint64 {
	p := &c.place
	missing := len(c.check.missing)
	seq, placed := p.seq, p.epoch != ""
	if e.epoch != "" {
		p.epoch = e.epoch
	}
	if e.seq > p.seq {
		p.seq, p.at = e.seq, e.at
	}
	if e.err != nil {
		c.corrupt(e.err)
		return 0
	}
	heard := c.message(e.m, now)
	if heard > 0 && len(c.check.missing) == missing && placed && e.seq != seq+1 && (!c.fleet.sparse || e.seq <= seq) {
		c.check.faults.Misnumbered++
		c.fleet.note(fmt.Errorf("a message is numbered %d, not %d, though nothing is missing", e.seq, seq+1))
	}
	return heard
}

// gap takes in that the server says that something is missing.
func (c *client) gap(what string) {
	if !c.gapped {
		c.gapped = true
		c.check.faults.Gaps++
	}
	c.fleet.note(fmt.Errorf("the server told of a gap: %s", what))
}

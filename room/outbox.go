package room

import (
	"chatd/poller"
	"chatd/room/frame"
	"chatd/room/framelog"
)

// outbox is what a client has that is not caught up: how far it is, and what
// is to be written to it alone. A client that is caught up has none, which
// makes its queue cost nothing. It belongs to the client's shard.
type outbox struct {
	c     *client
	index int32 // in shard.lagging; -1: not there
	// acked is the low half of what the kernel had counted when it was last asked
	// whether the socket takes anything.
	acked uint32

	// A member: the log from at on, of whose first frame part bytes are
	// written. Urgent goes first as soon as no frame is half written; begun is
	// what is left of it when it is half written itself.
	at     framelog.Cursor
	part   int
	begun  []byte
	urgent []byte

	// A client that left: rest, then nothing. Its pieces are the log's, of which
	// the first begins with a frame that has part bytes written, but for lead
	// ones before those, and the farewell behind them.
	rest     [][]byte
	owed     uint64 // frames of the log in rest; 0 for a member
	left     bool
	half     bool // the first piece is the end of a frame of the log
	farewell bool
	lead     uint8
	since    uint32 // when it left: see Server.logged

	armed bool // the poller will tell when the socket takes bytes again
	// The tick at which it is closed, whatever is left; of a member, at which it
	// has taken nothing for too long.
	deadline uint32
}

type progress uint8

const (
	caughtUp progress = iota
	blocked           // the socket takes nothing; eventWritable will follow
	broken            // the socket is of no use any more
)

// flush writes until the outbox is caught up with end or the socket is full.
func (o *outbox) flush(w *poller.Worker, end framelog.Cursor) progress {
	for {
		p := o.next(end)
		if len(p) == 0 {
			if o.armed {
				o.armed = false
				o.c.WantWrite(false)
			}
			return caughtUp
		}
		switch n := w.Send(o.c.FD(), p); {
		case n >= 0:
			o.took(w, n)
		case n != poller.WouldBlock:
			return broken
		case o.armed:
			return blocked
		default:
			// Room that comes before the poller knows would go unseen: try
			// once more.
			o.armed = true
			o.c.WantWrite(true)
		}
	}
}

// next is what to write next: adjacent bytes, or none.
func (o *outbox) next(end framelog.Cursor) []byte {
	switch {
	case o.left:
		if len(o.rest) == 0 {
			return nil
		}
		return o.rest[0][o.part:]
	case len(o.begun) > 0:
		return o.begun
	case len(o.urgent) > 0 && o.part == 0:
		return o.urgent
	case len(o.urgent) > 0:
		return o.at.Frame()[o.part:]
	default:
		p, _ := o.at.NextTo(end)
		if len(p.Bytes) > 0 {
			o.at = p.Start
		}
		return p.Bytes[min(o.part, len(p.Bytes)):]
	}
}

// took notes that the socket took n bytes of what next gave.
func (o *outbox) took(w *poller.Worker, n int) {
	t := o.c.server.tallies.of(w)
	t.sent.Add(uint64(n))
	if !o.left {
		o.deadline = o.c.server.stallDeadline(o.c.server.now.Load())
	}
	switch {
	case o.left:
		t.delivered.Add(o.tookRest(n))
	case len(o.begun) > 0:
		o.begun = o.begun[n:]
	case len(o.urgent) > 0 && o.part == 0:
		o.begun, o.urgent = o.urgent[n:], nil
	default:
		before := o.at.Seq
		o.at, o.part = o.at.Skip(o.part + n)
		t.delivered.Add(o.at.Seq - before)
	}
}

// tookRest notes that n bytes of the first piece of rest were taken, and returns
// how many frames of the log are whole with them.
func (o *outbox) tookRest(n int) (whole uint64) {
	piece := &o.rest[0]
	switch {
	case o.lead > 0 || o.farewell && len(o.rest) == 1:
		if *piece = (*piece)[n:]; len(*piece) == 0 && o.lead > 0 {
			o.lead--
			if o.half {
				o.half, whole = false, 1
			}
		}
	default:
		for o.part += n; len(*piece) > 0 && o.part >= frame.Len(*piece); whole++ {
			size := frame.Len(*piece)
			*piece = (*piece)[size:]
			o.part -= size
		}
	}
	if len(*piece) == 0 {
		o.rest = o.rest[1:]
	}
	o.owed -= whole
	return whole
}

// waiting is the length of the client's queue when the log's head is at seq:
// the frames of which nothing is written.
func (o *outbox) waiting(seq uint64) int {
	n := int(seq - o.at.Seq)
	if o.part > 0 {
		n--
	}
	return n
}

// leave turns a member's outbox into that of a client that left: it still
// gets what its queue holds of the first limit frames of the log, then bytes.
func (o *outbox) leave(limit uint64, bytes []byte) {
	// Very many may leave at once: their memory is no larger than it must be.
	rest := make([][]byte, 0, o.at.Pieces(limit)+4)
	owed := limit - o.at.Seq
	if o.part > 0 {
		rest = append(rest, o.at.Frame()[o.part:])
		o.at, _ = o.at.Skip(len(o.at.Frame()))
	}
	half := len(rest) > 0
	rest = appendFilled(rest, o.begun)
	rest = appendFilled(rest, o.urgent)
	lead := uint8(len(rest))
	rest = o.at.AppendUntil(rest, limit)
	rest = appendFilled(rest, bytes)
	*o = outbox{c: o.c, index: o.index, armed: o.armed, left: true, rest: rest, owed: owed,
		half: half, lead: lead, farewell: len(bytes) > 0}
}

// appendFilled appends piece unless it is empty.
func appendFilled(pieces [][]byte, piece []byte) [][]byte {
	if len(piece) == 0 {
		return pieces
	}
	return append(pieces, piece)
}

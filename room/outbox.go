package room

import (
	"chatd/poller"
	"chatd/room/framelog"
)

// outbox is what a client has that is not caught up: how far it is, and what
// is to be written to it alone. A client that is caught up has none, which
// makes its queue cost nothing. It belongs to the client's shard.
type outbox struct {
	c     *client
	index int  // in shard.lagging
	armed bool // the poller will tell when the socket takes bytes again

	// A member: the log from at on, of whose first frame part bytes are
	// written. Urgent goes first as soon as no frame is half written; begun is
	// what is left of it when it is half written itself.
	at     framelog.Cursor
	part   int
	begun  []byte
	urgent []byte

	// A client that left: rest, then nothing.
	left bool
	rest [][]byte
	owed uint64 // frames of the log in rest; 0 for a member

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
		return o.rest[0]
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
		o.deadline = o.c.server.stallDeadline()
	}
	switch {
	case o.left:
		o.rest[0] = o.rest[0][n:]
		if len(o.rest[0]) == 0 {
			o.rest = o.rest[1:]
		}
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
	rest = appendFilled(rest, o.begun)
	rest = appendFilled(rest, o.urgent)
	rest = o.at.AppendUntil(rest, limit)
	rest = appendFilled(rest, bytes)
	*o = outbox{c: o.c, index: o.index, armed: o.armed, left: true, rest: rest, owed: owed}
}

// appendFilled appends piece unless it is empty.
func appendFilled(pieces [][]byte, piece []byte) [][]byte {
	if len(piece) == 0 {
		return pieces
	}
	return append(pieces, piece)
}

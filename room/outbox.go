package room

import (
	"slices"

	"chatd/poller"
	"chatd/room/framelog"
)

// outbox is what a client has that is not caught up: how far it is in each of its
// rooms, and what is to be written to it alone. A client that is caught up has
// none, which makes its queues cost nothing. It belongs to the client's shard.
//
// What is written next is, in this order: rest; begun; urgent, once no frame is
// half written; then the rooms in turn, whole frames of each, and behind its last
// one the notice that the others have.
type outbox struct {
	c     *client
	index int32 // in shard.lagging, -1 if it is not there
	// acked is the low half of what the kernel had counted when it was last asked
	// whether the socket takes anything.
	acked uint32

	// rest is the client's own: what it is told by itself, and still gets of rooms
	// that it left.
	rest    []piece
	owed    uint64 // frames of a log in rest
	answers int32  // replies of which something is in rest

	begun  []byte // of an urgent or a notice that is half written, what is left
	urgent []byte // a newer one replaces it

	// readers is where the client is in each of its rooms; turn is the one whose
	// frame is half written, or which is next.
	readers []reader
	one     [1]reader // the readers of a client that is in one room
	turn    int
	part    int // bytes written of the first frame of rest or, if that is empty, of turn's

	left  bool   // it has left all rooms: once rest is written, its socket is released
	armed bool   // the poller will tell when the socket takes bytes again
	since uint32 // when it left: see Server.logged
	// The tick at which it is closed, whatever is left; of a member, at which it
	// has taken nothing for too long.
	deadline uint32
}

// reader is how far a client is in a room's log.
type reader struct {
	roster *roster
	at     framelog.Cursor
	head   uint64  // the last message that was there when it came: its queue begins behind that
	given  *notice // that it has
}

// counts is the number of the last message that is not in the reader's queue.
func (r *reader) counts() uint64 { return max(r.at.Seq, r.head) }

// piece is a stretch of adjacent bytes.
type piece struct {
	bytes []byte
	kind  pieceKind
}

type pieceKind uint8

const (
	pieceOwn    pieceKind = iota // bytes for this client alone
	pieceEnd                     // the end of a frame of a log
	pieceFrames                  // whole frames of a log
)

type progress uint8

const (
	caughtUp   progress = iota
	blocked             // the socket takes nothing; eventWritable will follow
	unfinished          // the socket takes more, but it was enough for now
	broken              // the socket is of no use any more
)

// stretch is how many bytes are written to one client before others have a turn.
const stretch = 128 << 10

// flush writes until the outbox is caught up with its rosters' reach, the socket is
// full, or about limit bytes are written. What a record is half sent of has been taken:
// that goes first, and is to have gone in the end.
func (o *outbox) flush(w *poller.Worker, s *shard, limit int) progress {
	for {
		p := o.next()
		if len(p) == 0 && !o.c.unsent() && (!o.left || s.part(w, o.c)) {
			if o.armed {
				o.armed = false
				o.c.WantWrite(false)
			}
			return caughtUp
		}
		if limit <= 0 {
			return unfinished
		}
		switch n := s.put(w, o.c, p); {
		case n > 0:
			o.took(w, n)
			limit -= n
		case n == 0: // all that was unsent has gone
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
func (o *outbox) next() []byte {
	switch {
	case len(o.rest) > 0:
		return o.rest[0].bytes[o.part:]
	case len(o.begun) > 0:
		return o.begun
	case len(o.urgent) > 0 && o.part == 0:
		return o.urgent
	case len(o.urgent) > 0:
		return o.readers[o.turn].at.Frame()[o.part:]
	}
	for range o.readers {
		r := &o.readers[o.turn]
		if p, _ := r.at.NextTo(r.roster.reach()); len(p.Bytes) > 0 {
			r.at = p.Start
			return p.Bytes[o.part:]
		}
		if n := r.roster.given(); n != r.given {
			return n.frame
		}
		o.turn = (o.turn + 1) % len(o.readers)
	}
	return nil
}

// took notes that the socket took n bytes of what next gave.
func (o *outbox) took(w *poller.Worker, n int) {
	t := o.c.server.counters.of(w)
	t.sent.Add(uint64(n))
	if !o.left {
		o.deadline = o.c.server.stallDeadline(o.c.server.now.Load())
	}
	switch {
	case len(o.rest) > 0:
		t.delivered.Add(o.tookRest(n))
		if len(o.rest) == 0 {
			o.c.answered(w, o.answers)
			o.answers = 0
		}
	case len(o.begun) > 0:
		o.begun = o.begun[n:]
	case len(o.urgent) > 0 && o.part == 0:
		o.begun, o.urgent = o.urgent[n:], nil
	default:
		r := &o.readers[o.turn]
		before := r.at.Seq
		if before == r.roster.reach().Seq {
			r.given = r.roster.given()
			o.begun = r.given.frame[n:]
		} else {
			r.at, o.part = r.at.Skip(o.part + n)
			t.delivered.Add(r.at.Seq - before)
			if before < r.head {
				t.caughtUp.Add(uint64(n))
			}
		}
		if o.part == 0 {
			o.turn = (o.turn + 1) % len(o.readers)
		}
	}
}

// tookRest notes that n bytes of the first piece of rest were taken, and returns
// how many frames of a log are whole with them.
func (o *outbox) tookRest(n int) (whole uint64) {
	p := &o.rest[0]
	if p.kind == pieceFrames {
		for o.part += n; len(p.bytes) > 0 && o.part >= framelog.Len(p.bytes); whole++ {
			size := framelog.Len(p.bytes)
			p.bytes = p.bytes[size:]
			o.part -= size
		}
	} else if p.bytes = p.bytes[n:]; len(p.bytes) == 0 && p.kind == pieceEnd {
		whole = 1
	}
	if len(p.bytes) == 0 {
		if o.rest = o.rest[1:]; len(o.rest) == 0 {
			o.rest = nil // it would hold the pieces that are written
		}
	}
	o.owed -= whole
	return whole
}

// reading is the place of r among the readers, -1 if it is none of them.
func (o *outbox) reading(r *roster) int {
	for i := range o.readers {
		if o.readers[i].roster == r {
			return i
		}
	}
	return -1
}

// waiting is the length of the i-th reader's queue when the end of its log is at
// seq: the frames of which nothing is written.
func (o *outbox) waiting(i int, seq uint64) int {
	r := &o.readers[i]
	n := int(seq - min(seq, r.counts()))
	if n > 0 && o.part > 0 && i == o.turn && len(o.rest) == 0 && r.at.Seq >= r.head {
		n--
	}
	return n
}

// loosen moves what is half written, and what is urgent, into rest, so that no
// reader is in the middle of a frame.
func (o *outbox) loosen() {
	if len(o.rest) == 0 && o.part > 0 {
		r := &o.readers[o.turn]
		f := r.at.Frame()
		o.rest = append(o.rest, piece{f[o.part:], pieceEnd})
		o.owed++
		r.at, _ = r.at.Skip(len(f))
		o.part = 0
	}
	o.add(o.begun)
	o.add(o.urgent)
	o.begun, o.urgent = nil, nil
}

// add appends bytes of the client's own to rest.
func (o *outbox) add(bytes []byte) {
	if len(bytes) > 0 {
		o.rest = append(o.rest, piece{bytes, pieceOwn})
	}
}

// settle turns what is still to be read of r's log before the frame limit into
// pieces, for a client that leaves the room: they hold the bytes alone, not the
// log behind them. No reader may be in the middle of a frame.
func (o *outbox) settle(r *roster, limit uint64) {
	i := o.reading(r)
	at := o.readers[i].at
	o.owed += limit - at.Seq
	// Very many may leave at once: their memory is no larger than it must be.
	o.rest = slices.Grow(o.rest, at.Pieces(limit)+1)
	for bytes := range at.Until(limit) {
		o.rest = append(o.rest, piece{bytes, pieceFrames})
	}
	o.readers = slices.Delete(o.readers, i, i+1)
	o.turn = 0
}

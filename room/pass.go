package room

import (
	"sync"
	"time"

	"chatd/poller"
	"chatd/room/framelog"
)

// maxPieces bounds what one pass writes to each member.
const maxPieces = 16

// pass is one round over a roster's ready members: each gets everything between
// the roster's pos and end, in one write for each piece of adjacent bytes. A
// notice, if there is a new one, is the last piece, of no frames.
//
//	ready: [ written to: are at end | not yet: are at pos ]
//	                                 ^next
//
// A pass may take several runs of the shard's Task. It belongs to the Task; a
// shard has one only while it writes, so that very many quiet rooms are small.
type pass struct {
	roster *roster
	pieces []framelog.Piece
	end    framelog.Cursor
	given  *notice // that the members had before
	next   int
	begun  time.Time // zero unless it is timed
	behind []behind  // members of which the last step's writes did not take all
	// caught are members that fell behind during the pass and are at end again.
	caught []*client
}

// behind is a member, in no list, whose socket took n bytes of piece, or failed.
type behind struct {
	c     *client
	piece framelog.Piece
	n     int
}

var passes = sync.Pool{New: func() any { return new(pass) }}

// beginPass starts a pass over the next roster that has something to be written,
// and reports whether there is one.
func (s *shard) beginPass() bool {
	for r := s.nextQueued(); r != nil; r = s.nextQueued() {
		if r.index >= 0 && s.beginPassOver(r) { // else it has no members yet, or any more
			return true
		}
	}
	return false
}

func (s *shard) beginPassOver(r *roster) bool {
	first, end := r.pos.Next()
	news := r.news()
	if len(first.Bytes) == 0 && news == nil {
		r.pos = end // off a segment that is read to its end
		return false
	}
	p := passes.Get().(*pass)
	for piece := first; len(piece.Bytes) > 0; {
		p.pieces = append(p.pieces, piece)
		if len(p.pieces) == maxPieces {
			break
		}
		piece, end = end.Next()
	}
	p.given = r.given()
	if news != nil {
		p.pieces = append(p.pieces, framelog.Piece{Start: end, Bytes: news.frame})
		r.notices.given = news
	}
	p.roster, p.end, p.next = r, end, 0
	if s.server.config.PassTime != nil {
		p.begun = time.Now()
	}
	s.pass = p
	return true
}

// step writes to the next few members, about stepSize times, and returns how
// often.
func (s *shard) step(w *poller.Worker) (writes int) {
	p := s.pass
	r := p.roster
	end := min(p.next+max(1, s.server.stepSize/len(p.pieces)), len(r.ready))
	writes = (end - p.next) * len(p.pieces)
	for _, piece := range p.pieces {
		results := w.Results[:end-p.next]
		s.fanOut(w, r, p.next, end, piece.Bytes, results)
		short := 0
		for i := len(results) - 1; i >= 0; i-- {
			if n := int(results[i]); n != len(piece.Bytes) || r.unsentAt(p.next+i) {
				p.behind = append(p.behind, behind{s.takeOut(r, p.next+i, end), piece, n})
				end--
				short++
			}
		}
		t, whole := s.counters(w), uint64(len(results)-short)
		t.delivered.Add(whole * uint64(piece.Frames))
		t.sent.Add(whole * uint64(len(piece.Bytes)))
	}
	p.next = end
	for len(p.behind) > 0 { // after the step: should it panic, that is done
		last := len(p.behind) - 1
		b := p.behind[last]
		p.behind[last] = behind{}
		p.behind = p.behind[:last]
		s.fellBehind(w, r, b)
	}
	if p.next == len(r.ready) {
		s.endPass(w)
	}
	return writes
}

// takeOut removes the ready member at i of r, and from its other rooms, in the
// middle of a step that goes up to end, without bringing a member into the step
// that missed its beginning.
func (s *shard) takeOut(r *roster, i, end int) *client {
	c := r.ready[i]
	r.move(end-1, i)
	r.ready[end-1] = c
	s.setSlot(c, r, int32(end-1))
	s.unseat(c)
	return c
}

// fellBehind goes on with a member of r that does.
func (s *shard) fellBehind(w *poller.Worker, r *roster, b behind) {
	s.current = b.c
	o := s.newOutbox(b.c)
	at := &o.readers[o.reading(r)]
	at.at = b.piece.Start
	took := max(b.n, 0)
	switch {
	case b.n < 0 && b.n != poller.WouldBlock:
		s.lost(w, o, Reset)
		s.current = nil
		return
	case b.piece.Frames > 0:
		at.at, o.part = b.piece.Start.Skip(took)
		at.given = s.pass.given
		o.turn = o.reading(r)
		s.counters(w).delivered.Add(at.at.Seq - b.piece.Start.Seq)
	case took > 0:
		o.begun = b.piece.Bytes[took:]
	default:
		at.given = s.pass.given
	}
	s.counters(w).sent.Add(uint64(took))
	s.lag(w, o)
	s.current = nil
}

func (s *shard) endPass(w *poller.Worker) {
	p := s.pass
	r := p.roster
	r.pos = p.end
	if r.pos.Seq > r.overflow {
		s.dropOverflowed(w, r)
	}
	s.counters(w).due.Add((r.pos.Seq - r.counted()) * uint64(r.members))
	s.pass = nil
	s.early.Each(s.changes.Put)
	if !p.begun.IsZero() {
		s.server.config.PassTime.Observe(time.Since(p.begun).Seconds())
	}
	if len(p.pieces) >= maxPieces && !r.waits { // there may be more
		s.queue(r)
	}
	for _, c := range p.caught {
		s.seat(c)
	}
	clear(p.caught)
	clear(p.pieces) // they would keep what is read in memory
	*p = pass{pieces: p.pieces[:0], behind: p.behind, caught: p.caught[:0]}
	passes.Put(p)
}

package room

import (
	"sync"
	"time"

	"chatd/poller"
	"chatd/room/framelog"
)

// maxPieces bounds what one pass writes to each member.
const maxPieces = 16

// pass is one round over a shard's ready members: each gets everything between
// the shard's pos and end, in one write for each piece of adjacent bytes.
//
//	ready: [ written to: are at end | not yet: are at pos ]
//	                                 ^next
//
// A pass may take several runs of the shard's Task. It belongs to the Task; a
// shard has one only while it writes, so that very many quiet rooms are small.
type pass struct {
	pieces []framelog.Piece
	end    framelog.Cursor
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

// beginPass starts a pass and reports whether there is anything to write.
func (s *shard) beginPass() bool {
	first, end := s.pos.Next()
	if len(first.Bytes) == 0 {
		s.pos = end // off a segment that is read to its end
		return false
	}
	p := passes.Get().(*pass)
	p.pieces = append(p.pieces, first)
	for len(p.pieces) < maxPieces {
		piece, after := end.Next()
		end = after
		if len(piece.Bytes) == 0 {
			break
		}
		p.pieces = append(p.pieces, piece)
	}
	p.end, p.next = end, 0
	if s.hub.server.config.PassTime != nil {
		p.begun = time.Now()
	}
	s.pass = p
	return true
}

// step writes to the next few members, about stepSize times.
func (s *shard) step(w *poller.Worker) {
	p := s.pass
	end := min(p.next+max(1, s.hub.server.stepSize/len(p.pieces)), len(s.ready))
	for _, piece := range p.pieces {
		results := w.Results[:end-p.next]
		w.Fanout(s.fds[p.next:end], piece.Bytes, results)
		short := 0
		for i := len(results) - 1; i >= 0; i-- {
			if n := int(results[i]); n != len(piece.Bytes) {
				p.behind = append(p.behind, behind{s.takeOut(p.next+i, end), piece, n})
				end--
				short++
			}
		}
		t, whole := s.tally(w), uint64(len(results)-short)
		t.delivered.Add(whole * uint64(piece.Frames))
		t.sent.Add(whole * uint64(len(piece.Bytes)))
	}
	p.next = end
	for len(p.behind) > 0 { // after the step: should it panic, that is done
		last := len(p.behind) - 1
		b := p.behind[last]
		p.behind[last] = behind{}
		p.behind = p.behind[:last]
		s.fellBehind(w, b)
	}
	if p.next == len(s.ready) {
		s.endPass(w)
	}
}

// takeOut removes the ready member at i, in the middle of a step that goes up
// to end, without bringing a member into the step that missed its beginning.
func (s *shard) takeOut(i, end int) *client {
	c := s.ready[i]
	s.move(end-1, i)
	s.ready[end-1] = c
	s.removeReady(end - 1)
	return c
}

// fellBehind goes on with a member that does.
func (s *shard) fellBehind(w *poller.Worker, b behind) {
	s.current = b.c
	if b.n < 0 && b.n != poller.WouldBlock {
		s.lost(w, b.c, b.piece.Start.Seq, Reset)
	} else {
		o := &outbox{c: b.c}
		o.at, o.part = b.piece.Start.Skip(max(b.n, 0))
		s.tally(w).delivered.Add(o.at.Seq - b.piece.Start.Seq)
		s.tally(w).sent.Add(uint64(max(b.n, 0)))
		s.lag(w, o)
	}
	s.current = nil
}

func (s *shard) endPass(w *poller.Worker) {
	p := s.pass
	s.pos = p.end
	if s.pos.Seq > s.overflow {
		s.dropOverflowed(w)
	}
	s.tally(w).due.Add((s.pos.Seq - s.counted()) * uint64(s.members))
	s.pass = nil
	if !p.begun.IsZero() {
		s.hub.server.config.PassTime.Observe(time.Since(p.begun).Seconds())
	}
	for _, c := range p.caught {
		s.addReady(c)
	}
	clear(p.caught)
	clear(p.pieces) // they would keep what is read in memory
	*p = pass{pieces: p.pieces[:0], behind: p.behind, caught: p.caught[:0]}
	passes.Put(p)
}

// reach is how far lagging members may be written to: where the ready ones are
// after the present pass.
func (s *shard) reach() framelog.Cursor {
	if s.pass != nil {
		return s.pass.end
	}
	return s.pos
}

package room

import (
	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/framelog"
	"chatd/room/position"
)

// place is where a newcomer begins in a room. The hub finds it.
type place struct {
	live    bool            // where its roster is; begin is not set
	begin   framelog.Cursor // in the log of its stream
	head    uint64          // the last message that was published before it came: its queue counts from there
	resumed bool            // nothing is missing since the position that it gave
	missing bool            // gap says what is
	gap     chat.Gap
}

// Outcomes of a join with a position.
const (
	resumedWhole = iota
	resumedGap
	resumeOutcomes
)

var resumeNames = [resumeOutcomes]string{"resumed", "gap"}

// gapReasons are the reasons for a gap, in the order in which they are counted.
var gapReasons = [...]chat.GapReason{chat.History, chat.Epoch, chat.Future, chat.Mismatch}

// place finds where a reader of x begins who asks for since.
func (h *hub) place(w *poller.Worker, x stream, since position.Since) place {
	p := place{head: h.log.Head().Seq}
	if since.Kind == position.Now || since.Kind == position.Absent && !x.told() {
		p.live = true
		return p
	}
	if h.archive != nil {
		h.bound(w, h.server.clock())
	}
	begin := h.floor()
	if since.Kind == position.Absent {
		p.live = begin == p.head
	} else if gap, ok := h.gapSince(since.Position); ok {
		p.missing, p.gap = true, gap
		t := h.server.counters.of(w)
		t.resumes[resumedGap].Add(1)
		for i, why := range gapReasons {
			if why == gap.Why {
				t.gaps[i].Add(1)
			}
		}
	} else {
		begin, p.resumed = since.Position.Seq, true
		h.server.counters.of(w).resumes[resumedWhole].Add(1)
	}
	if !p.live {
		p.begin = h.find(x, begin)
	}
	return p
}

// gapSince is what one who returns to a position has missed, if the position is not
// known, or what followed it is not kept.
func (h *hub) gapSince(p position.Position) (gap chat.Gap, missing bool) {
	floor := h.floor()
	switch {
	case p.Epoch != h.epoch:
		return chat.Gap{From: 1, To: floor, Why: chat.Epoch}, true
	case p.Seq > h.log.Head().Seq:
		return chat.Gap{From: 1, To: floor, Why: chat.Future}, true
	case p.Seq < floor:
		return chat.Gap{From: p.Seq + 1, To: floor, Why: chat.History}, true
	case h.contradicts(p):
		return chat.Gap{From: 1, To: floor, Why: chat.Mismatch}, true
	}
	return chat.Gap{}, false
}

// contradicts reports whether the message at p is known to be of another time.
func (h *hub) contradicts(p position.Position) bool {
	if h.archive == nil || p.At < 0 || p.Seq == 0 {
		return false
	}
	at := h.archive.time(p.Seq)
	return at >= 0 && at != p.At
}

// find is the place in x's log behind the message seq, which is kept or the last one
// that is not.
func (h *hub) find(x stream, seq uint64) framelog.Cursor {
	if h.archive == nil { // then nothing is
		return h.log.Head()
	}
	return h.archive.tracks[x].at(seq)
}

// arrival is what the newcomer is told of its place.
func (h *hub) arrival(p *place, seq uint64) *arrival {
	return &arrival{
		room: h.name, epoch: h.epoch, seq: seq, resumed: p.resumed, gap: p.gap, missing: p.missing,
		members: int(h.population.Load()),
	}
}

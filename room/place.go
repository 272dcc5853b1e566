package room

import (
	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/framelog"
	"chatd/room/position"
)

// place is where a newcomer begins in a room. The hub finds it.
type place struct {
	live    bool            // where its roster is; begin and seq are not set
	begin   framelog.Cursor // in the log of its stream
	epoch   uint32          // the room's
	seq     uint64          // of the last message before begin
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
	p := place{head: h.log.Head().Seq, epoch: h.epoch.Load()}
	if since.Kind == position.Now || since.Kind == position.Absent && !x.told() {
		return h.behindAll(x, p)
	}
	if h.archive != nil {
		h.bound(w, h.server.clock())
	}
	begin := h.behindGap(h.floor())
	if since.Kind == position.Absent {
		if begin == p.head {
			return h.behindAll(x, p)
		}
	} else if from, gap, ok := h.gapSince(since.Position); ok {
		begin = from
		p.missing, p.gap = true, gap
		t := h.server.counters.of(w)
		t.resumes[resumedGap].Add(1)
		for i, why := range gapReasons {
			if why == gap.Why {
				t.gaps[i].Add(1)
			}
		}
	} else {
		begin, p.resumed = from, h.order == nil || from >= h.order.gap
		h.server.counters.of(w).resumes[resumedWhole].Add(1)
	}
	p.begin, p.seq = h.find(x, begin), h.seq(begin)
	return p
}

// behindAll is p for a reader of x that wants to hear what comes. Where its roster is, is
// near enough, and costs nothing; but only the hub knows the number of an ordered room's
// message.
func (h *hub) behindAll(x stream, p place) place {
	if p.live = h.order == nil || !x.told(); !p.live {
		p.begin, p.seq = h.find(x, p.head), h.seq(p.head)
	}
	return p
}

// gapSince is behind which message of the log one goes on who returns to a position, and
// what he has missed, if the position is not known, or what followed it is not kept.
func (h *hub) gapSince(p position.Position) (begin uint64, gap chat.Gap, missed bool) {
	floor := h.floor()
	lost := func(from uint64, why chat.GapReason) (uint64, chat.Gap, bool) {
		begin := h.behindGap(floor)
		return begin, chat.Gap{From: from, To: h.seq(begin), Why: why}, true
	}
	switch {
	case p.Epoch != h.epoch.Load():
		return lost(1, chat.Epoch)
	case p.Seq > h.top():
		return lost(1, chat.Future)
	case p.Seq < h.seq(floor):
		return lost(p.Seq+1, chat.History)
	}
	begin = h.behind(p.Seq)
	gone := h.isGap(begin + 1)
	if known := p.Seq == h.seq(begin); (known || !gone) && h.contradicts(p, begin) {
		return lost(1, chat.Mismatch)
	}
	if gone { // or the rest of one, which on another node was none
		begin = h.behindGap(begin)
		return begin, chat.Gap{From: p.Seq + 1, To: h.seq(begin), Why: chat.History}, true
	}
	return begin, chat.Gap{}, false
}

// behindGap is the message n of the log, or the gap that follows it.
func (h *hub) behindGap(n uint64) uint64 {
	for h.isGap(n + 1) {
		n++
	}
	return n
}

// top is the number of the room's last message.
func (h *hub) top() uint64 {
	if h.order != nil {
		return h.order.top
	}
	return h.log.Head().Seq
}

// behind is the last message of the log that the number seq is not before; it must not
// be before that of the last one that is not kept.
func (h *hub) behind(seq uint64) uint64 {
	if h.order != nil {
		return h.order.numbers.behind(seq, h.log.Head().Seq)
	}
	return seq
}

// gapAt is the gap that the log has for its message n.
func (h *hub) gapAt(n uint64) chat.Gap {
	return chat.Gap{From: h.seq(n-1) + 1, To: h.seq(n), Why: chat.History}
}

// isGap reports whether the log has a gap for its message n.
func (h *hub) isGap(n uint64) bool {
	return h.order != nil && n <= h.log.Head().Seq && h.archive.entry(n).author == missing
}

// contradicts reports whether the message at p, of the log's the one that is not behind
// it, is known to be of another time.
func (h *hub) contradicts(p position.Position, n uint64) bool {
	if h.archive == nil || p.At < 0 || p.Seq == 0 {
		return false
	}
	if h.seq(n) != p.Seq {
		return true // there is no such message
	}
	at := h.archive.time(n)
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
func (h *hub) arrival(p *place) *arrival {
	return &arrival{
		room: h.name, epoch: p.epoch, seq: p.seq, resumed: p.resumed, gap: p.gap, missing: p.missing,
		members: h.members(),
	}
}

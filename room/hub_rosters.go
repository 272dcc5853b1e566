package room

import (
	"math"

	"chatd/poller"
)

// This file is a hub and its rosters: which there are, and how far they are. It is
// the hub's Task's, but for left.

// roomiest is a roster that has room, in a shard that has, for one of kind k.
// The reader is counted in the shard's population.
func (h *hub) roomiest(k kind) *roster {
	for r := h.rosters; r != nil; r = r.sibling {
		if r.kind == k && r.population.Load() < h.server.shardSize && r.shard.reserve() {
			return r
		}
	}
	for r := h.rosters; r != nil; r = r.sibling { // where other kinds of readers are
		if h.roster(r.shard, k) == nil && r.shard.reserve() {
			return h.addRoster(r.shard, k)
		}
	}
	return h.rosterIn(h.server.shards.choose(h.server), k)
}

// rosterIn is the roster in the shard s.
func (h *hub) rosterIn(s *shard, k kind) *roster {
	if r := h.roster(s, k); r != nil {
		return r
	}
	return h.addRoster(s, k)
}

// roster is the one in the shard s, nil if there is none.
func (h *hub) roster(s *shard, k kind) *roster {
	for r := h.rosters; r != nil; r = r.sibling {
		if r.shard == s && r.kind == k {
			return r
		}
	}
	return nil
}

func (h *hub) addRoster(s *shard, k kind) *roster {
	r := newRoster(h, s, k)
	last := &h.rosters
	for *last != nil {
		last = &(*last).sibling
	}
	*last = r
	return r
}

// left counts a member of r less. The shard calls it.
func (h *hub) left(w *poller.Worker, r *roster) {
	h.population.Add(-1)
	h.counted(w)
	if h.server.config.Nodes != nil {
		h.ScheduleOn(w) // they are told
	}
	if r.population.Add(-1) == 0 {
		h.flags.Or(hubEmptied)
		h.ScheduleOn(w)
	}
}

// retireRosters lets go of the rosters that have no members and to which none
// are on their way, and of the logs that they read.
func (h *hub) retireRosters(w *poller.Worker) {
	h.flags.And(^hubEmptied) // before they are looked at: a roster that empties now tells again
	for at := &h.rosters; *at != nil; {
		if r := *at; r.population.Load() > 0 {
			at = &r.sibling
		} else {
			*at = r.sibling
			r.signal(w, rosterRetired)
		}
	}
	h.closeUnread(w)
	if h.rosters == nil && !h.quiet() { // those who left have said something that is not in the log yet
		h.flags.Or(hubEmptied)
		if h.order == nil { // else it is told when they are
			h.ScheduleOn(w)
		}
		return
	}
	h.vacate(w)
}

// passed is the number of the frame in front of which the slowest roster is.
func (h *hub) passed() uint64 {
	least := uint64(math.MaxUint64)
	for r := h.rosters; r != nil; r = r.sibling {
		if r.population.Load() > 0 {
			least = min(least, r.done.Load())
		}
	}
	if least == math.MaxUint64 { // nobody is here
		return h.log.Head().Seq
	}
	return least
}

// worthSpreading is how many members a worker must have before it and be spared for
// another one to be woken: about half a millisecond of writes, some times what it
// takes to wake it and to have it find what they share.
const worthSpreading = poller.FanoutMax / 2

// wakeRosters has w go on with the first roster's shard, and with those by which it
// is not held up. For the others other workers are woken: a pass takes its time.
func (h *hub) wakeRosters(w *poller.Worker) {
	before := int32(0) // members whom w has before the roster
	for r := h.rosters; r != nil; r = r.sibling {
		n := r.population.Load()
		if min(before, n) > worthSpreading || before > 4*worthSpreading { // many small ones are much, too
			r.signal(nil, rosterNews)
			continue
		}
		r.signal(w, rosterNews)
		before += n
	}
}

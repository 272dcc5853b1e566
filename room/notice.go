package room

import (
	"math"
	"sync/atomic"
	"time"

	"chatd/poller"
	"chatd/room/carry"
)

// How many members a room has is no message: only the newest count matters. So it
// is in no log. The hub leaves it with the rosters whose readers are told, at most
// once a second; a pass writes it behind its pieces; and a member that is behind
// gets the one that the others have once it is caught up.

// crowd is what the members of a room were told of their number. It belongs to the
// hub's Task.
type crowd struct {
	told    int  // -1: whatever it is, they are to be told again
	waiting bool // the directory is to wake the room when they may be
}

func (x *crowd) carry(w *carry.Writer) { w.Int(int64(x.told)) }

func (x *crowd) restore(r *carry.Reader) {
	told := r.Int()
	if told < -1 || told > math.MaxInt32 {
		r.Fail("the members are told that they are %d", told)
	}
	x.told = int(told)
}

// notice is what the members are told. It is never changed.
type notice struct{ frame []byte }

// notices are a roster's.
type notices struct {
	newest atomic.Pointer[notice] // written by the hub, read by the shard
	given  *notice                // that its ready members have, after the present pass; the shard's
}

// counted notes that the number of members changed, if somebody is to be told.
// Anybody may call it.
func (h *hub) counted(w *poller.Worker) {
	if h.flags.Load()&(hubHeard|hubCounted) == hubHeard && h.flags.Or(hubCounted)&hubCounted == 0 {
		h.ScheduleOn(w)
	}
}

// untold notes that a member is in who was not told how many there are. One that is
// still on its way may miss what the others are told. The shard calls it.
func (h *hub) untold(w *poller.Worker) {
	if h.flags.Or(hubCounted|hubUntold)&hubCounted == 0 {
		h.ScheduleOn(w)
	}
}

// recount has the members be told even if in the end they are as many as before: a
// newcomer may have been told of a number between. The Task calls it.
func (h *hub) recount() {
	if first := h.members(); first != h.archive.told || h.has(hubCounted) {
		h.archive.told = -1
		h.flags.Or(hubCounted)
	}
}

// announce tells the members how many they are, or has the directory wake the room
// when it may.
func (h *hub) announce(w *poller.Worker) {
	a, now := h.archive, h.server.now.Load()
	if int32(now-a.noticeAt.Load()) < 0 {
		if !a.waiting {
			a.waiting = true
			h.signal(w, hubLater)
		}
		return
	}
	a.waiting = false
	flags := h.flags.And(^(hubCounted | hubUntold)) // before they are counted: one who leaves now tells again
	n := h.members()
	if n == a.told && flags&hubUntold == 0 || h.population.Load() == 0 {
		return
	}
	a.told = n
	a.noticeAt.Store(now + past(time.Second))
	var of [streams]*notice
	for r := h.rosters; r != nil; r = r.sibling {
		if r.notices == nil {
			continue
		}
		x := r.stream.plain() // compressed readers get the same
		if of[x] == nil {
			of[x] = &notice{x.dialect().members(nil, h.name, n)}
		}
		r.notices.newest.Store(of[x])
		r.signal(w, rosterNews)
	}
}

// given is the notice that the ready members have, after the present pass; nil:
// none.
func (r *roster) given() *notice {
	if r.notices == nil {
		return nil
	}
	return r.notices.given
}

// news is the notice that the ready members don't have yet, nil if there is none.
func (r *roster) news() *notice {
	if r.notices == nil {
		return nil
	}
	if n := r.notices.newest.Load(); n != r.notices.given {
		return n
	}
	return nil
}

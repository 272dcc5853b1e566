package room

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"

	"chatd/poller"
)

// silence is the rooms that have history, in the order in which something was last
// said in them: beyond the bounds those that have been silent longest are the first
// to lose theirs. It belongs to the directory.
type silence struct {
	longest, shortest *hub
}

// spoke puts h behind the others: something was said there, at most a second
// before now, or goes on to be until a second after.
func (q *silence) spoke(h *hub, now int64) {
	q.forget(h)
	a := h.archive
	h.silent, a.spoken, a.older = true, now, q.shortest
	if q.shortest == nil {
		q.longest = h
	} else {
		q.shortest.archive.newer = h
	}
	q.shortest = h
}

// spoken is when something was said last, or up to a second more. What comes from an
// Order may be old.
func (h *hub) spoken() int64 {
	now := h.server.clock()
	if h.order != nil {
		return min(now, h.order.at.Load())
	}
	return now
}

// forget takes h out, if it is among them.
func (q *silence) forget(h *hub) {
	if !h.silent { // it may have no archive, or its Task may be about to make it
		return
	}
	a := h.archive
	if a.older == nil {
		q.longest = a.newer
	} else {
		a.older.archive.newer = a.newer
	}
	if a.newer == nil {
		q.shortest = a.older
	} else {
		a.newer.archive.older = a.older
	}
	h.silent, a.older, a.newer = false, nil, nil
}

// restore puts the rooms that have history in the order in which they were.
func (q *silence) restore(hubs []*hub) {
	hubs = slices.DeleteFunc(slices.Clone(hubs), func(h *hub) bool { return !h.keeps() })
	slices.SortStableFunc(hubs, func(a, b *hub) int { return cmp.Compare(a.archive.spoken, b.archive.spoken) })
	for _, h := range hubs {
		q.spoke(h, h.archive.spoken)
	}
}

// boundHistory has rooms let go of what is too old, or too much. A room in which
// things go on being said looks after its age itself.
func (d *directory) boundHistory(w *poller.Worker) {
	config := &d.server.config
	if age := config.HistoryAge.Milliseconds(); age > 0 {
		const grain = 1000
		now := d.server.clock()
		for h := d.longest; h != nil && now-h.archive.spoken > age+grain; h = h.archive.newer {
			h.ScheduleOn(w)
		}
	}
	if config.HistoryMemory > 0 {
		excess := d.server.counters.level(func(t *counters) *atomic.Int64 { return &t.keptBytes }) - config.HistoryMemory
		for h := d.longest; h != nil && excess > 0; h = h.archive.newer {
			bytes := min(h.archive.size.Load(), excess)
			h.archive.shed.Store(bytes)
			h.ScheduleOn(w)
			excess -= bytes
		}
	}
}

// looked is how many rooms are looked at for one that has to go.
const looked = 64

// makeRoom removes a room that lives by its history alone, one of those that were
// silent longest, for one that somebody asks for. It reports whether there is one.
func (d *directory) makeRoom(w *poller.Worker) bool {
	h := d.longest
	for range looked {
		switch {
		case h == nil:
			return false
		case d.deserted(h):
			d.silence.forget(h)
			d.remove(h)
			h.archive.shed.Store(math.MaxInt64)
			h.ScheduleOn(w)
			return true
		}
		h = h.archive.newer
	}
	return false
}

package room

import (
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"

	"chatd/poller"
)

// directory knows the rooms by their names: its Task is the only one that makes
// and removes them. Clients on their way into a room come through it.
//
// A room is removed once it has neither members nor history, and nobody is on the
// way to it. Its hub, which knows the first, tells that it is vacant; the
// directory, which sends those who come, knows the second: it counts those it has
// sent, the hub those it has taken in.
type directory struct {
	poller.Task
	server *Server // static

	// From others to the Task.
	joins   poller.Inbox[change, *change]
	errands poller.Inbox[errand, *errand]
	hubs    poller.Inbox[hub, *hub] // those that have events

	size          atomic.Int64  // of rooms; this and the next two are written by the Task
	born, removed atomic.Uint64 // rooms
	waited        atomic.Bool   // later has some: it is scheduled at each tick; written by the Task

	// Messages don't come by here: it is taken for births, deaths, and questions from outside.
	mu    sync.RWMutex            // held by the Task while it changes rooms, and by others that look
	rooms btree.Map[string, *hub] // by their names, in byte order

	// Owned by the Task.
	active []*hub // those whose log may have grown since the second began
	later  []*hub // those that are to be scheduled at a tick
	silence
	second uint32
	staged uint32 // the stage of which the hubs have heard
}

func (d *directory) init(s *Server) {
	d.server = s
	d.Task.Init(s.pool, d)
}

// Run implements poller.Runner.
func (d *directory) Run(w *poller.Worker) {
	d.server.answer(&d.Task)
	d.joins.Each(func(ch *change) { d.join(w, ch) })
	d.errands.Each(func(e *errand) { d.send(w, e) })
	now, stage := d.server.now.Load(), d.server.stage.Load()
	second := now / ticksPerSecond
	if second != d.second {
		d.wakeActive(w) // but those that are active in the new one, which some have seen already
	}
	d.hubs.Each(func(h *hub) { d.handle(h, h.events.Swap(0)) })
	if second != d.second {
		d.second = second
		d.boundHistory(w)
	}
	if len(d.later) > 0 {
		d.wakeLater(w, now)
	}
	if stage != d.staged {
		d.staged = stage
		d.rooms.Scan(func(_ string, h *hub) bool {
			h.ScheduleOn(w)
			return true
		})
	}
}

// join sends ch on to its room, which may have to be made.
func (d *directory) join(w *poller.Worker, ch *change) {
	h := d.open(w, ch.room)
	if h == nil {
		ch.client.refuseRoom(w)
		return
	}
	ch.hub = h
	h.sent++
	h.joins.Put(ch)
	h.ScheduleOn(w)
}

// open is the room's hub, which is made if it is not there; nil if there are too many.
func (d *directory) open(w *poller.Worker, name string) *hub {
	if h, ok := d.rooms.Get(name); ok {
		return h
	}
	if limit := d.server.config.MaxRooms; limit > 0 && d.rooms.Len() >= limit && !d.makeRoom(w) {
		return nil
	}
	h := newHub(d.server, name)
	d.born.Add(1)
	d.mu.Lock()
	d.rooms.Set(h.name, h)
	d.mu.Unlock()
	d.size.Store(int64(d.rooms.Len()))
	return h
}

func (d *directory) handle(h *hub, events uint32) {
	if events&hubActive != 0 && !h.listed && !h.removed {
		h.listed = true
		d.active = append(d.active, h)
	}
	if events&hubLater != 0 && !h.waits {
		h.waits = true
		d.later = append(d.later, h)
		d.waited.Store(true)
	}
	switch {
	case !h.keeps():
		d.silence.forget(h)
	case events&hubSpoken != 0:
		d.silence.spoke(h, d.server.clock())
	}
	if events&hubVacant != 0 && !h.removed && d.deserted(h) && !h.keeps() {
		d.remove(h)
	}
}

// deserted reports whether a room has no members, nobody is on the way to it, and
// nothing that was said there has yet to be looked at.
func (d *directory) deserted(h *hub) bool {
	return h.sent == h.taken.Load() && h.population.Load() == 0 && h.quiet()
}

func (d *directory) remove(h *hub) {
	h.removed = true
	d.mu.Lock()
	d.rooms.Delete(h.name)
	d.mu.Unlock()
	d.size.Store(int64(d.rooms.Len()))
	d.removed.Add(1)
}

// room is the hub of the room, nil if there is none. Anybody may call it.
func (d *directory) room(name string) *hub {
	d.mu.RLock()
	defer d.mu.RUnlock()
	h, _ := d.rooms.Get(name)
	return h
}

// wakeActive has the hubs look after their logs that may have to.
func (d *directory) wakeActive(w *poller.Worker) {
	active := d.active
	d.active = nil // a moment of many must not stay in memory
	for _, h := range active {
		h.listed = false
		h.ScheduleOn(w)
	}
}

// wakeLater has those hubs go on whose tick has come.
func (d *directory) wakeLater(w *poller.Worker, now uint32) {
	kept := d.later[:0]
	for _, h := range d.later {
		if int32(now-h.archive.noticeAt.Load()) < 0 {
			kept = append(kept, h)
			continue
		}
		h.waits = false
		h.ScheduleOn(w)
	}
	clear(d.later[len(kept):])
	if d.later = kept; len(kept) == 0 {
		d.later = nil // a moment of many must not stay in memory
		d.waited.Store(false)
	}
}

// Panicked implements poller.Runner.
func (d *directory) Panicked(*poller.Worker, any) { d.Schedule() }

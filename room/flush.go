package room

import (
	"math"
	"sync/atomic"
	"time"

	"chatd/poller"
)

// This file is Config.FlushInterval. What is said in a room that was quiet is written at
// once. From then on the room is hot: what is said waits in its logs until the flusher rings,
// an interval later, and is written in one pass. If nothing waits then it is quiet again.
//
//	quiet ──said, written──▶ hot ──said──▶ hot, waits
//	  ▲                      │ ▲                │
//	  └─────────ring─────────┘ └─ring, written──┘
//
// The ring is one for all rooms that are hot, so that they share what it costs to wake
// workers; so a room's first pass may come sooner than an interval after that of when it was
// quiet. What must not wait does not, see urgent.
//
//	hubHot    set by the hub's Task, cleared by the flusher's: the room is in its inbox, or
//	          about to be
//	hubWaits  set and cleared by the hub's Task: the flusher schedules it
//
// Whoever sets or clears one sees by the same operation how the other was. So of a room that
// waits, either the flusher finds hubWaits when it clears hubHot, or the hub finds that it is
// not hot any more.

// flusher rings for the rooms that are hot.
type flusher struct {
	poller.Task
	server *Server // static

	hot   poller.Inbox[hotRoom, *hotRoom] // from hubs to the Task
	set   atomic.Bool                     // it will ring; set by hubs, cleared by the Task
	timer *time.Timer                     // static; nil: there is no interval, or a test rings
}

// hotRoom is a room that was written to.
type hotRoom struct {
	link *hotRoom
	hub  *hub
}

// Link implements the inbox's element.
func (r *hotRoom) Link() **hotRoom { return &r.link }

func (f *flusher) init(s *Server) {
	f.server = s
	f.Task.Init(s.pool, f)
}

// start has it ring by itself.
func (f *flusher) start() {
	if f.server.config.FlushInterval > 0 {
		f.timer = time.AfterFunc(math.MaxInt64, f.Schedule)
	}
}

// stop is the end of that.
func (f *flusher) stop() {
	if f.timer != nil {
		f.timer.Stop()
	}
}

// add takes in a room that is hot from now on.
func (f *flusher) add(h *hub) {
	f.hot.Put(&hotRoom{hub: h})
	if !f.set.Swap(true) && f.timer != nil {
		f.timer.Reset(f.server.config.FlushInterval)
	}
}

// Run implements poller.Runner: the ring.
func (f *flusher) Run(w *poller.Worker) {
	f.set.Store(false) // first: a room that comes now has it ring again
	f.hot.Each(func(r *hotRoom) {
		if r.hub.flags.And(^hubHot)&hubWaits != 0 {
			r.hub.ScheduleOn(w)
		}
	})
}

// Panicked implements poller.Runner.
func (f *flusher) Panicked(*poller.Worker, any) { f.Schedule() }

// flush has the members written to, as soon as the interval allows.
func (h *hub) flush(w *poller.Worker) {
	switch {
	case h.server.config.FlushInterval == 0:
	case h.server.stage.Load() != serving: // the flusher is stopped in the end
		h.flags.And(^hubWaits)
	case h.flags.Or(hubWaits)&hubHot != 0 && !h.urgent():
		return
	default:
		h.flags.And(^hubWaits)
		if h.flags.Or(hubHot)&hubHot == 0 {
			h.server.flusher.add(h)
		}
	}
	h.wakeRosters(w)
}

// urgent reports whether what waits is to be written before the ring. Half a queue is: the
// other half is for those whose sockets do not take the first one at once, while the next
// one waits.
func (h *hub) urgent() bool {
	if h.server.still.Load() {
		return true
	}
	head, half := h.log.Head().Seq, max(1, uint64(h.server.config.Queue/2))
	if head-h.passedAll < half {
		return false
	}
	h.passedAll = h.passed()
	return head-h.passedAll >= half
}

package room

import (
	"math"

	"chatd/poller"
	"chatd/room/frame"
)

// This file is what a shard does by the clock.

// maxKept is how many MiB may be published before a client that left, and has
// not taken what was queued for it, is cut off. All of them hold that much of the
// log, and a queue's length, at most.
const maxKept = 64

// tick looks after deadlines and the members that were not heard of. It was last
// called at the tick before.
func (s *shard) tick(w *poller.Worker, before, now uint32) {
	server := s.server
	if interval := server.sweepTicks; interval > 0 && now/interval != before/interval {
		s.sweep(w, now)
	}
	if server.stage.Load() == draining {
		s.closeSome(w, now)
	}
	s.due.Store(s.nextRound(now))
	for i := len(s.lagging) - 1; i >= 0; i-- {
		o := s.lagging[i]
		if now >= o.deadline || o.left && server.logged()-o.since > maxKept {
			s.current = o.c
			s.overdue(w, o, now)
			s.current = nil
		}
		if o.c.out == o {
			s.due.Store(min(s.due.Load(), o.deadline))
		}
	}
	if lag := server.config.Lag; lag != nil && now/ticksPerSecond != before/ticksPerSecond {
		s.sample(lag)
	}
}

// nextRound is the tick of the next round that is made at regular times.
func (s *shard) nextRound(now uint32) uint32 {
	server := s.server
	next := uint32(math.MaxUint32)
	if interval := server.sweepTicks; interval > 0 {
		next = (now/interval + 1) * interval
	}
	if server.config.Lag != nil {
		next = min(next, (now/ticksPerSecond+1)*ticksPerSecond)
	}
	if server.stage.Load() == draining {
		next = now + 1
	}
	return next
}

// sample observes the members that are behind.
func (s *shard) sample(lag Observer) {
	for _, o := range s.lagging {
		if !o.left {
			lag.Observe(float64(s.waiting(o.c)))
		}
	}
}

// overdue goes on with a client whose socket has taken nothing for too long, or
// that left and has not taken everything in time.
func (s *shard) overdue(w *poller.Worker, o *outbox, now uint32) {
	if o.left {
		s.abandon(w, o.c, Reset)
		return
	}
	s.resume(w, o) // only a socket that takes nothing is stalled
	if o.c.out == o && !o.left && now >= o.deadline {
		s.sendAway(w, o.c, WriteTimeout, s.ends(o.c))
	}
}

// sweep pings members that were silent for an interval, gives up those that
// were for two, and sends away those that have not said anything for too long.
func (s *shard) sweep(w *poller.Worker, now uint32) {
	for _, r := range s.list {
		for i := len(r.ready) - 1; i >= 0; i-- {
			s.check(w, r.ready[i], now)
		}
	}
	for i := len(s.lagging) - 1; i >= 0; i-- {
		if o := s.lagging[i]; !o.left {
			s.check(w, o.c, now)
		}
	}
	s.current = nil
}

func (s *shard) check(w *poller.Worker, c *client, now uint32) {
	server := s.server
	s.current = c
	if idle := server.idleTicks; idle > 0 && int32(now-c.spoke.Load()) >= int32(idle) {
		s.sendAway(w, c, Idle, s.ends(c))
		return
	}
	interval := server.pingTicks
	if interval == 0 {
		return
	}
	switch silent := now - c.heard.Load(); {
	case int32(silent) < int32(interval):
		if c.has(statusPinged) {
			c.status.And(^statusPinged)
		}
	case silent >= 2*interval:
		s.abandon(w, c, PingTimeout)
	case !c.has(statusPinged) && (c.out == nil || len(c.out.urgent) == 0): // an answer is not replaced
		c.status.Or(statusPinged)
		s.say(w, c, frame.Ping)
	}
}

// closeSome sends some members away, when the server goes away over a while: at
// each tick so many that none are left at the end.
func (s *shard) closeSome(w *poller.Worker, now uint32) {
	ticks := max(1, int(s.server.drainTo.Load())-int(now))
	// Rounded up or down in turn, as members may be fewer than ticks: multiples of
	// the golden ratio are spread evenly.
	const golden = 2654435769
	n := int(float64(s.members())/float64(ticks) + float64(now*golden)/(1<<32))
	for _, r := range s.list {
		for i := len(r.ready) - 1; i >= 0 && n > 0; i-- {
			c := r.ready[i]
			s.sendAway(w, c, GoingAway, s.ends(c))
			n--
		}
	}
}

// members is how many connections are caught up.
func (s *shard) members() int { return int(s.population.Load()) - len(s.lagging) }

// ends are the limits of a client that gets all that is in its rooms' logs:
// others may have heard it already.
func (s *shard) ends(c *client) func(*hub) uint64 {
	return func(h *hub) uint64 { return s.rosterOf(c, h).head().Seq }
}

// closeAll makes everybody leave because the server goes away, once all that was
// taken from the publishers in their rooms is in the log.
func (s *shard) closeAll(w *poller.Worker, stage uint32) {
	for _, r := range s.list {
		for i := len(r.ready) - 1; i >= 0; i-- {
			s.goAway(w, r.ready[i], stage)
		}
	}
	for i := len(s.lagging) - 1; i >= 0; i-- {
		switch o := s.lagging[i]; {
		case stage == aborting:
			s.abandon(w, o.c, Reset)
		case !o.left:
			s.goAway(w, o.c, stage)
		}
	}
}

// goAway sends c away. Its session has stopped reading; now it is to discard
// what comes.
func (s *shard) goAway(w *poller.Worker, c *client, stage uint32) {
	quiet := true
	s.eachRoom(c, func(r *roster) { quiet = quiet && (r.hub == nil || r.hub.quiet()) })
	if quiet || stage == aborting {
		s.sendAway(w, c, GoingAway, s.ends(c))
		c.ScheduleOn(w)
	}
}

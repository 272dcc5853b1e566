package room

import (
	"math"

	"chatd/poller"
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
	if now >= s.sweepAt {
		s.sweep(w, now)
	}
	if d := s.doubts; d != nil && now >= d.due {
		s.resolve(w, d, now)
	}
	if server.stage.Load() == draining {
		s.closeSome(w, now)
	}
	second := now/ticksPerSecond != before/ticksPerSecond
	if second && s.expires != never {
		if ms := server.clock(); ms >= s.expires {
			s.expire(w, ms)
		}
	}
	if second {
		s.ciphers.Tick()
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
	if lag := server.config.Lag; lag != nil && second {
		s.sample(lag)
	}
}

// nextRound is the tick at which somebody is to be looked at next, lagging
// members' own deadlines apart.
func (s *shard) nextRound(now uint32) uint32 {
	server := s.server
	next := s.sweepAt
	if d := s.doubts; d != nil {
		next = min(next, d.due)
	}
	if server.config.Lag != nil || s.expires != never {
		next = min(next, s.nextSecond(now))
	}
	if server.stage.Load() == draining {
		next = now + 1
	}
	return next
}

// nextSecond is the tick at which the next second begins.
func (s *shard) nextSecond(now uint32) uint32 { return (now/ticksPerSecond + 1) * ticksPerSecond }

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
	if o.c.out == o && !o.left && now >= o.deadline && !s.takes(o, now) {
		s.sendAway(w, o.c, WriteTimeout, s.ends(o.c))
	}
}

// takes reports whether o's peer has acknowledged something in time, which need
// not be enough for its socket to take more, and moves the deadline on if so.
func (s *shard) takes(o *outbox, now uint32) bool {
	p, known := o.c.Progress()
	if !known || uint32(p.Acked) == o.acked {
		return false
	}
	o.acked = uint32(p.Acked)
	o.deadline = s.server.stallDeadline(ago(now, p.Quiet))
	return now < o.deadline
}

// sweep looks at all members, and pings those that are silent for long enough, or
// would be before the next sweep.
func (s *shard) sweep(w *poller.Worker, now uint32) {
	next := uint32(math.MaxUint32)
	for _, r := range s.list {
		for i := len(r.ready) - 1; i >= 0; i-- {
			next = min(next, s.check(w, r.ready[i], now))
		}
	}
	for i := len(s.lagging) - 1; i >= 0; i-- {
		if o := s.lagging[i]; !o.left {
			next = min(next, s.check(w, o.c, now))
		}
	}
	s.current = nil
	s.sweepAt = max(next, now+s.server.times.sweep)
}

// expect has the next sweep in time for c, a new member, and the end of its token.
func (s *shard) expect(c *client) {
	t := &s.server.times
	if t.ping > 0 {
		s.sweepAt = min(s.sweepAt, c.heard.Load()+t.ping)
	}
	if t.idle > 0 && !c.has(statusEvents) {
		s.sweepAt = min(s.sweepAt, c.spoke.Load()+t.idle)
	}
	if g := c.grant(); g != nil {
		s.expires = min(s.expires, g.Expires)
	}
	s.due.Store(min(s.due.Load(), s.nextRound(s.ticked)))
}

// check does what c's silence asks for. It returns the tick at which it is to be
// looked at again.
func (s *shard) check(w *poller.Worker, c *client, now uint32) (next uint32) {
	t := &s.server.times
	s.current = c
	next = math.MaxUint32
	if t.idle > 0 && !c.has(statusEvents) {
		spoke := c.spoke.Load()
		if mute := int32(now - spoke); mute >= int32(t.idle) && !(mute < 2*int32(t.idle) && c.unheard()) {
			s.sendAway(w, c, Idle, s.ends(c))
			return next
		}
		next = spoke + t.idle
	}
	if t.ping == 0 {
		return next
	}
	heard := c.heard.Load()
	silent := int32(now - heard)
	answer := int32(t.ping + t.doubt) // the silence with which a ping should have been answered
	switch {
	case silent < int32(t.ping-(t.sweep-1)):
		if c.has(statusPinged) {
			c.status.And(^statusPinged)
		}
		return min(next, heard+t.ping)
	case c.has(statusDoubted):
		return next
	case s.ping(w, c):
		return min(next, max(heard+uint32(answer), now+1))
	case silent < answer:
		return min(next, heard+uint32(answer))
	case c.has(statusEvents) && c.hasAll():
		c.acknowledged(heard + t.ping)
		return min(next, max(heard+2*t.ping, now+1))
	}
	s.doubt(c, heard, now)
	return next
}

// unheard reports whether something has come from c's peer that was not read: it
// may be a message.
func (c *client) unheard() bool {
	p, known := c.Progress()
	return known && p.Unread > 0
}

// ping sends c a ping, unless there is one, or an answer, that c has not taken.
func (s *shard) ping(w *poller.Worker, c *client) bool {
	if c.has(statusPinged) || c.out != nil && len(c.out.urgent) > 0 {
		return false
	}
	c.status.Or(statusPinged)
	s.say(w, c, c.stream().dialect().ping())
	return true
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

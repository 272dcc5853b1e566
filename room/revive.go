package room

import "chatd/poller"

const (
	// wokenPerRun is how many sessions are woken before others have a turn: it takes some
	// microseconds to have a socket watched.
	wokenPerRun = 64
	// askedPerRun is how many are asked for before whether they have something to read.
	askedPerRun = 1024
	// lately is for how long one who has said something is likely to say more, in ticks.
	lately = 60 * ticksPerSecond
)

// Revive has a server that was restored go on, and accept begin to accept. What is said is
// heard by all at once. What they say is read once their sockets are watched, which is some
// at a time: first those of them that have said something meanwhile, then those that are
// likely to.
func (s *Server) Revive(accept func() error) error {
	s.pool.Freeze() // whoever is new is not one of them
	defer s.pool.Thaw()
	k := new(waking)
	for _, likely := range []bool{true, false} {
		s.eachClient(func(c *client) {
			if c.phase != phaseNew && c.isLikely() == likely { // a new one does that itself
				c.status.Or(statusUnwatched)
				k.rest = append(k.rest, &c.Conn)
			}
		})
	}
	s.revive()
	k.server = s
	k.Init(s.pool, k)
	k.Schedule()
	s.waking = k
	return accept()
}

// isLikely reports whether somebody may soon wait for c's session.
func (c *client) isLikely() bool {
	spoke := c.spoke.Load()
	return c.phase != phaseOpen || c.out != nil || spoke > 0 && c.server.now.Load()-spoke < lately
}

// waking wakes sessions that have been carried: each has its socket watched, and reads.
type waking struct {
	poller.Task
	server *Server // static
	// Owned by the Task.
	rest  []*poller.Conn
	asked int // of rest
}

// Run implements poller.Runner.
func (k *waking) Run(*poller.Worker) {
	if k.server.still.Load() { // it would have the workers busy; Thaw has it go on
		return
	}
	if some := k.rest[k.asked:min(k.asked+askedPerRun, len(k.rest))]; len(some) > 0 {
		k.asked += len(some)
		poller.ScheduleReadable(some)
		k.Schedule()
		return
	}
	n := min(wokenPerRun, len(k.rest))
	for _, c := range k.rest[:n] {
		c.Schedule()
	}
	if k.rest, k.asked = k.rest[n:], k.asked-n; len(k.rest) == 0 {
		k.rest = nil // it would hold those who are gone
		return
	}
	k.Schedule()
}

// Panicked implements poller.Runner.
func (k *waking) Panicked(*poller.Worker, any) { k.Schedule() }

// revive has all owners look at what they own. A session that has nothing to do hears from
// the poller whether its socket has something to read.
func (s *Server) revive() {
	s.eachClient(func(c *client) {
		if c.out != nil {
			c.signal(nil, eventWritable) // it may have become so
		}
		if in := c.in; in != nil && in.meter.until > s.now.Load() {
			s.pauses = append(s.pauses, &paused{c: c, until: in.meter.until})
		}
		if c.in != nil || c.phase != phaseOpen || c.tls() != nil && !c.tls().Reader.Idle() || c.enters() {
			c.Schedule()
		}
	})
	s.directory.rooms.Scan(func(_ string, h *hub) bool {
		if h.order != nil {
			h.order.resume()
		}
		h.keepActive(nil)
		h.Schedule()
		return true
	})
	for _, sh := range s.shards.all() {
		sh.Schedule()
	}
	s.pending.Schedule()
	s.directory.Schedule()
}

package room

import (
	"slices"

	"chatd/poller"
)

// askedAtATime is how many sockets are asked at a time whether they have something to read.
const askedAtATime = 1024

// Revive has a server that was restored go on, and accept begin to accept. All hear at once
// what is said. Those who have said something while nobody was served are looked for then.
func (s *Server) Revive(accept func() error) error {
	s.pool.Freeze() // whoever is new is not one of them
	var all []*poller.Conn
	s.eachClient(func(c *client) {
		if c.phase == phaseNew { // it has itself watched
			return
		}
		if err := s.poller.Rewatch(&c.Conn); err != nil {
			s.config.Log.Error("a connection is not heard any more", "source", c.peer(), "err", err)
		}
		all = append(all, &c.Conn)
	})
	s.revive()
	err := accept()
	s.pool.Thaw()
	for some := range slices.Chunk(all, askedAtATime) {
		poller.ScheduleReadable(some)
	}
	return err
}

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
		if !c.idles() {
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

// idles reports whether c's session has nothing to do until its socket has something to read.
func (c *client) idles() bool {
	const called = statusLeft | statusReleased | statusFull | statusExpired | statusCrowded
	// One who has said nothing yet has not run since it became a member.
	member := c.phase == phaseOpen || c.phase == phaseJoining && c.has(statusMember) && !c.has(statusWaiting)
	return member && !c.has(called) && c.in == nil && !c.enters() && (c.tls() == nil || c.tls().Reader.Idle())
}

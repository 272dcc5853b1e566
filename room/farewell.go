package room

import "chatd/poller"

// This file is how a shard parts with a connection.

// sendAway makes c leave for a reason of the server's: of its rooms' logs it gets
// what comes before the limits, then what the dialect has for a goodbye.
func (s *shard) sendAway(w *poller.Worker, c *client, why Reason, limit func(*hub) uint64) {
	s.current = c
	s.server.disconnected(w, c, why, s.waiting(c))
	s.leave(w, c, limit, c.stream().dialect().goodbye(why))
	s.current = nil
}

// abandon gives c up, for the reason why, without writing any more.
func (s *shard) abandon(w *poller.Worker, c *client, why Reason) {
	o := c.out
	if o == nil {
		o = s.newOutbox(c)
	}
	s.lost(w, o, why)
}

// lost is the end of o's client, whose socket is of no more use. Telling of it
// comes first: whatever that does, the client is still held.
func (s *shard) lost(w *poller.Worker, o *outbox, why Reason) {
	c := o.c
	lost := o.owed
	if !c.has(statusLeft) {
		lag := 0
		for i := range o.readers {
			at := &o.readers[i]
			missed := at.roster.reach().Seq - at.at.Seq
			lag = max(lag, int(missed))
			lost += missed
		}
		s.server.disconnected(w, c, why, lag)
		c.status.Or(statusLeft)
		for i := range o.readers {
			r := o.readers[i].roster
			s.counters(w).due.Add(r.reach().Seq - r.counted())
		}
		s.eachRoom(c, func(r *roster) { r.left(w) })
	}
	s.counters(w).lost.Add(lost)
	if o.index >= 0 {
		s.removeLagging(w, o)
	} else {
		s.unseat(c) // unless it just fell behind
	}
	s.forgetOthers(c)
	s.release(w, c, false)
}

// release gives the socket of c, which no list holds any more, back to the
// session, which closes it, after lingering or at once.
func (s *shard) release(w *poller.Worker, c *client, linger bool) {
	status := statusReleased
	if linger {
		status |= statusLinger
	}
	if t := c.tls(); t != nil {
		s.ciphers.Drop(&t.Writer)
	}
	s.population.Add(-1)
	c.status.Or(status)
	c.ScheduleOn(w)
}

package room

import "chatd/poller"

// A client's rooms are its shard's. Most clients are in one: their roster and
// their place in it stand in the client itself. What more there is stands in
// the shard's others, so that it costs nothing to those who have none.

// membership is a client's place in a further room.
type membership struct {
	roster *roster
	slot   int32 // in roster.ready, -1 while the client is behind
}

// eachRoom calls f with the rosters that c is in.
func (s *shard) eachRoom(c *client, f func(*roster)) {
	f(c.roster.Load())
	if c.has(statusSeveral) {
		for _, m := range s.others[c] {
			f(m.roster)
		}
	}
}

// setSlot notes c's place in r, in which it is.
func (s *shard) setSlot(c *client, r *roster, slot int32) {
	if c.roster.Load() == r {
		c.slot = slot
		return
	}
	others := s.others[c]
	for i := range others {
		if others[i].roster == r {
			others[i].slot = slot
		}
	}
}

// enter adds r to c's rooms, with no place in it yet. The roster of those that
// are in no room is not one.
func (s *shard) enter(c *client, r *roster) {
	first := c.roster.Load()
	if first.hub == nil || first == r {
		c.roster.Store(r)
		c.slot = -1
		return
	}
	if s.others == nil {
		s.others = make(map[*client][]membership)
	}
	s.others[c] = append(s.others[c], membership{r, -1})
	c.status.Or(statusSeveral)
}

// exit takes r, in which c has no place any more, from c's rooms. The last one
// leaves it in the roster of those that are in no room.
func (s *shard) exit(c *client, r *roster) {
	others := s.others[c]
	if c.roster.Load() == r {
		last := len(others) - 1
		if last < 0 {
			c.roster.Store(s.outside())
			c.slot = -1
			return
		}
		c.roster.Store(others[last].roster)
		c.slot = others[last].slot
		r = others[last].roster
	}
	for i := range others {
		if others[i].roster == r {
			others[i] = others[len(others)-1]
			others = others[:len(others)-1]
			break
		}
	}
	s.others[c] = others
	if len(others) == 0 {
		s.forgetOthers(c)
	}
}

// forgetOthers leaves c the room that stands in itself.
func (s *shard) forgetOthers(c *client) {
	if c.has(statusSeveral) {
		c.status.And(^statusSeveral)
		if delete(s.others, c); len(s.others) == 0 {
			s.others = nil // a map does not shrink
		}
	}
}

// outside is the roster of those that are in no room.
func (s *shard) outside() *roster {
	if s.roomless == nil {
		s.roomless = newRoster(nil, s, kind{})
		s.add(s.roomless)
	}
	return s.roomless
}

// seat gives c, which is caught up, its places. There must be no pass.
func (s *shard) seat(c *client) {
	first := c.roster.Load()
	c.slot = first.put(c)
	if c.has(statusSeveral) {
		others := s.others[c]
		for i := range others {
			others[i].slot = others[i].roster.put(c)
		}
	}
}

// unseat takes c from its places, if it has any.
func (s *shard) unseat(c *client) {
	if c.slot >= 0 {
		first := c.roster.Load()
		slot := c.slot
		c.slot = -1
		first.takeOut(int(slot))
	}
	if c.has(statusSeveral) {
		others := s.others[c]
		for i := range others {
			if slot := others[i].slot; slot >= 0 {
				others[i].slot = -1
				others[i].roster.takeOut(int(slot))
			}
		}
	}
}

// answer writes bytes to c, which is caught up, ahead of all that will come.
func (s *shard) answer(w *poller.Worker, c *client, bytes []byte) {
	if rest, behind := s.write(w, c, bytes); behind {
		o := s.newOutbox(c)
		o.add(rest)
		s.unseat(c)
		s.lag(w, o)
	}
}

// skip moves a roster without members to the end of its log.
func (s *shard) skip(w *poller.Worker, r *roster) {
	r.pos = r.head()
	r.done.Store(r.pos.Seq)
	if r.hub.has(hubStalled) {
		r.hub.ScheduleOn(w)
	}
}

// leave ends c's membership in all its rooms: it still gets what its queues hold
// of the frames before their limits, then bytes, then its socket is released.
func (s *shard) leave(w *poller.Worker, c *client, limit func(*hub) uint64, bytes []byte) {
	if c.has(statusLeft) {
		return
	}
	if s.owesNothing(c, limit) { // most, and very many may leave at once
		n := 0
		if len(bytes) > 0 {
			n = s.put(w, c, bytes)
			s.counters(w).sent.Add(uint64(max(n, 0)))
		}
		if n == len(bytes) && s.part(w, c) || n < 0 && n != poller.WouldBlock {
			c.status.Or(statusLeft)
			s.unseat(c)
			c.roster.Load().left(w)
			s.release(w, c, n == len(bytes))
			return
		}
		bytes = bytes[max(n, 0):]
	}
	o := c.out
	if o == nil {
		o = s.newOutbox(c)
		s.unseat(c)
		c.out = o
	}
	c.status.Or(statusLeft)
	o.loosen()
	for len(o.readers) > 0 {
		at := o.readers[len(o.readers)-1]
		s.settle(w, o, at.roster, limit(at.roster.hub))
		at.roster.left(w)
	}
	s.forgetOthers(c)
	if o.index >= 0 {
		s.counters(w).lagging.Add(-1)
	}
	o.left = true
	o.add(bytes)
	o.since = s.server.logged()
	o.deadline = s.server.after(s.server.config.DrainTimeout)
	if o.index < 0 {
		s.lag(w, o)
		return
	}
	s.resume(w, o)
}

// owesNothing reports whether a client has got all the frames before the limits.
func (s *shard) owesNothing(c *client, limit func(*hub) uint64) bool {
	r := c.roster.Load()
	return c.out == nil && s.pass == nil && !c.has(statusSeveral) && (r.hub == nil || limit(r.hub) <= r.pos.Seq)
}

// settle turns what o's client is still to get of r's log, before the frame
// limit, into pieces of its own, and counts what it is due. It does not read the
// log any more.
func (s *shard) settle(w *poller.Worker, o *outbox, r *roster, limit uint64) {
	// Beyond the limit, the others' passes may have begun.
	limit = max(limit, r.counted())
	s.counters(w).due.Add(limit - r.counted())
	o.settle(r, limit)
}

// leaveRoom ends a client's membership in one room: it still gets what its queue
// holds of the frames before the limit, then the answer.
func (s *shard) leaveRoom(w *poller.Worker, ch *change) {
	c := ch.client
	defer c.changed(w)
	r := s.rosterOf(c, ch.hub)
	if r == nil || c.has(statusLeft) {
		return
	}
	o := c.out
	if o == nil {
		o = s.newOutbox(c)
		s.unseat(c)
		c.out = o
	}
	o.loosen()
	s.settle(w, o, r, ch.limit)
	s.exit(c, r)
	r.left(w)
	o.add(ch.answer)
	if o.index < 0 {
		s.lag(w, o)
	} else {
		s.resume(w, o)
	}
}

// rosterOf is c's in the room h, nil if it is not in it.
func (s *shard) rosterOf(c *client, h *hub) (found *roster) {
	s.eachRoom(c, func(r *roster) {
		if r.hub == h {
			found = r
		}
	})
	return found
}

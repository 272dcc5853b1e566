package room

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
		s.roomless = newRoster(nil, s, false)
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

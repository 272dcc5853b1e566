package room

import (
	"context"

	"chatd/poller"
)

// removal sends whoever has an id away from a room. It goes from shard to shard, and
// belongs to the one that has it.
type removal struct {
	errand  *errand
	id      string
	rosters []*roster // whose members are still to be looked at
}

// Remove sends all connections of the id away that are in the room, and for
// Config.Ban lets none of them in again. Who is on the way into the room meanwhile
// is sent away when it is there.
func (s *Server) Remove(ctx context.Context, room, id string) error {
	e := &errand{room: room, post: newPost(false)}
	e.visit = func(h *hub) {
		if s.config.Ban > 0 {
			now := s.now.Load()
			s.bans.add(room, id, now, now+past(s.config.Ban))
		}
		x := &removal{errand: e, id: id}
		for r := h.rosters; r != nil; r = r.sibling {
			x.rosters = append(x.rosters, r)
		}
		x.next(nil)
	}
	return s.run(ctx, e)
}

// next goes on to the next shard.
func (x *removal) next(w *poller.Worker) {
	if len(x.rosters) > 0 {
		x.rosters[0].shard.give(w, &reply{removal: x})
	} else {
		x.errand.done <- nil
	}
}

// expel sends those of the first roster away, which is the shard's.
func (s *shard) expel(w *poller.Worker, x *removal) {
	of := x.rosters[0]
	x.rosters = x.rosters[1:]
	var found []*client
	for _, c := range of.ready {
		if x.means(c) {
			found = append(found, c)
		}
	}
	for _, o := range s.lagging {
		if !o.left && o.reading(of) >= 0 && x.means(o.c) {
			found = append(found, o.c)
		}
	}
	for _, c := range found {
		s.sendAway(w, c, Removed, s.ends(c))
	}
	x.next(w)
}

// means reports whether c, which is the shard's, is to go.
func (x *removal) means(c *client) bool {
	id, _ := c.who()
	return id == x.id
}

// isBanned reports whether c may not come into the room. Its session may call it, and
// its shard.
func (c *client) isBanned(room string) bool {
	b := &c.server.bans
	if !b.some.Load() {
		return false
	}
	id, _ := c.who()
	return b.has(room, id, c.server.now.Load())
}

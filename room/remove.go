package room

import (
	"context"

	"chatd/poller"
)

// removal sends whoever has an id away from a room. It goes from shard to shard, and
// belongs to the one that has it.
type removal struct {
	id      string        // static
	rosters []*roster     // whose members are still to be looked at
	done    chan struct{} // closed when there are none left; who asked waits for it, and no worker
}

// Remove sends all connections of the id away that are in the room, and for
// Config.Ban lets none of them in again. Who is on the way into the room meanwhile
// is sent away when it is there.
func (s *Server) Remove(ctx context.Context, room, id string) error {
	x := &removal{id: id, done: make(chan struct{})}
	if err := s.run(ctx, &errand{room: room, post: newPost(false), visit: x.begin}); err != nil {
		return err
	}
	select {
	case <-x.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin finds out where members are. It is called on the hub's Task.
func (x *removal) begin(h *hub) {
	if s := h.server; s.config.Ban > 0 {
		now := s.now.Load()
		s.bans.add(h.name, x.id, now, now+past(s.config.Ban))
	}
	for r := h.rosters; r != nil; r = r.sibling {
		x.rosters = append(x.rosters, r)
	}
	x.next(nil)
}

// next goes on to the next shard.
func (x *removal) next(w *poller.Worker) {
	if len(x.rosters) > 0 {
		x.rosters[0].shard.give(w, &reply{removal: x})
	} else {
		close(x.done)
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

// means reports whether c, which is the shard's, is to go. Those that have no id are
// not all one.
func (x *removal) means(c *client) bool {
	id, _ := c.who()
	return id != "" && id == x.id
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

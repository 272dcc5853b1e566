package room

import (
	"context"
	"errors"
	"time"

	"chatd/poller"
)

// removal sends whoever has an id away from a room. It goes from shard to shard, and
// belongs to the one that has it.
type removal struct {
	id      string        // static
	rosters []*roster     // whose members are still to be looked at
	done    chan struct{} // closed when there are none left; who asked waits for it, and no worker
}

func newRemoval(id string) *removal { return &removal{id: id, done: make(chan struct{})} }

// errand is its way to the room.
func (x *removal) errand(room string) *errand {
	return &errand{room: room, post: newPost(false), visit: x.begin}
}

// Remove sends all connections of the id away that are in the room, and for
// Config.Ban lets none of them in again. Who is on the way into the room meanwhile
// is sent away when it is there. Other servers that have the room are told to do so, too,
// whether it is here or not.
func (s *Server) Remove(ctx context.Context, room, id string) error {
	nodes := s.config.Nodes
	if nodes == nil && s.directory.room(room) == nil {
		return ErrNoRoom
	}
	s.keepOut(room, id, s.config.Ban)
	if nodes != nil {
		nodes.Remove(room, id, s.config.Ban)
	}
	x := newRemoval(id)
	switch err := s.run(ctx, x.errand(room)); {
	case errors.Is(err, ErrNoRoom): // nobody is in it here
		return nil
	case err != nil:
		return err
	}
	select {
	case <-x.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepOut lets nobody with the id into the room for a while.
func (s *Server) keepOut(room, id string, ban time.Duration) {
	if ban > 0 {
		now := s.now.Load()
		s.bans.add(room, id, now, now+past(ban))
	}
}

// begin finds out where members are. It is called on the hub's Task.
func (x *removal) begin(h *hub) {
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

package room

import (
	"sync/atomic"

	"chatd/poller"
	"chatd/room/position"
)

// change is a client's way into a room, or out of one of its rooms while it
// stays connected. A session has one change under way at a time and reads
// nothing meanwhile, so a join can't overtake a leave.
//
//	join:  session ─▶ pending ─▶ directory ─▶ hub ─▶ shard   (pending only for the first room)
//	leave: session ─▶ hub, behind what it said ─▶ shard
//
// It belongs to whoever has it in hand: in the end, that is the session again.
type change struct {
	link   *change
	client *client
	leaves bool   // it is a leave
	hub    *hub   // of the room; a join's is set by the directory, and nil if the room can't be made
	answer []byte // what the client is told first once it is in, or out; nil: nothing
	limit  uint64 // a leave's, set by the hub: the client still gets the frames before that one

	// A join's.
	room   string         // the name, for the directory
	since  position.Since // where the client wants to begin
	roster *roster        // where it goes, set by the hub
	place  place          // where it begins, set by the hub
	late   bool           // the room's order can't be reached; set by the hub
}

// Link implements the inbox's element.
func (ch *change) Link() **change { return &ch.link }

// enter asks for a further room, from a place on. What the dialect says to a
// newcomer, and what was missed, comes ahead of the room's messages. Only the
// session of a member may call it, and does nothing more until statusChanging is
// gone; then the change's hub says whether the client is in.
func (c *client) enter(w *poller.Worker, room string, since position.Since, answer []byte) *change {
	c.status.Or(statusChanging)
	ch := &change{client: c, room: room, since: since, answer: answer}
	d := &c.server.directory
	d.joins.Put(ch)
	d.ScheduleOn(w)
	return ch
}

// exit leaves the room h; answer comes behind its last message, and what the
// client said there before is heard. Only the session of a member may call it,
// and does nothing more until statusChanging is gone.
func (c *client) exit(w *poller.Worker, h *hub, answer []byte) {
	c.status.Or(statusChanging)
	p := newPost(false)
	p.leave = &change{client: c, leaves: true, hub: h, answer: answer}
	h.publish(w, p)
}

// changed has the session go on. The shard calls it.
func (c *client) changed(w *poller.Worker) {
	if c.status.And(^statusChanging)&statusChanging != 0 {
		c.ScheduleOn(w)
	}
}

// limit is the number of the frame before which a client left a room.
type limit struct {
	hub *hub
	seq uint64
}

// leaving is a client's way out of all its rooms at once: through the hub of each,
// behind what it said there. The last of them hands it to the shard.
type leaving struct {
	limits  []limit // each set by its room's hub
	pending atomic.Int32
	one     [1]limit // limits of a client that is in one room
}

// newLeaving is one out of hubs.
func newLeaving(hubs ...*hub) *leaving {
	l := new(leaving)
	l.limits = l.one[:0]
	for _, h := range hubs {
		l.limits = append(l.limits, limit{hub: h})
	}
	l.pending.Store(int32(len(hubs)))
	return l
}

// pass notes that the client left h's room before the frame seq. It reports
// whether that was the last of its rooms.
func (l *leaving) pass(h *hub, seq uint64) bool {
	for i := range l.limits {
		if l.limits[i].hub == h {
			l.limits[i].seq = seq
		}
	}
	return l.pending.Add(-1) == 0
}

// of is the limit in h's room.
func (l *leaving) of(h *hub) uint64 {
	for _, limit := range l.limits {
		if limit.hub == h {
			return limit.seq
		}
	}
	return 0
}

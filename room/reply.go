package room

import (
	"chatd/poller"
	"chatd/room/chat"
)

// reply is what one client is told by itself: bytes that come behind the frame
// that is half written and ahead of its rooms, in the order in which they were
// given. Unlike mail none is ever replaced. Once it was given to the shard it
// belongs to that.
type reply struct {
	link    *reply
	client  *client
	bytes   []byte
	roll    *roll    // what is asked for first; nil: nothing
	removal *removal // what is to be done instead; nil: nothing

	hub *hub   // of the message that it repeats; nil: of none
	seq uint64 // of that message, which must not overtake those before it
}

// Link implements the inbox's element.
func (r *reply) Link() **reply { return &r.link }

// tell has c, a member, told bytes, which nobody may change any more. Until they
// are written, and all else that it is owed, its session reads nothing, so that no
// peer can pile up answers. Its session may call it, and the hubs of its rooms.
func (c *client) tell(w *poller.Worker, bytes []byte) { c.owe(w, &reply{client: c, bytes: bytes}) }

// repeat has c told again of the message seq, which it said; frame is that in its
// stream. The hub calls it.
func (h *hub) repeat(w *poller.Worker, c *client, seq uint64, frame []byte) {
	c.owe(w, &reply{client: c, bytes: frame, hub: h, seq: seq})
}

// owe gives r to c's shard.
func (c *client) owe(w *poller.Worker, r *reply) {
	c.chat().owed.Add(1)
	c.roster.Load().shard.give(w, r)
}

// ask has c told who is in h's room, one of its own. The session calls it.
func (c *client) ask(w *poller.Worker, h *hub) {
	c.chat().owed.Add(1)
	p := newPost(false)
	p.asker = c
	h.publish(w, p)
}

// give hands over a reply. Anybody may call it.
func (s *shard) give(w *poller.Worker, r *reply) {
	s.replies.Put(r)
	s.ScheduleOn(w)
}

// tell writes r's bytes to its client, or has them wait.
func (s *shard) tell(w *poller.Worker, r *reply) {
	c := r.client
	if c.has(statusLeft) {
		return
	}
	if o := c.out; o != nil {
		o.loosen()
		if !s.expects(c, r) {
			o.add(r.bytes)
		}
		s.resume(w, o)
	} else if !s.expects(c, r) {
		s.answer(w, c, r.bytes)
	}
	if o := c.out; o == nil || len(o.rest) == 0 {
		c.answered(w, 1)
	} else {
		o.answers++
	}
}

// expects reports whether r repeats a message that c is still to get: then it is
// told once, in its place.
func (s *shard) expects(c *client, r *reply) bool {
	if r.hub == nil {
		return false
	}
	of := s.rosterOf(c, r.hub)
	switch o := c.out; {
	case of == nil: // it has left the room
		return false
	case o != nil:
		return o.readers[o.reading(of)].at.Seq < r.seq
	}
	return of.pos.Seq < r.seq
}

// answered notes that n answers are written, and has the session go on when those
// were all. The shard calls it.
func (c *client) answered(w *poller.Worker, n int32) {
	if n > 0 && c.chat().owed.Add(-n) == 0 {
		c.ScheduleOn(w)
	}
}

// maxNamed is how many members one is told of who asks.
const maxNamed = 100

// roll is a list of a room's members in the making. It goes from shard to shard,
// and belongs to the one that has it.
type roll struct {
	hub     *hub
	rosters []*roster // that are still to be asked
	names   []chat.Member
}

// call begins to collect the members for c, who asked. The hub calls it.
func (h *hub) call(w *poller.Worker, c *client) {
	l := &roll{hub: h}
	for r := h.rosters; r != nil; r = r.sibling {
		if r.stream.speaks() {
			l.rosters = append(l.rosters, r)
		}
	}
	l.next(w, &reply{client: c, roll: l})
}

// next goes on to the next shard, or to the one of who asked.
func (l *roll) next(w *poller.Worker, r *reply) {
	if len(l.rosters) > 0 && !l.full() {
		l.rosters[0].shard.give(w, r)
		return
	}
	c := r.client
	r.roll = nil
	r.bytes = c.stream().dialect().who(nil, l.hub.name, l.hub.members(), l.names)
	c.roster.Load().shard.give(w, r)
}

// collect adds the members of the first roster, which is the shard's.
func (s *shard) collect(w *poller.Worker, r *reply) {
	l := r.roll
	of := l.rosters[0]
	l.rosters = l.rosters[1:]
	for i := 0; i < len(of.ready) && !l.full(); i++ {
		l.add(of.ready[i])
	}
	for i := 0; i < len(s.lagging) && !l.full(); i++ {
		if o := s.lagging[i]; o.reading(of) >= 0 {
			l.add(o.c)
		}
	}
	l.next(w, r)
}

// full reports whether it has all that one is told of.
func (l *roll) full() bool { return len(l.names) == maxNamed }

// add adds a member.
func (l *roll) add(c *client) {
	if cs := c.chat(); cs != nil {
		a := cs.author.Load()
		l.names = append(l.names, chat.Member{ID: a.id(), Name: a.name()})
	}
}

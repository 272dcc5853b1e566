package room

import (
	"chatd/poller"
	"chatd/room/framelog"
)

// join makes a client a member: it gets the answer, what it missed, and every
// frame from then on. So whoever has the answer is in. The session learns of it
// last: it must not send mail while the answer is mail.
func (s *shard) join(w *poller.Worker, ch *change) {
	c, r := ch.client, ch.roster
	if c.has(statusLeft) { // sent away meanwhile
		r.hub.left(w, r)
		c.changed(w)
		return
	}
	if r.index < 0 {
		s.add(r)
	}
	if r.members == 0 {
		s.skip(w, r)
	}
	if ch.place.live {
		ch.place.begin, ch.place.seq = r.pos, r.pos.Seq
	}
	if ch.place.begin.Seq > r.pos.Seq {
		// Others of the room's shards are ahead of this one. It comes in when the
		// roster's pass, which is on its way, has got there.
		s.early.Put(ch)
		if !r.waits {
			s.queue(r)
		}
		return
	}
	s.enroll(w, ch)
	if r.stream.untold() {
		r.hub.untold(w)
	}
	if c.status.Or(statusMember)&statusWaiting != 0 {
		c.ScheduleOn(w)
	}
	c.changed(w)
	if !c.has(statusLeft) && c.isBanned(r.hub.name) { // since it was let go on its way
		s.sendAway(w, c, Removed, s.ends(c))
	}
}

// enroll is the part of join that begins when the roster is where the client
// begins, or further.
func (s *shard) enroll(w *poller.Worker, ch *change) {
	c, r := ch.client, ch.roster
	r.members++
	s.server.members.Add(1)
	s.counters(w).joined.Add(1)
	s.counters(w).due.Add(r.pos.Seq - ch.place.begin.Seq)
	s.expect(c)
	answer := s.greeting(ch)
	at := reader{r, ch.place.begin, ch.place.head, r.given()}
	if o := c.out; o != nil {
		s.enter(c, r)
		o.readers = append(o.readers, at)
		o.loosen()
		o.add(answer)
		s.resume(w, o)
		return
	}
	s.unseat(c)
	s.enter(c, r)
	s.catchUp(w, c, at, answer)
}

// catchUp writes answer to c, which is in no list, and what it has missed. Most who
// come back take all of that in one write, and then have no queue.
func (s *shard) catchUp(w *poller.Worker, c *client, at reader, answer []byte) {
	b := answer
	if c.tls() == nil { // else what is sent is not in the scratch: what it has missed follows
		b = ahead(w, at, answer)
	}
	n := s.put(w, c, b)
	broken := n < 0 && n != poller.WouldBlock
	n = max(n, 0)
	part := 0
	if missed := n - len(answer); missed > 0 {
		begin := at.at.Seq
		at.at, part = at.skip(missed)
		t := s.counters(w)
		t.delivered.Add(at.at.Seq - begin)
		t.caughtUp.Add(uint64(missed))
	}
	s.counters(w).sent.Add(uint64(n))
	if n >= len(answer) && part == 0 && at.at.Seq == at.roster.pos.Seq && !c.unsent() {
		s.seat(c)
		return
	}
	o := s.newOutbox(c)
	o.turn = o.reading(at.roster)
	o.readers[o.turn], o.part = at, part
	if broken {
		s.lost(w, o, Reset)
		return
	}
	o.add(answer[min(n, len(answer)):])
	s.lag(w, o)
}

// ahead is answer, and what a reader has missed as far as there is room for it, in the
// worker's scratch.
func ahead(w *poller.Worker, at reader, answer []byte) []byte {
	b := append(w.Scratch[:0], answer...)
	for bytes := range at.at.Until(at.roster.pos.Seq) {
		if b = append(b, bytes[:min(len(bytes), max(0, len(w.Scratch)-len(b)))]...); len(b) >= len(w.Scratch) {
			break
		}
	}
	return b
}

// skip is the place n bytes behind the reader's: in front of the frame in which they
// end, and how many bytes of that frame they cover.
func (r *reader) skip(n int) (at framelog.Cursor, part int) {
	at = r.at
	for n > 0 {
		p, after := at.NextTo(r.roster.reach())
		if n < len(p.Bytes) {
			return p.Start.Skip(n)
		}
		at, n = after, n-len(p.Bytes)
	}
	return at, 0
}

// greeting is what the client of a join is told first.
func (s *shard) greeting(ch *change) []byte {
	c, r := ch.client, ch.roster
	if !r.stream.told() {
		return ch.answer
	}
	a := r.hub.arrival(&ch.place)
	if r.stream.speaks() && !c.has(statusMember) {
		a.welcome = c.chat().welcome()
	}
	return r.stream.dialect().arrival(ch.answer, a)
}

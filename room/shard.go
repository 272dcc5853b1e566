package room

import (
	"math"
	"sync/atomic"

	"chatd/poller"
	"chatd/poller/tls13"
	"chatd/room/framelog"
)

// shard is a part of a server's connections, about shardSize of them: its Task owns
// which rooms they are in, how far each is, and every write to their sockets.
//
// Members that are caught up stand in their rosters. One whose socket is full
// stands in lagging, outside of what a pass walks, until the poller says that the
// socket takes bytes again. So do clients that left and have not yet got all
// that was queued for them.
type shard struct {
	poller.Task
	server *Server // static

	// From anybody to the Task.
	inbox      poller.Inbox[client, *client]
	changes    poller.Inbox[change, *change] // joins and leaves, from hubs
	replies    poller.Inbox[reply, *reply]   // from sessions and hubs
	rosters    poller.Inbox[roster, *roster] // those that have events, from hubs
	population atomic.Int32                  // connections, and those to come: hubs add, the Task subtracts
	// rosterCount is how many rosters it has, and those to come: hubs add, the Task
	// subtracts.
	rosterCount atomic.Int32
	due         atomic.Uint32 // the tick at which the Task has something to do

	// Owned by the Task. What was taken from the inboxes, and is not done, is first.
	nextChange *change
	nextReply  *reply
	nextClient *client
	early      poller.Inbox[change, *change] // joins that are to come in further on than their roster is

	list     []*roster
	roomless *roster // in list: of those that are in no room; nil if there never were any
	first    *roster // of the queue of those that may have something to write, oldest first
	last     *roster
	pass     *pass // nil between passes
	lagging  []*outbox
	others   map[*client][]membership // of those that are in several rooms: all but the first
	current  *client                  // who is being worked on, for Panicked
	ticked   uint32
	sweepAt  uint32  // the tick at which members are to be looked at
	expires  int64   // when the first token of a member does, in ms since 1970; never, if there is none
	doubts   *doubts // about some of them; nil: none
	ciphers  tls13.Ciphers
}

func newShard(server *Server) *shard {
	s := &shard{server: server, sweepAt: math.MaxUint32, expires: never}
	s.ticked = server.now.Load()
	s.ciphers.Most = server.record
	s.due.Store(s.nextRound(s.ticked))
	s.Task.Init(server.pool, s)
	return s
}

// Run implements poller.Runner. What comes through the inboxes is looked at
// between passes only, when every ready member is at its roster's pos, and only
// so much of it at a time that the members need not wait long for the next pass.
func (s *shard) Run(w *poller.Worker) {
	written := 0 // in this run, about
	for {
		if s.pass == nil {
			s.server.answer(&s.Task)
			written += s.takeEvents(w)
			if now := s.server.now.Load(); now != s.ticked {
				s.tick(w, s.ticked, now)
				s.ticked = now
			}
			if !s.beginPass() {
				if !s.hasEvents() {
					break
				}
				if written >= s.server.stepSize/2 && w.Busy() {
					s.Schedule()
					return
				}
				continue
			}
		}
		r := s.pass.roster
		for s.pass != nil {
			written += s.step(w)
			if s.pass != nil && w.Busy() {
				s.Schedule()
				return
			}
		}
		r.done.Store(r.pos.Seq)
		if r.hub.has(hubStalled) {
			r.hub.ScheduleOn(w)
		}
		if written >= s.server.stepSize/2 && w.Busy() {
			s.Schedule()
			return
		}
	}
	if stage := s.server.stage.Load(); stage == aborting || stage == closing {
		s.closeAll(w, stage)
	}
	if s.ciphers.Len() > 0 {
		s.due.Store(min(s.due.Load(), s.nextSecond(s.ticked)))
	}
}

func (s *shard) counters(w *poller.Worker) *counters { return s.server.counters.of(w) }

// takeEvents does some of what sessions, hubs and the poller asked for, and returns
// for how many. Of each kind it takes Server.slice: very many may come at once, and
// those who are there go first. Changes and mail come behind the replies that were
// given before them, but not behind all that come meanwhile.
func (s *shard) takeEvents(w *poller.Worker) (n int) {
	s.rosters.Each(func(r *roster) { s.note(r, r.events.Swap(0)) })
	if s.nextReply == nil {
		if s.nextChange == nil {
			s.nextChange = s.changes.TakeAll()
		}
		if s.nextClient == nil {
			s.nextClient = s.inbox.TakeAll()
		}
		s.nextReply = s.replies.TakeAll() // behind the others: with these, all that came before them are done
	}
	slice := s.server.slice
	for ; s.nextReply != nil && n < slice; n++ {
		r := s.nextReply
		s.nextReply = r.link
		if r.removal != nil {
			s.expel(w, r.removal)
			continue
		}
		if r.roll != nil {
			s.collect(w, r)
			continue
		}
		s.current = r.client
		s.tell(w, r)
		s.current = nil
	}
	if s.nextReply != nil {
		return n
	}
	for ; s.nextChange != nil && n < 2*slice; n++ {
		ch := s.nextChange
		s.nextChange = ch.link
		s.current = ch.client
		if ch.leaves {
			s.leaveRoom(w, ch)
		} else {
			s.join(w, ch)
		}
	}
	for ; s.nextClient != nil && n < 3*slice; n++ {
		c := s.nextClient
		s.nextClient = c.link
		s.current = c
		s.handle(w, c, c.events.Swap(0))
	}
	s.current = nil
	return n
}

// hasEvents reports whether takeEvents has left some, or more have come. It does not
// look for more before it is done with those that it left, and who sends more meanwhile
// finds the Task scheduled: nobody else would ever take them.
func (s *shard) hasEvents() bool {
	return s.nextChange != nil || s.nextReply != nil || s.nextClient != nil ||
		!s.changes.Empty() || !s.replies.Empty() || !s.inbox.Empty()
}

// note takes a roster into the queue, or lets go of it.
func (s *shard) note(r *roster, events uint32) {
	if events&rosterRetired != 0 {
		s.rosterCount.Add(-1)
		s.remove(r)
		return
	}
	if !r.waits {
		s.queue(r)
	}
}

// queue has r passed over, behind the others.
func (s *shard) queue(r *roster) {
	r.waits = true
	if s.first == nil {
		s.first = r
	} else {
		s.last.next = r
	}
	s.last = r
}

// nextQueued takes the first roster out of the queue.
func (s *shard) nextQueued() *roster {
	r := s.first
	if r != nil {
		if s.first = r.next; s.first == nil {
			s.last = nil
		}
		r.next, r.waits = nil, false
	}
	return r
}

// add takes r into the shard's list.
func (s *shard) add(r *roster) {
	r.index = int32(len(s.list))
	s.list = append(s.list, r)
}

// remove lets go of r, which has no members and gets none.
func (s *shard) remove(r *roster) {
	if r.index < 0 {
		return
	}
	last := len(s.list) - 1
	s.list[r.index] = s.list[last]
	s.list[r.index].index = r.index
	s.list[last] = nil
	if s.list = s.list[:last]; cap(s.list) > minReady && last < cap(s.list)/4 {
		s.list = append(make([]*roster, 0, 2*last), s.list...)
	}
	r.index = -1
	// Clients that left, and have not hung up yet, still know it: it must not hold
	// the log.
	r.pos, r.ready, r.fds = framelog.Cursor{}, nil, nil
}

func (s *shard) handle(w *poller.Worker, c *client, events uint32) {
	if c.has(statusReleased) {
		if others := events & pendingEvents; others != 0 {
			s.server.pending.signal(w, c, others)
		}
		return
	}
	if events&eventMail != 0 {
		if m := c.mail.Swap(nil); m != nil {
			s.deliver(w, c, m)
		}
	}
	if events&eventUpdate != 0 && !c.has(statusReleased) {
		s.renew(w, c)
	}
	if events&eventWritable != 0 && c.out != nil {
		s.resume(w, c.out)
	}
}

// write writes bytes to c, which is caught up, and returns what its socket does not
// take, and whether c is behind with that.
func (s *shard) write(w *poller.Worker, c *client, bytes []byte) (rest []byte, behind bool) {
	if len(bytes) == 0 && !c.unsent() {
		return nil, false
	}
	n := s.put(w, c, bytes)
	if n < 0 && n != poller.WouldBlock {
		s.abandon(w, c, Reset)
		return nil, false
	}
	s.counters(w).sent.Add(uint64(max(n, 0)))
	rest = bytes[max(n, 0):]
	return rest, len(rest) > 0 || c.unsent()
}

// deliver writes m to c at its next frame boundary.
func (s *shard) deliver(w *poller.Worker, c *client, m *mail) {
	switch {
	case m.broken:
		if m.alert != 0 {
			s.warn(w, c, m.alert)
		}
		s.abandon(w, c, m.reason)
	case m.leaving != nil:
		if m.reason != 0 && !c.has(statusLeft) {
			s.server.disconnected(w, c, m.reason, s.waiting(c))
		}
		s.leave(w, c, m.leaving.of, m.bytes)
	default:
		s.say(w, c, m.bytes)
	}
}

// say writes bytes to c alone, at its next frame boundary.
func (s *shard) say(w *poller.Worker, c *client, bytes []byte) {
	if o := c.out; o != nil {
		if !o.left {
			// One that is not begun is replaced: only the newest ping needs an
			// answer (RFC 6455 §5.5.3).
			o.urgent = bytes
			s.resume(w, o)
		}
		return
	}
	if rest, behind := s.write(w, c, bytes); behind {
		o := s.newOutbox(c)
		if len(rest) < len(bytes) {
			o.begun = rest
		} else {
			o.urgent = rest
		}
		s.unseat(c)
		s.lag(w, o)
	}
}

// newOutbox is one for c, which is caught up with what its rooms' ready members
// have.
func (s *shard) newOutbox(c *client) *outbox {
	o := &outbox{c: c, index: -1}
	o.readers = o.one[:0]
	s.eachRoom(c, func(r *roster) {
		if r.hub != nil {
			o.readers = append(o.readers, reader{roster: r, at: r.pos, given: r.given()})
		}
	})
	return o
}

// lag takes o, which no list holds, into lagging unless it gets caught up at
// once.
func (s *shard) lag(w *poller.Worker, o *outbox) {
	if !o.left {
		o.deadline = s.server.stallDeadline(s.server.now.Load())
		s.counters(w).lagging.Add(1)
	}
	o.index = int32(len(s.lagging))
	s.lagging = append(s.lagging, o)
	o.c.out = o
	s.resume(w, o)
}

// resume writes what o can be given now, as much as is one client's share.
func (s *shard) resume(w *poller.Worker, o *outbox) { s.push(w, o, s.server.stretch) }

// push is resume with a share of limit bytes.
func (s *shard) push(w *poller.Worker, o *outbox, limit int) {
	switch o.flush(w, s, limit) {
	case blocked:
		s.watch(o)
	case unfinished:
		s.watch(o)
		o.c.signal(w, eventWritable)
	case broken:
		s.abandon(w, o.c, Reset)
	case caughtUp:
		s.removeLagging(w, o)
		if o.left {
			s.release(w, o.c, true)
		} else {
			s.caughtUp(o.c)
		}
	}
}

// watch makes sure that o's next deadline or overflow is not missed.
func (s *shard) watch(o *outbox) {
	s.due.Store(min(s.due.Load(), o.deadline))
	queue := uint64(s.server.config.Queue)
	for i := range o.readers {
		r := o.readers[i].roster
		end := r.reach().Seq
		r.overflow = min(r.overflow, max(end, o.readers[i].head)-uint64(o.waiting(i, end))+queue)
	}
}

// dropOverflowed makes the members leave whose queues in r have overflowed. Each
// is tried once more: only a socket that takes nothing makes a queue overflow.
func (s *shard) dropOverflowed(w *poller.Worker, r *roster) {
	r.overflow = math.MaxUint64
	queue := s.server.config.Queue
	for i := len(s.lagging) - 1; i >= 0; i-- {
		o := s.lagging[i]
		at := o.reading(r)
		if at < 0 {
			continue
		}
		s.current = o.c
		if o.waiting(at, r.pos.Seq) > queue {
			s.push(w, o, math.MaxInt)
			if o.c.out != o {
				continue // caught up or gone
			}
		}
		if n := o.waiting(at, r.pos.Seq); n > queue {
			s.sendAway(w, o.c, SlowConsumer, func(h *hub) uint64 {
				if h == r.hub {
					return r.pos.Seq - uint64(n-queue)
				}
				return s.rosterOf(o.c, h).counted()
			})
		} else {
			s.watch(o)
		}
	}
	s.current = nil
}

// waiting is the length of c's longest queue.
func (s *shard) waiting(c *client) (n int) {
	if o := c.out; o != nil {
		for i := range o.readers {
			n = max(n, o.waiting(i, o.readers[i].roster.reach().Seq))
		}
	}
	return n
}

// caughtUp takes in a client that is. During a pass it has to wait for the end,
// or the pass would write to it what it has.
func (s *shard) caughtUp(c *client) {
	c.out = nil
	if s.pass != nil {
		s.pass.caught = append(s.pass.caught, c)
		return
	}
	s.seat(c)
}

func (s *shard) removeLagging(w *poller.Worker, o *outbox) {
	if !o.left {
		s.counters(w).lagging.Add(-1)
	}
	last := len(s.lagging) - 1
	s.lagging[o.index] = s.lagging[last]
	s.lagging[o.index].index = o.index
	s.lagging[last] = nil
	s.lagging = s.lagging[:last]
	o.c.out = nil
}

// Panicked implements poller.Runner: the client that was being worked on is
// given up.
func (s *shard) Panicked(w *poller.Worker, _ any) {
	defer s.Schedule() // whatever comes
	for _, r := range s.list {
		r.overflow = 0 // those that were still to be looked at
	}
	if c := s.current; c != nil {
		s.current = nil
		if !c.has(statusReleased) {
			s.abandon(w, c, Panicked)
		}
	}
}

package room

import (
	"math"
	"sync/atomic"

	"chatd/poller"
	"chatd/room/framelog"
)

// shard is a part of a room's members: its Task owns who is in it, how far
// each is, and every write to their sockets.
//
// Members that are caught up stand in ready and have no state of their own:
// between passes all of them are at pos. A member whose socket is full stands
// in lagging, outside of what a pass walks, until the poller says that the
// socket takes bytes again. So do clients that left and have not yet got all
// that was queued for them.
type shard struct {
	poller.Task
	hub *hub // static

	inbox      poller.Inbox[client, *client] // from anybody to the Task
	done       atomic.Uint64                 // pos.Seq, for the hub
	population atomic.Int32                  // members and clients to come: hub adds, Task subtracts
	due        atomic.Uint32                 // the tick at which the Task has something to do

	// Owned by the Task.
	pos     framelog.Cursor
	ready   []*client // ready[i] writes to fds[i]
	fds     []int32
	lagging []*outbox
	pass    *pass // nil between passes
	// overflow is at most the number of the frame with which the first queue
	// of a lagging member overflows.
	overflow uint64
	current  *client // who is being worked on, for Panicked
	members  int32   // those in ready and lagging that have not left
	ticked   uint32
	sweepAt  uint32 // the tick at which members are to be looked at
	doubting bool   // some of them are in doubt, see doubts

	compressed bool // static: its members read the compressed log
}

func newShard(h *hub, compressed bool) *shard {
	log := &h.log
	if compressed {
		log = h.compressed
	}
	s := &shard{hub: h, compressed: compressed, pos: log.Head(), overflow: math.MaxUint64, sweepAt: math.MaxUint32}
	s.done.Store(s.pos.Seq)
	s.ticked = h.server.now.Load()
	s.due.Store(s.nextRound(s.ticked))
	s.Task.Init(h.server.pool, s)
	return s
}

// Run implements poller.Runner. What comes through the inbox is looked at
// between passes only, when every ready member is at pos.
func (s *shard) Run(w *poller.Worker) {
	for {
		if s.pass == nil {
			s.hub.server.answer(&s.Task)
			s.takeEvents(w)
			if now := s.hub.server.now.Load(); now != s.ticked {
				s.tick(w, s.ticked, now)
				s.ticked = now
			}
			if !s.beginPass() {
				break
			}
		}
		for s.pass != nil {
			s.step(w)
			if s.pass != nil && w.Busy() {
				s.Schedule()
				return
			}
		}
		s.done.Store(s.pos.Seq)
		if s.hub.stalled.Load() {
			s.hub.ScheduleOn(w)
		}
		if w.Busy() {
			s.Schedule()
			return
		}
	}
	if stage := s.hub.server.stage.Load(); stage == aborting || stage == closing && s.hub.quiet() {
		s.closeAll(w, stage)
	}
}

// counted is the number of the frame up to which what the members are due is in
// the tally.
func (s *shard) counted() uint64 {
	if s.pass != nil {
		return s.pass.pieces[0].Start.Seq
	}
	return s.pos.Seq
}

func (s *shard) tally(w *poller.Worker) *tally { return s.hub.server.tallies.of(w) }

// takeEvents does what sessions and the poller asked for.
func (s *shard) takeEvents(w *poller.Worker) {
	s.inbox.Each(func(c *client) {
		s.current = c
		s.handle(w, c, c.events.Swap(0))
	})
	s.current = nil
}

func (s *shard) handle(w *poller.Worker, c *client, events uint32) {
	if c.has(statusReleased) {
		if others := events & lobbyEvents; others != 0 {
			s.hub.server.lobby.signal(w, c, others)
		}
		return
	}
	if events&eventJoin != 0 {
		s.join(w, c)
	}
	if events&eventMail != 0 {
		if m := c.mail.Swap(nil); m != nil {
			s.deliver(w, c, m)
		}
	}
	if events&eventWritable != 0 && c.out != nil {
		s.resume(w, c.out)
	}
}

// join makes c a member: it gets the handshake's answer, and every frame from
// pos on. So whoever has the answer is in. The session learns of it last: it
// must not send mail while the answer is mail.
func (s *shard) join(w *poller.Worker, c *client) {
	s.addReady(c)
	s.members++
	s.hub.server.members.Add(1)
	s.tally(w).joined.Add(1)
	s.expect(c)
	if s.members == 1 {
		s.skip(w)
	}
	s.say(w, c, c.mail.Swap(nil).bytes)
	if o := c.out; o != nil && len(o.urgent) > 0 {
		o.begun, o.urgent = o.urgent, nil // nothing is to take its place
	}
	if c.status.Or(statusMember)&statusWaiting != 0 {
		c.ScheduleOn(w)
	}
}

// skip moves a shard without members to the end of its log, which may have begun
// anew.
func (s *shard) skip(w *poller.Worker) {
	s.pos = s.head()
	s.done.Store(s.pos.Seq)
	if s.hub.stalled.Load() {
		s.hub.ScheduleOn(w)
	}
}

// head is the end of the shard's log.
func (s *shard) head() framelog.Cursor {
	for at := s.pos; ; {
		piece, after := at.Next()
		if len(piece.Bytes) == 0 {
			return after
		}
		at = after
	}
}

// deliver writes m to c at its next frame boundary.
func (s *shard) deliver(w *poller.Worker, c *client, m *mail) {
	if m.broken {
		s.abandon(w, c, m.reason)
		return
	}
	if m.leave {
		if m.reason != 0 && !c.has(statusLeft) {
			s.hub.server.departed(w, c, m.reason, s.waiting(c))
		}
		s.leave(w, c, m.limit, m.bytes)
		return
	}
	s.say(w, c, m.bytes)
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
	n := w.Send(c.FD(), bytes)
	s.tally(w).sent.Add(uint64(max(n, 0)))
	switch {
	case n == len(bytes):
	case n < 0 && n != poller.WouldBlock:
		s.abandon(w, c, Reset)
	default:
		o := &outbox{c: c, at: s.pos}
		if n > 0 {
			o.begun = bytes[n:]
		} else {
			o.urgent = bytes
		}
		s.removeReady(int(c.slot))
		s.lag(w, o)
	}
}

// leave ends c's membership: it still gets what its queue holds of the first
// limit frames of the log, then bytes, then its socket is released.
func (s *shard) leave(w *poller.Worker, c *client, limit uint64, bytes []byte) {
	o := c.out
	if o == nil {
		o = &outbox{c: c, at: s.pos, index: -1}
		s.removeReady(int(c.slot))
		c.out = o
	}
	if o.left {
		return
	}
	// Beyond the limit, the others' passes may have begun.
	limit = max(limit, s.counted())
	s.tally(w).due.Add(limit - s.counted())
	c.status.Or(statusLeft)
	s.members--
	s.hub.server.members.Add(-1)
	if o.index >= 0 {
		s.tally(w).lagging.Add(-1)
	}
	o.leave(limit, bytes)
	o.since = s.hub.server.logged()
	o.deadline = s.hub.server.after(s.hub.server.config.DrainTimeout)
	if o.index < 0 {
		s.lag(w, o)
		return
	}
	s.resume(w, o)
}

// lag takes o, which no list holds, into lagging unless it gets caught up at
// once.
func (s *shard) lag(w *poller.Worker, o *outbox) {
	if !o.left {
		o.deadline = s.hub.server.stallDeadline(s.hub.server.now.Load())
		s.tally(w).lagging.Add(1)
	}
	o.index = int32(len(s.lagging))
	s.lagging = append(s.lagging, o)
	o.c.out = o
	s.resume(w, o)
}

// resume writes what o can be given now.
func (s *shard) resume(w *poller.Worker, o *outbox) {
	switch o.flush(w, s.reach()) {
	case blocked:
		s.watch(o)
	case broken:
		s.abandon(w, o.c, Reset)
	case caughtUp:
		s.removeLagging(w, o)
		if o.left {
			s.release(w, o.c, true)
		} else {
			s.addReady(o.c)
		}
	}
}

// watch makes sure that o's next deadline or overflow is not missed.
func (s *shard) watch(o *outbox) {
	s.due.Store(min(s.due.Load(), o.deadline))
	if o.left {
		return
	}
	end := s.reach().Seq
	s.overflow = min(s.overflow, end-uint64(o.waiting(end))+uint64(s.hub.server.config.Queue))
}

// dropOverflowed makes the members leave whose queues have overflowed. Each is
// tried once more: only a socket that takes nothing makes a queue overflow.
func (s *shard) dropOverflowed(w *poller.Worker) {
	s.overflow = math.MaxUint64
	queue := s.hub.server.config.Queue
	for i := len(s.lagging) - 1; i >= 0; i-- {
		o := s.lagging[i]
		if o.left {
			continue
		}
		s.current = o.c
		if o.waiting(s.pos.Seq) > queue {
			s.resume(w, o)
			if o.c.out != o {
				continue // caught up or gone
			}
		}
		if n := o.waiting(s.pos.Seq); n > queue {
			s.sendAway(w, o.c, SlowConsumer, s.pos.Seq-uint64(n-queue))
		} else {
			s.watch(o)
		}
	}
	s.current = nil
}

// waiting is the length of c's queue.
func (s *shard) waiting(c *client) int {
	if c.out == nil || c.out.left {
		return 0
	}
	return c.out.waiting(s.reach().Seq)
}

// sendAway makes c leave for a reason of the server's: of the log it gets what
// comes before limit, then a close frame that tells why.
func (s *shard) sendAway(w *poller.Worker, c *client, r Reason, limit uint64) {
	s.current = c
	s.hub.server.departed(w, c, r, s.waiting(c))
	s.leave(w, c, limit, goodbye[r])
	s.current = nil
}

// abandon gives c up, for reason r, without writing any more.
func (s *shard) abandon(w *poller.Worker, c *client, r Reason) {
	at := s.pos.Seq
	if c.out != nil {
		at = c.out.at.Seq
	}
	s.lost(w, c, at, r)
}

// lost is the end of c, whose socket is of no more use; it has got the frames
// before at. Telling of it comes first: whatever that does, c is still held.
func (s *shard) lost(w *poller.Worker, c *client, at uint64, r Reason) {
	if c.has(statusLeft) {
		s.tally(w).lost.Add(c.out.owed)
	} else {
		end := s.reach().Seq
		s.hub.server.departed(w, c, r, int(end-at))
		c.status.Or(statusLeft)
		s.tally(w).due.Add(end - s.counted())
		s.tally(w).lost.Add(end - at)
		s.members--
		s.hub.server.members.Add(-1)
	}
	switch { // in no list it is when it just fell behind
	case c.out != nil && c.out.index >= 0:
		s.removeLagging(w, c.out)
	case c.slot >= 0:
		s.removeReady(int(c.slot))
	}
	s.release(w, c, false)
}

// release gives the socket of c, which no list holds any more, back to the
// session, which closes it, after lingering or at once.
func (s *shard) release(w *poller.Worker, c *client, linger bool) {
	status := statusReleased
	if linger {
		status |= statusLinger
	}
	s.population.Add(-1)
	c.status.Or(status)
	c.ScheduleOn(w)
}

// addReady takes in a client that is caught up. During a pass it has to wait
// for the end, or the pass would write to it what it has.
func (s *shard) addReady(c *client) {
	c.out = nil
	if s.pass != nil {
		s.pass.caught = append(s.pass.caught, c)
		return
	}
	c.slot = int32(len(s.ready))
	s.ready = append(s.ready, c)
	s.fds = append(s.fds, c.FD())
}

func (s *shard) removeReady(i int) {
	last := len(s.ready) - 1
	s.ready[i].slot = -1
	s.move(last, i)
	s.ready[last] = nil
	s.ready, s.fds = s.ready[:last], s.fds[:last]
}

// move puts the ready member at from in place of the one at to.
func (s *shard) move(from, to int) {
	if from != to {
		s.ready[to], s.fds[to] = s.ready[from], s.fds[from]
		s.ready[to].slot = int32(to)
	}
}

func (s *shard) removeLagging(w *poller.Worker, o *outbox) {
	if !o.left {
		s.tally(w).lagging.Add(-1)
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
	s.overflow = 0     // those that were still to be looked at
	if c := s.current; c != nil {
		s.current = nil
		if !c.has(statusReleased) {
			s.abandon(w, c, Panicked)
		}
	}
}

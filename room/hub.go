package room

import (
	"crypto/rand"
	"encoding/binary"
	"runtime"
	"sync/atomic"

	"chatd/poller"
	"chatd/room/framelog"
)

// maxBacklog is how many bytes may wait for the hub before sessions stop reading.
const maxBacklog = 256 << 10

// parked is a session that waits until the hub has caught up, or the server goes on.
type parked struct {
	link *parked
	c    *client
}

// Link implements the inbox's element.
func (p *parked) Link() **parked { return &p.link }

// hub serializes a room: its Task takes what was published, appends it to the
// log, has the shards write it, and lets new members in.
//
// It never runs more than a queue's length ahead of the slowest roster's pass.
// So a member falls behind only because its own socket does not take bytes;
// when the server is what is slow, the publishers wait: first their posts,
// then, once maxBacklog bytes wait, their sessions stop reading, and TCP slows
// them down.
//
// A server holds very many: what is seldom there is behind a pointer.
type hub struct {
	poller.Task
	server *Server // static
	name   string  // static

	// From anybody to the Task.
	inbox   poller.Inbox[post, *post]
	joins   poller.Inbox[change, *change]
	waiters poller.Inbox[parked, *parked]
	backlog atomic.Int64 // bytes of the posts that are not wholly in the log

	flags      atomic.Uint32 // see hubStalled
	population atomic.Int32  // members, and clients to come: the Task adds, shards subtract

	// From the Task to whoever asks.
	epoch    atomic.Uint32             // tells its life from others that the name had before, or will have; 0: it has not begun
	second   uint32                    // that it is in; the Task's
	messages atomic.Uint64             // that were appended
	meter    atomic.Pointer[rateMeter] // nil while it is quiet

	// From the Task to the directory.
	events atomic.Uint32 // what to look at; non-zero: it is in the directory's inbox
	taken  atomic.Uint32 // joins that were taken in
	link   *hub          // of the directory's inbox

	// Owned by the directory.
	sent    uint32 // joins
	listed  bool   // it is among the active ones
	waits   bool   // it is among those to be woken later
	silent  bool   // it is among the silent ones, see silence
	removed bool

	// Owned by the Task.
	log       framelog.Log // the messages as they came
	archive   *archive     // what is kept of them, and the logs of other streams; nil: nothing
	rosters   *roster      // the first one; the others follow by sibling
	posts     *post        // taken from the inbox, not yet appended
	passedAll uint64       // all rosters have passed this frame (the least roster.done last seen)
	order     *ordered     // static: where the order comes from; nil: from the hub itself
}

// Flags of a hub, and who changes them.
//
//	hubStalled    set and cleared by the Task: shards schedule it after their pass
//	hubEmptied    set by shards, cleared by the Task: a roster has no members any more
//	hubCounted    set by shards and the Task, cleared by the Task: the members are to
//	              be told how many they are
//	hubUntold     set by shards, cleared by the Task: … and some of them were told nothing
//	hubHeard      set and cleared by the Task: there are members who are told that
//	hubDeflating  set and cleared by the Task: sessions are to compress messages
//	hubKeeps      set and cleared by the Task: there is history
//	hubListed     set and cleared by the Task: the directory was told, since the second
//	              began, that it is active
//	hubAppended   set and cleared by the Task: something was appended, since then
//	hubElsewhere  set by anybody, cleared by the Task: its members elsewhere are to be
//	              counted
//	hubHot, hubWaits  see flush.go
const (
	hubStalled uint32 = 1 << iota
	hubEmptied
	hubCounted
	hubUntold
	hubHeard
	hubDeflating
	hubKeeps
	hubListed
	hubAppended
	hubElsewhere
	hubHot
	hubWaits
)

// has reports whether a flag is set.
func (h *hub) has(flag uint32) bool { return h.flags.Load()&flag != 0 }

// Events of a hub.
const (
	hubVacant uint32 = 1 << iota // it has no members, no history, and nothing to do
	hubActive                    // it wants to be scheduled when the second is over
	hubSpoken                    // something was said in this second
	hubForgot                    // it has no history any more
	hubLater                     // it wants to be scheduled at archive.noticeAt
)

// Link implements the inbox's element.
func (h *hub) Link() **hub { return &h.link }

// life is what its messages are told apart by.
func (h *hub) life() life { return life{h.name, h.epoch.Load()} }

// seq is the number by which everybody knows the message n of the log, which is kept, or
// the last one that is not.
func (h *hub) seq(n uint64) uint64 {
	if h.order != nil {
		return h.order.numbers.seq(n)
	}
	return n
}

func newHub(s *Server, name string) *hub {
	h := &hub{server: s, name: name, second: s.now.Load() / ticksPerSecond}
	h.Task.Init(s.pool, h)
	h.log.Init()
	if s.config.Order != nil {
		h.order, h.archive = newOrdered(h), newArchive(h)
		if s.config.Nodes != nil {
			h.flags.Or(hubElsewhere)
		}
	} else {
		h.epoch.Store(newEpoch())
	}
	return h
}

// newEpoch is a random one.
func newEpoch() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return max(1, binary.BigEndian.Uint32(b[:]))
}

// signal tells the directory about events.
func (h *hub) signal(w *poller.Worker, events uint32) {
	if h.events.Or(events) == 0 {
		h.server.directory.hubs.Put(h)
		h.server.directory.ScheduleOn(w)
	}
}

// keepActive has the directory schedule the hub when the second is over.
func (h *hub) keepActive(w *poller.Worker) {
	if !h.has(hubListed) {
		h.flags.Or(hubListed)
		h.signal(w, hubActive)
	}
}

// publish hands p over. Sessions call it.
func (h *hub) publish(w *poller.Worker, p *post) {
	h.backlog.Add(int64(len(p.frames.plain)))
	h.inbox.Put(p)
	h.ScheduleOn(w)
}

// congested reports whether c's session has to wait before it reads on; it is
// scheduled when that is over. Its peer can't show meanwhile that it is there.
func (h *hub) congested(c *client) bool {
	if h.backlog.Load() <= maxBacklog {
		return false
	}
	now := h.server.now.Load()
	c.heard.Store(now)
	c.spoke.Store(now)
	h.waiters.Put(&parked{c: c})
	h.Schedule() // it may have caught up before it could see the waiter
	return true
}

// Run implements poller.Runner.
func (h *hub) Run(w *poller.Worker) {
	h.server.answer(&h.Task)
	if h.order != nil {
		h.order.hearCount()
	}
	if h.order == nil {
		h.joins.Each(func(ch *change) { h.admit(w, ch) })
	} else if h.order.admits(w) {
		h.joins.Each(func(ch *change) { h.order.admit(w, ch) })
	}
	appended, answered := h.append(w)
	if h.order != nil {
		h.order.admitHeld(w)
	}
	if answered {
		runtime.Gosched() // who waits for it would else wait for the passes, too, if there are as many as cores
	}
	switch {
	case appended:
		if !h.has(hubAppended) {
			h.flags.Or(hubAppended)
			h.signal(w, hubSpoken)
		}
		h.flush(w)
		h.keepActive(w)
	case h.has(hubWaits):
		h.flush(w)
	}
	if h.backlog.Load() <= maxBacklog/2 {
		for p := h.waiters.TakeAll(); p != nil; p = p.link {
			p.c.Schedule()
		}
	}
	if h.has(hubCounted) {
		h.announce(w)
	}
	if h.order != nil {
		h.order.tellCount()
	}
	if second := h.server.now.Load() / ticksPerSecond; second != h.second {
		h.second = second
		h.tick(w, second)
	}
	if h.archive != nil {
		if bytes := h.archive.shed.Swap(0); bytes > 0 {
			h.release(w, bytes)
			if h.order != nil {
				h.order.forget()
			}
		}
	}
	if h.has(hubEmptied) {
		h.retireRosters(w)
	}
	if h.server.stage.Load() != serving {
		h.wakeRosters(w)
	}
}

// admit finds a newcomer's place and gives it to a shard: one in which the room has
// members already, if it can be. Should finding its place panic, it is refused.
func (h *hub) admit(w *poller.Worker, ch *change) {
	c := ch.client
	x := c.stream()
	defer func() {
		if ch.roster == nil {
			h.refuse(w, ch)
		}
	}()
	h.open(w, x)
	ch.place = h.place(w, x, ch.since)
	if first := c.roster.Load(); first != nil { // it lives in a shard already
		ch.roster = h.rosterIn(first.shard, c.kind())
	} else {
		ch.roster = h.roomiest(c.kind())
		c.roster.Store(ch.roster)
	}
	ch.roster.population.Add(1)
	h.population.Add(1)
	if h.has(hubHeard) && !x.untold() { // else when it is in
		h.recount()
	}
	h.taken.Add(1)
	s := ch.roster.shard
	s.changes.Put(ch)
	s.ScheduleOn(w)
}

// refuse does not let a newcomer in.
func (h *hub) refuse(w *poller.Worker, ch *change) {
	ch.hub = nil
	h.taken.Add(1)
	h.flags.Or(hubEmptied) // perhaps
	ch.client.refuseRoom(w)
}

// vacate tells that the room has neither members nor history, if that is so.
func (h *hub) vacate(w *poller.Worker) {
	if h.order != nil && !h.order.mayLeave(w) {
		return
	}
	if h.rosters == nil && (!h.keeps() || h.server.config.OrderGrace > 0) {
		h.log.Trim()
		h.signal(w, hubVacant)
	}
}

// append moves posts into the log as far as the shards allow. It reports
// whether there was anything, and whether somebody outside has his answer.
func (h *hub) append(w *poller.Worker) (appended, answered bool) {
	if h.order != nil {
		return h.order.work(w)
	}
	if h.posts == nil {
		h.posts = h.inbox.TakeAll()
	}
	for h.posts != nil {
		p := h.posts
		if p.count == 0 {
			answered = answered || p.errand != nil
			h.nextPost(w)
			continue
		}
		n := min(p.count, h.allowance())
		if n == 0 {
			break
		}
		if len(p.says) > 0 {
			n = 1
			if !h.say(w, p) {
				continue
			}
		} else {
			plain, compressed := p.take(n)
			h.record(w, plain, compressed, n, said{})
		}
		h.count(w, n)
		appended = true
	}
	return appended, answered
}

// say appends the next message of one who has a name. One that was said before is
// not said again: its author gets the first one's event. It reports whether it was
// appended.
func (h *hub) say(w *poller.Worker, p *post) bool {
	s := p.says[len(p.says)-p.count]
	plain, compressed := p.take(1)
	if a := h.archive; a != nil && s.nonce != "" {
		h.bound(w, h.server.clock())
		if seq, again := a.find(s); again {
			h.again(w, p, seq)
			return false
		}
	}
	h.record(w, plain, compressed, 1, s)
	h.sign(w, p)
	return true
}

// count counts n messages more.
func (h *hub) count(w *poller.Worker, n int) {
	h.server.counters.of(w).messages.Add(uint64(n))
	h.messages.Store(h.messages.Load() + uint64(n))
	m := h.meter.Load()
	if m == nil {
		m = new(rateMeter)
		h.meter.Store(m)
	}
	m.add(h.server.now.Load()/ticksPerSecond, n)
}

// nextPost is done with the first post.
func (h *hub) nextPost(w *poller.Worker) {
	p := h.posts
	e := p.errand
	h.finish(w, p)
	h.backlog.Add(-int64(len(p.frames.plain)))
	if h.posts = p.link; h.posts == nil {
		h.posts = h.inbox.TakeAll()
	}
	p.free()
	if e != nil {
		h.vacate(w) // nobody may ever have been here
	}
}

// finish does what p asks for besides its messages.
func (h *hub) finish(w *poller.Worker, p *post) {
	e := p.errand
	switch {
	case e != nil:
		p.errand = nil // should it panic, once is enough
		e.finish(h)
	case p.asker != nil:
		asker := p.asker
		p.asker = nil // should it panic, it is not done again
		h.call(w, asker)
	case p.leave != nil:
		p.leave.limit = h.log.Head().Seq
		s := p.leave.client.roster.Load().shard
		s.changes.Put(p.leave)
		s.ScheduleOn(w)
	case p.last != nil && p.last.leaving.pass(h, h.log.Head().Seq):
		p.leaver.send(w, p.last)
	}
}

// allowance is how many frames may be appended now. When it is none, the
// shards will schedule the hub.
func (h *hub) allowance() int {
	queue := uint64(h.server.config.Queue)
	head := h.log.Head().Seq
	if head < h.passedAll+queue {
		return int(h.passedAll + queue - head)
	}
	h.flags.Or(hubStalled)
	h.passedAll = h.passed() // after stalled was set: a pass that ends now is seen or tells
	if head < h.passedAll+queue {
		h.flags.And(^hubStalled)
		return int(h.passedAll + queue - head)
	}
	return 0
}

// quiet reports whether all that was published is in the log.
func (h *hub) quiet() bool { return h.backlog.Load() == 0 }

// tick looks after the history's age, and gives the memory of logs that are quiet
// back. It is called in each second in which something happens, and until the room
// has been quiet for a while.
func (h *hub) tick(w *poller.Worker, second uint32) {
	h.flags.And(^hubListed)
	if h.keeps() {
		h.bound(w, h.server.clock())
	}
	if h.order != nil {
		h.order.tick(w)
	}
	if h.flags.And(^hubAppended)&hubAppended == 0 && h.shrink(w) {
		h.wakeRosters(w) // they move off the segments that they have read
	}
	if m := h.meter.Load(); m != nil {
		if m.sum(second) > 0 {
			h.keepActive(w)
		} else {
			h.meter.Store(nil)
		}
	}
}

// shrink gives back what memory the logs don't need while it is quiet, and reports
// whether there was any.
func (h *hub) shrink(w *poller.Worker) (shrunk bool) {
	if h.archive == nil {
		shrunk = !h.log.Trimmed()
		h.log.Trim()
		return shrunk
	}
	for _, t := range h.archive.tracks {
		switch {
		case t == nil:
		case h.keeps():
			shrunk = t.compact() || shrunk
		case !t.log.Trimmed():
			t.restart()
			shrunk = true
		}
	}
	h.account(w)
	return shrunk
}

// Panicked implements poller.Runner. The post that was being appended is lost; those
// before it are told.
func (h *hub) Panicked(w *poller.Worker, _ any) {
	defer h.Schedule() // whatever comes
	h.wakeRosters(w)
	if h.order != nil {
		h.order.lose(w)
	} else if h.posts != nil {
		h.nextPost(w)
	}
}

package room

import (
	"math"
	"sync/atomic"

	"chatd/poller"
	"chatd/room/framelog"
)

// maxBacklog is how many bytes may wait for the hub before sessions stop reading.
const maxBacklog = 256 << 10

// parked is a session that waits until the hub has caught up.
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
	stalled atomic.Bool  // set by the Task: shards schedule it after their pass
	emptied atomic.Bool  // set by shards: a roster has no members any more
	// deflating says whether the compressed log has readers, and messages are to
	// be compressed. Written by the Task, read by sessions.
	deflating  atomic.Bool
	population atomic.Int32 // members, and clients to come: the Task adds, shards subtract

	// From the Task to whoever asks.
	messages atomic.Uint64             // that were appended
	meter    atomic.Pointer[rateMeter] // nil while it is quiet

	// From the Task to the directory.
	events atomic.Uint32 // what to look at; non-zero: it is in the directory's inbox
	taken  atomic.Uint32 // joins that were taken in
	link   *hub          // of the directory's inbox

	// Owned by the directory.
	sent    uint32 // joins
	listed  bool   // it is among the active ones
	removed bool

	// Owned by the Task. The two logs have the same messages under the same
	// numbers; the compressed one only from when it got its first reader, to
	// when it lost its last.
	active     bool // the directory was told, since the second began, that it is
	appended   bool // something was, since the second began
	second     uint32
	life       uint32 // static: tells it from others that had the name before, or will
	log        framelog.Log
	compressed *framelog.Log // nil while it has no readers
	rosters    *roster       // the first one; the others follow by sibling
	posts      *post         // taken from the inbox, not yet appended
	floor      uint64        // all rosters have passed this frame (the least roster.done last seen)
}

// Events of a hub.
const (
	hubVacant uint32 = 1 << iota // it has no members, and nothing to do
	hubActive                    // it wants to be scheduled when the second is over
)

// Link implements the inbox's element.
func (h *hub) Link() **hub { return &h.link }

func newHub(s *Server, name string, life uint32) *hub {
	h := &hub{server: s, name: name, life: life, second: s.now.Load() / ticksPerSecond}
	h.Task.Init(s.pool, h)
	h.log.Init()
	return h
}

// signal tells the directory about events.
func (h *hub) signal(w *poller.Worker, events uint32) {
	if h.events.Or(events) == 0 {
		h.server.directory.hubs.Put(h)
		h.server.directory.ScheduleOn(w)
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
	h.joins.Each(func(ch *change) { h.admit(w, ch) })
	if h.append(w) {
		h.appended = true
		h.wakeRosters(w)
		if !h.active {
			h.active = true
			h.signal(w, hubActive)
		}
	}
	if h.backlog.Load() <= maxBacklog/2 {
		for p := h.waiters.TakeAll(); p != nil; p = p.link {
			p.c.Schedule()
		}
	}
	if second := h.server.now.Load() / ticksPerSecond; second != h.second {
		h.second = second
		h.tick(w, second)
	}
	if h.emptied.Load() {
		h.retireRosters(w)
	}
	if h.server.stage.Load() != serving {
		h.wakeRosters(w)
	}
}

// admit gives a client to a shard: one in which the room has members already,
// if it can be.
func (h *hub) admit(w *poller.Worker, ch *change) {
	c := ch.client
	deflate := c.has(statusDeflate)
	if deflate && !h.deflating.Load() {
		h.compressed = new(framelog.Log)
		h.compressed.Init()
		h.compressed.Restart(h.log.Head().Seq)
		h.deflating.Store(true)
	}
	if first := c.roster.Load(); first != nil { // it lives in a shard already
		ch.roster = h.rosterIn(first.shard, deflate)
	} else {
		ch.roster = h.roomiest(deflate)
		c.roster.Store(ch.roster)
	}
	ch.roster.population.Add(1)
	h.population.Add(1)
	h.taken.Add(1)
	s := ch.roster.shard
	s.changes.Put(ch)
	s.ScheduleOn(w)
}

// roomiest is a roster that has room, in a shard that has, for a reader of the
// plain or the compressed log. The reader is counted in the shard's population.
func (h *hub) roomiest(compressed bool) *roster {
	for r := h.rosters; r != nil; r = r.sibling {
		if r.compressed == compressed && r.population.Load() < h.server.shardSize && r.shard.reserve() {
			return r
		}
	}
	for r := h.rosters; r != nil; r = r.sibling { // where the other kind of reader is
		if h.roster(r.shard, compressed) == nil && r.shard.reserve() {
			return h.addRoster(r.shard, compressed)
		}
	}
	return h.rosterIn(h.server.shards.choose(h.server), compressed)
}

// rosterIn is the roster in the shard s.
func (h *hub) rosterIn(s *shard, compressed bool) *roster {
	if r := h.roster(s, compressed); r != nil {
		return r
	}
	return h.addRoster(s, compressed)
}

// roster is the one in the shard s, nil if there is none.
func (h *hub) roster(s *shard, compressed bool) *roster {
	for r := h.rosters; r != nil; r = r.sibling {
		if r.shard == s && r.compressed == compressed {
			return r
		}
	}
	return nil
}

func (h *hub) addRoster(s *shard, compressed bool) *roster {
	r := newRoster(h, s, compressed)
	last := &h.rosters
	for *last != nil {
		last = &(*last).sibling
	}
	*last = r
	return r
}

// left counts a member of r less. The shard calls it.
func (h *hub) left(w *poller.Worker, r *roster) {
	h.population.Add(-1)
	if r.population.Add(-1) == 0 {
		h.emptied.Store(true)
		h.ScheduleOn(w)
	}
}

// retireRosters lets go of the rosters that have no members and to which none
// are on their way; when none is left the room is vacant.
func (h *hub) retireRosters(w *poller.Worker) {
	h.emptied.Store(false) // before they are looked at: a roster that empties now tells again
	for at := &h.rosters; *at != nil; {
		if r := *at; r.population.Load() > 0 {
			at = &r.sibling
		} else {
			*at = r.sibling
			r.signal(w, rosterRetired)
		}
	}
	if h.deflating.Load() && !h.hasCompressed() {
		h.deflating.Store(false)
		h.compressed = nil
	}
	switch {
	case h.rosters != nil:
	case h.quiet():
		h.log.Trim()
		h.signal(w, hubVacant)
	default: // those who left have said something that is not in the log yet
		h.emptied.Store(true)
		h.ScheduleOn(w)
	}
}

func (h *hub) hasCompressed() bool {
	for r := h.rosters; r != nil; r = r.sibling {
		if r.compressed {
			return true
		}
	}
	return false
}

// append moves posts into the log as far as the shards allow. It reports
// whether there was anything.
func (h *hub) append(w *poller.Worker) bool {
	appended := false
	if h.posts == nil {
		h.posts = h.inbox.TakeAll()
	}
	for h.posts != nil {
		p := h.posts
		if p.count == 0 {
			h.nextPost(w)
			continue
		}
		n := min(p.count, h.allowance())
		if n == 0 {
			break
		}
		plain, compressed := p.take(n)
		h.log.Append(plain, n)
		if h.deflating.Load() {
			h.compressed.Append(compressed, n)
		}
		h.count(n)
		t := h.server.counters.of(w)
		t.messages.Add(uint64(n))
		t.logged.Add(uint64(len(plain)))
		appended = true
	}
	return appended
}

// count counts n messages more.
func (h *hub) count(n int) {
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
	switch {
	case p.leave != nil:
		p.leave.limit = h.log.Head().Seq
		s := p.leave.client.roster.Load().shard
		s.changes.Put(p.leave)
		s.ScheduleOn(w)
	case p.last != nil && p.last.leaving.pass(h, h.log.Head().Seq):
		p.leaver.send(w, p.last)
	}
	h.backlog.Add(-int64(len(p.frames.plain)))
	if h.posts = p.link; h.posts == nil {
		h.posts = h.inbox.TakeAll()
	}
	p.free()
}

// allowance is how many frames may be appended now. When it is none, the
// shards will schedule the hub.
func (h *hub) allowance() int {
	queue := uint64(h.server.config.Queue)
	head := h.log.Head().Seq
	if head < h.floor+queue {
		return int(h.floor + queue - head)
	}
	h.stalled.Store(true)
	h.floor = h.passed() // after stalled was set: a pass that ends now is seen or tells
	if head < h.floor+queue {
		h.stalled.Store(false)
		return int(h.floor + queue - head)
	}
	return 0
}

// quiet reports whether all that was published is in the log.
func (h *hub) quiet() bool { return h.backlog.Load() == 0 }

// passed is the number of the frame in front of which the slowest roster is.
func (h *hub) passed() uint64 {
	least := uint64(math.MaxUint64)
	for r := h.rosters; r != nil; r = r.sibling {
		if r.population.Load() > 0 {
			least = min(least, r.done.Load())
		}
	}
	if least == math.MaxUint64 { // nobody is here
		return h.log.Head().Seq
	}
	return least
}

// wakeRosters has w go on with the first roster's shard, and other workers with
// the others: a pass takes its time.
func (h *hub) wakeRosters(w *poller.Worker) {
	for r := h.rosters; r != nil; r = r.sibling {
		r.signal(w, rosterNews)
		w = nil
	}
}

// tick gives the memory of a log that is quiet back. It is called in each second
// in which something happens, and until the room has been quiet for a while.
func (h *hub) tick(w *poller.Worker, second uint32) {
	h.active = false
	if trimmed := h.log.Trimmed() && (h.compressed == nil || h.compressed.Trimmed()); !h.appended && !trimmed {
		h.log.Trim()
		if h.compressed != nil {
			h.compressed.Trim()
		}
		h.wakeRosters(w) // they move off the segments that they have read
	}
	h.appended = false
	if m := h.meter.Load(); m != nil {
		if m.sum(second) > 0 {
			h.active = true
			h.signal(w, hubActive)
		} else {
			h.meter.Store(nil)
		}
	}
}

// Panicked implements poller.Runner. The post that was being appended is lost.
func (h *hub) Panicked(w *poller.Worker, _ any) {
	defer h.Schedule() // whatever comes
	if h.posts != nil {
		h.nextPost(w)
	}
}

package room

import (
	"math"
	"sync/atomic"

	"chatd/poller"
	"chatd/room/framelog"
)

const (
	// maxBacklog is how many bytes may wait for the hub before sessions stop
	// reading.
	maxBacklog = 256 << 10
	// shardSize is the number of members of a shard: few enough for a pass to
	// be short, enough for the work per message to vanish behind the writes.
	shardSize = 2048
)

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
// It never runs more than a queue's length ahead of the slowest shard's pass.
// So a member falls behind only because its own socket does not take bytes;
// when the server is what is slow, the publishers wait: first their posts,
// then, once maxBacklog bytes wait, their sessions stop reading, and TCP slows
// them down.
type hub struct {
	poller.Task
	server *Server // static

	// From anybody to the Task.
	inbox   poller.Inbox[post, *post]
	joins   poller.Inbox[client, *client]
	waiters poller.Inbox[parked, *parked]
	backlog atomic.Int64 // bytes of the posts that are not wholly in the log
	stalled atomic.Bool  // set by the Task: shards schedule it after their pass
	// deflating says whether the compressed log has readers, and messages are to
	// be compressed. Written by the Task, read by sessions.
	deflating atomic.Bool

	// Owned by the Task. The two logs have the same messages under the same
	// numbers; the compressed one only from when it got its first reader, to
	// when it lost its last.
	log        framelog.Log
	compressed *framelog.Log // nil before the first reader
	shards     []*shard
	posts      *post  // taken from the inbox, not yet appended
	floor      uint64 // all shards have passed this frame (the least shard.done last seen)
	ticked     uint32
	active     bool // something was appended since the last tick
}

func (h *hub) init(s *Server) {
	h.server = s
	h.Task.Init(s.pool, h)
	h.log.Init()
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
	h.joins.Each(func(c *client) { h.admit(w, c) })
	if h.append(w) {
		h.active = true
		h.wakeShards(w)
	}
	if h.backlog.Load() <= maxBacklog/2 {
		for p := h.waiters.TakeAll(); p != nil; p = p.link {
			p.c.Schedule()
		}
	}
	if now := h.server.now.Load(); now != h.ticked {
		h.tick(now)
	}
	if h.server.stage.Load() != serving {
		h.wakeShards(w)
	}
}

// admit gives c to a shard that has room.
func (h *hub) admit(w *poller.Worker, c *client) {
	deflate := c.has(statusDeflate)
	if deflate && !h.deflating.Load() {
		if h.compressed == nil {
			h.compressed = new(framelog.Log)
			h.compressed.Init()
		}
		h.compressed.Restart(h.log.Head().Seq)
		h.deflating.Store(true)
	}
	s := h.roomiest(deflate)
	s.population.Add(1)
	c.shard = s
	c.events.Store(eventJoin)
	s.inbox.Put(c)
	s.ScheduleOn(w)
}

// roomiest is a shard with room for a reader of the plain or the compressed log.
func (h *hub) roomiest(compressed bool) *shard {
	for _, s := range h.shards {
		if s.compressed == compressed && s.population.Load() < h.server.shardSize {
			return s
		}
	}
	s := newShard(h, compressed)
	h.shards = append(h.shards, s)
	return s
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
		t := h.server.tallies.of(w)
		t.messages.Add(uint64(n))
		t.logged.Add(uint64(len(plain)))
		appended = true
	}
	return appended
}

// nextPost is done with the first post.
func (h *hub) nextPost(w *poller.Worker) {
	p := h.posts
	if p.leaver != nil {
		p.last.limit = h.log.Head().Seq
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

// passed is the number of the frame in front of which the slowest shard is.
func (h *hub) passed() uint64 {
	least := uint64(math.MaxUint64)
	for _, s := range h.shards {
		if s.population.Load() > 0 {
			least = min(least, s.done.Load())
		}
	}
	if least == math.MaxUint64 { // nobody is here
		return h.log.Head().Seq
	}
	return least
}

// wakeShards has w go on with the first shard, and other workers with the
// others: a pass takes its time.
func (h *hub) wakeShards(w *poller.Worker) {
	for i, s := range h.shards {
		if i == 0 {
			s.ScheduleOn(w)
		} else {
			s.Schedule()
		}
	}
}

// tick gives the memory of a log that is quiet back, and looks for shards that
// have something due.
func (h *hub) tick(now uint32) {
	h.ticked = now
	if h.deflating.Load() && !h.compressedHasReaders() {
		h.deflating.Store(false)
	}
	trim := !h.active && !(h.log.Trimmed() && (h.compressed == nil || h.compressed.Trimmed()))
	if trim {
		h.log.Trim()
		if h.compressed != nil {
			h.compressed.Trim()
		}
	}
	h.active = false
	for _, s := range h.shards {
		if trim || now >= s.due.Load() {
			s.Schedule() // also moves it off the segments that it has read
		}
	}
}

func (h *hub) compressedHasReaders() bool {
	for _, s := range h.shards {
		if s.compressed && s.population.Load() > 0 {
			return true
		}
	}
	return false
}

// Panicked implements poller.Runner. The post that was being appended is lost.
func (h *hub) Panicked(w *poller.Worker, _ any) {
	defer h.Schedule() // whatever comes
	if h.posts != nil {
		h.nextPost(w)
	}
}

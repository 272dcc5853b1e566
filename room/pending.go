package room

import (
	"math"
	"sync/atomic"

	"chatd/poller"
)

// pendingConns are the clients that are in no shard: those whose handshake is not
// done, and those that linger at the end. Its Task closes, through their
// sessions, the ones whose time is over.
type pendingConns struct {
	poller.Task
	server *Server // static

	inbox poller.Inbox[client, *client] // from sessions to the Task
	joins poller.Inbox[change, *change] // those whose handshake is done

	handshakes atomic.Int64  // those that are not lingering; written by the Task
	due        atomic.Uint32 // the tick at which the Task has something to do; written by the Task

	// Owned by the Task. In front are those whose handshake is not done, behind
	// them those that linger.
	list   []pendingConn
	ticked uint32
	staged uint32 // the stage of which the list has heard
	hand   int    // where the search for one that has to go begins
}

// pendingConn is a client, the tick at which its time is over, and that at which it
// is even if it goes on taking what was written to it.
type pendingConn struct {
	c               *client
	deadline, limit uint32
}

func (pc *pendingConns) init(s *Server) {
	pc.server = s
	pc.Task.Init(s.pool, pc)
}

// signal tells of events. Only c's session may call it, while c is no
// room's, and a shard that found events which are not its own.
func (pc *pendingConns) signal(w *poller.Worker, c *client, events uint32) {
	if c.events.Or(events) == 0 {
		pc.inbox.Put(c)
		pc.ScheduleOn(w)
	}
}

// join sends a client whose handshake is done on its way into a room. Only its
// session may call it.
func (pc *pendingConns) join(w *poller.Worker, ch *change) {
	pc.joins.Put(ch)
	pc.ScheduleOn(w)
}

// Run implements poller.Runner.
func (pc *pendingConns) Run(w *poller.Worker) {
	pc.server.answer(&pc.Task)
	joins := pc.joins.TakeAll() // before the events, which come first
	pc.inbox.Each(func(c *client) { pc.handle(c, c.events.Swap(0)) })
	for joins != nil {
		ch := joins
		joins = ch.link
		pc.forget(ch.client)
		pc.server.directory.joins.Put(ch)
		pc.server.directory.ScheduleOn(w)
	}
	now, stage := pc.server.now.Load(), pc.server.stage.Load()
	if now != pc.ticked && now >= pc.due.Load() || stage != pc.staged {
		pc.ticked, pc.staged = now, stage
		pc.expire(now, stage)
	}
}

func (pc *pendingConns) handle(c *client, events uint32) {
	if events&eventHandshake != 0 {
		deadline := c.born + past(pc.server.config.HandshakeTimeout)
		pc.keep(c, deadline, deadline, false)
		if limit := pc.server.config.MaxHandshakes; limit > 0 && pc.handshakes.Load() > int64(limit) {
			pc.makeRoom()
		}
	}
	if events&eventLinger != 0 {
		pc.linger(c)
	}
	if events&eventGone != 0 {
		pc.forget(c)
	}
}

// linger keeps c until its peer hangs up, for a while.
func (pc *pendingConns) linger(c *client) {
	pc.keep(c, pc.server.after(lingerTimeout), pc.server.after(max(lingerTimeout, pc.server.config.DrainTimeout)), true)
}

// keep takes c in, or moves it. One that is closed already is not kept: its
// session's last event may come before an earlier one that went by way of its
// shard.
func (pc *pendingConns) keep(c *client, deadline, limit uint32, lingering bool) {
	pc.forget(c)
	if c.has(statusClosed) {
		return
	}
	c.slot = int32(len(pc.list))
	pc.list = append(pc.list, pendingConn{c, deadline, limit})
	pc.due.Store(min(pc.due.Load(), deadline))
	if n := pc.handshakes.Load(); !lingering {
		pc.swap(int(c.slot), int(n))
		pc.handshakes.Store(n + 1)
	}
	if unwelcome(pc.server.stage.Load(), lingering) {
		dismiss(c)
	}
}

func (pc *pendingConns) forget(c *client) {
	if c.slot < 0 {
		return
	}
	if n := pc.handshakes.Load(); int64(c.slot) < n {
		pc.swap(int(c.slot), int(n-1))
		pc.handshakes.Store(n - 1)
	}
	last := len(pc.list) - 1
	pc.swap(int(c.slot), last)
	pc.list[last] = pendingConn{}
	pc.list = pc.list[:last]
	c.slot = -1
}

func (pc *pendingConns) swap(i, j int) {
	pc.list[i], pc.list[j] = pc.list[j], pc.list[i]
	pc.list[i].c.slot, pc.list[j].c.slot = int32(i), int32(j)
}

// candidates is how many are looked at for one that has to go.
const candidates = 8

// makeRoom ends one of the oldest handshakes: the oldest of the next few. One
// that takes long is either slow or not meant well, and one that just began
// should not have to wait for it.
func (pc *pendingConns) makeRoom() {
	n := int(pc.handshakes.Load())
	pc.hand = (pc.hand + 1) % n
	oldest := pc.list[pc.hand]
	for range min(candidates, n) - 1 {
		pc.hand = (pc.hand + 1) % n
		if g := pc.list[pc.hand]; g.deadline < oldest.deadline {
			oldest = g
		}
	}
	oldest.c.status.Or(statusCrowded)
	oldest.c.Schedule()
	pc.linger(oldest.c)
}

// unwelcome reports whether a client has to go at a stage of the server's life:
// when it goes away, those that are not done with their handshake, and in the
// end all.
func unwelcome(stage uint32, lingering bool) bool {
	return stage == aborting || stage != serving && !lingering
}

// expire closes those whose deadline has come, and those that have to go. Until the
// next deadline the Task need not run: who is done with is forgotten when it is gone, and
// its deadline may come to nothing.
func (pc *pendingConns) expire(now, stage uint32) {
	handshakes := int(pc.handshakes.Load())
	due := uint32(math.MaxUint32)
	for i := range pc.list {
		g := &pc.list[i]
		switch {
		case unwelcome(stage, i >= handshakes):
			dismiss(g.c)
		case now < g.deadline:
		case now < g.limit && g.takes():
			g.deadline = min(now+past(lingerTimeout), g.limit)
		default:
			dismiss(g.c)
		}
		due = min(due, g.deadline)
	}
	pc.due.Store(due)
}

// takes reports whether a client that lingers still takes what was written to it,
// before it can know that it is to hang up. Its socket is the session's, who may
// close it at any time.
func (g *pendingConn) takes() bool {
	p, known := g.c.Progress()
	return known && p.Waiting > 0 && p.Quiet < lingerTimeout && !g.c.has(statusClosed)
}

// dismiss has c's session close it.
func dismiss(c *client) {
	c.status.Or(statusExpired)
	c.Schedule()
}

// Panicked implements poller.Runner.
func (pc *pendingConns) Panicked(*poller.Worker, any) { pc.Schedule() }

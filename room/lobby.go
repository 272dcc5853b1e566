package room

import (
	"sync/atomic"

	"chatd/poller"
)

// lobby keeps the clients that are in no room: those whose handshake is not
// done, and those that linger at the end. Its Task closes, through their
// sessions, the ones whose time is over.
type lobby struct {
	poller.Task
	server *Server // static

	inbox poller.Inbox[client, *client] // from sessions to the Task
	joins poller.Inbox[change, *change] // those whose handshake is done

	handshakes atomic.Int64 // guests that are not lingering; written by the Task

	// Owned by the Task. In front are the guests whose handshake is not done,
	// behind them those that linger.
	list   []guest
	ticked uint32
	staged uint32 // the stage of which the list has heard
	hand   int    // where the search for a guest that has to go begins
}

// guest is a client in the lobby, the tick at which its time is over, and that at
// which it is even if it goes on taking what was written to it.
type guest struct {
	c               *client
	deadline, limit uint32
}

func (l *lobby) init(s *Server) {
	l.server = s
	l.Task.Init(s.pool, l)
}

// signal tells the lobby of events. Only c's session may call it, while c is no
// room's, and a shard that found events which are not its own.
func (l *lobby) signal(w *poller.Worker, c *client, events uint32) {
	if c.events.Or(events) == 0 {
		l.inbox.Put(c)
		l.ScheduleOn(w)
	}
}

// join sends a client whose handshake is done on its way into a room. Only its
// session may call it.
func (l *lobby) join(w *poller.Worker, ch *change) {
	l.joins.Put(ch)
	l.ScheduleOn(w)
}

// Run implements poller.Runner.
func (l *lobby) Run(w *poller.Worker) {
	l.server.answer(&l.Task)
	joins := l.joins.TakeAll() // before the events, which come first
	l.inbox.Each(func(c *client) { l.handle(c, c.events.Swap(0)) })
	for joins != nil {
		ch := joins
		joins = ch.link
		l.forget(ch.client)
		l.server.directory.joins.Put(ch)
		l.server.directory.ScheduleOn(w)
	}
	now, stage := l.server.now.Load(), l.server.stage.Load()
	if now != l.ticked || stage != l.staged {
		l.ticked, l.staged = now, stage
		l.expire(now, stage)
	}
}

func (l *lobby) handle(c *client, events uint32) {
	if events&eventHandshake != 0 {
		deadline := c.born + past(l.server.config.HandshakeTimeout)
		l.keep(c, deadline, deadline, false)
		if limit := l.server.config.MaxHandshakes; limit > 0 && l.handshakes.Load() > int64(limit) {
			l.makeRoom()
		}
	}
	if events&eventLinger != 0 {
		l.linger(c)
	}
	if events&eventGone != 0 {
		l.forget(c)
	}
}

// linger keeps c until its peer hangs up, for a while.
func (l *lobby) linger(c *client) {
	l.keep(c, l.server.after(lingerTimeout), l.server.after(max(lingerTimeout, l.server.config.DrainTimeout)), true)
}

// keep takes c in, or moves it. One that is closed already is not kept: its
// session's last event may come before an earlier one that went by way of its
// shard.
func (l *lobby) keep(c *client, deadline, limit uint32, lingering bool) {
	l.forget(c)
	if c.has(statusClosed) {
		return
	}
	c.slot = int32(len(l.list))
	l.list = append(l.list, guest{c, deadline, limit})
	if n := l.handshakes.Load(); !lingering {
		l.swap(int(c.slot), int(n))
		l.handshakes.Store(n + 1)
	}
	if unwelcome(l.server.stage.Load(), lingering) {
		dismiss(c)
	}
}

func (l *lobby) forget(c *client) {
	if c.slot < 0 {
		return
	}
	if n := l.handshakes.Load(); int64(c.slot) < n {
		l.swap(int(c.slot), int(n-1))
		l.handshakes.Store(n - 1)
	}
	last := len(l.list) - 1
	l.swap(int(c.slot), last)
	l.list[last] = guest{}
	l.list = l.list[:last]
	c.slot = -1
}

func (l *lobby) swap(i, j int) {
	l.list[i], l.list[j] = l.list[j], l.list[i]
	l.list[i].c.slot, l.list[j].c.slot = int32(i), int32(j)
}

// candidates is how many guests are looked at for one that has to go.
const candidates = 8

// makeRoom ends one of the oldest handshakes: the oldest of the next few. One
// that takes long is either slow or not meant well, and one that just began
// should not have to wait for it.
func (l *lobby) makeRoom() {
	n := int(l.handshakes.Load())
	l.hand = (l.hand + 1) % n
	oldest := l.list[l.hand]
	for range min(candidates, n) - 1 {
		l.hand = (l.hand + 1) % n
		if g := l.list[l.hand]; g.deadline < oldest.deadline {
			oldest = g
		}
	}
	oldest.c.status.Or(statusCrowded)
	oldest.c.Schedule()
	l.linger(oldest.c)
}

// unwelcome reports whether a guest has to go at a stage of the server's life:
// when it goes away, those that are not done with their handshake, and in the
// end all.
func unwelcome(stage uint32, lingering bool) bool {
	return stage == aborting || stage != serving && !lingering
}

// expire closes those whose deadline has come, and those that have to go.
func (l *lobby) expire(now, stage uint32) {
	handshakes := int(l.handshakes.Load())
	for i := range l.list {
		g := &l.list[i]
		switch {
		case unwelcome(stage, i >= handshakes):
			dismiss(g.c)
		case now < g.deadline:
		case now < g.limit && g.takes():
			g.deadline = min(now+past(lingerTimeout), g.limit)
		default:
			dismiss(g.c)
		}
	}
}

// takes reports whether a guest that lingers still takes what was written to it,
// before it can know that it is to hang up. Its socket is the session's, who may
// close it at any time.
func (g *guest) takes() bool {
	p, known := g.c.Progress()
	return known && p.Waiting > 0 && p.Quiet < lingerTimeout && !g.c.has(statusClosed)
}

// dismiss has c's session close it.
func dismiss(c *client) {
	c.status.Or(statusExpired)
	c.Schedule()
}

// Panicked implements poller.Runner.
func (l *lobby) Panicked(*poller.Worker, any) { l.Schedule() }

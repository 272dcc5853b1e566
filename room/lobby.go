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

	handshakes atomic.Int64 // guests that are not lingering; written by the Task

	// Owned by the Task.
	list   []guest
	ticked uint32
	hand   int // where the search for a guest that has to go begins
}

// guest is a client in the lobby and the tick at which its time is over.
type guest struct {
	c         *client
	deadline  uint32
	lingering bool
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

// Run implements poller.Runner.
func (l *lobby) Run(w *poller.Worker) {
	l.server.answer(&l.Task)
	l.inbox.Each(func(c *client) { l.handle(w, c, c.events.Swap(0)) })
	now, stage := l.server.now.Load(), l.server.stage.Load()
	if now != l.ticked || stage != serving {
		l.ticked = now
		l.expire(now, stage)
	}
}

func (l *lobby) handle(w *poller.Worker, c *client, events uint32) {
	if events&eventHandshake != 0 {
		l.keep(c, l.server.after(l.server.config.HandshakeTimeout), false)
		if limit := l.server.config.MaxHandshakes; limit > 0 && l.handshakes.Load() > int64(limit) {
			l.makeRoom()
		}
	}
	if events&eventLinger != 0 {
		l.keep(c, l.server.after(lingerTimeout), true)
	}
	if events&(eventUpgraded|eventGone) != 0 {
		l.forget(c)
	}
	if events&eventUpgraded != 0 {
		l.server.hub.joins.Put(c)
		l.server.hub.ScheduleOn(w)
	}
}

func (l *lobby) keep(c *client, deadline uint32, lingering bool) {
	if c.slot < 0 {
		c.slot = int32(len(l.list))
		l.list = append(l.list, guest{lingering: true})
	}
	if g := l.list[c.slot]; g.lingering != lingering {
		l.count(lingering)
	}
	l.list[c.slot] = guest{c: c, deadline: deadline, lingering: lingering}
}

// count notes that a guest has begun or ended its handshake.
func (l *lobby) count(ended bool) {
	if ended {
		l.handshakes.Add(-1)
	} else {
		l.handshakes.Add(1)
	}
}

// candidates is how many guests are looked at for one that has to go.
const candidates = 8

// makeRoom ends one of the oldest handshakes: the oldest of the next few. One
// that takes long is either slow or not meant well, and one that just began
// should not have to wait for it.
func (l *lobby) makeRoom() {
	var oldest *guest
	for range min(candidates, len(l.list)) {
		l.hand = (l.hand + 1) % len(l.list)
		if g := &l.list[l.hand]; !g.lingering && (oldest == nil || g.deadline < oldest.deadline) {
			oldest = g
		}
	}
	if oldest != nil {
		oldest.c.status.Or(statusCrowded)
		oldest.c.Schedule()
		l.keep(oldest.c, l.server.after(lingerTimeout), true)
	}
}

func (l *lobby) forget(c *client) {
	if c.slot < 0 {
		return
	}
	if !l.list[c.slot].lingering {
		l.count(true)
	}
	last := len(l.list) - 1
	l.list[c.slot] = l.list[last]
	l.list[c.slot].c.slot = c.slot
	l.list[last] = guest{}
	l.list = l.list[:last]
	c.slot = -1
}

// expire closes those whose deadline has come; when the server goes away, those
// too that are not done with their handshake, and in the end all.
func (l *lobby) expire(now, stage uint32) {
	for _, g := range l.list {
		if now >= g.deadline || stage == aborting || stage != serving && !g.lingering {
			g.c.status.Or(statusExpired)
			g.c.Schedule()
		}
	}
}

// Panicked implements poller.Runner.
func (l *lobby) Panicked(*poller.Worker, any) { l.Schedule() }

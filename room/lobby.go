package room

import "chatd/poller"

// lobby keeps the clients that are in no room: those whose handshake is not
// done, and those that linger at the end. Its Task closes, through their
// sessions, the ones whose time is over.
type lobby struct {
	poller.Task
	server *Server // static

	inbox poller.Inbox[client, *client] // from sessions to the Task

	// Owned by the Task.
	list   []guest
	ticked uint32
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
	for c := l.inbox.TakeAll(); c != nil; {
		next := c.link // free to be set again once events is cleared
		l.handle(w, c, c.events.Swap(0))
		c = next
	}
	now, stage := l.server.now.Load(), l.server.stage.Load()
	if now != l.ticked || stage != serving {
		l.ticked = now
		l.expire(now, stage)
	}
}

func (l *lobby) handle(w *poller.Worker, c *client, events uint32) {
	if events&eventHandshake != 0 {
		l.keep(c, l.server.after(l.server.config.HandshakeTimeout), false)
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
		l.list = append(l.list, guest{})
	}
	l.list[c.slot] = guest{c: c, deadline: deadline, lingering: lingering}
}

func (l *lobby) forget(c *client) {
	if c.slot < 0 {
		return
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
		if now >= g.deadline || stage == aborting || stage == draining && !g.lingering {
			g.c.status.Or(statusExpired)
			g.c.Schedule()
		}
	}
}

// Panicked implements poller.Runner.
func (l *lobby) Panicked(*poller.Worker, any) { l.Schedule() }

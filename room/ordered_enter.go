package room

import (
	"time"

	"chatd/poller"
	"chatd/room/order"
)

// This file is how a room comes to its Source, who waits for that, and how it leaves it.
// It is the hub's Task's but for what says otherwise.

// enter has the room's hub told what the Source has. The directory calls it.
func (o *ordered) enter() { o.hub.server.config.Order.Enter(o.hub.name, o) }

// resume is enter for a hub that was carried.
func (o *ordered) resume() {
	if source, ok := o.hub.server.config.Order.(order.Resumer); ok {
		source.Resume(o.hub.name, o.hub.epoch.Load(), o)
		return
	}
	o.enter()
}

// leave is the end of it. The directory calls it.
func (o *ordered) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left = true
	if o.counted > 0 { // its Task may not have come to it
		o.hub.server.config.Nodes.Count(o.hub.name, 0)
	}
	o.hub.server.config.Order.Leave(o.hub.name)
}

// hasLeft reports whether the room has left the Source.
func (o *ordered) hasLeft() bool { return !o.ask(func(order.Source) {}) }

// ask asks the Source for something, unless the room has left it. It reports whether it
// did.
func (o *ordered) ask(what func(order.Source)) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.left {
		what(o.hub.server.config.Order)
	}
	return !o.left
}

// late has those wait who want something of the room before the Source has begun. It
// reports whether they have waited for the time of a handshake, or nobody will be told
// anything any more: then all is refused.
func (o *ordered) late(w *poller.Worker) bool {
	h, now := o.hub, o.hub.server.now.Load()
	h.joins.Each(func(ch *change) { o.waits = append(o.waits, ch) })
	if h.posts == nil {
		h.posts = h.inbox.TakeAll()
	}
	if len(o.waits) == 0 && h.posts == nil {
		o.refuseAt = 0
		return false
	}
	if o.refuseAt == 0 {
		o.refuseAt = now + past(h.server.config.HandshakeTimeout)
	}
	away := h.epoch.Load() == 0 && h.server.stage.Load() != serving
	if now < o.refuseAt && !away && !o.hasLeft() {
		h.keepActive(w)
		return false
	}
	for _, ch := range o.waits {
		o.refuseLate(w, ch)
	}
	o.waits, o.refuseAt = nil, 0
	return true
}

// refuseLate does not let one in who has waited.
func (o *ordered) refuseLate(w *poller.Worker, ch *change) {
	ch.late = true
	ch.client.status.Or(statusLate)
	o.hub.refuse(w, ch)
}

// admits has those come in who have waited, and reports whether the room may be entered.
func (o *ordered) admits(w *poller.Worker) bool {
	for len(o.waits) > 0 && o.begun {
		ch := o.waits[0]
		o.waits = o.waits[1:]
		o.admit(w, ch)
	}
	if o.begun {
		o.waits, o.refuseAt = nil, 0
	}
	return o.begun
}

// tick is called in each second in which something happens.
func (o *ordered) tick(w *poller.Worker) {
	h := o.hub
	o.forget()
	if o.needed() || h.keeps() && h.server.config.OrderGrace == 0 {
		o.leaveAt = 0
	}
	if o.leaveAt != 0 {
		h.vacate(w)
	}
	if o.leaveAt != 0 || o.refuseAt != 0 || len(o.held) > 0 {
		h.keepActive(w)
	}
}

// needed reports whether somebody is in the room, or waits to be.
func (o *ordered) needed() bool { return o.hub.rosters != nil || len(o.waits) > 0 || len(o.held) > 0 }

// forget tells the Source up to which message the room needs none any more. What is
// kept of a room that others share is not for one of them to say.
func (o *ordered) forget() {
	config := &o.hub.server.config
	if !o.begun || config.OrderGrace > 0 {
		return
	}
	seq := o.numbers.seq(o.hub.floor())
	if seq != o.forgotten && o.ask(func(s order.Source) { s.Forget(o.hub.name, seq) }) {
		o.forgotten = seq
	}
}

// returnGrace is for how long a room of which nothing is kept any more waits, after a
// start, for the first of those who were there before: by its epoch and number they know
// whether they have missed anything.
const returnGrace = time.Minute

// mayLeave reports whether a room without members may leave the Source: nothing is under
// way, and nobody has come for Config.OrderGrace, or returnGrace. It may even if it never
// began.
func (o *ordered) mayLeave(w *poller.Worker) bool {
	h := o.hub
	if o.window.busy() || h.posts != nil || o.needed() || !o.begun && h.epoch.Load() != 0 {
		return false
	}
	grace, now := h.server.config.OrderGrace, h.server.now.Load()
	if grace == 0 && o.past && !h.keeps() && h.taken.Load() == 0 {
		grace = returnGrace
	}
	if grace == 0 {
		return true
	}
	if o.leaveAt == 0 {
		o.leaveAt = now + past(grace)
		h.keepActive(w)
	}
	return now >= o.leaveAt
}

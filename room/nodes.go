package room

import (
	"slices"
	"time"

	"chatd/poller"
	"chatd/room/order"
	"chatd/room/position"
)

// This file is what servers that share their rooms tell each other besides messages: how
// many members a room has on each, and who is sent away from all. See [order.Nodes].
//
//	hub ──Count──▶ Nodes ──counted──▶ hub's Task ──Elsewhere──▶ ordered.elsewhere
//	Remove ──────▶ Nodes ──removed──▶ bans, and an errand to the hub
//
// Without Config.Nodes nothing of it is done.

// joinNodes has the server told what the others tell.
func (s *Server) joinNodes() {
	if s.config.Nodes != nil {
		s.config.Nodes.Tell(s.countedElsewhere, s.removedElsewhere)
	}
}

// countedElsewhere has the room's hub ask for its count elsewhere.
func (s *Server) countedElsewhere(room string) {
	if h := s.directory.room(room); h != nil && h.flags.Or(hubElsewhere)&hubElsewhere == 0 {
		h.Schedule()
	}
}

// removedElsewhere sends somebody away whom another server has sent away. Nobody waits
// for it.
func (s *Server) removedElsewhere(room, id string, ban time.Duration) {
	s.keepOut(room, id, ban)
	s.begin(newRemoval(id).errand(room))
}

// members is how many members the room has, on all servers. Anybody may call it.
func (h *hub) members() int {
	n := int(h.population.Load())
	if h.order != nil {
		n += int(h.order.elsewhere.Load())
	}
	return n
}

// exists reports whether the room is there for one who looks at it. Where it is shared a
// hub may be here only because somebody has looked. Anybody may call it.
func (h *hub) exists() bool {
	return h.epoch.Load() != 0 && (h.server.config.Nodes == nil || h.order.seq.Load() > 0 || h.members() > 0)
}

// hearCount learns how many members the room has elsewhere, if that has changed. The
// hub's Task calls it.
func (o *ordered) hearCount() {
	h := o.hub
	if !h.has(hubElsewhere) {
		return
	}
	h.flags.And(^hubElsewhere) // before it is asked: what changes now tells again
	n := int32(h.server.config.Nodes.Elsewhere(h.name))
	if o.elsewhere.Swap(n) != n && h.has(hubHeard) {
		h.flags.Or(hubCounted)
	}
}

// tellCount tells the others how many members the room has here, if that has changed. The
// hub's Task calls it.
func (o *ordered) tellCount() {
	nodes := o.hub.server.config.Nodes
	if nodes == nil {
		return
	}
	n := int(o.hub.population.Load())
	if n == o.counted {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.left { // else a room of the same name may have told its own
		nodes.Count(o.hub.name, n)
		o.counted = n
	}
}

// aheadTime is how long one waits who has heard on another server what is not here yet. A
// lost copy is found within a few seconds.
const aheadTime = 5 * time.Second

// held is one who does.
type held struct {
	change *change
	until  uint32 // the tick up to which it waits
	asked  bool   // the Source was asked whether there is such a message
	future bool   // there is none
}

// holds has a newcomer wait who is ahead of this server. The hub's Task calls it.
func (o *ordered) holds(ch *change) bool {
	if o.hub.server.config.Nodes == nil || !o.isAhead(ch) {
		return false
	}
	o.held = append(o.held, held{change: ch, until: o.hub.server.after(aheadTime)})
	return true
}

// isAhead reports whether a newcomer knows of a message that is not here yet.
func (o *ordered) isAhead(ch *change) bool {
	at := ch.since.Position
	return ch.since.Kind == position.At && at.Epoch == o.hub.epoch.Load() && at.Seq > o.top
}

// admitHeld lets those in for whom the server has caught up, or who know of a message that
// there is not. If nobody can tell that in time, they are refused: on another server they may
// have more luck. The hub's Task calls it.
func (o *ordered) admitHeld(w *poller.Worker) {
	if len(o.held) == 0 {
		return
	}
	h := o.hub
	source, asks := h.server.config.Order.(order.Asker)
	now, serves := h.server.now.Load(), h.server.stage.Load() == serving
	waiting := o.held
	o.held = nil
	for _, x := range waiting {
		late := !serves || now >= x.until
		switch {
		case !o.begun: // it begins anew
			o.waits = append(o.waits, x.change)
		case !o.isAhead(x.change) || x.future || late && !asks:
			h.admit(w, x.change)
		case late:
			o.refuseLate(w, x.change)
		default:
			o.held = append(o.held, x)
		}
	}
	if len(o.held) > 0 || len(o.waits) > 0 {
		h.keepActive(w)
	}
	if asks && !o.asking && now >= o.askAt && slices.ContainsFunc(o.held, func(x held) bool { return !x.asked }) {
		o.askFor(source)
	}
}

// askFor asks how far the room is, for all who wait; at most once a second.
func (o *ordered) askFor(source order.Asker) {
	o.askAt = o.hub.server.now.Load() + ticksPerSecond
	for i := range o.held {
		o.held[i].asked = true
	}
	o.asking = o.ask(func(order.Source) {
		source.Ask(o.hub.name, func(last uint64, err error) {
			e := placements.Get().(*placement)
			e.kind, e.point.Seq, e.err = reaches, last, err
			o.tell(e)
		})
	})
}

// reaches takes in which number the room's last message has, if that is known; else it
// is asked again.
func (o *ordered) reaches(last uint64, err error) {
	o.asking = false
	for i := range o.held {
		x := &o.held[i]
		x.future = x.asked && err == nil && x.change.since.Position.Seq > last
		x.asked = x.asked && err == nil
	}
}

package room

import "time"

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

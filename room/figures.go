package room

import "context"

// Figures is what anybody may know of a room.
type Figures struct {
	Name    string
	Members int    // on all servers, and clients on their way to it
	Seq     uint64 // of the last message
	Epoch   uint32
	Rate    float64 // messages a second, over the last ten
}

// Rooms is the figures of at most limit rooms that are here, in the byte order of their
// names, behind the name after, and whether there are more.
func (s *Server) Rooms(after string, limit int) (rooms []Figures, more bool) {
	d := &s.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	d.rooms.Ascend(after, func(name string, h *hub) bool {
		if name == after || !h.exists() {
			return true
		}
		if len(rooms) == limit {
			more = true
			return false
		}
		rooms = append(rooms, h.figures())
		return true
	})
	return rooms, more
}

// Figures is the room's, if it is there. Nobody is waited for, unless it is one that only
// other servers have.
func (s *Server) Figures(ctx context.Context, room string) (f Figures, err error) {
	if h := s.directory.room(room); h != nil && h.exists() {
		return h.figures(), nil
	}
	if s.config.Nodes == nil {
		return f, ErrNoRoom
	}
	err = s.look(ctx, room, func(h *hub) { f = h.figures() })
	return f, err
}

// figures may be called by anybody.
func (h *hub) figures() Figures {
	f := Figures{Name: h.name, Members: h.members(), Seq: h.messages.Load(), Epoch: h.epoch.Load(), Rate: h.rate()}
	if h.order != nil {
		f.Seq = h.order.seq.Load()
	}
	return f
}

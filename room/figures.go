package room

// Figures is what anybody may know of a room.
type Figures struct {
	Name    string
	Members int    // and clients on their way to it
	Seq     uint64 // of the last message
	Epoch   uint32
	Rate    float64 // messages a second, over the last ten
}

// Rooms is the figures of at most limit rooms, in the byte order of their names,
// behind the name after, and whether there are more.
func (s *Server) Rooms(after string, limit int) (rooms []Figures, more bool) {
	d := &s.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	d.rooms.Ascend(after, func(name string, h *hub) bool {
		if name == after || h.epoch.Load() == 0 {
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

// Figures is the room's, if it is there.
func (s *Server) Figures(room string) (f Figures, ok bool) {
	if h := s.directory.room(room); h != nil && h.epoch.Load() != 0 {
		return h.figures(), true
	}
	return Figures{}, false
}

// figures may be called by anybody.
func (h *hub) figures() Figures {
	f := Figures{Name: h.name, Members: int(h.population.Load()), Seq: h.messages.Load(), Epoch: h.epoch.Load(), Rate: h.rate()}
	if h.order != nil {
		f.Seq = h.order.seq.Load()
	}
	return f
}

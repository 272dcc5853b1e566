package room

import (
	"net/netip"
	"sync"
)

// sources counts the connections of each address; of IPv6, of each network of
// 64 bits, which is what a subscriber has. It is used only where they
// are limited, when a connection comes and goes.
type sources struct {
	mu    sync.Mutex
	of    map[netip.Addr]int32 // places in list
	list  []source
	spare []int32 // places in list that are free
}

type source struct {
	addr  netip.Addr
	conns int
}

// enter counts a connection of addr and returns the place that leave wants. It
// reports false, and counts nothing, if there are limit of them already. Who has
// no address, as on a unix socket, is not counted.
func (s *sources) enter(addr netip.Addr, limit int) (place int32, ok bool) {
	if !addr.IsValid() {
		return -1, true
	}
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	place, known := s.of[addr]
	if !known {
		place = s.place()
		s.list[place].addr = addr
		s.of[addr] = place
	}
	if s.list[place].conns >= limit {
		return -1, false
	}
	s.list[place].conns++
	return place, true
}

// place is a free one.
func (s *sources) place() int32 {
	if s.of == nil {
		s.of = make(map[netip.Addr]int32)
	}
	if n := len(s.spare); n > 0 {
		place := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return place
	}
	s.list = append(s.list, source{})
	return int32(len(s.list) - 1)
}

// leave takes back what enter counted; place -1 is nothing.
func (s *sources) leave(place int32) {
	if place < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list[place].conns--; s.list[place].conns == 0 {
		delete(s.of, s.list[place].addr)
		s.list[place] = source{}
		s.spare = append(s.spare, place)
	}
}

package room

import (
	"math"
	"net/netip"
	"sync"

	"chatd/room/carry"
)

// sources is who is behind the connections, where that matters: the addresses
// whose connections are limited (of IPv6, the networks of 64 bits, which is what
// a subscriber has), and the clients that proxies speak for. It is used only
// when a connection comes, joins or goes, and when somebody asks for an address.
type sources struct {
	mu    sync.Mutex
	of    map[counted]int32 // places in list
	list  []source
	spare []int32 // places in list that are free
}

// counted is what connections are counted by.
type counted struct {
	addr netip.Addr
	use  use
}

// use is what a connection is used for.
type use uint8

const (
	usePage use = iota // it asks for pages, or has not said yet what it wants
	useChat
)

// source is either what some connections are counted by, or one connection
// whose client a proxy speaks for.
type source struct {
	addr  netip.AddrPort // that is counted, without a port; the client's
	use   use
	conns int32 // that are counted here; onesOwn: it is one connection's own
	under int32 // where that one is counted; -1: nowhere
}

const onesOwn = -1

// count counts the connection at place (-1: none) as one of addr, and no more as
// what it was, and returns its place from now on. It reports false, and changes
// nothing, if there are limit of them already. No address, as of a Unix socket's
// peer, has no limit.
func (s *sources) count(place int32, addr netip.Addr, use use, limit int) (now int32, ok bool) {
	if !addr.IsValid() {
		return place, true
	}
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	by := counted{addr, use}
	at, known := s.of[by]
	if known && int(s.list[at].conns) >= limit {
		return place, false
	}
	if !known {
		at = s.put(source{addr: netip.AddrPortFrom(addr, 0), use: use})
		if s.of == nil {
			s.of = make(map[counted]int32)
		}
		s.of[by] = at
	}
	s.list[at].conns++
	if s.owned(place) {
		s.discount(s.list[place].under)
		s.list[place].under = at
		return place, true
	}
	s.discount(place)
	return at, true
}

// speakFor makes client the one whose connection is at place, which is its own
// or -1, and returns its place from now on.
func (s *sources) speakFor(place int32, client netip.AddrPort) (now int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place < 0 {
		return s.put(source{addr: client, conns: onesOwn, under: -1})
	}
	s.list[place].addr = client
	return place
}

// client is the one that a proxy speaks for, the zero value if none does.
func (s *sources) client(place int32) netip.AddrPort {
	if place < 0 {
		return netip.AddrPort{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.owned(place) {
		return netip.AddrPort{}
	}
	return s.list[place].addr
}

// leave forgets the connection at place; -1 is none.
func (s *sources) leave(place int32) {
	if place < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owned(place) {
		s.discount(s.list[place].under)
		s.free(place)
	} else {
		s.discount(place)
	}
}

func (s *sources) owned(place int32) bool { return place >= 0 && s.list[place].conns == onesOwn }

func (s *sources) discount(place int32) {
	if place < 0 {
		return
	}
	at := &s.list[place]
	if at.conns--; at.conns == 0 {
		delete(s.of, counted{at.addr.Addr(), at.use})
		s.free(place)
	}
}

// put puts e at a free place.
func (s *sources) put(e source) int32 {
	if n := len(s.spare); n > 0 {
		place := s.spare[n-1]
		s.spare = s.spare[:n-1]
		s.list[place] = e
		return place
	}
	s.list = append(s.list, e)
	return int32(len(s.list) - 1)
}

func (s *sources) free(place int32) {
	s.list[place] = source{}
	s.spare = append(s.spare, place)
}

// What a place says of its connection, when that is carried.
const (
	sourceNone    = iota
	sourceCounted // as one of an address
	sourceOwn     // its client, and what it is counted as
)

// carry writes what is at the place of a connection that is carried. The others' counts
// are not: nobody will be there any more.
func (s *sources) carry(w *carry.Writer, place int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owned(place) {
		w.Uint(sourceOwn)
		carryAddr(w, s.list[place].addr)
		place = s.list[place].under
	}
	if place < 0 {
		w.Uint(sourceNone)
		return
	}
	w.Uint(sourceCounted)
	carryAddr(w, s.list[place].addr)
	w.Uint(uint64(s.list[place].use))
}

// restore reads what carry has written, and counts the connection again, be it one too
// many by now. The place may be another one.
func (s *sources) restore(r *carry.Reader) (place int32) {
	place = -1
	kind := r.UpTo(sourceOwn)
	if kind == sourceOwn {
		place = s.speakFor(-1, restoreAddr(r))
		kind = r.UpTo(sourceCounted)
	}
	if kind == sourceCounted {
		addr := restoreAddr(r).Addr()
		place, _ = s.count(place, addr, use(r.UpTo(uint64(useChat))), math.MaxInt)
	}
	return place
}

func carryAddr(w *carry.Writer, a netip.AddrPort) {
	var room [32]byte
	b, _ := a.AppendBinary(room[:0]) // always succeeds
	w.Bytes(b)
}

func restoreAddr(r *carry.Reader) (a netip.AddrPort) {
	if err := a.UnmarshalBinary(r.Bytes()); err != nil && r.Err() == nil {
		r.Fail("an address: %v", err)
	}
	return a
}

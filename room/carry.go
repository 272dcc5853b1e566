package room

import (
	"chatd/poller/tls13"
	"chatd/room/carry"
	"chatd/room/framelog"
)

// This file is the way of a server's state to the program that replaces this one: what
// there is in which order. Each owner writes its part in a function carry and reads it in
// restore, side by side; what the parts are is in carry/FORMAT.md.
//
// Both ends are one goroutine that has all for itself: the server is frozen, or has not
// begun.

// carrier writes a server's state.
type carrier struct {
	*carry.Writer
	server *Server
	hubs   map[*hub]int // from 1 on; 0 is no room
	// held is how far back each log is read by those who are behind.
	held   map[logOf]framelog.Cursor
	frames [][]byte // by their addresses; see carryFrames
}

// restorer reads it into a server that has just been made.
type restorer struct {
	*carry.Reader
	server *Server
	hubs   []*hub // as carrier.hubs
	// begin is where each log begins, and notices what its readers were told last.
	begin   map[logOf]framelog.Cursor
	notices map[logOf]*notice
	frames  [][]byte
	conns   int64
	fds     fdSet // those of the connections
}

// Carry writes the state of the server, which is frozen. It changes nothing, but that the
// memory of what it has written has to be wiped: there are secrets in it.
func (s *Server) Carry(to *carry.Writer) {
	w := &carrier{Writer: to, server: s, hubs: map[*hub]int{}, held: map[logOf]framelog.Cursor{}}
	to.Section("server")
	to.Uint(uint64(s.now.Load()))
	s.carryTotals(to)
	s.config.Secrets.Carry(to)
	s.disconnects.carry(to)
	s.bans.carry(to)
	to.Section("rooms")
	s.directory.carry(w)
	to.Section("members")
	s.carryFrames(w)
	all := s.shards.all()
	to.Uint(uint64(len(all)))
	for _, sh := range all {
		sh.carry(w)
	}
	to.Section("pending")
	s.pending.carry(w)
}

// Restore takes over the state of another program's server. The server must be new: what
// its Config says counts from now on. Nothing runs yet; see Revive.
func (s *Server) Restore(from *carry.Reader) error {
	r := &restorer{Reader: from, server: s, hubs: []*hub{nil}, begin: map[logOf]framelog.Cursor{}, notices: map[logOf]*notice{}}
	r.Section("server")
	s.now.Store(r.Uint32())
	s.restoreTotals(from)
	s.config.Secrets.Restore(from)
	s.disconnects.restore(from)
	s.bans.restore(from)
	r.Section("rooms")
	s.directory.restore(r)
	r.Section("members")
	if r.Version() > 1 {
		r.restoreFrames()
	}
	for range r.Count(len(r.hubs) + maxCarried) {
		r.shard()
	}
	r.Section("pending")
	s.pending.restore(r)
	s.conns.Store(r.conns)
	return r.Err()
}

// maxCarried is the largest number of connections that one process can have.
const maxCarried = 1 << 26

// room is the number of a room.
func (w *carrier) room(h *hub) { w.Uint(uint64(w.hubs[h])) }

// room is the room of a number; nil: none.
func (r *restorer) room() *hub {
	n := r.Uint()
	if n >= uint64(len(r.hubs)) {
		r.Fail("there is no room %d", n)
		return nil
	}
	return r.hubs[n]
}

// aRoom is room, which has to be one.
func (r *restorer) aRoom() *hub {
	h := r.room()
	if h == nil {
		r.Fail("a room is missing")
	}
	return h
}

// socket is a descriptor that nobody has had yet.
func (r *restorer) socket() int {
	fd := r.FD()
	if r.Err() != nil || fd >= maxCarried {
		r.Fail("a connection has the descriptor %d", fd)
		return 0
	}
	if !r.fds.add(fd) {
		r.Fail("two connections have the descriptor %d", fd)
	}
	r.conns++
	return fd
}

// fdSet has a bit for each descriptor. A large one takes no more memory than a small one.
type fdSet [maxCarried >> fdPage]*[1 << fdPage / 64]uint64

const fdPage = 16 // bits

// add puts fd in, and reports whether it was not there.
func (s *fdSet) add(fd int) bool {
	page := &s[fd>>fdPage]
	if *page == nil {
		*page = new([1 << fdPage / 64]uint64)
	}
	word, bit := &(*page)[fd%(1<<fdPage)/64], uint64(1)<<(fd%64)
	was := *word & bit
	*word |= bit
	return was == 0
}

// hold notes that the log of r's readers is read from at on.
func (w *carrier) hold(r *roster, at framelog.Cursor) {
	key := logOf{r.hub, r.stream}
	if first, ok := w.held[key]; !ok || at.Seq < first.Seq {
		w.held[key] = at
	}
}

// secrets writes a session of TLS.
func (w *carrier) secrets(t *tls13.Session) {
	b := t.Append(nil)
	w.Bytes(b)
	clear(b)
}

// secrets reads one.
func (r *restorer) secrets() tls13.Session {
	t, err := tls13.ParseSession(r.Bytes())
	if err != nil {
		r.Fail("a session of TLS: %v", err)
	}
	return t
}

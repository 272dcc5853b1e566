// Package stored is an [order.Source] for one node whose rooms outlive the process: what
// is published gets its place here and is kept on disk.
//
//	Publish ──▶ pending ──commit, each Sync──▶ rooms.db (bbolt)
//	   └─Place──────┘ (at once; if Sync is 0 behind the commit)
//
// A message is acknowledged when it has its place, and is written Sync later at the
// latest: so what a crash takes was acknowledged less than Sync, and the time of a commit,
// before. If Sync is 0 it takes nothing: a message has its place once it is on disk, and
// all that came during one commit goes with the next. What is published faster than the
// disk writes waits for its place.
//
// The file has the messages of all rooms in the order in which they came, so that a commit
// writes adjacent pages, whatever the number of rooms; and of each room the epoch. Of a
// room those from some number on are there, without holes: the first one is needed for its
// number and time alone, unless that is 1. What a room needs no more is deleted when it is
// much. The file does not shrink, its pages are used again.
//
// When a commit fails, as because the disk is full, nothing is taken until one does not:
// that is tried each second. Nor is anything while a commit does not end.
package stored

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"chatd/room/order"
)

// ErrClosed says that the store takes nothing more.
var ErrClosed = errors.New("the store is closed")

// ErrBehind says that more waits to be written than may.
var ErrBehind = errors.New("the disk is too slow for what is published")

// How many bytes may wait to be written. Beyond the first they wait for their places, too,
// and what publishes them is no faster than the disk; beyond the second they are not taken.
const (
	maxPlaced  = 16 << 20
	maxPending = 64 << 20
)

// patience is for how long a commit may be under way.
const patience = 30 * time.Second

// Store is a Source. Its methods may be called by anybody.
type Store struct {
	path  string   // static
	lock  *os.File // static: of the directory
	db    *bbolt.DB
	sync  time.Duration // static: 0 is always
	log   *slog.Logger  // static
	clock func() int64  // static: ms since 1970
	fault func() error  // static: why commits fail though they were written, in tests; nil: they don't

	wake chan struct{} // has room for one: there is something to be written
	stop chan struct{} // closed by Close
	done chan struct{} // closed when the writer has ended

	// The writer's.
	doomed []uint64 // keys of messages that are being deleted, in order
	undo   []uint64 // those of messages that have no place, and a commit that failed may have written

	// Rooms are told what happens while it is held: one thing at a time.
	mu      sync.Mutex
	rooms   map[string]*room
	pending []message // to be written: first those that have their places, in order
	bytes   int       // of these
	next    uint64    // the key of the next message
	nextID  uint64    // of a room
	live    int       // messages that are kept
	dead    []uint64  // keys of messages in the file that nobody needs
	gone    []string  // rooms that are to be deleted
	begun   time.Time // of the commit under way; zero: there is none
	failed  error     // why the last one failed; nil: it did not
	closed  bool
	stats   Stats
}

// Stats is what there is to know of a store.
type Stats struct {
	Rooms    int
	Messages int    // that are kept
	Bytes    int64  // of the file
	Commits  uint64 // that were made
	Failures uint64 // of commits
}

// room is one that was entered, or was found in the file.
type room struct {
	name    string
	id      uint64 // by which its messages know it
	epoch   uint32
	written bool // it is in the file, or will be with the next commit
	left    bool
	first   uint64          // the number of the message of keys[0]
	keys    []uint64        // of its messages, one after the other
	last    order.Point     // the last message
	inside  order.Room      // nil: it was not entered yet
	found   []order.Message // until it is entered: its messages in the file
}

// message is one that is to be written.
type message struct {
	key    uint64
	room   *room
	m      order.Message
	tag    uint64      // of one whose room was not told of its place; else 0
	before order.Point // the last one in its room before it
	record bool        // its room is to be written, too
	dead   bool        // nobody needs it any more
}

// Rooms are the names of those that the file has, those in which something was said last
// at the end.
func (s *Store) Rooms() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	rooms := slices.SortedFunc(maps.Values(s.rooms), func(a, b *room) int {
		return cmp.Or(cmp.Compare(a.last.At, b.last.At), strings.Compare(a.name, b.name))
	})
	names := make([]string, 0, len(rooms))
	for _, r := range rooms {
		names = append(names, r.name)
	}
	return names
}

// Enter implements order.Source.
func (s *Store) Enter(name string, inside order.Room) { s.Resume(name, newEpoch(), inside) }

// Resume implements order.Resumer.
func (s *Store) Resume(name string, epoch uint32, inside order.Room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		s.nextID++
		r = &room{name: name, id: s.nextID, epoch: epoch, first: 1}
		s.rooms[name] = r
	}
	r.inside = inside
	behind, kept := r.begin()
	inside.Begin(r.epoch, behind, kept)
}

// begin is what the file had of the room, which is forgotten.
func (r *room) begin() (behind order.Point, kept []order.Message) {
	kept, r.found = r.found, nil
	if len(kept) > 0 && r.first > 1 {
		behind = order.Point{Seq: kept[0].Seq, At: kept[0].At}
		kept = kept[1:]
	}
	return behind, kept
}

// newEpoch is a random one.
func newEpoch() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return max(1, binary.BigEndian.Uint32(b[:]))
}

// Publish implements order.Source.
func (s *Store) Publish(name string, tag uint64, m order.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	err := s.trouble()
	switch {
	case s.closed:
		err = ErrClosed
	case err == nil && s.bytes > maxPending:
		err = ErrBehind
	}
	if err != nil {
		r.inside.Fail(tag, err)
		return
	}
	p := message{room: r, m: m, tag: tag}
	if s.sync > 0 && s.bytes < maxPlaced {
		s.place(&p)
	} else {
		s.hurry()
	}
	s.pending = append(s.pending, p)
	s.bytes += size(&m)
}

// trouble is why nothing can be written; nil: it can.
func (s *Store) trouble() error {
	if s.failed == nil && !s.begun.IsZero() && time.Since(s.begun) > patience {
		return fmt.Errorf("the disk has not taken it for %s", patience)
	}
	return s.failed
}

// place gives p its place, and tells the room unless that is to wait for the disk.
func (s *Store) place(p *message) {
	r := p.room
	p.before = r.last
	p.m.Seq, p.m.At = r.last.Seq+1, max(s.clock(), r.last.At)
	r.last = order.Point{Seq: p.m.Seq, At: p.m.At}
	p.key = s.next
	s.next++
	r.keys = append(r.keys, p.key)
	s.live++
	if s.sync > 0 {
		r.inside.Place(p.tag, p.m)
		p.tag = 0
	}
}

// size is what a message takes while it waits, in bytes, about.
func size(m *order.Message) int {
	return 128 + len(m.ID) + len(m.Name) + len(m.Nonce) + len(m.Payload)
}

// hurry has the writer go on.
func (s *Store) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Forget implements order.Source. The message seq itself stays: so the next ones keep
// their numbers.
func (s *Store) Forget(name string, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[name]; r != nil {
		s.forget(r, seq)
	}
}

// forget lets go of the room's messages before seq.
func (s *Store) forget(r *room, seq uint64) {
	n := 0
	for ; n < len(r.keys) && r.first < seq; n++ {
		s.bury(r.keys[n])
		r.first++
	}
	if r.keys = r.keys[n:]; n > len(r.keys) {
		r.keys = slices.Clone(r.keys) // a moment of many must not stay in memory
	}
}

// bury lets go of the message with the key.
func (s *Store) bury(key uint64) {
	s.live--
	if len(s.pending) > 0 && s.pending[0].tag == 0 && key >= s.pending[0].key {
		s.pending[key-s.pending[0].key].dead = true
		return
	}
	s.dead = append(s.dead, key)
}

// Leave implements order.Source. A room that is left is forgotten.
func (s *Store) Leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		return
	}
	delete(s.rooms, name)
	r.left = true
	s.forget(r, r.last.Seq+1)
	if r.written {
		s.gone = append(s.gone, name)
	}
}

// Ready implements order.Source.
func (s *Store) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.trouble(); err != nil {
		return fmt.Errorf("what is published can't be written: %w", err)
	}
	return nil
}

// Stats is the store's at present.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	st := s.stats
	st.Rooms, st.Messages = len(s.rooms), s.live
	s.mu.Unlock()
	if file, err := os.Stat(s.path); err == nil {
		st.Bytes = file.Size()
	}
	return st
}

// flushInterval is how often Flush looks.
const flushInterval = time.Millisecond

// Flush returns when all that has its place is on disk, or says why it can't be. Nothing
// may be published meanwhile.
func (s *Store) Flush() error {
	for {
		s.mu.Lock()
		waits, err := len(s.pending) > 0 || len(s.gone) > 0 || !s.begun.IsZero(), s.trouble()
		s.mu.Unlock()
		if !waits || err != nil {
			return err
		}
		s.hurry()
		time.Sleep(flushInterval)
	}
}

// Close implements order.Source.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.stop)
	<-s.done
	var lost error
	if n := len(s.pending); n > 0 {
		lost = fmt.Errorf("%d messages could not be written: %w", n, s.failed)
	}
	return errors.Join(lost, s.db.Close(), s.lock.Close())
}

package stored

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// retry is after how long it is tried again to write.
const retry = time.Second

// What is deleted, and how much of that a commit does: many at a time are pages that
// are whole, and need not be written again.
const (
	minDead    = 1000
	maxDeleted = 20_000
)

// batch is what a commit writes.
type batch struct {
	messages []message
	dead     []uint64
	gone     []string
	probe    bool // the last one failed: whether there is room for more
}

// probe is what is written to find that out.
var probe = make([]byte, 64<<10)

// write makes commits until Close.
func (s *Store) write() {
	defer close(s.done)
	debug.SetPanicOnFault(true) // the file may be shorter than it should be
	interval := s.sync
	if interval == 0 {
		interval = retry
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-s.wake:
			s.flush(false)
		case <-ticker.C:
			s.flush(true)
		case <-s.stop:
			s.flush(true)
			s.refuse()
			return
		}
	}
}

// flush commits what is pending. What is not urgent goes with others. While nothing can
// be written, only each tick tries.
func (s *Store) flush(tick bool) {
	b, some := s.take(tick)
	if !some {
		return
	}
	err := s.commit(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = err
		s.stats.Failures++
		s.putBack(b)
		return
	}
	s.failed = nil
	s.stats.Commits++
	for i := range b.messages {
		if p := &b.messages[i]; p.tag != 0 {
			p.room.inside.Place(p.tag, p.m)
		}
	}
}

// take is what is to be written now, and whether there is anything.
func (s *Store) take(tick bool) (b batch, some bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil && !tick {
		return b, false
	}
	b.messages, b.gone = s.pending, s.gone
	s.pending, s.gone, s.bytes = nil, nil, 0
	for i := range b.messages {
		p := &b.messages[i]
		if p.tag != 0 {
			s.place(p)
		}
		switch r := p.room; {
		case r.left:
			p.dead, p.record = true, false
		case !r.written:
			p.record, r.written = true, true
		}
	}
	b.probe = s.failed != nil
	if len(s.dead) > minDead+s.live/4 || s.deleting {
		if !s.deleting {
			slices.Sort(s.dead)
		}
		n := min(len(s.dead), maxDeleted)
		b.dead = s.dead[:n:n]
		s.dead = s.dead[n:]
		s.deleting = len(s.dead) > 0
	}
	return b, b.probe || len(b.messages)+len(b.dead)+len(b.gone) > 0
}

// putBack has b written later. Messages that were to have their places behind it get
// none, and the next ones theirs.
func (s *Store) putBack(b batch) {
	s.dead = append(b.dead, s.dead...)
	s.gone = append(b.gone, s.gone...)
	if s.sync > 0 {
		s.pending = append(b.messages, s.pending...)
		for i := range b.messages {
			s.bytes += size(&b.messages[i].m)
		}
		return
	}
	for i := len(b.messages) - 1; i >= 0; i-- {
		s.displace(&b.messages[i])
	}
	for _, p := range slices.Concat(b.messages, s.pending) {
		p.room.inside.Fail(p.tag, s.failed)
	}
	s.pending, s.bytes = nil, 0
}

// displace takes its place from p, which is the last one that got one.
func (s *Store) displace(p *message) {
	r := p.room
	r.last = p.before
	if p.record {
		r.written = false
	}
	r.keys = r.keys[:len(r.keys)-1]
	s.next--
	s.live--
}

// refuse has fail what can't be written any more, and has no place.
func (s *Store) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pending {
		if p.tag != 0 {
			p.room.inside.Fail(p.tag, ErrClosed)
		}
	}
}

// commit writes b. A database that is damaged may panic.
func (s *Store) commit(b batch) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the file is damaged: %v", cause)
		}
	}()
	if s.fault != nil {
		if err := s.fault(); err != nil {
			return err
		}
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		messages, rooms := tx.Bucket(messagesBucket), tx.Bucket(roomsBucket)
		messages.FillPercent = 1      // keys only grow
		for _, name := range b.gone { // there may be one of the name again
			if err := rooms.Delete([]byte(name)); err != nil {
				return err
			}
		}
		for i := range b.messages {
			p := &b.messages[i]
			if p.record {
				if err := rooms.Put([]byte(p.room.name), appendRoom(nil, p.room)); err != nil {
					return err
				}
			}
			if p.dead {
				continue
			}
			if err := messages.Put(keyOf(p.key), appendMessage(make([]byte, 0, size(&p.m)), p.room.id, &p.m)); err != nil {
				return err
			}
		}
		for _, key := range b.dead {
			if err := messages.Delete(keyOf(key)); err != nil {
				return err
			}
		}
		if b.probe {
			return tx.Bucket(metaBucket).Put([]byte("probe"), probe)
		}
		return nil
	})
}

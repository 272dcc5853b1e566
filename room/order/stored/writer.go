package stored

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// retry is after how long it is tried again to write.
const retry = time.Second

// What is deleted, and how much of that a commit does at least: many at a time are pages
// that are whole, and need not be written again.
const (
	minDead    = 1000
	minDeleted = 20_000
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
	interval := s.interval()
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
			return
		}
		if now := s.interval(); now != interval {
			interval = now
			ticker.Reset(interval)
		}
	}
}

// interval is how often something is to be done though nothing is urgent, or can be
// written.
func (s *Store) interval() time.Duration {
	if s.sync == 0 || s.Ready() != nil {
		return retry
	}
	return s.sync
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
	before := s.failed
	s.begun, s.failed = time.Time{}, err
	if err != nil {
		s.stats.Failures++
		s.putBack(b)
	} else {
		s.stats.Commits++
		s.undo = nil
		if s.doomed = s.doomed[len(b.dead):]; len(s.doomed) == 0 {
			s.doomed = nil
		}
		for i := range b.messages {
			if p := &b.messages[i]; p.tag != 0 && !p.room.left {
				p.room.inside.Place(p.tag, p.m)
			}
		}
	}
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		s.log.Error("history can't be written: nothing that is said is taken", "data", s.path, "err", err)
	case err == nil && before != nil:
		s.log.Info("history is written again", "data", s.path)
	}
}

// take is what is to be written now, and whether there is anything.
func (s *Store) take(tick bool) (b batch, some bool) {
	s.mu.Lock()
	if s.failed != nil && !tick {
		s.mu.Unlock()
		return b, false
	}
	b.messages = slices.DeleteFunc(s.pending, func(p message) bool { return p.tag != 0 && p.room.left })
	b.gone, b.probe = s.gone, s.failed != nil
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
	begins := len(s.doomed) == 0 && len(s.dead) > minDead+s.live/4
	if begins {
		s.doomed, s.dead = s.dead, nil
	}
	b.dead = s.doomed[:min(len(s.doomed), max(minDeleted, 2*len(b.messages)))] // no fewer than come
	some = b.probe || len(b.messages)+len(b.dead)+len(b.gone) > 0
	if some {
		s.begun = time.Now()
	}
	s.mu.Unlock()
	if begins {
		slices.Sort(s.doomed) // there may be millions: nobody must wait
	}
	return b, some
}

// putBack has b written later. Messages whose rooms were not told that they have their
// places get none.
func (s *Store) putBack(b batch) {
	s.gone = append(b.gone, s.gone...)
	if s.sync == 0 {
		for i := len(b.messages) - 1; i >= 0; i-- {
			s.displace(&b.messages[i])
		}
	}
	all := append(b.messages, s.pending...)
	s.pending, s.bytes = nil, 0
	for i := range all {
		p := &all[i]
		if p.tag == 0 {
			s.pending = append(s.pending, *p)
			s.bytes += size(&p.m)
		} else if !p.room.left {
			p.room.inside.Fail(p.tag, s.failed)
		}
	}
}

// displace takes its place from p, which is the last one that got one. Its key is not
// used again: the commit that failed may have written it.
func (s *Store) displace(p *message) {
	r := p.room
	s.undo = append(s.undo, p.key)
	r.last = p.before
	if p.record {
		r.written = false
	}
	if !r.left {
		r.keys = r.keys[:len(r.keys)-1]
		s.live--
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
		defer func() { err = errors.Join(err, s.fault()) }()
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
		for _, key := range slices.Concat(s.undo, b.dead) {
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

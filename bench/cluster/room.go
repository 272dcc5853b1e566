package cluster

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// room is what all have heard of one room, and were told to be in it. Anybody may call its
// methods.
type room struct {
	name  string
	court *court

	mu    sync.Mutex
	lives map[string]*life // by epoch
}

// life is a room's messages in one epoch.
type life struct {
	said  map[uint64]*said
	texts map[string]uint64 // each is said once
	top   uint64
	split uint64 // from this number on there are two messages under one, as NATS was set back; 0: there aren't
}

// said is a message that has its place.
type said struct {
	seq             uint64
	at              int64
	text, id, nonce string // the id is empty: it is not known
	first           time.Time
	by              string // who knew of it first
}

func (s *said) String() string {
	return fmt.Sprintf("message %d of %d, %q with the nonce %q, that %s knew of first", s.seq, s.at, s.text, s.nonce, s.by)
}

func newRoom(name string, c *court) *room {
	return &room{name: name, court: c, lives: make(map[string]*life)}
}

// take takes in that somebody knows of a message.
func (r *room) take(epoch string, m said) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lives[epoch]
	if l == nil {
		l = &life{said: make(map[uint64]*said), texts: make(map[string]uint64)}
		r.lives[epoch] = l
	}
	before := l.said[m.seq]
	if before == nil {
		if seq, again := l.texts[m.text]; again && seq != m.seq && !r.court.restored() {
			r.court.rule("room %s, epoch %s: %s has the place of %d, too", r.name, epoch, &m, seq)
		}
		m.first = time.Now()
		l.said[m.seq], l.texts[m.text] = &m, m.seq
		l.top = max(l.top, m.seq)
		return
	}
	if before.id == "" {
		before.id = m.id
	}
	if before.text == m.text && before.at == m.at && before.nonce == m.nonce && (m.id == "" || m.id == before.id) {
		return
	}
	if r.court.restored() && before.at != m.at {
		if l.split == 0 || m.seq < l.split {
			l.split = m.seq
		}
		return
	}
	r.court.rule("room %s, epoch %s: under one number there are %s and %s", r.name, epoch, before, &m)
}

// top is the last message that there is in an epoch.
func (r *room) top(epoch string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lives[epoch]; l != nil {
		return l.top
	}
	return 0
}

// between are the messages behind from up to to that there must be, in order.
func (r *room) between(epoch string, from, to uint64) (all []*said) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lives[epoch]
	if l == nil {
		return nil
	}
	for seq, m := range l.said {
		if seq > from && seq <= to && (l.split == 0 || seq < l.split) && !r.court.mayBeLost(m.at) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *said) int { return int(int64(a.seq) - int64(b.seq)) })
	return all
}

// count is how many messages there are.
func (r *room) count() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lives {
		n += len(l.said)
	}
	return n
}

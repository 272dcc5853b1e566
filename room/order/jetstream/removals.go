package jetstream

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Removals are of clients who are sent away from a room on all nodes, and may not come
// back for a while. A node that begins is told of those that last.
type Removals struct {
	s *Source

	mu    sync.Mutex
	tell  func(room, id string, ban time.Duration)
	heard []removal         // before somebody wanted to know
	ours  map[ban]time.Time // until when
}

type ban struct{ room, id string }

// removal is what nodes tell each other: not when it ends, as clocks differ.
type removal struct {
	Node string `json:"node"`
	Room string `json:"room"`
	ID   string `json:"id"`
	Ban  int64  `json:"ban_ms"`
}

func newRemovals(s *Source) *Removals { return &Removals{s: s, ours: make(map[ban]time.Time)} }

// Remove has a client removed on all other nodes, and kept away for a while. Anybody may
// call it.
func (r *Removals) Remove(room, id string, for_ time.Duration) {
	r.mu.Lock()
	r.ours[ban{room, id}] = time.Now().Add(for_)
	r.mu.Unlock()
	r.send(room, id, for_)
}

func (r *Removals) send(room, id string, for_ time.Duration) {
	body, err := json.Marshal(removal{r.s.node, room, id, for_.Milliseconds()})
	if err != nil {
		return // can't be: strings and numbers
	}
	s := r.s
	s.peers.answers.put(func() {
		if err := s.nc.Publish(removeSubject, body); err != nil {
			s.config.Log.Warn("other nodes were not told of a removal", "room", room, "err", err)
		}
	})
}

// Tell has removed told, from now on, whom other nodes remove. It is called by one
// goroutine at a time.
func (r *Removals) Tell(removed func(room, id string, ban time.Duration)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell = removed
	for _, one := range r.heard {
		removed(one.Room, one.ID, time.Duration(one.Ban)*time.Millisecond)
	}
	r.heard = nil
}

func (r *Removals) hear(m *nats.Msg) {
	var one removal
	if json.Unmarshal(m.Data, &one) != nil || one.Node == r.s.node {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tell == nil {
		r.heard = append(r.heard, one)
		return
	}
	r.tell(one.Room, one.ID, time.Duration(one.Ban)*time.Millisecond)
}

// again tells what this node has told, as far as it lasts.
func (r *Removals) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for b, until := range r.ours {
		if left := time.Until(until); left > 0 {
			r.send(b.room, b.id, left)
		}
	}
}

func (r *Removals) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for b, until := range r.ours {
		if now.After(until) {
			delete(r.ours, b)
		}
	}
}

package jetstream

import (
	"encoding/json"
	"sync"
	"time"
)

// removals are of clients who are sent away from a room on all nodes, and kept out of it
// for a while. Each node knows all that last, and tells them when another one begins, or
// has missed something: so they outlive the node that they came from.
type removals struct {
	s *Source

	mu    sync.Mutex
	tell  func(room, id string, ban time.Duration) // nil: nobody wants to know yet
	until map[ban]time.Time                        // those that last
	all   bool                                     // they are told with the next beat
}

type ban struct{ room, id string }

// removal is what nodes tell each other: not when it ends, as clocks differ.
type removal struct {
	Room string `json:"room"`
	ID   string `json:"id"`
	Ban  int64  `json:"ban_ms"`
}

// removalsTold is a message of them.
type removalsTold struct {
	Node  string    `json:"node"`
	Again bool      `json:"again,omitempty"` // they were told before, perhaps
	All   []removal `json:"removals"`
}

// Limits.
const (
	maxLasting   = 1 << 16              // that are known: of more, others are not told again
	removalBytes = 64 << 10             // of rooms and ids in a message, about
	longestBan   = 366 * 24 * time.Hour // nobody means more
	sameBan      = time.Second          // bans of one client that end within it are the same one, told again
)

func newRemovals(s *Source) *removals { return &removals{s: s, until: make(map[ban]time.Time)} }

// Remove implements order.Nodes.
func (s *Source) Remove(room, id string, for_ time.Duration) {
	r := s.removals
	if for_ > 0 {
		r.mu.Lock()
		r.until[ban{room, id}] = time.Now().Add(for_)
		r.mu.Unlock()
	}
	body, err := json.Marshal(removalsTold{Node: s.node, All: []removal{{room, id, for_.Milliseconds()}}})
	if err != nil {
		return // can't be: strings and numbers
	}
	s.peers.answers.put(func() {
		if err := s.nc.Publish(removeSubject, body); err != nil {
			r.tellAll()
			s.config.Log.Warn("other nodes were not told of a removal: bans are told again when NATS is there", "room", room, "err", err)
		}
	})
}

// begin has told, from now on, whom other nodes remove, and whom they keep out.
func (r *removals) begin(tell func(room, id string, ban time.Duration)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell = tell
	for b, until := range r.until {
		if left := time.Until(until); left > 0 {
			tell(b.room, b.id, left)
		}
	}
}

// hear takes what another node has told.
func (r *removals) hear(told removalsTold, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range told.All {
		for_, b := time.Duration(one.Ban)*time.Millisecond, ban{one.Room, one.ID}
		if one.Ban < 0 || one.Ban > longestBan.Milliseconds() {
			continue
		}
		known, until := r.until[b], now.Add(for_)
		if told.Again && until.Before(known.Add(sameBan)) {
			continue
		}
		if until.After(known) && for_ > 0 && len(r.until) < maxLasting {
			r.until[b] = until
		}
		if r.tell != nil {
			r.tell(one.Room, one.ID, for_)
		}
	}
}

// tellAll has those that last told with the next beat.
func (r *removals) tellAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = true
}

// messages are those for this beat. Those that are over are forgotten.
func (r *removals) messages(now time.Time) (bodies [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told, size := removalsTold{Node: r.s.node, Again: true}, 0
	flush := func() {
		if body, err := json.Marshal(told); err == nil && size > 0 { // strings and numbers
			bodies = append(bodies, body)
		}
		told.All, size = nil, 0
	}
	for b, until := range r.until {
		left := until.Sub(now)
		switch {
		case left <= 0:
			delete(r.until, b)
		case r.all:
			told.All = append(told.All, removal{b.room, b.id, left.Milliseconds()})
			if size += len(b.room) + len(b.id); size > removalBytes {
				flush()
			}
		}
	}
	flush()
	r.all = false
	return bodies
}

package tls13

import "sync"

// turns has handshakes compute in the order in which they ask, and a few at a time. Each
// is given its turn at the end of the pool's queue: of very many that come at once one
// runs, and then whatever else there is to do, and then the next. Two or three calls a
// handshake, and none a record: a lock is good enough.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting []*Handshake // some may have ended
}

// turn is what a Handshake has of turns.
type turn uint8

const (
	turnNone turn = iota
	turnAsked
	turnGiven
)

// take reports whether it is h's turn. If not, its Task will be scheduled.
func (t *turns) take(h *Handshake) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.turn == turnNone {
		h.turn = turnAsked
		t.waiting = append(t.waiting, h)
		t.give()
		return false
	}
	return h.turn == turnGiven
}

// end ends h's turn, if it has one. h does not wait for one any more.
func (t *turns) end(h *Handshake) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.turn == turnGiven {
		t.free++
	}
	h.turn = turnNone
	t.give()
}

// give gives the next its turn.
func (t *turns) give() {
	for t.free > 0 && len(t.waiting) > 0 {
		h := t.waiting[0]
		t.waiting[0] = nil
		if t.waiting = t.waiting[1:]; h.turn == turnAsked {
			h.turn = turnGiven
			t.free--
			h.transport.Schedule()
		}
	}
}

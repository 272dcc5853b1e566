package soak

import (
	"errors"
	"fmt"

	"github.com/gobwas/ws"
)

// ledger is the one order of a room's messages, as the first client that heard
// each of them found it. It belongs to the crowd's worker.
//
// All clients are held against it. A client's place is the next message that it
// must hear, so whatever is lost, repeated, out of order or damaged is seen at
// once.
type ledger struct {
	entries []entry
	base    int // messages before entries[0], which nobody needs any more
	bytes   uint64
	pending map[uint32]*queue // by publisher: sent, and heard by nobody yet
	sent    uint64            // messages
	volume  uint64            // their bytes
}

// entry is a message and the payload bytes up to and with it.
type entry struct {
	message
	upTo uint64
}

// queue is a publisher's messages that nobody has heard yet.
type queue struct {
	messages []message
	next     uint64 // number of the next to be sent
	gone     bool   // the publisher is: the messages may never come
}

// The ways in which what a client hears is wrong.
var (
	errShort = errors.New("a message that the harness did not send")
	errMixed = errors.New("a message was lost, repeated, reordered or damaged")
	errNovel = errors.New("a message that was not sent, or not by this publisher as its next, or damaged")
	errEarly = errors.New("a message whose place is not known yet")
	errUnmet = errors.New("messages that were sent after the client had joined never came")
)

// end is the number of messages that somebody heard.
func (l *ledger) end() int { return l.base + len(l.entries) }

// publisher adds one, with that number.
func (l *ledger) publisher(id uint32) {
	if l.pending == nil {
		l.pending = make(map[uint32]*queue)
	}
	l.pending[id] = new(queue)
}

// retire is told that a publisher is gone.
func (l *ledger) retire(id uint32) {
	q := l.pending[id]
	if q.gone = true; len(q.messages) == 0 {
		delete(l.pending, id)
	}
}

// send notes a message that is about to be sent, and gives it its identity.
func (l *ledger) send(m *message) {
	q := l.pending[m.id.publisher]
	m.id.seq = q.next
	q.next++
	m.trim()
	q.messages = append(q.messages, *m)
	l.sent++
	l.volume += uint64(m.size)
}

// place is where a client is in the order.
type place struct {
	known bool
	next  int   // the next message; until known, the first that it may hear
	since int64 // when it had joined; later messages are due to it
}

// history is how many messages that others have heard already a new client may
// still hear: more than chatd's -queue, as the parts of its room are not at the
// same message.
const history = 1024

// begin is the place of a client that is about to join.
func (l *ledger) begin() place { return place{next: max(l.base, l.end()-history)} }

// hear holds a message that came to the client at p against the order. With
// errEarly it must be called again when more was heard by others.
func (l *ledger) hear(p *place, op ws.OpCode, payload []byte) error {
	if len(payload) < minMessage {
		return errShort
	}
	if !p.known {
		if err := l.find(p, identify(payload)); err != nil {
			return err
		}
	}
	if p.next == l.end() {
		if err := l.extend(op, payload); err != nil {
			return err
		}
	} else if e := &l.entries[p.next-l.base]; !e.matches(op, payload) {
		return fmt.Errorf("%w: instead of %d of publisher %d came %v %d, %d bytes", errMixed, e.id.seq, e.id.publisher, op, identify(payload), len(payload))
	}
	p.next++
	return nil
}

// find gives p its place, by the first message that came. One that nobody has
// heard yet is the next in the order only for a client that had joined before
// all those were sent that nobody has heard; another may have missed some, and
// has to wait until they have been heard.
func (l *ledger) find(p *place, id identity) error {
	first, at := p.next, l.end()
	for i := l.end() - 1; i >= first; i-- {
		if l.entries[i-l.base].id == id {
			at = i
			break
		}
	}
	if at == l.end() {
		for _, q := range l.pending {
			if len(q.messages) > 0 && q.messages[0].sent <= p.since && !q.gone {
				return errEarly
			}
		}
	}
	for i := first; i < at; i++ {
		if l.entries[i-l.base].sent > p.since {
			return errUnmet
		}
	}
	p.next, p.known = at, true
	return nil
}

// extend appends a message that nobody has heard before.
func (l *ledger) extend(op ws.OpCode, payload []byte) error {
	id := identify(payload)
	q := l.pending[id.publisher]
	if q == nil || len(q.messages) == 0 || !q.messages[0].matches(op, payload) {
		return fmt.Errorf("%w: %v %d, %d bytes", errNovel, op, id, len(payload))
	}
	l.bytes += uint64(len(payload))
	l.entries = append(l.entries, entry{q.messages[0], l.bytes})
	if q.messages = q.messages[1:]; q.gone && len(q.messages) == 0 {
		delete(l.pending, id.publisher)
	}
	return nil
}

// due reports whether p must still hear some of the first n messages.
func (l *ledger) due(p *place, n int) bool {
	if p.known {
		return p.next < n
	}
	for i := p.next; i < n; i++ {
		if l.entries[i-l.base].sent > p.since {
			return true
		}
	}
	return false
}

// unheard is the most messages from the n-th on that can be due to a client
// which ends now without a word: the server finds out a little later.
func (l *ledger) unheard(n int) uint64 { return uint64(int(l.sent) + underWay - n) }

// upTo is the payload bytes of all messages before the n-th.
func (l *ledger) upTo(n int) uint64 {
	if n == l.end() {
		return l.bytes
	}
	return l.entries[n-l.base].upTo - uint64(l.entries[n-l.base].size)
}

// prunable is how many entries pay for moving the others.
const prunable = 1 << 14

// forget drops the messages before the n-th, but for history.
func (l *ledger) forget(n int) {
	n = min(n, l.end()-history)
	if n-l.base >= max(prunable, len(l.entries)/2) {
		l.entries = append([]entry(nil), l.entries[n-l.base:]...)
		l.base = n
	}
}

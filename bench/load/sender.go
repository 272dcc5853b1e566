package load

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"chatd/poller"
)

// Sender sends numbered messages over one of the fleet's clients, or beside it (see
// [post]).
//
// In an open loop it belongs to the goroutine that calls Pace; in a closed loop to the
// fleet's worker.
type Sender struct {
	room    int
	id      uint16 // in its room
	fleet   *Fleet
	dialect dialect
	wire    *Wire
	out     []byte // frames
	taken   int    // bytes of out that the socket has taken
	limit   uint64 // closed loop: messages that may be outstanding; 0: open loop

	sent    atomic.Uint64 // read by all
	stopped atomic.Bool   // set by all: nothing more is sent
}

var errNoClient = errors.New("there are fewer clients than senders")

// Senders makes n clients senders, the first in each room; the rooms take turns.
// With outstanding > 0 each keeps so many messages under way, from now on, until
// Stop; one is under way until it has come back to its sender.
func (f *Fleet) Senders(n, outstanding int) (senders []*Sender, err error) {
	f.Do(func() {
		made := make([]int, f.rooms.Len())
		for _, c := range f.clients {
			i := c.room - f.rooms.First
			if made[i] < f.rooms.Share(i, n) && c.phase == open && c.kind == Healthy && c.dialect == c.dialect.speaker() {
				wire := &c.Wire
				if c.dialect.posts() {
					var p *post
					if p, err = f.post(c.number); err != nil {
						return
					}
					wire = &p.Wire
				}
				s := &Sender{dialect: c.dialect, room: c.room, id: uint16(made[i]), fleet: f, wire: wire, limit: uint64(outstanding)}
				made[i]++
				c.sender = s
				senders = append(senders, s)
				c.Schedule()
			}
		}
	})
	switch {
	case err != nil:
		return nil, err
	case len(senders) < n:
		return nil, errNoClient
	}
	slices.SortFunc(senders, func(a, b *Sender) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.room, b.room)) })
	return senders, nil
}

// Sent is what senders have sent by now.
func (f *Fleet) Sent(senders []*Sender) Sent {
	sent := make(Sent, f.rooms.Len())
	for _, s := range senders { // in order of their ids
		i := s.room - f.rooms.First
		sent[i] = append(sent[i], s.Sent())
	}
	return sent
}

// Stop ends the sending.
func (s *Sender) Stop() { s.stopped.Store(true) }

// Sent is the number of messages sent.
func (s *Sender) Sent() uint64 { return s.sent.Load() }

// add puts a message that is due now into out.
func (s *Sender) add(due int64) {
	m := message{room: uint16(s.room), sender: s.id, seq: s.sent.Load(), due: due}
	s.out = s.dialect.say(s.out, s.fleet.target, s.fleet.rooms.name(s.room), m, s.fleet.size)
	s.sent.Add(1)
}

// flush writes what the socket takes and reports whether that is all.
func (s *Sender) flush(w poller.Sender) bool {
	for s.taken < len(s.out) {
		n := s.wire.Send(w, s.out[s.taken:])
		if n < 0 {
			return false // full; or broken, which the client finds out
		}
		s.taken += n
	}
	s.out, s.taken = s.out[:0], 0
	return s.wire.Flush()
}

// refill sends, in a closed loop, what may be outstanding. It is called
// whenever the sender's client c has read.
func (s *Sender) refill(w *poller.Worker, c *client) {
	if s.limit == 0 {
		return
	}
	back := uint64(0)
	if int(s.id) < len(c.check.next) {
		back = c.check.next[s.id]
	}
	now := Now()
	for s.sent.Load()-back < s.limit && !s.stopped.Load() {
		s.add(now)
	}
	if !s.flush(w) {
		c.WantWrite(true)
		s.flush(w) // room that comes before the poller knows would go unseen
	}
}

// Pace sends rate messages per second, evenly, by all senders in turn, each
// due at its own time however late it goes out, until ctx ends.
func Pace(ctx context.Context, senders []*Sender, rate float64) {
	interval := float64(time.Second) / rate
	start := Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; ; i++ {
		due := start + int64(float64(i)*interval)
		if !sleepUntil(ctx, timer, due) {
			return
		}
		s := senders[i%len(senders)]
		s.add(due)
		s.flush(poller.Plain{})
	}
}

// sleepUntil waits for a time, and reports whether ctx goes on until then.
func sleepUntil(ctx context.Context, timer *time.Timer, due int64) bool {
	for wait := due - Now(); wait > 0; wait = due - Now() {
		timer.Reset(time.Duration(wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// Flush writes, after a Pace, what sockets have not taken yet, until ctx ends.
func Flush(ctx context.Context, senders []*Sender) {
	for _, s := range senders {
		for !s.flush(poller.Plain{}) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
}

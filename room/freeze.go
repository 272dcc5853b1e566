package room

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// settleInterval is how long the workers may work before it is looked again whether
	// nothing is under way any more.
	settleInterval = time.Millisecond
	// What can't be carried may come to its end: for so long while everybody is served,
	// and for so long while nobody is.
	partTime = time.Second
	haltTime = 50 * time.Millisecond
	// Nobody waits for a handshake of TLS that has taken so long, in ticks: hostile peers
	// begin some that never end.
	handshakeTicks = ticksPerSecond / 2
)

// Freeze brings the server to rest, with all connections as they are: what was read has
// been heard and written as far as the sockets take it, nothing is under way from one owner
// to another, and the pool stands still. Then one goroutine may look at all owners' state.
// Requests of pages and handshakes of TLS are finished before, if that is soon.
//
// It must not be called by a worker, nor by two at a time. When ctx ends first, all goes on
// as if nothing had been.
func (s *Server) Freeze(ctx context.Context) error {
	if s.Draining() {
		return errors.New("the server is going away")
	}
	select {
	case s.turn <- struct{}{}: // nobody asks owners
	case <-ctx.Done():
		return ctx.Err()
	}
	s.web.http.SetKeepAlivesEnabled(false)
	answered := s.await(ctx, partTime, func() bool { return s.web.open.Load() == 0 })
	s.ticking.Lock() // time stands still
	s.still.Store(true)
	s.flusher.Schedule() // no room waits any more
	why, begun := "", time.Now()
	if s.await(ctx, math.MaxInt64, func() bool {
		if s.pool.Queued() > 0 { // to stop for a look at each would take for ever
			why = "the workers are busy"
			return false
		}
		s.pool.Freeze()
		if why = s.unsettled(); why == "" && s.known() != s.conns.Load() {
			why = "somebody is about to go"
		}
		if why == "" && time.Since(begun) < haltTime {
			why = s.parting(answered)
		}
		if why != "" {
			s.pool.Thaw()
		}
		return why == ""
	}) {
		return nil
	}
	s.pool.Freeze()
	s.Thaw()
	return fmt.Errorf("the server does not come to rest: %s: %w", why, ctx.Err())
}

// await waits until done is true, and looks at that again and again; or until ctx ends, or
// for so long. It reports whether done was true.
func (s *Server) await(ctx context.Context, most time.Duration, done func() bool) bool {
	overdue := time.After(most)
	for !done() {
		select {
		case <-time.After(settleInterval):
		case <-overdue:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// halt reports whether c's session reads nothing now, because the server is about to be
// frozen. If so it is scheduled when that goes on. Nobody else knows of all those that are
// on their way from one owner to another.
func (s *Server) halt(c *client) bool {
	if !s.still.Load() {
		return false
	}
	s.halted.Put(&parked{c: c})
	return true
}

// Thaw has a frozen server go on.
func (s *Server) Thaw() {
	s.still.Store(false)
	s.halted.Each(func(p *parked) { p.c.Schedule() })
	s.pool.Thaw()
	s.ticking.Unlock()
	s.web.http.SetKeepAlivesEnabled(true)
	<-s.turn
}

// unsettled says what is under way; "": nothing. The pool stands still.
func (s *Server) unsettled() string {
	d, pc := &s.directory, &s.pending
	if !pc.inbox.Empty() || !pc.joins.Empty() || !d.joins.Empty() || !d.errands.Empty() || !d.hubs.Empty() {
		return "somebody is on his way into a room"
	}
	for _, sh := range s.shards.all() {
		if sh.unsettled() {
			return "a shard is at work"
		}
	}
	busy := ""
	d.rooms.Scan(func(_ string, h *hub) bool {
		if h.unsettled() {
			busy = "a room is at work"
		}
		return busy == ""
	})
	return busy
}

// parting says who is there that is not carried, and may soon be gone; "": nobody. There may
// be requests only if all that were there before were answered.
func (s *Server) parting(answered bool) string {
	if answered && s.web.open.Load() > 0 {
		return "requests are being answered"
	}
	for i := range s.pending.list {
		if c := s.pending.list[i].c; !c.carried() && s.now.Load()-c.born <= handshakeTicks {
			return "handshakes of TLS are under way"
		}
	}
	return ""
}

// carried reports whether c can go to another program, which has no handshake of TLS.
func (c *client) carried() bool { return c.handshakeTLS() == nil }

// known is how many connections have an owner. Those that have none are about to go to
// another one, or are about to be closed.
func (s *Server) known() int64 {
	n := int64(len(s.pending.list)) + s.web.open.Load()
	for _, sh := range s.shards.all() {
		n += int64(sh.population.Load())
	}
	return n
}

// unsettled reports whether something is on its way to the hub, or from it.
func (h *hub) unsettled() bool {
	return h.order != nil && h.order.unsettled() || !h.inbox.Empty() || !h.joins.Empty() || h.posts != nil || h.sent != h.taken.Load() || h.has(hubStalled|hubWaits)
}

// unsettled reports whether something is on its way to the shard, or a pass is under way.
func (s *shard) unsettled() bool {
	return s.pass != nil || s.first != nil || s.hasEvents() || !s.rosters.Empty() || !s.early.Empty()
}

// eachClient calls f with all clients that are in a shard, or pending. Nothing may change
// meanwhile.
func (s *Server) eachClient(f func(*client)) {
	for _, pc := range s.pending.list {
		f(pc.c)
	}
	for _, sh := range s.shards.all() {
		sh.eachClient(f)
	}
}

// eachClient calls f with those in the shard, in order.
func (s *shard) eachClient(f func(*client)) {
	for _, r := range s.list {
		for _, c := range r.ready {
			if c.roster.Load() == r { // the others are in several rooms
				f(c)
			}
		}
	}
	for _, o := range s.lagging {
		f(o.c)
	}
}

package room

import (
	"sync/atomic"

	"chatd/poller/tls13"
	"chatd/room/chat"
)

// Stats is a snapshot of a server's counters, all since its start. They are
// read one after the other while the server goes on.
type Stats struct {
	Conns      int64 // open connections
	Members    int64 // those in a room; one that is in several counts in each
	Rooms      int64
	Handshakes int64 // those whose handshake is not done
	Lagging    int64 // members that are behind

	Accepted uint64 // connections
	Joined   uint64 // members
	Born     uint64 // rooms
	Removed  uint64 // rooms
	Messages uint64 // appended to the log

	Published uint64 // of Messages: by publishers, who are in no room
	Repeated  uint64 // what publishers said again, with the same nonce
	Unplaced  uint64 // what got no place in Config.Order
	Skipped   uint64 // gaps in that of which members were told

	// When nothing is under way, Due = Delivered + Lost.
	Due       uint64 // messages × the members present
	Delivered uint64 // of Due: written whole
	Lost      uint64 // of Due: not written whole when the client was given up

	Received uint64 // bytes from sockets
	Sent     uint64 // bytes to members' sockets

	Compressed       uint64 // messages that were compressed
	CompressedInput  uint64 // their bytes before
	CompressedOutput uint64 // and after
	Inflated         uint64 // messages that came compressed

	TLSHandshakes map[string]uint64 // that were done: full, resumed
	TLSFailures   map[string]uint64 // those that failed, by tls13.Reason
	TLSTruncated  uint64            // streams of which the peer did not say that they end
	TLSBroken     uint64            // streams that broke the rules, or were tampered with

	KeptMessages int64  // in the rooms' histories
	KeptBytes    int64  // of memory for them
	CaughtUp     uint64 // bytes that members were sent of what was said before they came

	Resumed   map[string]uint64 // joins with a position, by what came of it: resumed or gap
	Gaps      map[string]uint64 // those with a gap, by its reason
	Rejected  map[string]uint64 // events of chat clients that were answered with an error, by its code
	Refused   map[string]uint64 // handshakes that failed, by reason
	Dropped   map[string]uint64 // members that were sent away or lost, by Reason
	Throttled map[string]uint64 // pauses in reading, by the limit that was exceeded
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	t := s.counters
	lagging := t.level(func(t *counters) *atomic.Int64 { return &t.lagging })
	st := Stats{
		Conns:      s.conns.Load(),
		Members:    s.members.Load(),
		Rooms:      s.directory.size.Load(),
		Born:       s.directory.born.Load(),
		Removed:    s.directory.removed.Load(),
		Handshakes: s.pending.handshakes.Load(),
		Lagging:    max(0, lagging), // a worker may have gone on while the others were added

		Accepted:  t.sum(func(t *counters) *atomic.Uint64 { return &t.accepted }),
		Joined:    t.sum(func(t *counters) *atomic.Uint64 { return &t.joined }),
		Messages:  t.sum(func(t *counters) *atomic.Uint64 { return &t.messages }),
		Published: t.sum(func(t *counters) *atomic.Uint64 { return &t.published }),
		Repeated:  t.sum(func(t *counters) *atomic.Uint64 { return &t.repeated }),
		Unplaced:  t.sum(func(t *counters) *atomic.Uint64 { return &t.unplaced }),
		Skipped:   t.sum(func(t *counters) *atomic.Uint64 { return &t.skipped }),
		Due:       t.sum(func(t *counters) *atomic.Uint64 { return &t.due }),
		Delivered: t.sum(func(t *counters) *atomic.Uint64 { return &t.delivered }),
		Lost:      t.sum(func(t *counters) *atomic.Uint64 { return &t.lost }),
		Received:  t.sum(func(t *counters) *atomic.Uint64 { return &t.received }),
		Sent:      t.sum(func(t *counters) *atomic.Uint64 { return &t.sent }),

		Compressed:       t.sum(func(t *counters) *atomic.Uint64 { return &t.deflated }),
		CompressedInput:  t.sum(func(t *counters) *atomic.Uint64 { return &t.deflateIn }),
		CompressedOutput: t.sum(func(t *counters) *atomic.Uint64 { return &t.deflateOut }),
		Inflated:         t.sum(func(t *counters) *atomic.Uint64 { return &t.inflated }),

		KeptMessages: t.level(func(t *counters) *atomic.Int64 { return &t.keptMessages }),
		KeptBytes:    t.level(func(t *counters) *atomic.Int64 { return &t.keptBytes }),
		CaughtUp:     t.sum(func(t *counters) *atomic.Uint64 { return &t.caughtUp }),

		TLSHandshakes: map[string]uint64{"full": s.tls.full.Load(), "resumed": s.tls.resumed.Load()},
		TLSFailures:   make(map[string]uint64),
		TLSTruncated:  s.tls.truncated.Load(),
		TLSBroken:     s.tls.broken.Load(),

		Resumed:   make(map[string]uint64),
		Gaps:      make(map[string]uint64),
		Rejected:  make(map[string]uint64),
		Refused:   make(map[string]uint64),
		Dropped:   make(map[string]uint64),
		Throttled: make(map[string]uint64),
	}
	for i, name := range resumeNames {
		st.Resumed[name] = t.sum(func(t *counters) *atomic.Uint64 { return &t.resumes[i] })
	}
	for i, why := range gapReasons {
		st.Gaps[string(why)] = t.sum(func(t *counters) *atomic.Uint64 { return &t.gaps[i] })
	}
	for _, r := range tls13.Reasons() {
		st.TLSFailures[r.String()] = s.tls.failed[r].Load()
	}
	for reason, n := range s.refusedFor {
		st.Refused[reason] = n.Load()
	}
	for r := SlowConsumer; r < reasons; r++ {
		st.Dropped[r.String()] = t.sum(func(t *counters) *atomic.Uint64 { return &t.dropped[r] })
	}
	for i, code := range chat.Codes {
		st.Rejected[string(code)] = t.sum(func(t *counters) *atomic.Uint64 { return &t.rejected[i] })
	}
	for i, name := range limitNames {
		st.Throttled[name] = t.sum(func(t *counters) *atomic.Uint64 { return &t.throttled[i] })
	}
	return st
}

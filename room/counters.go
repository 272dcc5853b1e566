package room

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"

	"chatd/poller"
	"chatd/poller/tls13"
	"chatd/room/carry"
	"chatd/room/chat"
)

// counters is what one worker counts. Only that worker writes it, so that nothing
// is shared when something is counted; anybody may read it. What is counted
// outside of the pool goes to the poller's.
type counters struct {
	accepted   atomic.Uint64 // connections
	joined     atomic.Uint64 // members
	messages   atomic.Uint64 // appended to the log
	logged     atomic.Uint64 // their bytes
	due        atomic.Uint64 // messages × the members present
	delivered  atomic.Uint64 // of due: written whole
	lost       atomic.Uint64 // of due: the client was given up before
	lagging    atomic.Int64  // members that are behind: more, or fewer, than there were
	received   atomic.Uint64 // bytes
	sent       atomic.Uint64 // bytes to members
	deflated   atomic.Uint64 // messages that were compressed
	deflateIn  atomic.Uint64 // their bytes before
	deflateOut atomic.Uint64 // and after
	inflated   atomic.Uint64 // messages that came compressed
	published  atomic.Uint64 // messages that came from outside
	repeated   atomic.Uint64 // those that had been there
	unplaced   atomic.Uint64 // messages that got no place in another one's order
	skipped    atomic.Uint64 // gaps in it that members were told of

	keptMessages atomic.Int64                  // in the rooms' histories: more, or fewer, than there were
	keptBytes    atomic.Int64                  // likewise
	caughtUp     atomic.Uint64                 // bytes of what was there before the client came
	resumes      [resumeOutcomes]atomic.Uint64 // joins with a position, see resumeNames
	gaps         [len(gapReasons)]atomic.Uint64

	dropped   [reasons]atomic.Uint64
	throttled [limits]atomic.Uint64
	rejected  [len(chat.Codes)]atomic.Uint64 // events of chat clients, by what was wrong with them
	_         [128]byte                      // keeps the next one's out of the same cache lines
}

// limits are the kinds of rate limits.
const (
	limitMessages = iota
	limitBytes
	limitControls
	limits
)

var limitNames = [limits]string{"messages", "bytes", "controls"}

// workerCounters are those of all workers.
type workerCounters []counters

func newWorkerCounters(p *poller.Pool) workerCounters { return make(workerCounters, p.Workers()) }

// of is the counters of w, which is nil outside of the pool.
func (t workerCounters) of(w *poller.Worker) *counters {
	if w == nil {
		return &t[0]
	}
	return &t[w.ID()]
}

// level adds up what goes up and down.
func (t workerCounters) level(counter func(*counters) *atomic.Int64) (n int64) {
	for i := range t {
		n += counter(&t[i]).Load()
	}
	return n
}

// sum adds up one counter of all workers.
func (t workerCounters) sum(counter func(*counters) *atomic.Uint64) (n uint64) {
	for i := range t {
		n += counter(&t[i]).Load()
	}
	return n
}

// totals calls f with each count that goes on when the program is replaced: all but the
// levels, which what is restored counts again.
func (t *counters) totals(f func(name string, count *atomic.Uint64)) {
	f("accepted", &t.accepted)
	f("joined", &t.joined)
	f("messages", &t.messages)
	f("logged", &t.logged)
	f("due", &t.due)
	f("delivered", &t.delivered)
	f("lost", &t.lost)
	f("received", &t.received)
	f("sent", &t.sent)
	f("deflated", &t.deflated)
	f("deflateIn", &t.deflateIn)
	f("deflateOut", &t.deflateOut)
	f("inflated", &t.inflated)
	f("published", &t.published)
	f("repeated", &t.repeated)
	f("unplaced", &t.unplaced)
	f("skipped", &t.skipped)
	f("caughtUp", &t.caughtUp)
	for i, name := range resumeNames {
		f("resumes/"+name, &t.resumes[i])
	}
	for i, why := range gapReasons {
		f("gaps/"+string(why), &t.gaps[i])
	}
	for r := SlowConsumer; r < reasons; r++ {
		f("dropped/"+r.String(), &t.dropped[r])
	}
	for i, name := range limitNames {
		f("throttled/"+name, &t.throttled[i])
	}
	for i, code := range chat.Codes {
		f("rejected/"+string(code), &t.rejected[i])
	}
}

// carryTotals writes the server's counts that are not 0 by their names: the next program
// may have others, too, and some may be gone.
func (s *Server) carryTotals(w *carry.Writer) {
	sums := make(map[string]uint64)
	s.totals(func(name string, count *atomic.Uint64) {
		if n := count.Load(); n > 0 {
			sums[name] += n
		}
	})
	w.Uint(uint64(len(sums)))
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		w.String(name)
		w.Uint(sums[name])
	}
}

// restoreTotals reads what carryTotals has written: to the poller's, who counts what is
// counted outside of the pool.
func (s *Server) restoreTotals(r *carry.Reader) {
	sums := make(map[string]uint64)
	for range r.Count(math.MaxInt) {
		name := r.String()
		sums[name] = r.Uint()
	}
	s.totals(func(name string, count *atomic.Uint64) {
		count.Add(sums[name])
		delete(sums, name) // only the first worker's
	})
}

// totals calls f with each count of the server's.
func (s *Server) totals(f func(name string, count *atomic.Uint64)) {
	for i := range s.counters {
		s.counters[i].totals(f)
	}
	s.tls.totals(f)
	s.refusals.totals(f)
	f("born", &s.directory.born)
	f("removed", &s.directory.removed)
}

// secureCounters count what comes of TLS. That is seldom: any worker writes them.
type secureCounters struct {
	full, resumed atomic.Uint64   // handshakes
	failed        []atomic.Uint64 // likewise, by reason
	truncated     atomic.Uint64   // streams that ended without saying so
	broken        atomic.Uint64   // streams that broke the rules, or were tampered with
}

func newSecureCounters() secureCounters {
	return secureCounters{failed: make([]atomic.Uint64, len(tls13.Reasons())+1)}
}

func (t *secureCounters) totals(f func(name string, count *atomic.Uint64)) {
	f("tls/full", &t.full)
	f("tls/resumed", &t.resumed)
	f("tls/truncated", &t.truncated)
	f("tls/broken", &t.broken)
	for _, r := range tls13.Reasons() {
		f("tls/failed/"+r.String(), &t.failed[r])
	}
}

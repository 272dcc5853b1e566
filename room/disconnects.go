package room

import (
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chatd/poller"
	"chatd/room/carry"
	"chatd/room/handshake"
	"chatd/room/token"
)

// Disconnect is a client that was refused or sent away.
type Disconnect struct {
	Time   time.Time      `json:"time"`
	Source netip.AddrPort `json:"source"` // the zero value if it was gone
	Reason string         `json:"reason"`
	Code   int            `json:"code"` // that it was sent: HTTP status or close code; 0: none
	Lag    int            `json:"lag"`  // messages that waited for it
}

// remembered is how many disconnects are.
const remembered = 100

// disconnects remembers the last ones, for whoever asks why, and tells the log
// once a second how many there were of each kind. Anybody may add to it: it is
// no matter of messages, so a lock is good enough.
type disconnects struct {
	mu    sync.Mutex
	ring  [remembered]Disconnect
	count int // all there ever were
	fresh map[string]*unreported
}

// unreported is what the log has not been told.
type unreported struct {
	count int
	last  Disconnect
}

func (e *Disconnect) carry(w *carry.Writer) {
	w.Int(e.Time.UnixNano())
	carryAddr(w, e.Source)
	w.String(e.Reason)
	w.Uint(uint64(e.Code))
	w.Uint(uint64(e.Lag))
}

func (e *Disconnect) restore(r *carry.Reader) {
	e.Time = time.Unix(0, r.Int())
	e.Source = restoreAddr(r)
	e.Reason = r.String()
	e.Code = int(r.UpTo(math.MaxUint16))
	e.Lag = int(r.UpTo(math.MaxInt))
}

// carry writes the ones that are remembered, the oldest first, and what the log has not
// been told.
func (d *disconnects) carry(w *carry.Writer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Uint(uint64(d.count))
	for i := max(0, d.count-remembered); i < d.count; i++ {
		d.ring[i%remembered].carry(w)
	}
	w.Uint(uint64(len(d.fresh)))
	for _, reason := range slices.Sorted(maps.Keys(d.fresh)) {
		n := d.fresh[reason]
		w.Uint(uint64(n.count))
		n.last.carry(w) // it has the reason
	}
}

func (d *disconnects) restore(r *carry.Reader) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count = int(r.UpTo(1 << 60)) // and goes on from there
	for i := max(0, d.count-remembered); i < d.count; i++ {
		d.ring[i%remembered].restore(r)
	}
	d.fresh = nil
	for range r.Count(math.MaxInt) {
		n := &unreported{count: int(r.UpTo(math.MaxInt))}
		n.last.restore(r)
		if d.fresh == nil {
			d.fresh = make(map[string]*unreported)
		}
		d.fresh[n.last.Reason] = n
	}
}

func (d *disconnects) add(e Disconnect) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ring[d.count%remembered] = e
	d.count++
	if d.fresh == nil {
		d.fresh = make(map[string]*unreported)
	}
	n := d.fresh[e.Reason]
	if n == nil {
		n = new(unreported)
		d.fresh[e.Reason] = n
	}
	n.count++
	n.last = e
}

// last is the remembered ones, the newest first.
func (d *disconnects) last() []Disconnect {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Disconnect, 0, remembered)
	for i := d.count - 1; i >= max(0, d.count-remembered); i-- {
		all = append(all, d.ring[i%remembered])
	}
	return all
}

// report writes one line for each reason that came up since the last time.
func (d *disconnects) report(log *slog.Logger) {
	d.mu.Lock()
	fresh := d.fresh
	d.fresh = nil
	d.mu.Unlock()
	for reason, n := range fresh {
		log.Warn("clients sent away", "reason", reason, "count", n.count, "last", n.last.Source, "code", n.last.Code, "lag", n.last.Lag)
	}
}

// disconnected counts a member that is sent away or given up for a reason of the
// server's, when lag messages waited for it.
func (s *Server) disconnected(w *poller.Worker, c *client, r Reason, lag int) {
	if reasonTable[r].noted {
		code := r.Code()
		if c.has(statusEvents) {
			code = 0
		}
		s.disconnects.add(Disconnect{Time: time.Now(), Source: c.peer(), Reason: r.String(), Code: code, Lag: lag})
		if r != Panicked { // which has been logged
			s.config.Log.Debug("client dropped", "reason", r.String(), "fd", c.FD(), "lag", lag)
		}
	}
	s.counters.of(w).dropped[r].Add(1)
}

// refusals counts handshakes that failed, by reason. The map is static.
type refusals struct{ refusedFor map[string]*atomic.Uint64 }

func newRefusals() refusals {
	m := make(map[string]*atomic.Uint64)
	for _, reason := range handshake.Reasons() {
		m[reason] = new(atomic.Uint64)
	}
	for f := token.Missing; f < token.Faults; f++ {
		if m[f.Word()] == nil {
			m[f.Word()] = new(atomic.Uint64)
		}
	}
	return refusals{m}
}

// totals calls f with each count.
func (c *refusals) totals(f func(name string, count *atomic.Uint64)) {
	for reason, count := range c.refusedFor {
		f("refused/"+reason, count)
	}
}

// refused counts a connection whose handshake failed and was answered with an
// HTTP status, or with 0, not at all.
func (s *Server) refused(source netip.AddrPort, reason string, status int) {
	s.disconnects.add(Disconnect{Time: time.Now(), Source: source, Reason: reason, Code: status})
	s.config.Log.Debug("handshake refused", "reason", reason, "source", source)
	s.refusedFor[reason].Add(1)
}

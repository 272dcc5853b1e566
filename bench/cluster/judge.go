package cluster

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// mostViolations is how many are told; more say nothing more.
const mostViolations = 50

// court collects what is wrong, and counts. Anybody may call its methods.
type court struct {
	harm atomic.Pointer[harm]

	mu         sync.Mutex
	violations []Deed         // guarded by mu
	counts     map[string]int // likewise
}

// rule says that something is wrong.
func (c *court) rule(format string, args ...any) { c.accuse(time.Now(), format, args...) }

// accuse says that something was wrong at a time.
func (c *court) accuse(at time.Time, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.violations) < mostViolations {
		c.violations = append(c.violations, Deed{at, fmt.Sprintf(format, args...)})
	}
}

func (c *court) count(what string) { c.add(what, 1) }

func (c *court) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	c.counts[what] += n
}

// restored reports whether NATS is set back to an earlier state, or will be.
func (c *court) restored() bool { return c.harm.Load().kept.Load() != 0 }

// mayBeLost reports whether what was said at a time is from before that.
func (c *court) mayBeLost(at int64) bool {
	h := c.harm.Load()
	return at >= h.kept.Load() && at <= h.back.Load()
}

// found is all that was found.
func (c *court) found() (violations []Deed, counts map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.violations), maps.Clone(c.counts)
}

// judge holds what a client has heard of a room against what there is.
func (p *place) judge() {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.room.court
	for i, s := range p.stretches {
		c.add("heard", len(s.heard))
		heard := s.heard
		for _, m := range p.room.between(s.epoch, s.from, s.to) {
			for len(heard) > 0 && heard[0] < m.seq {
				heard = heard[1:]
			}
			if len(heard) == 0 || heard[0] != m.seq {
				c.accuse(m.first, "%s in room %s: has heard all from %d to %d of the epoch %s, but not %s", p.who, p.room.name, s.from, s.to, s.epoch, m)
			}
		}
		if i > 0 && s.epoch == p.stretches[i-1].epoch {
			c.add("in gaps", len(p.room.between(s.epoch, p.stretches[i-1].to, s.from)))
		}
	}
}

// behind says who has not heard all that there is, or does not know that what he said has
// its place: a line each.
func (r *run) behind() (lines []string) {
	epochs := make(map[*room]string) // that all must be in
	for _, c := range r.clients {
		for _, p := range c.present() {
			epoch, seq, here := p.where()
			if epochs[p.room] == "" {
				epochs[p.room] = epoch
			}
			switch top := p.room.top(epoch); {
			case !here:
				lines = append(lines, fmt.Sprintf("%s is not in room %s", p.who, p.room.name))
			case epoch != epochs[p.room]:
				lines = append(lines, fmt.Sprintf("%s in room %s: is in the epoch %s, others are in %s", p.who, p.room.name, epoch, epochs[p.room]))
			case seq < top:
				lines = append(lines, fmt.Sprintf("%s in room %s: has heard all up to %d, and not what is up to %d", p.who, p.room.name, seq, top))
			}
		}
		if n := c.unconfirmed(); n > 0 {
			lines = append(lines, fmt.Sprintf("%s does not know of %d messages whether they have a place", c.name, n))
		}
	}
	for _, p := range r.publishers {
		if p.busy.Load() {
			lines = append(lines, p.name+" gets no receipt")
		}
	}
	return lines
}

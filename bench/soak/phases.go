package soak

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// pacing is how often it is looked at what is due.
	pacing = 5 * time.Millisecond
	// patience is how long clients may take to hear what was sent, and to leave.
	patience = 60 * time.Second
	percent  = 100
)

// run carries a phase out, and returns when its clients are gone. When ctx ends
// it is cut short.
func (c *crowd) run(ctx context.Context, p *Phase) {
	ctx, cancel := context.WithTimeout(ctx, p.Length)
	defer cancel()
	var err error
	switch p.Kind {
	case Steady, Flood:
		err = c.broadcast(ctx, p)
	case Churn:
		err = c.churn(ctx, p)
	case Stuck:
		err = c.stuck(ctx, p)
	case Hostile:
		c.hostile(ctx, p)
	}
	if err != nil {
		c.failed(fmt.Errorf("%v: %w", p.Kind, err))
	}
}

// gather connects a phase's clients, which take turns in its rooms. The first of
// them are its publishers, who begin at once.
func (c *crowd) gather(p *Phase, r *rand.Rand, narrow bool) (all []*client, err error) {
	for i := range p.Clients {
		cl, err := c.connect(i, i%p.Rooms, p.manner(r, narrow))
		if err != nil {
			return all, err
		}
		all = append(all, cl)
	}
	if err := c.shaken(all); err != nil {
		return all, err
	}
	c.do(func() {
		for _, cl := range all[:p.Publishers] {
			cl.publish(p, r.Uint64())
		}
	})
	return all, nil
}

// shaken waits until the handshakes are done.
func (c *crowd) shaken(all []*client) error {
	if err := c.await(patience, func() bool { return !slices.ContainsFunc(all, (*client).shakes) }); err != nil {
		return fmt.Errorf("handshakes: %w", err)
	}
	return nil
}

// broadcast is publishers, and others who listen.
func (c *crowd) broadcast(ctx context.Context, p *Phase) error {
	r := p.rand()
	all, err := c.gather(p, r, false)
	if err == nil {
		c.pace(ctx, p, all[:p.Publishers])
	}
	return cmp.Or(c.retire(all, func() exit { return exitOf(r, p.Gentle) }), err)
}

// pace tells publishers what is due until ctx ends.
func (c *crowd) pace(ctx context.Context, p *Phase, publishers []*client) {
	began, told := time.Now(), 0
	every(ctx, pacing, func() bool {
		c.do(func() {
			for due := int(p.Rate * time.Since(began).Seconds()); told < due; told++ {
				publishers[told%len(publishers)].publisher.owed++
			}
		})
		return true
	})
}

// retire has publishers stop and leave when all that they have sent has come
// back to them, and then all others when they have heard it, too.
func (c *crowd) retire(all []*client, how func() exit) error {
	c.do(func() {
		for _, cl := range all {
			if cl.publisher != nil {
				cl.publisher.stopped = true
				cl.finish(0, byClose)
			}
		}
	})
	busy := func(cl *client) bool { return cl.stage != gone && cl.publisher != nil && !cl.publisher.finished() }
	err := c.await(patience, func() bool { return !slices.ContainsFunc(all, busy) })
	c.do(func() {
		for _, cl := range all {
			if cl.publisher == nil {
				cl.finish(cl.room.ledger.end(), how())
			}
		}
	})
	return cmp.Or(c.left(all), err)
}

// left waits until all of them are gone, and ends those that don't go.
func (c *crowd) left(all []*client) error {
	there := func(cl *client) bool { return cl.stage != gone }
	err := c.await(patience, func() bool { return !slices.ContainsFunc(all, there) })
	if err == nil {
		return nil
	}
	n := 0
	c.do(func() {
		for _, cl := range all {
			if there(cl) {
				n++
				cl.gone()
			}
		}
	})
	return fmt.Errorf("clients that did not hear what they must, or can't leave: %d: %w", n, err)
}

// deed is something that a client does at a time of its phase.
type deed struct {
	at time.Duration
	do func() error
}

// perform does deeds when it is time to, all of them at once when ctx ends.
func perform(ctx context.Context, deeds []deed) error {
	slices.SortStableFunc(deeds, func(a, b deed) int { return cmp.Compare(a.at, b.at) })
	began := time.Now()
	for len(deeds) > 0 {
		d := deeds[0]
		if wait := d.at - time.Since(began); wait > 0 && ctx.Err() == nil {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
		if err := d.do(); err != nil {
			return err
		}
		deeds = deeds[1:]
	}
	return nil
}

// sometime is within the phase, early rather than late if n is more than 1.
func (p *Phase) sometime(r *rand.Rand, n int) time.Duration {
	t := r.Int64N(int64(p.Length))
	for range n - 1 {
		t = min(t, r.Int64N(int64(p.Length)))
	}
	return time.Duration(t)
}

// talkers is how many of the clients that come and leave say something: one of
// so many.
const talkers = 8

// churn is clients that come, stay for a while, and leave; some say something
// and leave when they have heard it.
func (c *crowd) churn(ctx context.Context, p *Phase) error {
	r := p.rand()
	var all []*client
	var deeds []deed
	for i := range p.Clients {
		comes := p.sometime(r, 1)
		leaves := min(comes+p.sometime(r, 4), p.Length)
		room, comesBy, how, seed, words := r.IntN(p.Rooms), p.manner(r, false), exitOf(r, p.Gentle), r.Uint64(), 0
		if r.IntN(talkers) == 0 {
			words = 1 + r.IntN(3)
		}
		var cl *client
		deeds = append(deeds, deed{comes, func() (err error) {
			if cl, err = c.connect(i, room, comesBy); err != nil {
				return err
			}
			all = append(all, cl)
			if words > 0 {
				c.do(func() { cl.publish(p, seed).owed = words })
			}
			return nil
		}}, deed{leaves, func() error {
			c.do(func() {
				if cl.publisher == nil {
					cl.depart(how)
					return
				}
				cl.publisher.stopped = true
				cl.finish(0, byClose)
			})
			return nil
		}})
	}
	return cmp.Or(perform(ctx, deeds), c.left(all))
}

// stuck is clients that don't read. Half of them wake up and read on.
func (c *crowd) stuck(ctx context.Context, p *Phase) error {
	r := p.rand()
	all, err := c.gather(p, r, true)
	if err != nil {
		return err
	}
	var deeds []deed
	for i, cl := range all {
		if i%2 == 0 {
			deeds = append(deeds, deed{p.sometime(r, 1), func() error {
				c.do(cl.wake)
				return nil
			}})
		}
	}
	c.do(func() {
		for _, cl := range all {
			cl.sleep()
		}
	})
	err = perform(ctx, deeds)
	<-ctx.Done()
	c.do(func() {
		for i, cl := range all {
			if i%2 == 0 {
				cl.depart(byClose)
			} else {
				cl.depart(byReset)
			}
		}
	})
	return cmp.Or(c.left(all), err)
}

// sleep has a client read no more. From then on it may be dropped.
func (c *client) sleep() {
	c.asleep, c.full = true, false
	c.crowd.tally.Stuck++
}

// wake has it read on.
func (c *client) wake() {
	c.asleep = false
	c.Schedule()
}

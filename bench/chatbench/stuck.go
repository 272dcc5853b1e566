package main

import (
	"context"
	"time"

	"chatd/bench/load"
	"chatd/bench/result"
)

// withoutStuck is how long the stuck scenario looks at the healthy clients
// alone, unless the run is short: time for the server's memory to settle.
const withoutStuck = 2 * time.Second

// stuck looks at the server without and with clients that never read.
func (s *scenario) stuck(ctx context.Context, run *result.Run) error {
	c, senders, err := s.gather(ctx, 0)
	if err != nil {
		return err
	}
	defer c.close()
	stuck := &result.Stuck{}
	run.Stuck = stuck
	run.Offered = s.offered(senders)
	pace(ctx, senders, s.params.Rate, func() {
		s.sleep(ctx, c, "without stuck clients", min(withoutStuck, s.duration/2))
		stuck.RSSWithout = s.server.rss()
		if err = s.connect(ctx, c, s.params.Clients, s.params.StuckClients, load.Stuck); err != nil {
			return
		}
		before := sentBy(senders)
		watching, stop := context.WithCancel(ctx)
		defer stop()
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			s.watch(watching, c, senders, before, stuck)
		}()
		err = s.measured(ctx, c, func() uint64 { return sentBy(senders) }, run)
		stop()
		<-watched
	})
	if err != nil {
		return err
	}
	if err := s.judged(c, c.own.Sent(senders), run); err != nil {
		return err
	}
	stuck.Dropped = c.counts().Dropped
	stuck.HealthyLosses = run.Faults.Lost
	if run.Delivery != nil {
		stuck.HealthyP99 = run.Delivery.P99
	}
	return nil
}

// watch follows the server's memory and the first drop until ctx ends.
func (s *scenario) watch(ctx context.Context, c *crowd, senders []*load.Sender, before uint64, stuck *result.Stuck) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			stuck.RSSWith = max(stuck.RSSWith, s.server.rss())
			if stuck.FirstDropped == 0 && c.counts().Dropped > 0 {
				stuck.FirstDropped = sentBy(senders) - before
			}
		}
	}
}

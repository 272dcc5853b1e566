package main

import (
	"context"
	"fmt"
	"time"

	"chatd/bench/load"
	"chatd/bench/result"
)

// idle connects in four steps and takes the slope of the server's memory.
func (s *scenario) idle(ctx context.Context, run *result.Run) error {
	const steps = 4
	// Rooms fill one after the other: so each step has its share of them, and the
	// slope has what a room takes in it.
	spread := s.spread()
	spread.Clients = s.params.Clients
	c, err := newCrowd(s, spread, s.params.Clients)
	if err != nil {
		return err
	}
	defer c.close()
	var conns, rss []float64
	connecting, before := time.Duration(0), s.server.usage()
	for step := range steps {
		first := s.params.Clients * step / steps
		start := time.Now()
		if err := s.connect(ctx, c, first, s.params.Clients*(step+1)/steps-first, load.Healthy); err != nil {
			return err
		}
		connecting += time.Since(start)
		s.sleep(ctx, c, "holding", s.duration/steps)
		conns, rss = append(conns, float64(c.counts().Open)), append(rss, float64(s.server.rss()))
	}
	opened := c.counts().Opened
	run.Seconds = connecting.Seconds()
	run.Handshakes = &result.Rate{
		PerSecond: float64(opened) / connecting.Seconds(),
		CPU:       s.server.usage().since(before, uint64(opened)),
	}
	if run.Memory = s.server.memory(); run.Memory != nil {
		run.Memory.PerConn = slope(conns, rss)
	}
	verdict, _, err := c.report(nil)
	run.Faults, run.Warnings = verdict.Sum(), verdict.Lines()
	return err
}

// slope is that of the line through the points with the least squares.
func slope(x, y []float64) float64 {
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	n := float64(len(x))
	if d := n*sxx - sx*sx; d != 0 {
		return (n*sxy - sx*sy) / d
	}
	return 0
}

// stormSources spreads a storm's connections, whose ports stay taken for a
// while, over source addresses.
const stormSources = 1 << 20

// storm connects and hangs up as fast as it can.
func (s *scenario) storm(ctx context.Context, run *result.Run) error {
	c, err := newCrowd(s, s.spread(), 1)
	if err != nil {
		return err
	}
	defer c.close()
	start, before, own := time.Now(), s.server.usage(), ownUsage()
	for i := 0; time.Since(start) < s.duration && ctx.Err() == nil; i++ {
		if err := c.own.Connect(i%stormSources, load.Fleeting); err != nil {
			return err
		}
		s.progress.show("connecting and hanging up", int(time.Since(start).Milliseconds()), int(s.duration.Milliseconds()))
	}
	c.own.Settled()
	n := c.own.Counts()
	run.Seconds = time.Since(start).Seconds()
	run.Handshakes = &result.Rate{
		PerSecond: float64(n.Opened) / run.Seconds,
		CPU:       s.server.usage().since(before, uint64(n.Opened)),
	}
	after := ownUsage()
	run.Busy = (after.user + after.system - own.user - own.system) / run.Seconds
	verdict := c.own.Verdict(nil)
	if run.Warnings = verdict.Lines(); n.Failed > 0 {
		return fmt.Errorf("%d handshakes failed", n.Failed)
	}
	return nil
}

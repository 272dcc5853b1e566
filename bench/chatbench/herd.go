package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"chatd/bench/load"
	"chatd/bench/result"
)

// herdPatience is how long nobody more may get anywhere.
const herdPatience = 20 * time.Second

// herd cuts clients all at once and has them come back when they have missed some
// messages, beside others who stay and send. They are in a process of their own,
// which gets the time that all others leave: what the machine lacks is taken from
// those who come back, and not from the latencies of those who stayed.
func (s *scenario) herd(ctx context.Context, run *result.Run) error {
	run.Herd = &result.Herd{}
	staying := *s
	staying.params.Clients = s.params.Staying
	c, senders, err := staying.gather(ctx, 0)
	if err != nil {
		return err
	}
	defer c.close()
	h, err := startHelper(s.fleet(s.spread(), load.AtOnceHerd), "chrt", "--idle", "0")
	if err != nil {
		return err
	}
	defer h.stop()
	s.progress.show("connecting the herd", 0, 1)
	if err := h.call("Connect", ConnectArgs{0, s.params.Clients, load.Healthy}, &struct{}{}); err != nil {
		return err
	}
	run.Offered = staying.offered(senders) + s.offered(senders)
	pace(ctx, senders, s.params.Rate, func() { err = s.herded(ctx, c, h, senders, run) })
	if err != nil {
		return err
	}
	return s.judgedHerd(c, h, senders, run)
}

// herded is what happens to the herd while messages go on.
func (s *scenario) herded(ctx context.Context, c *crowd, h *helper, senders []*load.Sender, run *result.Run) error {
	s.sleep(ctx, c, "warming up", s.warmup)
	run.Herd.RSSBefore = s.server.rss()
	if err := h.call("Cut", struct{}{}, &struct{}{}); err != nil {
		return err
	}
	cut := sentBy(senders)
	for missed := cut + uint64(s.params.Missed*s.spread().Len()); sentBy(senders) < missed && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
		s.progress.show("missing messages", int(sentBy(senders)-cut), int(missed-cut))
	}
	if err := s.comeBack(ctx, c, h, senders, run); err != nil {
		return err
	}
	run.Herd.Stayed = s.stayed(c, senders)

	s.sleep(ctx, c, "settling", s.warmup)
	from := load.Now()
	length := time.Duration(run.Seconds * float64(time.Second))
	c.measure(from, from+length.Nanoseconds())
	s.sleep(ctx, c, "measuring without the herd", length)
	run.Herd.Calm = s.stayed(c, senders)
	return nil
}

// stayed waits for the late deliveries to those who stayed, and returns the
// latencies that were measured.
func (s *scenario) stayed(c *crowd, senders []*load.Sender) *result.Latency {
	drain(c.own.Sent(senders).Deliveries(s.spread(), s.params.Staying), func() uint64 { return c.counts().Delivered })
	measured := c.own.Latencies()
	all, _ := measured.Percentiles()
	return all
}

// comeBack has the herd come back, and takes the figures until all are caught up.
func (s *scenario) comeBack(ctx context.Context, c *crowd, h *helper, senders []*load.Sender, run *result.Run) error {
	m, err := s.newMeter()
	if err != nil {
		return err
	}
	defer m.close()
	if err := m.begin(); err != nil {
		return err
	}
	from, sent := load.Now(), sentBy(senders)
	c.measure(from, math.MaxInt64)
	before, err := s.heardBy(c, h)
	if err != nil {
		return err
	}
	used, own := s.server.usage(), s.herdUsage(c, h)
	returning := make(chan error, 1)
	go func() { returning <- h.call("Return", struct{}{}, &struct{}{}) }()
	back, err := s.caughtUp(ctx, h, run.Herd)
	if err != nil {
		return err
	}
	to := load.Now()
	c.own.MeasureUntil(to)
	run.Seconds = float64(to-from) / 1e9
	run.Messages = sentBy(senders) - sent
	now, err := s.heardBy(c, h)
	if err != nil {
		return err
	}
	run.Deliveries = now.Delivered - before.Delivered
	run.Achieved = float64(run.Deliveries) / run.Seconds
	run.FrameBytes = float64(now.Bytes-before.Bytes) / float64(max(run.Deliveries, 1))
	run.Herd.CPU = s.server.usage().since(used, uint64(s.params.Clients))
	run.Busy = (s.herdUsage(c, h) - own) / run.Seconds
	if err := m.end(run); err != nil {
		return err
	}
	run.Memory = s.server.memory()
	if err := s.comeback(h, back, run); err != nil || run.Herd.CaughtUp == 0 {
		return err
	}
	return <-returning
}

// caughtUp waits until all of the herd are, and watches the server's memory. It returns how
// many are.
func (s *scenario) caughtUp(ctx context.Context, h *helper, herd *result.Herd) (back int, err error) {
	got := -1 // how far all have
	for changed := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		var now load.Counts
		if err := h.call("Counts", struct{}{}, &now); err != nil {
			return 0, err
		}
		if far := now.Opened + now.Back; far != got { // messages come anyway
			got, changed = far, time.Now()
		}
		herd.RSSPeak = max(herd.RSSPeak, s.server.rss())
		s.progress.show("coming back", now.Back, s.params.Clients)
		switch {
		case now.Back == s.params.Clients:
			return now.Back, nil
		case ctx.Err() != nil:
			return now.Back, errors.New("interrupted before all were back")
		case now.Failed > 0 || time.Since(changed) > s.patience:
			return now.Back, nil // the clients tell what was wrong
		}
	}
}

// comeback fills in how the herd came back, of which so many did in time.
func (s *scenario) comeback(h *helper, back int, run *result.Run) error {
	var found load.Comeback
	if err := h.call("Comeback", struct{}{}, &found); err != nil {
		return err
	}
	run.Herd.Each = found.Latency()
	if back < s.params.Clients {
		run.Warnings = append(run.Warnings, fmt.Sprintf("only %d of %d clients came back and heard all that they missed", back, s.params.Clients))
		return nil
	}
	run.Herd.CaughtUp = float64(found.CaughtUp-found.Began) / 1e9
	return nil
}

// heardBy is what all have heard, those who stayed and the herd.
func (s *scenario) heardBy(c *crowd, h *helper) (load.Counts, error) {
	all := c.counts()
	var herd load.Counts
	err := h.call("Counts", struct{}{}, &herd)
	all.Delivered += herd.Delivered
	all.Bytes += herd.Bytes
	return all, err
}

// herdUsage is the processor time of the busier of the two processes, in seconds.
func (s *scenario) herdUsage(c *crowd, h *helper) float64 {
	_, busiest := c.usage()
	var u Spent
	if h.call("Usage", struct{}{}, &u) == nil { // one that died is found out by the next call
		busiest = max(busiest, u.User+u.System)
	}
	return busiest
}

// judgedHerd fills in run with what both found wrong in all that was sent.
func (s *scenario) judgedHerd(c *crowd, h *helper, senders []*load.Sender, run *result.Run) error {
	sent := c.own.Sent(senders)
	drain(sent.Deliveries(s.spread(), s.params.Staying)+sent.Deliveries(s.spread(), s.params.Clients), func() uint64 {
		n, _ := s.heardBy(c, h) // as above
		return n.Delivered
	})
	verdict, _, err := c.report(sent)
	if err != nil {
		return err
	}
	var found Findings
	if err := h.call("Report", c.own.Expected(sent), &found); err != nil {
		return err
	}
	verdict.Merge(found.Verdict)
	run.Faults = verdict.Sum()
	run.Warnings = append(run.Warnings, verdict.Lines()...)
	return nil
}

// printHerd writes a herd's figures, a line each.
func printHerd(row func(name, format string, values ...any), h *result.Herd, p result.Params) {
	if h.CaughtUp > 0 {
		row("caught up", "%d clients that missed %d messages, all in %.2f s", p.Clients, p.Missed, h.CaughtUp)
	}
	if l := h.Each; l != nil {
		row("each of them", "p50 %.0f  p90 %.0f  p99 %.0f  max %.0f ms", l.P50, l.P90, l.P99, l.Max)
	}
	if l := h.Stayed; l != nil {
		row("who stayed", "p50 %.2f  p99 %.2f  max %.2f ms, during it", l.P50, l.P99, l.Max)
	}
	if l := h.Calm; l != nil {
		row("", "p50 %.2f  p99 %.2f  max %.2f ms, in an equal time without", l.P50, l.P99, l.Max)
	}
	if l := h.Stayed; l != nil && h.Calm != nil && h.Calm.P99 > 0 {
		row("", "p99 %.2f ×", l.P99/h.Calm.P99)
	}
	if c := h.CPU; c != nil {
		row("a comeback", "%.0f µs of server CPU for each that came back (user %.0f, system %.0f)", c.Total(), c.User, c.System)
	}
	if h.RSSBefore > 0 {
		const mib = 1 << 20
		row("server memory", "%.1f MiB before, %.1f MiB at the most: %.1f MiB added", float64(h.RSSBefore)/mib, float64(h.RSSPeak)/mib, float64(h.Added())/mib)
	}
}

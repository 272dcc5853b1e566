package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"chatd/bench/load"
	"chatd/bench/result"
)

// scenario is one run of the harness against one server.
type scenario struct {
	params   result.Params
	url      string
	header   http.Header
	target   *load.Target // url and header, understood
	share    int          // clients of one process of the harness
	server   *process     // nil: no figures of the server
	duration time.Duration
	warmup   time.Duration
	limit    time.Duration // ramp: the highest p99 of last deliveries
	progress *progress
}

// The scenarios by name.
var scenarios = map[string]func(*scenario, context.Context, *result.Run) error{
	"idle":   (*scenario).idle,
	"fanout": (*scenario).fanout,
	"flood":  (*scenario).flood,
	"storm":  (*scenario).storm,
	"stuck":  (*scenario).stuck,
	"ramp":   (*scenario).ramp,
}

// run runs the scenario called name. When it is cut short, by an error or the
// end of ctx, the run has what was found out by then.
func (s *scenario) run(ctx context.Context, name, server string) (*result.Run, error) {
	run := &result.Run{Schema: result.Schema, Scenario: name, Server: server, Started: time.Now(), Params: s.params}
	err := scenarios[name](s, ctx, run)
	s.progress.done()
	return run, err
}

// connect opens count clients, numbered from first.
func (s *scenario) connect(ctx context.Context, c *crowd, first, count int, kind load.Kind) error {
	err := c.connect(ctx, first, count, kind, func(done int) { s.progress.show("connecting", done, count) })
	if err != nil {
		return err
	}
	if c.counts().Failed > 0 {
		v := c.own.Verdict(nil)
		return fmt.Errorf("the server does not take the clients: %s", v.Lines()[0])
	}
	s.sleep(ctx, c, "settling", settling)
	return nil
}

// settling is what a server gets to make members of those whose handshake it
// has answered: many answer first.
const settling = 200 * time.Millisecond

// sleep waits and shows what comes in. It returns early when ctx ends.
func (s *scenario) sleep(ctx context.Context, c *crowd, what string, d time.Duration) {
	const step = 100 * time.Millisecond
	start, last := time.Now(), c.counts().Delivered
	for ctx.Err() == nil {
		left := d - time.Since(start)
		if left <= 0 {
			return
		}
		select {
		case <-time.After(min(step, left)):
		case <-ctx.Done():
			return
		}
		now := c.counts().Delivered
		s.progress.show(fmt.Sprintf("%s: %.2f M deliveries/s", what, float64(now-last)/step.Seconds()/1e6),
			int(time.Since(start).Milliseconds()), int(d.Milliseconds()))
		last = now
	}
}

// drained waits until everything that was sent has come, or nothing comes any
// more.
func (s *scenario) drained(c *crowd, senders []*load.Sender) (sent []uint64) {
	const patience = time.Second
	sent = make([]uint64, len(senders))
	total := uint64(0)
	for i, sender := range senders {
		sent[i] = sender.Sent()
		total += sent[i]
	}
	last, changed := c.counts().Delivered, time.Now()
	for last < total*uint64(s.params.Clients) && time.Since(changed) < patience {
		time.Sleep(5 * time.Millisecond)
		if now := c.counts().Delivered; now != last {
			last, changed = now, time.Now()
		}
	}
	return sent
}

// measured fills in run with what happens in the measured time, while somebody
// else sends.
func (s *scenario) measured(ctx context.Context, c *crowd, senders []*load.Sender, run *result.Run) {
	s.sleep(ctx, c, "warming up", s.warmup)
	from := load.Now()
	c.measure(from, from+s.duration.Nanoseconds())
	server, delivered, sent := s.server.usage(), c.counts().Delivered, sentBy(senders)
	own, busiest := c.usage()

	s.sleep(ctx, c, "measuring", s.duration)
	run.Seconds = float64(load.Now()-from) / 1e9
	run.Deliveries = c.counts().Delivered - delivered
	run.Messages = sentBy(senders) - sent
	run.ServerCPU = s.server.usage().since(server, run.Deliveries)
	ownAfter, busiestAfter := c.usage()
	run.GeneratorCPU = ownAfter.since(own, run.Deliveries)
	run.Busy = (busiestAfter - busiest) / run.Seconds
	run.Achieved = float64(run.Deliveries) / run.Seconds
	run.Memory = s.server.memory()
}

func sentBy(senders []*load.Sender) (n uint64) {
	for _, s := range senders {
		n += s.Sent()
	}
	return n
}

// judged fills in run with what the clients found wrong in all that was sent.
func (s *scenario) judged(c *crowd, senders []*load.Sender, run *result.Run) error {
	verdict, latencies, err := c.report(s.drained(c, senders))
	run.Delivery, run.Last = latencies.Percentiles()
	run.Faults = verdict.Sum()
	run.Warnings = append(run.Warnings, verdict.Lines()...)
	if run.Busy > 0.9 {
		run.Warnings = append(run.Warnings, fmt.Sprintf("the generator was busy %.0f %% of the time: the server may have been able to do more", run.Busy*100))
	}
	return err
}

// gather connects the healthy clients and picks the senders; see
// [load.Fleet.Senders] for outstanding.
func (s *scenario) gather(ctx context.Context, outstanding int) (*crowd, []*load.Sender, error) {
	c, err := newCrowd(s, s.params.Clients+s.params.StuckClients)
	if err != nil {
		return nil, nil, err
	}
	if err := s.connect(ctx, c, 0, s.params.Clients, load.Healthy); err != nil {
		c.close()
		return nil, nil, err
	}
	senders, err := c.own.Senders(s.params.Senders, outstanding)
	if err != nil {
		c.close()
		return nil, nil, err
	}
	return c, senders, nil
}

func (s *scenario) fanout(ctx context.Context, run *result.Run) error {
	c, senders, err := s.gather(ctx, 0)
	if err != nil {
		return err
	}
	defer c.close()
	run.Offered = s.params.Rate * float64(s.params.Clients)
	pace(ctx, senders, s.params.Rate, func() { s.measured(ctx, c, senders, run) })
	return s.judged(c, senders, run)
}

// pace sends at a rate while during runs.
func pace(ctx context.Context, senders []*load.Sender, rate float64, during func()) {
	pacing, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		load.Pace(pacing, senders, rate)
	}()
	during()
	stop()
	<-done
	flushing, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	load.Flush(flushing, senders)
}

func (s *scenario) flood(ctx context.Context, run *result.Run) error {
	c, senders, err := s.gather(ctx, s.params.Outstanding/s.params.Senders)
	if err != nil {
		return err
	}
	defer c.close()
	s.measured(ctx, c, senders, run)
	for _, sender := range senders {
		sender.Stop()
	}
	return s.judged(c, senders, run)
}

// idle connects in four steps and takes the slope of the server's memory.
func (s *scenario) idle(ctx context.Context, run *result.Run) error {
	const steps = 4
	c, err := newCrowd(s, s.params.Clients)
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
	c, err := newCrowd(s, 1)
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
	run.Offered = s.params.Rate * float64(s.params.Clients)
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
		s.measured(ctx, c, senders, run)
		stop()
		<-watched
	})
	if err != nil {
		return err
	}
	if err := s.judged(c, senders, run); err != nil {
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

// ramp raises the rate by a quarter, beginning at params.Rate, until the last
// deliveries come too late or something is lost.
func (s *scenario) ramp(ctx context.Context, run *result.Run) error {
	const factor = 1.25
	run.Ramp = &result.Ramp{}
	for rate := s.params.Rate; ctx.Err() == nil; rate *= factor {
		step := *s
		step.params.Rate = rate
		r := result.Run{}
		if err := step.fanout(ctx, &r); err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		run.Ramp.Failed = rate
		switch limit := float64(s.limit.Microseconds()) / 1000; {
		case r.Faults.Any():
			run.Ramp.Why = "faults"
		case r.Last == nil:
			run.Ramp.Why = "nothing came"
		case r.Last.P99 > limit:
			run.Ramp.Why = fmt.Sprintf("p99 of last deliveries %.0f ms, limit %.0f ms", r.Last.P99, limit)
		case r.Achieved < 0.95*r.Offered:
			run.Ramp.Why = "fewer deliveries than offered"
		default:
			started, ramp := run.Started, run.Ramp
			name, server := run.Scenario, run.Server
			*run = r
			run.Schema, run.Scenario, run.Server, run.Started, run.Params, run.Ramp = result.Schema, name, server, started, step.params, ramp
			ramp.Sustained = rate
			continue
		}
		return nil
	}
	return errors.New("interrupted before the rate was too much")
}

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
	dialect  string
	header   http.Header
	target   *load.Target // url, dialect and header, understood
	share    int          // clients of one process of the harness
	server   *process     // nil: no figures of the server
	duration time.Duration
	warmup   time.Duration
	limit    time.Duration // ramp: the highest p99 of last deliveries
	versus   string        // rooms: what they are compared with
	pairs    int           // rooms: how often
	rawBytes int           // rooms versus raw: of a message, so that frames are as long
	syscalls bool          // count the server's
	beside   *flood        // rooms: what goes on beside it
	patience time.Duration // herd: how long nobody more may get anywhere
	progress *progress
}

// The scenarios by name.
var scenarios = map[string]func(*scenario, context.Context, *result.Run) error{
	"idle":    (*scenario).idle,
	"fanout":  (*scenario).fanout,
	"flood":   (*scenario).flood,
	"storm":   (*scenario).storm,
	"stuck":   (*scenario).stuck,
	"ramp":    (*scenario).ramp,
	"rooms":   (*scenario).rooms,
	"herd":    (*scenario).herd,
	"publish": (*scenario).publish,
}

// spread is how the clients are spread over rooms.
func (s *scenario) spread() load.Rooms {
	if s.params.Rooms > 1 {
		return load.Rooms{Count: s.params.Rooms}
	}
	return load.Rooms{}
}

// run runs the scenario called name. When it is cut short, by an error or the
// end of ctx, the run has what was found out by then.
func (s *scenario) run(ctx context.Context, name, server string) (*result.Run, error) {
	run := &result.Run{Schema: result.Schema, Scenario: name, Server: server, Started: time.Now(), Params: s.params}
	if s.dialect != load.Raw {
		run.Dialect = s.dialect
	}
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

// drained waits until everything that was sent has come, or nothing comes any more.
func (s *scenario) drained(c *crowd, sent load.Sent) {
	drain(sent.Deliveries(s.spread(), s.params.Clients), func() uint64 { return c.counts().Delivered })
}

// drain waits until so many deliveries were made, or no more are.
func drain(all uint64, delivered func() uint64) {
	const patience = time.Second
	last, changed := delivered(), time.Now()
	for last < all && time.Since(changed) < patience {
		time.Sleep(5 * time.Millisecond)
		if now := delivered(); now != last {
			last, changed = now, time.Now()
		}
	}
}

// measured fills in run with what happens in the measured time, while somebody
// else sends: so many messages by now.
func (s *scenario) measured(ctx context.Context, c *crowd, sent func() uint64, run *result.Run) error {
	m, err := s.newMeter()
	if err != nil {
		return err
	}
	defer m.close()
	s.sleep(ctx, c, "warming up", s.warmup)
	if err := m.begin(); err != nil {
		return err
	}
	from := load.Now()
	c.measure(from, from+s.duration.Nanoseconds())
	counted, before := c.counts(), sent()
	own, busiest := c.usage()

	s.sleep(ctx, c, "measuring", s.duration)
	run.Seconds = float64(load.Now()-from) / 1e9
	now := c.counts()
	run.Deliveries = now.Delivered - counted.Delivered
	run.Messages = sent() - before
	if err := m.end(run); err != nil {
		return err
	}
	ownAfter, busiestAfter := c.usage()
	run.GeneratorCPU = ownAfter.since(own, run.Deliveries)
	run.Busy = (busiestAfter - busiest) / run.Seconds
	run.Achieved = float64(run.Deliveries) / run.Seconds
	if run.Deliveries > 0 {
		run.FrameBytes = float64(now.Bytes-counted.Bytes) / float64(run.Deliveries)
	}
	run.Memory = s.server.memory()
	return nil
}

// sentBy is what those have sent: senders or publishers.
func sentBy[S interface{ Sent() uint64 }](senders []S) (n uint64) {
	for _, s := range senders {
		n += s.Sent()
	}
	return n
}

// judged fills in run with what the clients found wrong in all that was sent.
func (s *scenario) judged(c *crowd, sent load.Sent, run *result.Run) error {
	s.drained(c, sent)
	verdict, latencies, err := c.report(sent)
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
	c, err := newCrowd(s, s.spread(), s.params.Clients+s.params.StuckClients)
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
	run.Offered = s.offered(senders)
	pace(ctx, senders, s.params.Rate, func() { err = s.measured(ctx, c, func() uint64 { return sentBy(senders) }, run) })
	if err != nil {
		return err
	}
	return s.judged(c, c.own.Sent(senders), run)
}

// offered is the deliveries per second that the rate asks for: a message goes to
// all of its sender's room.
func (s *scenario) offered(senders []*load.Sender) float64 {
	reached, rooms := 0, s.spread()
	for i := range rooms.Len() {
		reached += rooms.Share(i, len(senders)) * rooms.Share(i, s.params.Clients)
	}
	return s.params.Rate * float64(reached) / float64(len(senders))
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
	err = s.measured(ctx, c, func() uint64 { return sentBy(senders) }, run)
	for _, sender := range senders {
		sender.Stop()
	}
	if err != nil {
		return err
	}
	return s.judged(c, c.own.Sent(senders), run)
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

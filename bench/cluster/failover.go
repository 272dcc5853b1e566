package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"chatd/bench/load"
	"chatd/bench/result"
)

// Failover is a node's death: its clients go to the others.
type Failover struct {
	Cluster Config
	Clients int     // of the node that dies
	Staying int     // at the others
	Rate    float64 // messages a second, in one room
}

// FailoverResult is how that went, in seconds and milliseconds.
type FailoverResult struct {
	Failover
	Gone     float64         // until all knew that they were cut off
	Back     int             // clients that came back and heard all that they had missed
	CaughtUp float64         // from then on, until the last who had missed something had heard it
	Each     *result.Latency // the same for each, from its own beginning
	Stayed   *result.Latency // of deliveries to those who stayed, from the death until all were caught up
	Sent     uint64          // messages
	Faults   result.Faults
	Causes   []string
}

const (
	sayers      = 2 // of those who stay
	textBytes   = 128
	warming     = 3 * time.Second
	deathTime   = 30 * time.Second // for a node's clients to know of it
	comebackGap = 30 * time.Second // in which nobody more comes back
)

// Run has it happen.
func (f Failover) Run(ctx context.Context, say func(what string, done, total int)) (r *FailoverResult, err error) {
	c, err := Start(ctx, f.Cluster)
	defer func() { err = errors.Join(err, c.Close()) }()
	if err != nil {
		return nil, err
	}
	targets, err := c.targets("/ws/lobby")
	if err != nil {
		return nil, err
	}
	staying, err := gather(targets[1:], load.Rooms{}, f.Staying, sayers, say)
	if err != nil {
		return nil, err
	}
	defer staying.Close()
	herd, err := gather(targets[:1], load.Rooms{}, f.Clients, 0, say)
	if err != nil {
		return nil, err
	}
	defer herd.Close()
	senders, err := staying.Senders(sayers, 0)
	if err != nil {
		return nil, err
	}
	pacing, stop := context.WithCancel(ctx)
	paced := make(chan struct{})
	go func() {
		defer close(paced)
		load.Pace(pacing, senders, f.Rate)
	}()
	r = &FailoverResult{Failover: f}
	sleep(ctx, warming)
	err = f.die(ctx, c, staying, herd, targets[1:], r, say)
	sleep(ctx, warming)
	stop()
	<-paced
	if err != nil {
		return nil, err
	}
	f.judge(ctx, staying, herd, senders, r)
	return r, nil
}

// gather has so many clients connect to the targets, in turn.
func gather(targets []*load.Target, rooms load.Rooms, clients, senders int, say func(string, int, int)) (*load.Fleet, error) {
	fleet, err := load.NewFleet(targets[0], rooms, textBytes, load.AtOnceHerd, senders)
	if err != nil {
		return nil, err
	}
	fleet.Spread(targets...)
	for i := range clients {
		if err := fleet.Connect(i, load.Healthy); err != nil {
			fleet.Close()
			return nil, err
		}
		say("connecting", i, clients)
	}
	fleet.Settled()
	if n := fleet.Counts(); n.Failed > 0 {
		lines := fleet.Verdict(nil).Causes
		fleet.Close()
		return nil, fmt.Errorf("%d clients were not taken: %v", n.Failed, lines)
	}
	return fleet, nil
}

// die kills the first node and has its clients go to the others.
func (f Failover) die(ctx context.Context, c *Cluster, staying, herd *load.Fleet, others []*load.Target, r *FailoverResult, say func(string, int, int)) error {
	killed := load.Now()
	staying.Measure(killed, killed+time.Hour.Nanoseconds())
	herd.Lose(true)
	c.Nodes[0].kill()
	for began := time.Now(); herd.Counts().Open > 0; time.Sleep(polling) {
		if time.Since(began) > deathTime || ctx.Err() != nil {
			return errors.New("the clients of the node that died don't know of it")
		}
	}
	herd.Lose(false)
	r.Gone = float64(load.Now()-killed) / 1e9
	herd.Spread(others...)
	returning := make(chan error, 1)
	go func() { returning <- herd.Return() }()
	for far, changed := -1, time.Now(); herd.Counts().Back < f.Clients; time.Sleep(polling) {
		n := herd.Counts()
		if n.Opened+n.Back != far {
			far, changed = n.Opened+n.Back, time.Now()
		}
		say("coming back", n.Back, f.Clients)
		if n.Failed > 0 || time.Since(changed) > comebackGap || ctx.Err() != nil {
			break // the faults say why
		}
	}
	staying.MeasureUntil(load.Now())
	found := herd.Comeback()
	r.Each = found.Latency()
	if r.Back = herd.Counts().Back; r.Back < f.Clients {
		return nil
	}
	r.CaughtUp = float64(found.CaughtUp-found.Began) / 1e9
	return <-returning
}

// judge holds what all have heard against what was sent.
func (f Failover) judge(ctx context.Context, staying, herd *load.Fleet, senders []*load.Sender, r *FailoverResult) {
	flushing, cancel := context.WithTimeout(ctx, warming)
	load.Flush(flushing, senders)
	cancel()
	sent := staying.Sent(senders)
	for _, n := range sent[0] {
		r.Sent += n
	}
	due := r.Sent * uint64(f.Clients+f.Staying)
	for began := time.Now(); staying.Counts().Delivered+herd.Counts().Delivered < due && time.Since(began) < comebackGap; {
		time.Sleep(polling)
	}
	verdict := staying.Verdict(sent)
	verdict.Merge(herd.Verdict(sent))
	r.Faults, r.Causes = verdict.Sum(), verdict.Lines()
	latencies := staying.Latencies()
	r.Stayed, _ = latencies.Percentiles()
}

// targets are the nodes, for a fleet whose clients speak chat.v1.
func (c *Cluster) targets(path string) (all []*load.Target, err error) {
	for _, n := range c.Nodes {
		t, err := load.NewTarget("ws://"+n.Addr+path, load.Chat, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// Write writes it as Markdown.
func (r *FailoverResult) Write(w io.Writer) error {
	row := func(what, format string, values ...any) string {
		return fmt.Sprintf("| %s | %s |\n", what, fmt.Sprintf(format, values...))
	}
	text := fmt.Sprintf("## A node's death\n\nOne of %d nodes, with %d clients, is killed; %d are at the others, and %g messages a second are said there.\n\n| | |\n|---|---|\n",
		r.Cluster.Nodes, r.Clients, r.Staying, r.Rate)
	text += row("all knew of it after", "%.2f s", r.Gone)
	if r.Back == r.Clients {
		text += row("from then on, all were caught up after", "%.2f s", r.CaughtUp)
	} else {
		text += row("of them, came back and heard all that they had missed", "only %d", r.Back)
	}
	latency := func(what string, l *result.Latency) {
		if l != nil {
			text += row(what, "p50 %.0f, p99 %.0f, max %.0f ms", l.P50, l.P99, l.Max)
		}
	}
	latency("each of them, from its own beginning", r.Each)
	latency("deliveries to those who stayed, meanwhile", r.Stayed)
	text += row("messages", "%d", r.Sent)
	text += row("lost, doubled, out of order, another order", "%d, %d, %d, %d", r.Faults.Lost, r.Faults.Duplicated, r.Faults.Disordered, r.Faults.OrderDiffers)
	text += row("gaps, cut off", "%d, %d", r.Faults.Gaps, r.Faults.Disconnected)
	for _, cause := range r.Causes {
		text += row("", "%s", cause)
	}
	_, err := io.WriteString(w, text)
	return err
}

package hostile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"chatd/bench/load"
	"chatd/bench/result"
)

const (
	messageSize = 128 // bytes, unless the kind says otherwise
	// tidyTime bounds what would otherwise hang.
	tidyTime = 2 * time.Minute
)

// Trial is healthy clients and hostile peers, for a while.
type Trial struct {
	Program  string   // chatd's binary
	TLS      []string // its flags for TLS; with them peers come by it, and half of the healthy
	Healthy  int
	Peers    int           // 0: without
	Rooms    int           // that both are spread over; 0 or 1: one, that of /ws
	Rate     float64       // messages per second in each room
	Duration time.Duration // measured; it goes on until the counter shows the peers

	// Attack has the peers at it until ctx ends; nil: [Kind.Attack], here.
	Attack func(ctx context.Context, k *Kind, t Target, peers int) error
}

// Outcome is what came of a trial.
type Outcome struct {
	Faults  result.Faults // of the healthy clients
	Causes  []string      // why healthy clients were cut off
	P99     float64       // of their deliveries, in ms
	Counted float64       // by the kind's counter
	Load    Load          // of the peers
	Log     string        // chatd's
}

// Load is what chatd took of the peers, in a second.
type Load struct {
	Connections float64
	Bytes       float64
}

func (k *Kind) atMost(peers int) int {
	if k.Most > 0 {
		return min(k.Most, peers)
	}
	return peers
}

// Attack has peers behave as the kind does until ctx ends.
func (k *Kind) Attack(ctx context.Context, t Target, peers int) error {
	if k.all != nil {
		return k.all(ctx, t, peers)
	}
	var all sync.WaitGroup
	for i := range peers {
		all.Go(func() { k.one(ctx, t.of(i)) })
	}
	all.Wait()
	return nil
}

// Run makes a trial with peers of kind k.
func (t Trial) Run(ctx context.Context, k *Kind) (out Outcome, err error) {
	if byTLS := t.TLS != nil; !k.Comes(byTLS) {
		return out, fmt.Errorf("%s: TLS must not be %t", k.Name, byTLS)
	}
	t.Peers = k.atMost(t.Peers)
	chatd, err := StartChatd(ctx, t.Program, slices.Concat(k.Flags, t.TLS)...)
	if err != nil {
		return out, err
	}
	defer func() {
		err = errors.Join(err, chatd.Stop())
		out.Log = chatd.Log()
		if strings.Contains(out.Log, "panic") || strings.Contains(out.Log, "DATA RACE") {
			err = errors.Join(err, errors.New("chatd has a bug:\n"+out.Log))
		}
	}()
	chatd.Rooms = t.Rooms
	targets, err := chatd.targets()
	if err != nil {
		return out, err
	}
	fleet, err := load.NewFleet(targets[0], t.rooms(), cmp.Or(k.Size, messageSize), load.AtOnce, t.rooms().Len())
	if err != nil {
		return out, err
	}
	defer fleet.Close()
	fleet.Spread(targets...)
	for i := range t.Healthy {
		if err := fleet.Connect(i, load.Healthy); err != nil {
			return out, err
		}
	}
	fleet.Settled()
	if err := chatd.Until(ctx, "chatd_members", func(v float64) bool { return v == float64(t.Healthy) }); err != nil {
		return out, err
	}
	senders, err := fleet.Senders(t.rooms().Len(), 0)
	if err != nil {
		return out, err
	}
	err = t.paced(ctx, senders, func() error { return t.besides(ctx, k, chatd, fleet, &out) })
	if err != nil {
		return out, err
	}
	sent := fleet.Sent(senders)
	if err := t.heard(ctx, fleet, sent); err != nil {
		return out, err
	}
	verdict := fleet.Verdict(fleet.Expected(sent))
	out.Faults, out.Causes = verdict.Sum(), verdict.Lines()
	if k.Talks {
		out.Faults.Corrupt = 0 // the peers' messages; of the others', what is damaged is lost, too
	}
	latencies := fleet.Latencies()
	if all, _ := latencies.Percentiles(); all != nil {
		out.P99 = all.P99
	}
	return out, served(ctx, chatd.Target)
}

// targets are where the healthy come.
func (c *Chatd) targets() (all []*load.Target, err error) {
	for _, url := range c.urls() {
		target, err := load.NewTarget(url, load.Raw, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, target)
	}
	return all, nil
}

// rooms is how the healthy are spread.
func (t Trial) rooms() load.Rooms {
	if t.Rooms > 1 {
		return load.Rooms{Count: t.Rooms}
	}
	return load.Rooms{}
}

// rate is that of all rooms.
func (t Trial) rate() float64 { return t.Rate * float64(t.rooms().Len()) }

// paced sends while during runs.
func (t Trial) paced(ctx context.Context, senders []*load.Sender, during func() error) error {
	pacing, stop := context.WithCancel(ctx)
	var sending sync.WaitGroup
	sending.Go(func() { load.Pace(pacing, senders, t.rate()) })
	err := during()
	stop()
	sending.Wait()
	load.Flush(ctx, senders)
	return err
}

// besides is what happens beside the sending: the peers come, the latencies are
// taken until they have been counted, the peers go, and chatd gets rid of them.
func (t Trial) besides(ctx context.Context, k *Kind, chatd *Chatd, fleet *load.Fleet, out *Outcome) error {
	before, err := chatd.Metrics(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	attacking, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var attack sync.WaitGroup
	if t.Peers > 0 {
		attack.Go(func() {
			if err := t.attack(attacking, k, chatd.Target); err != nil {
				stop(err)
			}
		})
	}
	from := load.Now()
	fleet.Measure(from, from+t.Duration.Nanoseconds())
	pause(attacking, t.Duration)
	if t.Peers > 0 {
		counting, cancel := context.WithTimeout(attacking, tidyTime)
		defer cancel()
		err = chatd.Until(counting, k.Series, func(v float64) bool {
			out.Counted = v - before[k.Series]
			return out.Counted >= cmp.Or(k.Least, float64(t.Peers))
		})
		if err == nil {
			err = t.took(ctx, k, chatd, before, began, out)
		}
	}
	if cause := context.Cause(attacking); cause != nil {
		err = cause
	}
	stop(nil)
	attack.Wait()
	if err != nil {
		return err
	}
	tidying, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	return chatd.Until(tidying, "chatd_connections", func(v float64) bool { return v == float64(t.Healthy) })
}

// took looks at what chatd took of the peers since before.
func (t Trial) took(ctx context.Context, k *Kind, chatd *Chatd, before map[string]float64, began time.Time, out *Outcome) error {
	now, err := chatd.Metrics(ctx)
	if err != nil {
		return err
	}
	seconds := time.Since(began).Seconds()
	grew := func(series string) float64 { return now[series] - before[series] }
	out.Load = Load{grew("chatd_accepted_total") / seconds, grew("chatd_received_bytes_total") / seconds}
	if k.Also != "" && grew(k.Also) == 0 {
		return fmt.Errorf("%s does not grow", k.Also)
	}
	if b := k.Bound; b.series != "" {
		if n, most := grew(b.series), b.most(t.Peers, seconds, t.rate()*seconds+1); n > most {
			return fmt.Errorf("%s grows by %.0f in %.1f s, not by at most %.0f", b.series, n, seconds, most)
		}
	}
	return nil
}

// served makes sure that a new client is: it hears what it says.
func served(ctx context.Context, t Target) error {
	c := dial(ctx, t)
	if c == nil {
		return errors.New("a new client can't connect")
	}
	defer c.end()
	if !c.join("") {
		return errors.New("a new client is not let in")
	}
	c.SetDeadline(time.Now().Add(patience))
	c.write(frame(ws.OpText, true, []byte("hello")))
	echo := make([]byte, len("\x81\x05hello"))
	if _, err := io.ReadFull(c.r, echo); err != nil || string(echo) != "\x81\x05hello" {
		return fmt.Errorf("a new client hears %q, %v", echo, err)
	}
	return nil
}

func (t Trial) attack(ctx context.Context, k *Kind, target Target) error {
	if t.Attack != nil {
		return t.Attack(ctx, k, target, t.Peers)
	}
	return k.Attack(ctx, target, t.Peers)
}

// heard waits until everybody has heard everything, or been cut off, or nothing
// comes any more.
func (t Trial) heard(ctx context.Context, fleet *load.Fleet, sent load.Sent) error {
	waiting, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	for all := sent.Deliveries(t.rooms(), t.Healthy); ; {
		n := fleet.Counts()
		if n.Delivered >= all || n.Open < t.Healthy {
			return nil
		}
		select {
		case <-waiting.Done():
			return fmt.Errorf("%d deliveries to %d clients, and not %d", n.Delivered, n.Open, all)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

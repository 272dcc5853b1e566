package cluster

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chatd/bench/load"
	"chatd/bench/result"
)

// Figures are taken of clusters that nobody does harm to.
type Figures struct {
	Cluster  Config
	Duration time.Duration // of each
	Say      func(what string, done, total int)
	Out      io.Writer // Markdown
}

// tables are the figures that can be taken, by name.
var tables = map[string]func(*Figures, context.Context) error{
	"herd": (*Figures).herd, "deliveries": (*Figures).deliveries, "latency": (*Figures).latency, "memory": (*Figures).memory,
}

// Tables are their names, the most wanted first.
var Tables = []string{"herd", "deliveries", "latency", "memory"}

// ErrNoTable is that there are no figures of that name.
var ErrNoTable = errors.New("no such figures")

// Take takes those of a name.
func (f *Figures) Take(ctx context.Context, name string) error {
	table := tables[name]
	if table == nil {
		return fmt.Errorf("%w: %s", ErrNoTable, name)
	}
	return table(f, ctx)
}

// with runs a cluster of so many nodes while something is measured.
func (f *Figures) with(ctx context.Context, nodes int, measure func(*Cluster) error) (err error) {
	config := f.Cluster
	config.Nodes = nodes
	c, err := Start(ctx, config)
	defer func() { err = errors.Join(err, c.Close()) }()
	if err != nil {
		return err
	}
	return measure(c)
}

// herd is a node's death: 10,000 clients move to two others.
func (f *Figures) herd(ctx context.Context) error {
	r, err := Failover{Cluster: f.Cluster, Clients: 10_000, Staying: 100, Rate: 10}.Run(ctx, f.Say)
	if err != nil {
		return err
	}
	if err := r.Write(f.Out); err != nil {
		return err
	}
	if r.Faults.Any() || r.Back < r.Clients {
		return errors.New("not everybody heard everything")
	}
	return nil
}

// crowd is clients in rooms, and what some of them say.
type crowd struct {
	rooms, clients, senders int
	outstanding             int     // of a sender, as fast as it goes
	rate                    float64 // messages a second, of all
}

// deliveries are those of a second as fast as it goes, and how late they come at a rate, for
// one room and many, at one node and more.
func (f *Figures) deliveries(ctx context.Context) error {
	fmt.Fprint(f.Out, "\n## Deliveries\n\nAs fast as it goes: each sender has so many messages under way. The latencies are of deliveries at a rate, from when each was due.\n\n"+
		"| nodes | rooms | clients | senders × under way | messages/s | deliveries/s | at messages/s | p50 | p99 | faults |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for nodes := 1; nodes <= f.Cluster.Nodes; nodes++ {
		for _, w := range []crowd{{1, 300, 4, 16, 50}, {1000, 3000, 1000, 1, 1000}} {
			if err := f.with(ctx, nodes, func(c *Cluster) error { return f.crowd(ctx, c, w) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Figures) crowd(ctx context.Context, c *Cluster, w crowd) error {
	perSecond, faults, err := f.fast(ctx, c, w)
	if err != nil {
		return err
	}
	l, more, err := f.paced(ctx, c, w)
	if err != nil {
		return err
	}
	faults.Add(more)
	_, err = fmt.Fprintf(f.Out, "| %d | %d | %d | %d × %d | %.0f | %.0f | %.0f | %.1f ms | %.1f ms | %d |\n", len(c.Nodes), w.rooms, w.clients, w.senders, w.outstanding,
		perSecond*float64(w.rooms)/float64(w.clients), perSecond, w.rate, l.P50, l.P99, faults.Sum())
	return err
}

// fast is the deliveries of a second as fast as it goes.
func (f *Figures) fast(ctx context.Context, c *Cluster, w crowd) (perSecond float64, faults result.Faults, err error) {
	fleet, err := f.fleet(c, load.Rooms{Count: w.rooms}, w.clients, w.senders)
	if err != nil {
		return 0, faults, err
	}
	defer fleet.Close()
	senders, err := fleet.Senders(w.senders, w.outstanding)
	if err != nil {
		return 0, faults, err
	}
	f.Say("as fast as it goes", 0, 1)
	sleep(ctx, warming)
	from, before := load.Now(), fleet.Counts().Delivered
	sleep(ctx, f.Duration)
	perSecond = float64(fleet.Counts().Delivered-before) / (float64(load.Now()-from) / 1e9)
	for _, s := range senders {
		s.Stop()
	}
	settle(ctx, fleet)
	verdict := fleet.Verdict(fleet.Expected(fleet.Sent(senders)))
	return perSecond, verdict.Sum(), nil
}

// paced is how late deliveries come at a rate, in rooms of their own.
func (f *Figures) paced(ctx context.Context, c *Cluster, w crowd) (l *result.Latency, faults result.Faults, err error) {
	fleet, err := f.fleet(c, load.Rooms{First: w.rooms, Count: w.rooms}, w.clients, w.senders)
	if err != nil {
		return nil, faults, err
	}
	defer fleet.Close()
	senders, err := fleet.Senders(w.senders, 0)
	if err != nil {
		return nil, faults, err
	}
	f.Say("at a rate", 0, 1)
	pacing, stop := context.WithTimeout(ctx, warming+f.Duration)
	defer stop()
	start := load.Now() + warming.Nanoseconds()
	fleet.Measure(start, start+f.Duration.Nanoseconds())
	load.Pace(pacing, senders, w.rate)
	load.Flush(ctx, senders)
	settle(ctx, fleet)
	verdict, latencies := fleet.Verdict(fleet.Sent(senders)), fleet.Latencies()
	if l, _ = latencies.Percentiles(); l == nil {
		err = errors.New("nothing was delivered")
	}
	return l, verdict.Sum(), err
}

// fleet is so many clients, over all nodes.
func (f *Figures) fleet(c *Cluster, rooms load.Rooms, clients, senders int) (*load.Fleet, error) {
	targets, err := c.targets("/ws")
	if err != nil {
		return nil, err
	}
	return gather(targets, rooms, clients, senders, f.Say)
}

// settle waits until nothing more is delivered for a while.
func settle(ctx context.Context, fleet *load.Fleet) {
	for before := uint64(0); ctx.Err() == nil; {
		now := fleet.Counts().Delivered
		if now == before {
			return
		}
		before = now
		sleep(ctx, time.Second)
	}
}

// latency is that of what is said until its author hears it, beside that of publishing the
// same into the same stream.
func (f *Figures) latency(ctx context.Context) error {
	const together = 8 // each with one message under way
	fmt.Fprintf(f.Out, "\n## Latency of a publish\n\n%d at a time, each of them the next when the one before has come back; one node.\n\n| | messages/s | p50 | p99 | max |\n|---|---:|---:|---:|---:|\n", together)
	row := func(what string, n uint64, l *result.Latency) {
		fmt.Fprintf(f.Out, "| %s | %.0f | %.2f ms | %.2f ms | %.2f ms |\n", what, float64(n)/f.Duration.Seconds(), l.P50, l.P99, l.Max)
	}
	return f.with(ctx, 1, func(c *Cluster) error {
		fleet, err := f.fleet(c, load.Rooms{Count: together}, together, together)
		if err != nil {
			return err
		}
		defer fleet.Close()
		senders, err := fleet.Senders(together, 1)
		if err != nil {
			return err
		}
		f.Say("through chatd", 0, 1)
		sleep(ctx, warming)
		start, before := load.Now(), fleet.Counts().Delivered
		fleet.Measure(start, start+f.Duration.Nanoseconds())
		sleep(ctx, f.Duration)
		said := fleet.Counts().Delivered - before
		for _, s := range senders {
			s.Stop()
		}
		settle(ctx, fleet)
		latencies := fleet.Latencies()
		through, _ := latencies.Percentiles()
		if through == nil {
			return errors.New("nothing was delivered")
		}
		row("through chatd, from the `say` until its author hears it", said, through)
		f.Say("into the stream", 0, 1)
		published, raw, err := f.publishRaw(ctx, c, together)
		if err != nil {
			return err
		}
		row("into the stream, until it is acknowledged", published, raw)
		return nil
	})
}

// publishRaw publishes into chatd's stream.
func (f *Figures) publishRaw(ctx context.Context, c *Cluster, together int) (n uint64, l *result.Latency, err error) {
	js, nc, err := c.streams()
	if err != nil {
		return 0, nil, err
	}
	defer nc.Close()
	h := hdrhistogram.New(1, time.Minute.Microseconds(), 3)
	var mu sync.Mutex
	var all sync.WaitGroup
	end := time.Now().Add(f.Duration)
	for range together {
		all.Go(func() {
			for body := make([]byte, textBytes); time.Now().Before(end) && ctx.Err() == nil; {
				began := time.Now()
				_, failed := js.Publish(ctx, "c.0.figures", body)
				mu.Lock()
				_ = h.RecordValue(min(time.Since(began).Microseconds(), time.Minute.Microseconds())) // in range by now
				err = errors.Join(err, failed)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return uint64(h.TotalCount()), &result.Latency{P50: at(50), P99: at(99), Max: float64(h.Max()) / 1000}, err
}

// streams is a connection to chatd's.
func (c *Cluster) streams() (jetstream.JetStream, *nats.Conn, error) {
	nc, err := nats.Connect(c.Servers[0].URL)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096))
	return js, nc, err
}

// memory is a node's with rooms that NATS has, in some of which it has members.
func (f *Figures) memory(ctx context.Context) error {
	const rooms, share = 100_000, 100
	return f.with(ctx, 2, func(c *Cluster) error {
		if err := f.fill(ctx, c, rooms); err != nil {
			return err
		}
		begun, err := memories(c)
		if err != nil {
			return err
		}
		var fleets []*load.Fleet
		defer func() {
			for _, fleet := range fleets {
				fleet.Close()
			}
		}()
		targets, err := c.targets("/ws")
		if err != nil {
			return err
		}
		for i, one := range []load.Rooms{{Count: rooms / share}, {Count: 1}} { // as many members in one room, to compare with
			fleet, err := gather(targets[i:i+1], one, rooms/share, 0, f.Say)
			if err != nil {
				return err
			}
			fleets = append(fleets, fleet)
		}
		sleep(ctx, 2*warming)
		now, err := memories(c)
		if err != nil {
			return err
		}
		const mib = 1 << 20
		fmt.Fprintf(f.Out, "\n## Memory\n\nNATS has %d rooms with a message each; a node has a member in %d of them, another one has as many members in one room.\n\n"+
			"| node | heap before, MiB | after | resident before, MiB | after |\n|---|---:|---:|---:|---:|\n", rooms, rooms/share)
		for i, what := range []string{"many rooms", "one room"} {
			fmt.Fprintf(f.Out, "| %s | %.1f | %.1f | %.1f | %.1f |\n", what, begun[i].heap/mib, now[i].heap/mib, begun[i].resident/mib, now[i].resident/mib)
		}
		_, err = fmt.Fprintf(f.Out, "\nA room with a member, without that: %.0f bytes of heap.\n", (now[0].heap-begun[0].heap-now[1].heap+begun[1].heap)/(rooms/share))
		return err
	})
}

// fill says a message in each of so many rooms, as a node would.
func (f *Figures) fill(ctx context.Context, c *Cluster, rooms int) error {
	js, nc, err := c.streams()
	if err != nil {
		return err
	}
	defer nc.Close()
	partitions := 0
	for ; ; partitions++ {
		if _, err := js.Stream(ctx, fmt.Sprint("chat-", partitions)); errors.Is(err, jetstream.ErrStreamNotFound) {
			break
		} else if err != nil {
			return err
		}
	}
	for i := range rooms {
		room := fmt.Sprint("r", i)
		h := fnv.New32a()
		_, _ = h.Write([]byte(room)) // never fails
		if _, err := js.PublishAsync(fmt.Sprintf("c.%d.%s", h.Sum32()%uint32(partitions), room), make([]byte, textBytes)); err != nil {
			return err
		}
		f.Say("making rooms", i, rooms)
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// memory is a node's, in bytes.
type memory struct{ heap, resident float64 }

// memories are those of the nodes, with what is garbage collected.
func memories(c *Cluster) (all []memory, err error) {
	for _, n := range c.Nodes {
		for range 3 { // what a sync.Pool holds survives one, what was freed with it another
			if _, err := get("http://" + n.Admin + "/debug/pprof/heap?gc=1"); err != nil {
				return nil, err
			}
		}
		text, err := get("http://" + n.Admin + "/metrics")
		if err != nil {
			return nil, err
		}
		var m memory
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			v, _ := strconv.ParseFloat(value, 64) // of other lines it does not matter
			switch name {
			case "go_memstats_heap_alloc_bytes":
				m.heap = v
			case "process_resident_memory_bytes":
				m.resident = v
			}
		}
		all = append(all, m)
	}
	return all, nil
}

func get(url string) (string, error) {
	answer, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	return string(b), err
}

package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chatd/room/order/natsproxy"
)

// Kind is a kind of harm.
type Kind uint8

// The kinds.
const (
	KillServer  Kind = iota // kill -9 of nats-servers, which are started again
	StopServer              // SIGTERM of one
	PauseServer             // one stands still
	StepDown                // the leaders of streams step down
	KillNode                // as for servers
	StopNode
	PauseNode
	Cut       // a node's connections to NATS end
	Partition // a node can't connect to NATS
	Silence   // nothing gets through between a node and NATS, and nobody is told
	Slow      // what a node and NATS say to each other takes its time
	Copies    // copies of messages, on their way to a node, are dropped, doubled or late
	Restore   // all servers are set back to an earlier state: what was said since is lost
	kinds
)

var kindNames = [kinds]string{
	KillServer: "kill -9 of nats-servers", StopServer: "SIGTERM of a nats-server", PauseServer: "a nats-server stands still", StepDown: "leaders of streams step down",
	KillNode: "kill -9 of nodes", StopNode: "SIGTERM of a node", PauseNode: "a node stands still",
	Cut: "a node's connections to NATS end", Partition: "a node is parted from NATS", Silence: "a node is parted from NATS, and nobody is told",
	Slow: "a node's connections to NATS are slow", Copies: "copies to a node are dropped, or also doubled and late", Restore: "NATS is set back to an earlier state",
}

func (k Kind) String() string { return kindNames[k] }

// Fault is one that happens.
type Fault struct {
	Kind    Kind
	Start   time.Duration
	Length  time.Duration    // until it is undone
	Targets []int            // servers, or nodes; of StepDown: streams
	Share   float64          // Copies: of those that are harmed
	Fates   []natsproxy.Fate // likewise: what becomes of them
	Delay   time.Duration    // Slow: each way
}

func (f *Fault) String() string {
	var targets []string
	for _, t := range f.Targets {
		targets = append(targets, fmt.Sprint(t))
	}
	s := fmt.Sprintf("%s: %s", f.Kind, strings.Join(targets, ", "))
	switch f.Kind {
	case Copies:
		s += fmt.Sprintf(" (%.0f %%)", 100*f.Share)
	case Slow:
		s += fmt.Sprintf(" (%s)", f.Delay.Round(time.Millisecond))
	}
	return s
}

// Schedule is all that happens. The faults of a lane come one after the other; lanes
// go on at a time.
type Schedule struct {
	Seed     uint64
	Duration time.Duration
	Lanes    [][]Fault
}

const (
	leastRest, mostRest     = 500 * time.Millisecond, 4 * time.Second
	leastFault, mostFault   = 500 * time.Millisecond, 6 * time.Second
	leastCopies, mostCopies = 3 * time.Second, 10 * time.Second
	leastDelay, mostDelay   = 2 * time.Millisecond, 200 * time.Millisecond
	overhang                = time.Second // faults may go on when nobody says anything new any more
	severalOf               = 5           // one of so many faults hits all but one
)

// NewSchedule decides what a run with this seed does.
func NewSchedule(seed uint64, duration time.Duration, nodes, servers, streams int) *Schedule {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &Schedule{Seed: seed, Duration: duration}
	for _, lane := range [][]Kind{
		{KillServer, KillServer, StopServer, PauseServer, StepDown, StepDown},
		{KillNode, StopNode, PauseNode},
		{Cut, Partition, Silence, Slow, Copies, Copies, Copies},
	} {
		var faults []Fault
		var left []Kind // each has its turn before any has another
		for at := between(r, leastRest, mostRest); at < duration; {
			if len(left) == 0 {
				left = slices.Clone(lane)
				r.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
			}
			f := newFault(r, left[0], nodes, servers, streams)
			left = left[1:]
			f.Start = at
			f.Length = min(f.Length, duration+overhang-at)
			at += f.Length + between(r, leastRest, mostRest)
			faults = append(faults, f)
		}
		s.Lanes = append(s.Lanes, faults)
	}
	return s
}

// newFault decides what a fault is like, but for when it is.
func newFault(r *rand.Rand, kind Kind, nodes, servers, streams int) Fault {
	f := Fault{Kind: kind, Length: between(r, leastFault, mostFault)}
	some := func(of, n int) []int { return slices.Sorted(slices.Values(r.Perm(of)[:max(1, min(of, n))])) }
	several := func(of int) []int {
		if r.IntN(severalOf) == 0 {
			return some(of, of-1)
		}
		return some(of, 1)
	}
	switch kind {
	case KillServer:
		f.Targets = several(servers)
	case StopServer, PauseServer:
		f.Targets = some(servers, 1)
	case StepDown:
		f.Targets, f.Length = some(streams, 1+r.IntN(streams)), 0
	case KillNode:
		f.Targets = several(nodes)
	default:
		f.Targets = some(nodes, 1)
	}
	switch kind {
	case Cut:
		f.Length = 0
	case Slow:
		f.Delay = between(r, leastDelay, mostDelay)
	case Copies:
		f.Length, f.Share = between(r, leastCopies, mostCopies), r.Float64()
		f.Fates = []natsproxy.Fate{natsproxy.Drop, natsproxy.Double, natsproxy.Late}[:1+2*r.IntN(2)]
	}
	return f
}

func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

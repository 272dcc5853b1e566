package main

import (
	"fmt"
	"math"
	"time"

	"chatd/bench/htmlreport"
	"chatd/bench/result"
)

// contestant is a server that is compared. It takes -addr.
type contestant struct{ name, binary, what, flags string }

// contestants are the servers that a comparison is of.
var contestants = []contestant{
	{"chatd", "chatd", "this project", ""},
	{"chatd-plain", "chatd", "this project with plain sends (-io-uring off)", "-io-uring off"},
	{"channels", "peers/channels", "the original's shape: gorilla/websocket, two goroutines and a channel for each client", ""},
	{"netpoll", "peers/netpoll", "gobwas/ws with easygo/netpoll, a pool task for each write", ""},
	{"nbio", "peers/nbio", "lesismal/nbio", ""},
	{"gws", "peers/gws", "lxzan/gws with its Broadcaster", ""},
	{"melody", "peers/melody", "olahol/melody on gorilla/websocket", ""},
	{"gnet", "peers/gnet", "panjf2000/gnet with gobwas/ws frames", ""},
	{"floor", "peers/floor", "the least possible server in C, one send for each message and client", ""},
	{"floor-coalesce", "peers/floor", "the same, one send for all messages of a round and each client", "-coalesce"},
}

// older are those besides, if there is an older chatd to compare with.
var older = []contestant{
	{name: htmlreport.OursBefore, what: "this project, an older version"},
	{name: htmlreport.PlainBefore, what: "the same with plain sends (-io-uring off)", flags: "-io-uring off"},
}

// step is a scenario of a comparison.
type step struct {
	scenario         string
	params           result.Params
	duration, warmup time.Duration
}

// fanoutStep offers about 50,000 deliveries a second, whatever the number of
// clients.
func fanoutStep(clients int, duration time.Duration) step {
	return step{"fanout", result.Params{Clients: clients, Senders: 1, MessageBytes: 128, Rate: 50000 / float64(clients)}, duration, time.Second}
}

func floodStep(outstanding int, duration time.Duration) step {
	return step{"flood", result.Params{Clients: 1000, Senders: 1, MessageBytes: 128, Outstanding: outstanding}, duration, 300 * time.Millisecond}
}

// stuckStep has as many stuck clients as healthy ones. The kernel takes about
// 100 KiB for each of them before a server's own queue, of 256 messages in most,
// begins to fill: the messages have to be so many for the stuck to be dropped
// within the run.
func stuckStep(clients, size int, rate float64, duration time.Duration) step {
	return step{"stuck", result.Params{Clients: clients, StuckClients: clients, Senders: 1, MessageBytes: size, Rate: rate}, duration, 0}
}

// plan is the steps of a comparison, the quick one or the full one. Fan-outs
// that no goal is about are shorter, unless that leaves few messages to judge by.
func plan(quick bool) []step {
	if quick {
		return []step{
			fanoutStep(1000, 1500*time.Millisecond),
			floodStep(1, time.Second), floodStep(16, time.Second), floodStep(128, time.Second),
			{"idle", result.Params{Clients: 4000}, time.Second, 0},
			{"storm", result.Params{}, time.Second, 0},
		}
	}
	steps := []step{
		fanoutStep(100, 2*time.Second),
		fanoutStep(1000, 3*time.Second),
		fanoutStep(5000, 2*time.Second),
		fanoutStep(10000, 3*time.Second),
		fanoutStep(19000, 3*time.Second),
	}
	for _, outstanding := range []int{1, 4, 16, 64, 128, 256} {
		steps = append(steps, floodStep(outstanding, 1500*time.Millisecond))
	}
	return append(steps,
		step{"idle", result.Params{Clients: 19000}, 2 * time.Second, 0},
		step{"storm", result.Params{}, 2 * time.Second, 0},
		stuckStep(100, 16<<10, 100, 5*time.Second),
		stuckStep(1000, 2<<10, 50, 8*time.Second),
	)
}

// estimate is how long a comparison still takes, after how long what was done
// took.
type estimate struct {
	started      time.Time
	total, ended time.Duration // as planned
}

// newEstimate is for so many runs of each step.
func newEstimate(steps []step, times int) *estimate {
	e := &estimate{started: time.Now()}
	for _, s := range steps {
		e.total += time.Duration(times) * s.planned()
	}
	return e
}

// planned is about how long a run of the step takes, with starting the server,
// connecting the clients and waiting for what is under way.
func (s step) planned() time.Duration {
	about := s.duration + s.warmup + 400*time.Millisecond + time.Duration(s.params.Clients)*120*time.Microsecond
	if s.scenario == "stuck" {
		about += withoutStuck
	}
	return about
}

func (e *estimate) done(s step) { e.ended += s.planned() }

// String implements fmt.Stringer.
func (e *estimate) String() string {
	left := e.total - e.ended
	if e.ended > 0 {
		left = time.Duration(float64(left) * float64(time.Since(e.started)) / float64(e.ended))
	}
	return fmt.Sprintf("%.0f min", math.Ceil(left.Minutes()))
}

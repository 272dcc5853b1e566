package main

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"chatd/bench/htmlreport"
	"chatd/bench/load"
	"chatd/bench/result"
)

// contestant is a server that is compared. It takes -addr.
type contestant struct {
	name, binary, what, flags string
	resumes                   string // the dialect in which clients come back to it; "": they can't
	events                    string // the dialect of its readers of events, or of those beside them; "": it has none
	secure                    string // the scheme of its URL where others speak TLS; "": it has no part in that
	noRaw                     bool   // it does nothing else
}

// runs reports whether it takes part in a step.
func (k contestant) runs(s step) bool { return k.speaks(s) != "" }

// speaks is the dialect of a step; "": it takes no part.
func (k contestant) speaks(s step) string {
	switch {
	case s.family == result.Events:
		return k.events
	case s.family == result.Secure && k.secure == "":
		return ""
	case s.family == result.Secure:
		return load.Raw
	case s.scenario == "herd":
		return k.resumes
	case k.noRaw:
		return ""
	}
	return load.Raw
}

// scheme is that of its URL.
func (k contestant) scheme(s step) string {
	if s.family == result.Secure {
		return k.secure
	}
	return "ws"
}

// contestants are the servers that a comparison is of.
var contestants = []contestant{
	{name: "chatd", binary: "chatd", what: "this project", resumes: load.Chat, events: load.Raw, secure: "ws"},
	{name: htmlreport.OursEvents, binary: "chatd", what: "this project, whose clients read server-sent events", resumes: load.Events, events: load.Events, noRaw: true},
	{name: "chatd-plain", binary: "chatd", what: "this project with plain sends (-io-uring off)", flags: "-io-uring off"},
	{name: "channels", binary: "peers/channels", what: "the original's shape: gorilla/websocket, two goroutines and a channel for each client"},
	{name: "netpoll", binary: "peers/netpoll", what: "gobwas/ws with easygo/netpoll, a pool task for each write"},
	{name: "nbio", binary: "peers/nbio", what: "lesismal/nbio"},
	{name: "gws", binary: "peers/gws", what: "lxzan/gws with its Broadcaster"},
	{name: "melody", binary: "peers/melody", what: "olahol/melody on gorilla/websocket"},
	{name: "gnet", binary: "peers/gnet", what: "panjf2000/gnet with gobwas/ws frames"},
	{name: "floor", binary: "peers/floor", what: "the least possible server in C, one send for each message and client"},
	{name: "floor-coalesce", binary: "peers/floor", what: "the same, one send for all messages of a round and each client", flags: "-coalesce"},
	{name: "centrifuge", binary: "peers/centrifuge", what: "centrifugal/centrifuge with its memory broker; for the herd only", resumes: load.Centrifuge, noRaw: true},
	{name: "centrifuge-events", binary: "peers/centrifuge", what: "the same, whose clients read server-sent events", events: load.CentrifugeEvents, noRaw: true},
	{name: "mercure", binary: "peers/mercure", what: "dunglas/mercure with its local transport; for server-sent events only", events: load.Mercure, noRaw: true},
	{name: htmlreport.OursSecure, binary: "chatd", what: "this project over TLS", secure: "wss", noRaw: true},
	{name: "channels-wss", binary: "peers/channels", what: "channels over TLS: net/http and crypto/tls under gorilla/websocket", secure: "wss", noRaw: true},
	{name: "nbio-wss", binary: "peers/nbio", what: "nbio over TLS, by its fork of crypto/tls", secure: "wss", noRaw: true},
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
	flags            string // of the servers that take part
	family           string // what its title begins with: [result.Events], [result.Secure], or nothing
	resume           bool   // by TLS, clients resume sessions
}

// kind is what -scenarios calls it.
func (s step) kind() string {
	return cmp.Or(strings.TrimSpace(s.family), s.scenario)
}

// title is what its runs call it.
func (s step) title() string {
	if s.resume {
		return s.family + s.scenario + result.Resumed
	}
	return s.family + s.scenario
}

func idleStep(clients int, duration time.Duration) step {
	return step{scenario: "idle", params: result.Params{Clients: clients}, duration: duration}
}

// ofEvents is a step with clients that read server-sent events.
func ofEvents(s step) step {
	s.family = result.Events
	return s
}

// overTLS is a step with clients that speak TLS, where their servers do.
func overTLS(s step) step {
	s.family = result.Secure
	return s
}

// resumed is a step whose clients resume sessions of TLS.
func resumed(s step) step {
	s.resume = true
	return s
}

// fanoutStep offers about 50,000 deliveries a second, whatever the number of
// clients.
func fanoutStep(clients int, duration time.Duration) step {
	return step{scenario: "fanout", params: result.Params{Clients: clients, Senders: 1, MessageBytes: 128, Rate: 50000 / float64(clients)}, duration: duration, warmup: time.Second}
}

func floodStep(outstanding int, duration time.Duration) step {
	return step{scenario: "flood", params: result.Params{Clients: 1000, Senders: 1, MessageBytes: 128, Outstanding: outstanding}, duration: duration, warmup: 300 * time.Millisecond}
}

// stuckStep has as many stuck clients as healthy ones. The kernel takes about
// 100 KiB for each of them before a server's own queue, of 256 messages in most,
// begins to fill: the messages have to be so many for the stuck to be dropped
// within the run.
func stuckStep(clients, size int, rate float64, duration time.Duration) step {
	return step{scenario: "stuck", params: result.Params{Clients: clients, StuckClients: clients, Senders: 1, MessageBytes: size, Rate: rate}, duration: duration}
}

// herdStep has servers keep more than a slow one lets clients miss, and messages go
// on at a rate that all servers can keep up with: or it would tell who is overloaded.
func herdStep(clients, missed int, rate float64) step {
	return step{
		scenario: "herd", params: result.Params{Clients: clients, Staying: 1000, Senders: 1, MessageBytes: 128, Rate: rate, Missed: missed},
		warmup: time.Second, flags: "-history 1000",
	}
}

// plan is the steps of a comparison, the quick one or the full one. Fan-outs
// that no goal is about are shorter, unless that leaves few messages to judge by.
func plan(quick bool) []step {
	if quick {
		return []step{
			fanoutStep(1000, 1500*time.Millisecond),
			floodStep(1, time.Second), floodStep(16, time.Second), floodStep(128, time.Second),
			idleStep(4000, time.Second),
			{scenario: "storm", duration: time.Second},
			ofEvents(fanoutStep(1000, 1500*time.Millisecond)),
			ofEvents(idleStep(4000, time.Second)),
			overTLS(fanoutStep(1000, 1500*time.Millisecond)),
			overTLS(step{scenario: "storm", duration: time.Second}),
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
		idleStep(19000, 2*time.Second),
		step{scenario: "storm", duration: 2 * time.Second},
		stuckStep(100, 16<<10, 100, 5*time.Second),
		stuckStep(1000, 2<<10, 50, 8*time.Second),
		herdStep(10000, 50, 2),
		ofEvents(fanoutStep(1000, 3*time.Second)),
		ofEvents(idleStep(19000, 2*time.Second)),
		overTLS(fanoutStep(1000, 3*time.Second)),
		overTLS(floodStep(128, 1500*time.Millisecond)),
		overTLS(idleStep(19000, 8*time.Second)), // what handshakes leave behind is given back in a second or two
		overTLS(step{scenario: "storm", duration: 2 * time.Second}),
		overTLS(resumed(step{scenario: "storm", duration: 2 * time.Second})),
		overTLS(stuckStep(1000, 2<<10, 50, 8*time.Second)),
	)
}

// estimate is how long a comparison still takes, after how long what was done
// took.
type estimate struct {
	started      time.Time
	total, ended time.Duration // as planned
}

// add is for so many more runs of a step.
func (e *estimate) add(s step, times int) { e.total += time.Duration(times) * s.planned() }

// planned is about how long a run of the step takes, with starting the server,
// connecting the clients and waiting for what is under way.
func (s step) planned() time.Duration {
	about := s.duration + s.warmup + 400*time.Millisecond + time.Duration(s.params.Clients)*120*time.Microsecond
	if s.family == result.Secure {
		about += time.Duration(s.params.Clients) * time.Millisecond // most of them make a handshake more
	}
	switch s.scenario {
	case "stuck":
		about += withoutStuck
	case "herd":
		away := time.Duration(float64(s.params.Missed) / s.params.Rate * float64(time.Second))
		about += away + time.Duration(s.params.Clients)*time.Millisecond // they come back, and as long without that
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

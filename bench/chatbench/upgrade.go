package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/certificate"
	"chatd/bench/hostile"
	"chatd/bench/load"
	"chatd/bench/result"
)

// upgradeOptions are the flags of upgrades one after the other.
type upgradeOptions struct {
	server, next, name, json string
	dialects                 []string
	secure                   int // percent of the clients
	share                    int
	count                    int // upgrades
	every                    time.Duration
	params                   result.Params
}

func upgradeCommand(out io.Writer) *ffcli.Command {
	o := upgradeOptions{dialects: []string{load.Raw, load.Chat, load.Events}}
	fs := flag.NewFlagSet("chatbench upgrade", flag.ContinueOnError)
	fs.StringVar(&o.server, "server", "bin/chatd", "chatd's `command`; -addr, -tls-addr and a certificate are added")
	fs.StringVar(&o.next, "next", "", "`program` that upgrades go to; empty: the same one again")
	fs.StringVar(&o.name, "name", "chatd", "what to call the server")
	fs.StringVar(&o.json, "json", "", "write the figures to this `file`, too")
	fs.Func("dialects", "`names`, with commas between them, that take turns: "+strings.Join(o.dialects, ",")+" are all that chatd speaks (default)", func(v string) error {
		known := o.dialects
		o.dialects = strings.Split(v, ",")
		for _, d := range o.dialects {
			if !slices.Contains(known, d) {
				return fmt.Errorf("chatd does not speak %q", d)
			}
		}
		return nil
	})
	fs.IntVar(&o.secure, "tls", 33, "`percent` of the clients of each dialect that come by TLS")
	fs.IntVar(&o.params.Clients, "clients", 1000, "clients")
	fs.IntVar(&o.params.Rooms, "rooms", 50, "rooms, over which the clients are spread evenly; one client of each sends")
	fs.Float64Var(&o.params.Rate, "rate", 100, "messages per second, over all rooms")
	fs.IntVar(&o.params.MessageBytes, "size", 128, "message size in `bytes`; of other dialects than raw that of the text")
	fs.IntVar(&o.params.StuckClients, "stuck", 0, "clients, besides, that never read, in rooms of their own with those that lag; who is dropped for it is replaced")
	fs.IntVar(&o.params.Lagging, "lagging", 0, "clients, besides, that read nothing until an upgrade is over, and then all")
	fs.IntVar(&o.params.HostilePeers, "hostile", 0, "hostile peers, besides, of all kinds that say nothing, in the rooms of the others")
	fs.IntVar(&o.count, "upgrades", 5, "upgrades, one after the other")
	fs.DurationVar(&o.every, "every", 2*time.Second, "time between them")
	fs.IntVar(&o.share, "clients-per-process", 0, "clients of one process of the harness in each dialect, with TLS or without, which starts as many as it takes; 0: what the descriptor limit allows")
	return &ffcli.Command{
		Name: "upgrade", ShortHelp: "upgrades of chatd in place under load, of clients of all dialects, some by TLS: beside others that are stuck, lag, or are hostile: who is cut off, what is lost, p99 meanwhile, memory and descriptors after each",
		ShortUsage: "chatbench upgrade [flags]", FlagSet: fs,
		Exec: func(ctx context.Context, args []string) error {
			if err := o.check(args); err != nil {
				return err
			}
			return o.run(ctx, out)
		},
	}
}

func (o *upgradeOptions) check(args []string) error {
	least := 0
	for _, d := range o.dialects {
		least = max(least, load.MinMessage(d))
	}
	p := &o.params
	switch {
	case len(args) > 0:
		return usageError("unexpected argument %q", args[0])
	case o.secure < 0 || o.secure > 100:
		return usageError("-tls is %d: must be from 0 to 100 percent", o.secure)
	case p.Rooms < 2*len(o.dialects) || p.Rooms >= load.MaxRooms:
		return usageError("-rooms is %d: must be from %d, one for each dialect with TLS and without, to %d", p.Rooms, 2*len(o.dialects), load.MaxRooms-1)
	case p.Clients < p.Rooms:
		return usageError("-clients is %d: must be at least the number of rooms, %d", p.Clients, p.Rooms)
	case p.Rate <= 0:
		return usageError("-rate is %g: must be more than 0", p.Rate)
	case p.MessageBytes < least:
		return usageError("-size is %d: must be at least %d, which sender, number and time take", p.MessageBytes, least)
	case p.StuckClients < 0 || p.Lagging < 0 || p.HostilePeers < 0:
		return usageError("-stuck is %d, -lagging %d and -hostile %d: must not be negative", p.StuckClients, p.Lagging, p.HostilePeers)
	case o.count < 1 || o.every < 0:
		return usageError("-upgrades is %d and -every %s: must be at least 1 and not negative", o.count, o.every)
	case o.share < 0:
		return usageError("-clients-per-process is %d: must not be negative", o.share)
	}
	possible, err := clientsPerProcess()
	if err != nil {
		return err
	}
	if possible /= 2 * 2 * len(o.dialects); o.share == 0 {
		o.share = possible
	}
	if o.share < 1 || o.share > possible {
		return usageError("-clients-per-process is %d: the file descriptor limit allows %d (ulimit -n)", o.share, possible)
	}
	return nil
}

// run starts the server, upgrades it, and prints what was found.
func (o *upgradeOptions) run(ctx context.Context, out io.Writer) error {
	u := upgradeRun{upgradeOptions: o, progress: newProgress(os.Stderr, "")}
	run := &result.Run{Schema: result.Schema, Scenario: "upgrade", Server: o.name, Started: time.Now(), Params: o.params}
	err := inTempDir(func(dir string) error {
		cert, err := certificate.Write(dir)
		if err != nil {
			return err
		}
		plain, err := freeAddr()
		if err != nil {
			return err
		}
		secure, err := freeAddr()
		if err != nil {
			return err
		}
		if u.admin, err = freeAddr(); err != nil {
			return err
		}
		plainURL, secureURL := "ws://"+plain+"/ws", "wss://"+secure+"/ws"
		server, err := startServer(ctx, fmt.Sprintf("%s -addr %s -tls-addr %s -admin %s", withTLS(o.server, cert), plain, secure, u.admin), "http://"+u.admin) // where it listens last
		if err != nil {
			return err
		}
		defer server.stop()
		u.pid = server.cmd.Process.Pid
		if u.process, err = findProcess(u.pid); err != nil {
			return err
		}
		defer u.close()
		if err := u.gather(ctx, plainURL, secureURL); err != nil {
			return err
		}
		return u.besides(ctx, plain, secure, func(ctx context.Context) error { return u.measured(ctx, run) })
	})
	u.progress.done()
	return tell(out, o.json, run, err)
}

// upgradeRun is a run under way. It belongs to one goroutine.
type upgradeRun struct {
	*upgradeOptions
	pid      int
	process  *process
	admin    string // the server's address
	parts    []*part
	senders  []*load.Sender // of those whose clients only hear
	busy     []*load.Sender // of those where somebody lags
	progress *progress
}

// part is the clients of one dialect that come by TLS, or that don't. It has rooms of its
// own: what is said in a dialect is heard in it.
type part struct {
	scenario
	*crowd
	senders []*load.Sender

	// Where some lag or are stuck, the others are those that send.
	lagging, stuck int
	came           int // numbers of clients that were given out
}

// slow reports whether it is one where some lag or are stuck.
func (p *part) slow() bool { return p.lagging+p.stuck > 0 }

// gather connects all clients, part after part.
func (u *upgradeRun) gather(ctx context.Context, plain, secure string) error {
	rooms, all, kinds := 0, u.params.Clients, len(u.dialects)
	lagging, stuck := u.params.Lagging, u.params.StuckClients
	var slow []*part
	for i, dialect := range u.dialects {
		n := all*(i+1)/kinds - all*i/kinds
		byTLS := n * u.secure / 100
		for _, way := range []struct {
			url     string
			clients int
		}{{plain, n - byTLS}, {secure, byTLS}} {
			if way.clients == 0 {
				continue
			}
			p := &part{scenario: scenario{url: way.url, dialect: dialect, share: u.share, params: u.params, progress: u.progress}}
			p.params.Clients = way.clients
			p.params.Rooms = min(max(u.params.Rooms*way.clients/all, 1), way.clients)
			p.params.Senders = p.params.Rooms
			if err := u.connect(ctx, p, load.Rooms{First: rooms, Count: p.params.Rooms}); err != nil {
				return err
			}
			rooms += p.params.Rooms
			slow = append(slow, &part{scenario: p.scenario})
		}
	}
	for i, p := range slow {
		p.lagging, p.stuck = lagging*(i+1)/len(slow)-lagging*i/len(slow), stuck*(i+1)/len(slow)-stuck*i/len(slow)
		if !p.slow() {
			continue
		}
		p.params.Rooms, p.params.Senders, p.params.Clients, p.params.MessageBytes = 1, 1, 1+p.lagging, busyBytes
		if err := u.connect(ctx, p, load.Rooms{First: rooms, Count: 1}); err != nil {
			return err
		}
		rooms++
	}
	return nil
}

// connect connects the clients of a part.
func (u *upgradeRun) connect(ctx context.Context, p *part, rooms load.Rooms) (err error) {
	if p.target, err = load.NewTarget(p.url, p.dialect, nil); err != nil {
		return err
	}
	if p.crowd, err = newCrowd(&p.scenario, rooms, p.params.Clients+p.stuck); err != nil {
		return err
	}
	u.parts = append(u.parts, p)
	if err := p.come(ctx, p.params.Clients-p.lagging, load.Healthy); err != nil {
		return err
	}
	if p.senders, err = p.own.Senders(p.params.Senders, 0); err != nil {
		return err
	}
	if !p.slow() {
		u.senders = append(u.senders, p.senders...)
		return nil
	}
	u.busy = append(u.busy, p.senders...)
	if err := p.come(ctx, p.lagging, load.Lagging); err != nil {
		return err
	}
	return p.come(ctx, p.stuck, load.Stuck)
}

// come connects so many clients more.
func (p *part) come(ctx context.Context, n int, kind load.Kind) error {
	if n == 0 {
		return nil
	}
	p.came += n
	return p.scenario.connect(ctx, p.crowd, p.came-n, n, kind)
}

func (u *upgradeRun) close() {
	for _, p := range u.parts {
		p.crowd.close()
	}
}

// measured has the server upgraded while messages go on, and judges what all have heard.
func (u *upgradeRun) measured(ctx context.Context, run *result.Run) (err error) {
	run.Upgrades = &result.Upgrades{Before: u.process.memory()}
	run.Params.Senders = len(u.senders)
	began, before := load.Now(), u.delivered()
	u.paced(ctx, func() {
		for n := range u.count {
			u.progress.show("upgrading", n, u.count)
			if err = u.upgrade(ctx, run.Upgrades); err != nil || ctx.Err() != nil {
				return
			}
			if err = u.rest(ctx); err != nil {
				return
			}
		}
	})
	run.Seconds = float64(load.Now()-began) / 1e9
	run.Messages = sentBy(u.senders) + sentBy(u.busy)
	if err != nil {
		return err
	}
	for _, p := range u.parts {
		sent := p.own.Sent(p.senders)
		p.wake(true)
		p.drained(p.crowd, sent)
		verdict, _, err := p.report(sent)
		if err != nil {
			return err
		}
		run.Faults.Add(verdict.Sum())
		for _, line := range verdict.Lines() {
			run.Warnings = append(run.Warnings, p.dialect+", "+p.url+": "+line)
		}
	}
	run.Deliveries = u.delivered() - before
	run.Achieved = float64(run.Deliveries) / run.Seconds
	run.Memory = u.process.memory()
	return u.dropped(ctx)
}

// around is how long latencies are looked at before an upgrade is asked for, and for how
// long in all, if it does not take longer.
const (
	ahead  = 300 * time.Millisecond
	around = time.Second
)

// upgrade is one of them.
func (u *upgradeRun) upgrade(ctx context.Context, all *result.Upgrades) error {
	from := time.Now()
	for _, p := range u.parts {
		p.measure(load.Now(), math.MaxInt64)
	}
	wait(ctx, ahead)
	metrics, err := hostile.Metrics(ctx, u.admin)
	if err != nil {
		return err
	}
	asked := time.Now()
	said, err := upgradeInPlace(u.server, u.pid, u.next)
	if err != nil {
		return err
	}
	one := result.Upgrade{Took: time.Since(asked).Seconds(), Behind: int(metrics["chatd_lagging_members"]), Carried: said.carried, Left: said.left, Unserved: said.unserved.Seconds(), Memory: u.process.memory()}
	wait(ctx, max(around-time.Since(from), ahead))
	var latencies load.Latencies
	for _, p := range u.parts {
		verdict, part, err := p.report(nil)
		if err != nil {
			return err
		}
		one.Faults += verdict.Faults.Sum() // not how orders differ, while messages are under way
		part.Last = nil                    // rooms of all parts have the same numbers there
		if p.slow() {
			continue // there messages are too long to compare
		}
		if latencies.All == nil {
			latencies = part
		} else {
			latencies.Merge(part)
		}
	}
	one.Window = time.Since(from).Seconds()
	one.Delivery, _ = latencies.Percentiles()
	all.Each = append(all.Each, one)
	return nil
}

// delivered is how many messages all have heard.
func (u *upgradeRun) delivered() (n uint64) {
	for _, p := range u.parts {
		n += p.counts().Delivered
	}
	return n
}

// wait waits, but not longer than ctx goes on.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// printUpgrades writes upgrades' figures, a line each.
func printUpgrades(row func(name, format string, values ...any), u *result.Upgrades) {
	const mib = 1 << 20
	if m := u.Before; m != nil {
		row("before", "%.1f MiB resident, %d descriptors", float64(m.RSS)/mib, m.Files)
	}
	for i, one := range u.Each {
		p99, most := math.NaN(), math.NaN()
		if l := one.Delivery; l != nil {
			p99, most = l.P99, l.Max
		}
		row(fmt.Sprint("upgrade ", i+1), "unserved %.1f ms of %.0f; p99 %.2f, max %.2f ms in %.1f s; %d behind; %d carried, %d not; %d faults until then; %.1f MiB, %d descriptors",
			one.Unserved*1000, one.Took*1000, p99, most, one.Window, one.Behind, one.Carried, one.Left, one.Faults, float64(one.Memory.RSS)/mib, one.Memory.Files)
	}
}

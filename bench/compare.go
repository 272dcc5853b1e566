package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/load"
	"chatd/bench/page"
	"chatd/bench/result"
)

// contestants are the servers that are compared, by the name of their binary.
// Each takes -addr.
var contestants = []struct{ name, binary, what, flags string }{
	{"chatd", "chatd", "this project", ""},
	{"channels", "peers/channels", "the original's shape: gorilla/websocket, two goroutines and a channel for each client", ""},
	{"netpoll", "peers/netpoll", "gobwas/ws with easygo/netpoll, a pool task for each write", ""},
	{"nbio", "peers/nbio", "lesismal/nbio", ""},
	{"gws", "peers/gws", "lxzan/gws with its Broadcaster", ""},
	{"melody", "peers/melody", "olahol/melody on gorilla/websocket", ""},
	{"gnet", "peers/gnet", "panjf2000/gnet with gobwas/ws frames", ""},
	{"floor", "peers/floor", "the least possible server in C, one send for each message and client", ""},
	{"floor-coalesce", "peers/floor", "the same, one send for all messages of a round and each client", "-coalesce"},
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

// plan is the steps of a comparison, the quick one or the full one.
func plan(quick bool) (steps []step) {
	if quick {
		return []step{
			fanoutStep(1000, 1500*time.Millisecond),
			floodStep(1, time.Second), floodStep(16, time.Second), floodStep(128, time.Second),
			{"idle", result.Params{Clients: 4000}, time.Second, 0},
			{"storm", result.Params{}, time.Second, 0},
		}
	}
	for _, clients := range []int{100, 1000, 10000, 19000} {
		steps = append(steps, fanoutStep(clients, 3*time.Second))
	}
	for _, outstanding := range []int{1, 4, 16, 64, 128, 256} {
		steps = append(steps, floodStep(outstanding, 1500*time.Millisecond))
	}
	return append(steps,
		step{"idle", result.Params{Clients: 19000}, 2 * time.Second, 0},
		step{"storm", result.Params{}, 2 * time.Second, 0},
		step{"stuck", result.Params{Clients: 100, StuckClients: 100, Senders: 1, MessageBytes: 16 << 10, Rate: 100}, 5 * time.Second, 0},
	)
}

// comparison is a comparison that is being made.
type comparison struct {
	bin    string
	steps  []step
	rounds int
	only   []string
	share  int // clients of one process of the harness
	out    io.Writer
	result result.Comparison
}

func compareCommand(out io.Writer) *ffcli.Command {
	fs := flag.NewFlagSet("bench compare", flag.ContinueOnError)
	bin := fs.String("bin", "bin", "`directory` with the servers' binaries; those that are missing are left out")
	dir := fs.String("out", "bench/report", "`directory` to write the report to")
	only := fs.String("only", "", "compare only these `servers`, separated by commas")
	rounds := fs.Int("rounds", 3, "how often each scenario is run against each server, in turn")
	quick := fs.Bool("quick", false, "short runs, one round")
	return &ffcli.Command{
		Name: "compare", ShortHelp: "run the scenarios against chatd and its peers, in turn, and write a report",
		ShortUsage: "bench compare [flags]", FlagSet: fs,
		Exec: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return usageError("unexpected argument %q", args[0])
			}
			if *quick {
				*rounds = 1
			}
			if *rounds < 1 {
				return usageError("-rounds is %d: must be at least 1", *rounds)
			}
			c := &comparison{bin: *bin, steps: plan(*quick), rounds: *rounds, out: out}
			if *only != "" {
				c.only = strings.Split(*only, ",")
			}
			c.result.Command = strings.Join(append([]string{"bench"}, os.Args[1:]...), " ")
			return c.run(ctx, *dir)
		},
	}
}

// run makes the comparison and writes the report, of what there is if ctx ends
// before.
func (c *comparison) run(ctx context.Context, dir string) error {
	c.result.Schema, c.result.Started, c.result.Rounds = result.Schema, time.Now(), c.rounds
	c.result.Machine = thisMachine()
	for _, k := range contestants {
		if len(c.only) > 0 && !slices.Contains(c.only, k.name) {
			continue
		}
		path := filepath.Join(c.bin, k.binary)
		if _, err := os.Stat(path); err != nil {
			fmt.Fprintf(c.out, "%s is left out: %v\n", k.name, err)
			continue
		}
		command := strings.TrimSpace(path + " " + k.flags)
		c.result.Servers = append(c.result.Servers, result.Server{Name: k.name, What: k.what, Command: command})
	}
	if len(c.result.Servers) == 0 {
		return errors.New("there is nothing to compare: build the servers first (make compare does)")
	}
	var err error
	if c.share, err = clientsPerProcess(); err != nil {
		return err
	}
	for round := range c.rounds {
		for i, s := range c.steps {
			for _, server := range c.result.Servers {
				if ctx.Err() != nil {
					break
				}
				prefix := fmt.Sprintf("round %d of %d, step %d of %d, %s, %s: ", round+1, c.rounds, i+1, len(c.steps), s.scenario, server.Name)
				c.measure(ctx, s, server, prefix)
			}
		}
	}
	if err := page.Write(dir, &c.result); err != nil {
		return err
	}
	fmt.Fprint(c.out, page.Table(&c.result))
	fmt.Fprintf(c.out, "\nThe report is in %s.\n", filepath.Join(dir, "index.html"))
	return nil
}

// measure runs one step against one server, started for it. A server that
// fails has a run that says so.
func (c *comparison) measure(ctx context.Context, s step, server result.Server, prefix string) {
	run, err := c.attempt(ctx, s, server, prefix)
	if ctx.Err() != nil {
		return
	}
	if run == nil {
		run = &result.Run{Schema: result.Schema, Scenario: s.scenario, Server: server.Name, Started: time.Now(), Params: s.params}
	}
	if err != nil {
		run.Warnings = append(run.Warnings, "failed: "+err.Error())
		fmt.Fprintf(c.out, "%sfailed: %v\n", prefix, err)
	}
	c.result.Runs = append(c.result.Runs, *run)
}

func (c *comparison) attempt(ctx context.Context, s step, server result.Server, prefix string) (*result.Run, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	url := "ws://" + addr + "/ws"
	target, err := load.NewTarget(url, nil)
	if err != nil {
		return nil, err
	}
	started, err := startServer(ctx, server.Command+" -addr "+addr, url)
	if err != nil {
		return nil, err
	}
	defer started.stop()
	process, err := findProcess(started.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	sc := &scenario{params: s.params, url: url, target: target, share: c.share, server: process, duration: s.duration, warmup: s.warmup, progress: newProgress(os.Stderr, prefix)}
	return sc.run(ctx, s.scenario, server.Name)
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// tableCommand shows a comparison that was made before.
func tableCommand(out io.Writer) *ffcli.Command {
	return &ffcli.Command{
		Name: "table", ShortHelp: "print a comparison's table in Markdown", ShortUsage: "bench table [comparison.json]",
		Exec: func(_ context.Context, args []string) error {
			path := "bench/report/comparison.json"
			switch len(args) {
			case 0:
			case 1:
				path = args[0]
			default:
				return usageError("unexpected argument %q", args[1])
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var c result.Comparison
			if err := json.Unmarshal(b, &c); err != nil || c.Schema != result.Schema {
				return fmt.Errorf("%s is no comparison of schema %d", path, result.Schema)
			}
			_, err = io.WriteString(out, page.Markdown(&c))
			return err
		},
	}
}

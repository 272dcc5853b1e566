package main

import (
	"context"
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

	"chatd/bench/certificate"
	"chatd/bench/htmlreport"
	"chatd/bench/load"
	"chatd/bench/result"
)

// comparison is a comparison that is being made.
type comparison struct {
	bin    string
	steps  []step
	rounds int
	only   []string
	before string // an older chatd
	share  int    // clients of one process of the harness
	out    io.Writer
	rivals map[string]contestant // by the names of the result's servers
	cert   certificate.Files     // of servers that speak TLS
	result result.Comparison
}

func compareCommand(out io.Writer) *ffcli.Command {
	fs := flag.NewFlagSet("chatbench compare", flag.ContinueOnError)
	bin := fs.String("bin", "bin", "`directory` with the servers' binaries; those that are missing are left out")
	dir := fs.String("out", "bench/report", "`directory` to write the report to")
	only := fs.String("only", "", "compare only these `servers`, separated by commas")
	among := fs.String("scenarios", "", "run only these `scenarios`, separated by commas: fanout, flood, idle, storm, stuck, herd, events, wss")
	before := fs.String("before", "", "compare with this older `chatd`, too")
	rounds := fs.Int("rounds", 3, "how often each scenario is run against each server, in turn")
	quick := fs.Bool("quick", false, "short runs, one round")
	return &ffcli.Command{
		Name: "compare", ShortHelp: "run the scenarios against chatd and its peers, in turn, and write a report",
		ShortUsage: "chatbench compare [flags]", FlagSet: fs,
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
			c := &comparison{rivals: make(map[string]contestant), bin: *bin, steps: plan(*quick), rounds: *rounds, before: *before, out: out}
			if *only != "" {
				c.only = strings.Split(*only, ",")
			}
			if *among != "" {
				wanted := strings.Split(*among, ",")
				c.steps = slices.DeleteFunc(c.steps, func(s step) bool { return !slices.Contains(wanted, s.kind()) })
			}
			c.result.Command = strings.Join(append([]string{"chatbench"}, os.Args[1:]...), " ")
			return c.run(ctx, *dir)
		},
	}
}

// run makes the comparison and writes the report, of what there is if ctx ends
// before.
func (c *comparison) run(ctx context.Context, dir string) error {
	c.result.Schema, c.result.Started, c.result.Rounds = result.Schema, time.Now(), c.rounds
	c.result.Machine = thisMachine()
	if c.before != "" {
		for _, k := range older {
			c.add(k, c.before)
		}
	}
	for _, k := range contestants {
		if len(c.only) == 0 || slices.Contains(c.only, k.name) {
			c.add(k, filepath.Join(c.bin, k.binary))
		}
	}
	switch {
	case len(c.steps) == 0:
		return errors.New("there is nothing to compare: no such scenario is part of a comparison")
	case len(c.result.Servers) == 0:
		return errors.New("there is nothing to compare: build the servers first (make compare does)")
	}
	var err error
	if c.share, err = clientsPerProcess(); err != nil {
		return err
	}
	certs, err := os.MkdirTemp("", "chatbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(certs)
	if c.cert, err = certificate.Write(certs); err != nil {
		return err
	}
	left := &estimate{started: time.Now()}
	for _, s := range c.steps {
		left.add(s, c.rounds*len(c.among(s)))
	}
	for round := range c.rounds {
		for i, s := range c.steps {
			for _, server := range rotated(c.among(s), round+i) {
				if ctx.Err() != nil {
					break
				}
				prefix := fmt.Sprintf("%s left, round %d of %d, step %d of %d, %s, %s: ", left, round+1, c.rounds, i+1, len(c.steps), s.title(), server.Name)
				c.measure(ctx, s, server, prefix)
				left.done(s)
			}
		}
	}
	if err := htmlreport.Write(dir, &c.result); err != nil {
		return err
	}
	fmt.Fprint(c.out, htmlreport.Table(&c.result))
	fmt.Fprint(c.out, "\n", htmlreport.Goals(&c.result))
	if c.before != "" {
		fmt.Fprint(c.out, "\n", htmlreport.Before(&c.result))
	}
	fmt.Fprintf(c.out, "\nThe report is in %s.\n", filepath.Join(dir, "index.html"))
	return nil
}

// among is the servers that take part in a step.
func (c *comparison) among(s step) (servers []result.Server) {
	for _, server := range c.result.Servers {
		if c.rivals[server.Name].runs(s) {
			servers = append(servers, server)
		}
	}
	return servers
}

// rotated is the servers in turn, beginning with another one each time: what a
// server finds the machine doing depends on which was there before.
func rotated(servers []result.Server, by int) []result.Server {
	by %= max(len(servers), 1)
	return append(slices.Clone(servers[by:]), servers[:by]...)
}

// add takes k, whose program is path, into the comparison, if it is there and has a
// part in it.
func (c *comparison) add(k contestant, path string) {
	if !slices.ContainsFunc(c.steps, k.runs) {
		return
	}
	if _, err := os.Stat(path); err != nil {
		fmt.Fprintf(c.out, "%s is left out: %v\n", k.name, err)
		return
	}
	command := strings.TrimSpace(path + " " + k.flags)
	c.rivals[k.name] = k
	c.result.Servers = append(c.result.Servers, result.Server{Name: k.name, What: k.what, Command: command})
}

// measure runs one step against one server, started for it. A server that
// fails has a run that says so.
func (c *comparison) measure(ctx context.Context, s step, server result.Server, prefix string) {
	run, err := c.attempt(ctx, s, server, prefix)
	if ctx.Err() != nil {
		return
	}
	if run == nil {
		run = &result.Run{Schema: result.Schema, Server: server.Name, Started: time.Now(), Params: s.params}
	}
	run.Scenario = s.title()
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
	rival, flags := c.rivals[server.Name], s.flags
	url, dialect := rival.scheme(s)+"://"+addr+"/ws", rival.speaks(s)
	if rival.scheme(s) == "wss" {
		flags = withTLS(flags, c.cert)
	}
	target, err := load.NewTarget(url, dialect, nil)
	if err != nil {
		return nil, err
	}
	if s.resume {
		target.Resume()
	}
	started, err := startServer(ctx, fmt.Sprintf("%s %s -addr %s", server.Command, flags, addr), url)
	if err != nil {
		return nil, err
	}
	defer started.stop()
	process, err := findProcess(started.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	sc := &scenario{params: s.params, url: url, dialect: dialect, target: target, share: c.share, server: process, duration: s.duration, warmup: s.warmup, patience: herdPatience, progress: newProgress(os.Stderr, prefix)}
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

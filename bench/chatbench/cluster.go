package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/cluster"
)

// errViolations says that clients of a cluster did not hear what they had to.
var errViolations = errors.New("violations")

// clusterOptions are what a cluster is made of, and what becomes of it.
type clusterOptions struct {
	cluster  cluster.Config
	clients  int
	rooms    int
	rate     float64
	duration time.Duration
	seed     uint64
	file     string
}

// clusterCommand is the command line of a cluster.
func clusterCommand(out io.Writer) *ffcli.Command {
	var o clusterOptions
	var serve bool
	var figures string
	fs := flag.NewFlagSet("chatbench cluster", flag.ContinueOnError)
	fs.StringVar(&o.cluster.Chatd, "server", "bin/chatd", "chatd's `command`; -addr, -admin, -nats, -secret and -api-token-file are added")
	fs.StringVar(&o.cluster.NATS, "nats-server", "bin/tools/nats-server", "the `program` of the NATS servers")
	fs.IntVar(&o.cluster.Nodes, "nodes", 3, "chatds")
	fs.IntVar(&o.cluster.Servers, "nats-servers", 3, "NATS servers: 1, 3 or 5")
	fs.BoolVar(&serve, "serve", false, "do no harm: run the cluster for people, until it is interrupted")
	fs.StringVar(&figures, "figures", "", "do no harm: measure. `Which`, with commas between them: "+strings.Join(cluster.Tables, ", ")+"; -duration is that of each figure")
	fs.StringVar(&o.cluster.Addr, "addr", "", "with -serve: the first node's `address`; the others have free ports")
	fs.IntVar(&o.clients, "clients", 36, "clients, over all nodes, each in one to three rooms")
	fs.IntVar(&o.rooms, "rooms", 12, "rooms")
	fs.Float64Var(&o.rate, "rate", 100, "messages a second, of all clients and publishers together")
	fs.DurationVar(&o.duration, "duration", time.Minute, "time in which harm is done; start and end come on top")
	fs.Uint64Var(&o.seed, "seed", 0, "decides which harm; 0: a random one, which the report names")
	fs.StringVar(&o.file, "out", "", "write the report to this `file`, too")
	return &ffcli.Command{
		Name: "cluster", ShortHelp: "several nodes that share their rooms by NATS: harm at random, from a seed, to nodes, servers and what is between them; each acknowledged message must be heard by all, once, in one order",
		ShortUsage: "chatbench cluster [flags]", FlagSet: fs,
		Exec: func(ctx context.Context, args []string) error {
			if err := o.check(args, serve); err != nil {
				return err
			}
			return inTempDir(func(dir string) error {
				o.cluster.Dir = dir
				switch {
				case serve:
					return serveCluster(ctx, o.cluster, out)
				case figures != "":
					return o.measure(ctx, figures, out)
				}
				return o.harm(ctx, out)
			})
		},
	}
}

func (o *clusterOptions) check(args []string, serve bool) error {
	switch {
	case len(args) > 0:
		return usageError("unexpected argument %q", args[0])
	case o.cluster.Nodes < 1 || o.clients < 1 || o.rooms < 1 || o.rate <= 0 || o.duration <= 0:
		return usageError("-nodes, -clients, -rooms, -rate and -duration must be more than 0")
	case o.cluster.Servers != 1 && o.cluster.Servers != 3 && o.cluster.Servers != 5:
		return usageError("-nats-servers is %d: must be 1, 3 or 5", o.cluster.Servers)
	case o.cluster.Addr != "" && !serve:
		return usageError("-addr is without effect: -serve is not given")
	}
	return nil
}

// inTempDir removes what it has made, unless do fails: there are the logs.
func inTempDir(do func(dir string) error) error {
	dir, err := os.MkdirTemp("", "chatd-cluster-")
	if err != nil {
		return err
	}
	if err := do(dir); err != nil {
		return fmt.Errorf("%w; logs are in %s", err, dir)
	}
	return os.RemoveAll(dir)
}

// serveCluster runs a cluster until ctx ends.
func serveCluster(ctx context.Context, config cluster.Config, out io.Writer) error {
	c, err := cluster.Start(ctx, config)
	if err == nil {
		for i, n := range c.Nodes {
			fmt.Fprintf(out, "chatd %d  http://%s  (metrics: http://%s/metrics)\n", i, n.Addr, n.Admin)
		}
		for i, s := range c.Servers {
			fmt.Fprintf(out, "NATS %d   %s\n", i, s.URL)
		}
		fmt.Fprintf(out, "Programs publish with the token %s. Data and logs are in %s until Ctrl-C ends all.\n", cluster.Token, config.Dir)
		<-ctx.Done()
	}
	if ended := c.Close(); ctx.Err() == nil {
		return errors.Join(err, ended)
	}
	return nil // it was interrupted, perhaps while it started
}

// patience is for everybody to have heard everything, on a machine that is busy.
const patience = 2 * time.Minute

// streams are fewer than usual: each has three replicas, on a machine that they share.
const streams = 4

// historyOfHarm is more than may be said while a client is away, and less than is said in a
// run of some minutes.
const (
	historyOfHarm    = 1500
	historyOfFigures = 1000
)

// measure takes figures.
func (o *clusterOptions) measure(ctx context.Context, which string, out io.Writer) error {
	p := newProgress(os.Stderr, "")
	defer p.done()
	o.cluster.Flags = []string{"-history", strconv.Itoa(historyOfFigures)}
	f := cluster.Figures{Cluster: o.cluster, Duration: o.duration, Say: p.show, Out: out}
	for name := range strings.SplitSeq(which, ",") {
		err := f.Take(ctx, name)
		if errors.Is(err, cluster.ErrNoTable) {
			return usageError("-figures: %v", err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (o *clusterOptions) harm(ctx context.Context, out io.Writer) error {
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	o.cluster.Proxied = true
	o.cluster.Flags = []string{"-nats-partitions", strconv.Itoa(streams), "-history", strconv.Itoa(historyOfHarm), "-history-age", "0", "-drain-timeout", "2s"}
	p := newProgress(os.Stderr, fmt.Sprintf("seed %d, ", o.seed))
	report, err := cluster.Run(ctx, cluster.Options{
		Cluster: o.cluster, Schedule: cluster.NewSchedule(o.seed, o.duration, o.cluster.Nodes, o.cluster.Servers, streams),
		Clients: o.clients, Publishers: max(1, o.clients/9), Rooms: o.rooms, Rate: o.rate, Patience: patience, Progress: p.show,
	})
	p.done()
	if err := report.Write(out); err != nil {
		return err
	}
	if o.file != "" {
		if err := writeReport(o.file, report); err != nil {
			return err
		}
	}
	if n := len(report.Violations); err == nil && n > 0 {
		err = fmt.Errorf("%d %w", n, errViolations)
	}
	if err != nil {
		return fmt.Errorf("%w; the same harm again: -seed %d", err, o.seed)
	}
	return nil
}

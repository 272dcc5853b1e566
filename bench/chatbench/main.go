// Command chatbench puts load on a WebSocket broadcast server, checks every
// delivery, and says what it cost.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/load"
	"chatd/bench/result"
)

// Exit statuses.
const (
	exitFaults = 1 // something was lost or cut off, or the run failed
	exitUsage  = 2 // a flag or its value is wrong
)

// errUsage marks errors in flags.
var errUsage = errors.New("")

var errFaults = errors.New("the server lost, repeated, reordered or damaged deliveries, or cut clients off")

func usageError(format string, args ...any) error {
	return fmt.Errorf("%w"+format, append([]any{errUsage}, args...)...)
}

func main() {
	// The clients' worker, the poller, the pacer and the progress each need a
	// thread of their own, or they would wait for each other. Whoever sets
	// GOMAXPROCS knows better.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 4))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(os.Stdout).ParseAndRun(ctx, os.Args[1:])
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "chatbench:", strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(exitUsage)
	default:
		fmt.Fprintln(os.Stderr, "chatbench:", strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(exitFaults)
	}
}

// command is the command line.
func command(out io.Writer) *ffcli.Command {
	root := &ffcli.Command{
		ShortUsage: "chatbench <scenario> [flags]",
		LongHelp:   "chatbench puts load on a WebSocket broadcast server, checks every delivery, and says what it cost.",
		Exec:       func(context.Context, []string) error { return flag.ErrHelp },
	}
	for _, c := range []struct{ name, help string }{
		{"idle", "connect clients and hold them: memory of a connection, connects per second"},
		{"fanout", "send at a rate (open loop): latency, CPU of a delivery, loss, order"},
		{"flood", "keep messages outstanding (closed loop): the most deliveries per second"},
		{"storm", "connect and hang up as fast as possible: handshakes per second, CPU of each"},
		{"stuck", "clients that never read beside healthy ones: who is dropped, who loses, memory"},
		{"ramp", "raise the rate until deliveries come late or not at all: the highest sustained rate"},
	} {
		root.Subcommands = append(root.Subcommands, scenarioCommand(c.name, c.help, out))
	}
	root.Subcommands = append(root.Subcommands, hostileCommand(out), hostilePeers(), soakCommand(out), interopCommand(out), compareCommand(out))
	root.Subcommands = append(root.Subcommands, showCommands(out)...)
	root.Subcommands = append(root.Subcommands, helperProcess())
	return root
}

// options are the flags of a scenario.
type options struct {
	url, server, name, json string
	pid, share              int
	header                  http.Header
	duration, warmup, limit time.Duration
	params                  result.Params
}

func scenarioCommand(name, help string, out io.Writer) *ffcli.Command {
	o := options{header: make(http.Header)}
	fs := flag.NewFlagSet("chatbench "+name, flag.ContinueOnError)
	fs.StringVar(&o.url, "url", "ws://127.0.0.1:8080/ws", "the server's `ws://` URL")
	fs.Func("header", "`Name: value` to send with each handshake; repeatable", func(v string) error {
		key, value, ok := strings.Cut(v, ":")
		if !ok || key == "" {
			return errors.New("must be Name: value")
		}
		o.header.Add(strings.TrimSpace(key), strings.TrimSpace(value))
		return nil
	})
	fs.Func("subprotocol", "`name` of a subprotocol to ask for; repeatable", func(v string) error {
		o.header.Add("Sec-WebSocket-Protocol", v)
		return nil
	})
	fs.StringVar(&o.server, "server", "", "start this `command`, wait until it listens, and stop it afterwards")
	fs.IntVar(&o.pid, "pid", 0, "the server's process, for its CPU and memory; not needed with -server")
	fs.StringVar(&o.name, "name", "", "what to call the server (default: its URL)")
	fs.StringVar(&o.json, "json", "", "write the figures to this `file`, too")
	fs.DurationVar(&o.duration, "duration", 10*time.Second, "measured time (ramp: of each step)")
	if name != "storm" {
		fs.IntVar(&o.params.Clients, "clients", 1000, "healthy clients")
		fs.IntVar(&o.share, "clients-per-process", 0, "clients of one process of the harness, which starts as many as it takes; 0: what the descriptor limit allows")
	}
	if name != "idle" && name != "storm" {
		fs.IntVar(&o.params.Senders, "senders", 1, "clients that send")
		fs.IntVar(&o.params.MessageBytes, "size", 128, "message size in `bytes`")
		fs.DurationVar(&o.warmup, "warmup", time.Second, "time before measuring")
	}
	switch name {
	case "fanout", "stuck", "ramp":
		fs.Float64Var(&o.params.Rate, "rate", 50, "messages per second, over all senders (ramp: to begin with)")
	case "flood":
		fs.IntVar(&o.params.Outstanding, "outstanding", 16, "messages under way, over all senders")
	}
	if name == "stuck" {
		fs.IntVar(&o.params.StuckClients, "stuck", 1000, "clients that never read")
	}
	if name == "ramp" {
		fs.DurationVar(&o.limit, "limit", 100*time.Millisecond, "highest p99 of the messages' last deliveries")
	}
	return &ffcli.Command{
		Name: name, ShortHelp: help, ShortUsage: "chatbench " + name + " [flags]", FlagSet: fs,
		Exec: func(ctx context.Context, args []string) error {
			if err := o.check(name, args); err != nil {
				return err
			}
			return o.run(ctx, name, out)
		},
	}
}

// check refuses flags that make no sense together.
func (o *options) check(name string, args []string) error {
	p := o.params
	sends := name != "idle" && name != "storm"
	switch {
	case len(args) > 0:
		return usageError("unexpected argument %q", args[0])
	case name != "storm" && p.Clients < 1:
		return usageError("-clients is %d: must be at least 1", p.Clients)
	case o.duration <= 0:
		return usageError("-duration is %s: must be more than 0", o.duration)
	case o.share < 0:
		return usageError("-clients-per-process is %d: must not be negative", o.share)
	case sends && (p.Senders < 1 || p.Senders > p.Clients):
		return usageError("-senders is %d: must be from 1 to the number of clients, %d", p.Senders, p.Clients)
	case sends && p.MessageBytes < load.MinMessage:
		return usageError("-size is %d: must be at least %d, which sender, number and time take", p.MessageBytes, load.MinMessage)
	case sends && o.warmup < 0:
		return usageError("-warmup is %s: must not be negative", o.warmup)
	case (name == "fanout" || name == "stuck" || name == "ramp") && p.Rate <= 0:
		return usageError("-rate is %g: must be more than 0", p.Rate)
	case name == "flood" && p.Outstanding < p.Senders:
		return usageError("-outstanding is %d: must be at least the number of senders, %d", p.Outstanding, p.Senders)
	case name == "stuck" && p.StuckClients < 1:
		return usageError("-stuck is %d: must be at least 1", p.StuckClients)
	case o.server != "" && o.pid != 0:
		return usageError("-server and -pid exclude each other")
	}
	possible, err := clientsPerProcess()
	if err != nil {
		return err
	}
	if o.share == 0 {
		o.share = possible
	}
	switch {
	case o.share > possible:
		return usageError("-clients-per-process is %d: the file descriptor limit allows %d (ulimit -n)", o.share, possible)
	case p.Senders > o.share:
		return usageError("-senders is %d: must be at most the clients of one process, %d", p.Senders, o.share)
	case p.Clients+p.StuckClients > mostProcesses*o.share:
		return usageError("%d clients take more than %d processes of %d clients: raise the file descriptor limit (ulimit -n)", p.Clients+p.StuckClients, mostProcesses, o.share)
	}
	return nil
}

const (
	reservedFiles = 50 // descriptors that are not for clients
	mostProcesses = 64 // more would only be in each other's way
)

// clientsPerProcess is how many clients the descriptors of a process allow.
func clientsPerProcess() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	possible := int(limit.Cur) - reservedFiles
	if possible < 1 {
		return 0, usageError("the file descriptor limit of %d leaves no room for clients (ulimit -n)", limit.Cur)
	}
	return possible, nil
}

// run runs a scenario, prints what it found and says whether all was well.
func (o *options) run(ctx context.Context, name string, out io.Writer) error {
	target, err := load.NewTarget(o.url, o.header)
	if err != nil {
		return usageError("%v", err)
	}
	s := &scenario{params: o.params, url: o.url, header: o.header, target: target, share: o.share, duration: o.duration, warmup: o.warmup, limit: o.limit, progress: newProgress(os.Stderr, "")}
	pid := o.pid
	if o.server != "" {
		server, err := startServer(ctx, o.server, o.url)
		if err != nil {
			return err
		}
		defer server.stop()
		pid = server.cmd.Process.Pid
	}
	if pid != 0 {
		if s.server, err = findProcess(pid); err != nil {
			return err
		}
	}
	serverName := o.name
	if serverName == "" {
		serverName = o.url
	}
	run, err := s.run(ctx, name, serverName)
	printRun(out, run)
	if o.json != "" {
		if err := writeJSON(o.json, run); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case run.Faults.Any():
		return errFaults
	}
	return nil
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Command chatbench puts load on a WebSocket broadcast server, checks every
// delivery, and says what it cost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/peterbourgon/ff/v3/ffcli"
)

// Exit statuses.
const (
	exitFaults = 1 // something was lost or cut off, or the run failed
	exitUsage  = 2 // a flag or its value is wrong
)

// errUsage marks errors in flags.
var errUsage = errors.New("")

var errFaults = errors.New("the server lost, repeated, reordered or damaged deliveries, brought those of other rooms, told of gaps, or cut clients off")

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
		{"rooms", "many rooms, and in turn the same beside a flooded one, one room with all messages, or raw frames: p99, CPU and wake-ups of a message"},
		{"publish", "publish by chatd's HTTP API, each publisher when it is answered, beside members who must hear just what was acknowledged: p50 and p99 of a publish, publishes per second"},
		{"herd", "clients cut at once that come back to where they were, while messages go on: time until all are caught up, p99 of those who stayed, memory"},
	} {
		root.Subcommands = append(root.Subcommands, scenarioCommand(c.name, c.help, out))
	}
	root.Subcommands = append(root.Subcommands, hostileCommand(out), hostilePeers(), soakCommand(out), upgradeCommand(out), clusterCommand(out), interopCommand(out), compareCommand(out))
	root.Subcommands = append(root.Subcommands, showCommands(out)...)
	root.Subcommands = append(root.Subcommands, quoteCommand(), helperProcess())
	return root
}

package streams

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/peterbourgon/ff/v3"

	"chatd/room/order/jetstream"
)

// Exit statuses of Run.
const (
	exitWell   = 0
	exitFailed = 1 // something is wrong with the streams, or can't be changed
	exitUsage  = 2 // a flag is wrong
)

const usage = `chatd nats makes the streams of rooms that span nodes, and shows them.

Usage:
  chatd nats init [flags]   make the streams that are not there, and change what can be changed
  chatd nats show [flags]   show them, and what is wrong with them; exit with 1 if something is

The flags are those of the server, and the same variables of the environment.

Flags:
`

// Run is "chatd nats".
func Run(args []string, out, errs io.Writer) int {
	fail := func(status int, err error) int {
		fmt.Fprintln(errs, "chatd nats:", err)
		return status
	}
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	var f Flags
	fs := flag.NewFlagSet("chatd nats", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are reported once, below
	f.Add(fs)
	history := fs.Int("history", 100, "messages that are kept of a room")
	age := fs.Duration("history-age", 24*time.Hour, "time for which they are kept; 0: for ever")
	maxMessage := fs.Int("max-message", 64<<10, "largest message in `bytes`")
	err := ff.Parse(fs, args, ff.WithEnvVarPrefix("CHATD"))
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case errors.Is(err, flag.ErrHelp) || command == "" && err == nil && len(args) == 0:
		fmt.Fprint(out, usage)
		fs.SetOutput(out)
		fs.PrintDefaults()
		return exitWell
	case err != nil:
		return fail(exitUsage, err)
	case command != "init" && command != "show":
		return fail(exitUsage, fmt.Errorf("%q is none of its commands: init, show", command))
	case fs.NArg() > 0:
		return fail(exitUsage, fmt.Errorf("unexpected argument %q", fs.Arg(0)))
	case len(f.URLs) == 0:
		return fail(exitUsage, errNone)
	}
	if err := f.Check(given); err != nil {
		return fail(exitUsage, err)
	}
	c := f.Config(*history, *age, *maxMessage)
	nc, err := jetstream.Dial(c)
	if err != nil {
		return fail(exitFailed, err)
	}
	defer nc.Close()
	ctx := context.Background() // each request has its own end
	if command == "init" {
		err := c.Init(ctx, nc, func(stream, what string) { fmt.Fprintln(out, stream, what) })
		if err != nil {
			return fail(exitFailed, err)
		}
		return exitWell
	}
	states, err := c.Show(ctx, nc)
	if err != nil {
		return fail(exitFailed, err)
	}
	if wrong := printStates(out, states); wrong > 0 {
		return fail(exitFailed, fmt.Errorf("%d of %d streams are not there, or not as they must be", wrong, len(states)))
	}
	return exitWell
}

// printStates prints the streams, and then what is wrong with them and what mends it. It
// returns with how many something is wrong.
func printStates(out io.Writer, states []jetstream.State) (wrong int) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tMESSAGES\tROOMS\tBYTES\tOF A ROOM\tAGE\tREPLICAS\tLEADER")
	var lines, leaderless []string
	away, behind := make(map[string][]string), make(map[string][]string) // streams by server
	missing := 0
	for _, s := range states {
		if s.Missing {
			missing++
			wrong++
			fmt.Fprintf(t, "%s\tnot there\n", s.Name)
			continue
		}
		i, leader := s.Info, "-"
		if i.Cluster != nil && i.Cluster.Leader != "" {
			leader = i.Cluster.Leader
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%s\n", s.Name, i.State.Msgs, i.State.NumSubjects, i.State.Bytes, i.Config.MaxMsgsPerSubject, i.Config.MaxAge, i.Config.Replicas, leader)
		if len(s.Faults) > 0 || s.NoLeader || len(s.Away) > 0 || len(s.Behind) > 0 {
			wrong++
		}
		for _, f := range s.Faults {
			lines = append(lines, "WRONG: "+f.Error())
		}
		if s.NoLeader {
			leaderless = append(leaderless, s.Name)
		}
		for _, server := range s.Away {
			away[server] = append(away[server], s.Name)
		}
		for _, server := range s.Behind {
			behind[server] = append(behind[server], s.Name)
		}
		if len(s.Differs) > 0 {
			lines = append(lines, fmt.Sprintf("stream %s keeps %s: chatd nats init changes that", s.Name, strings.Join(s.Differs, "; ")))
		}
	}
	if len(leaderless) > 0 {
		lines = append(lines, "WRONG: half or more of the servers of "+strings.Join(leaderless, ", ")+" are away, or they are choosing a leader, which takes some seconds: until they have one, nothing is kept")
	}
	for _, server := range slices.Sorted(maps.Keys(away)) {
		lines = append(lines, fmt.Sprintf("WRONG: the server %s is away, which has copies of %s: start nats-server there", server, strings.Join(away[server], ", ")))
	}
	for _, server := range slices.Sorted(maps.Keys(behind)) {
		lines = append(lines, fmt.Sprintf("WRONG: the server %s has not all of %s yet: stop no other one before it has", server, strings.Join(behind[server], ", ")))
	}
	if missing > 0 {
		lines = append(lines, fmt.Sprintf("%d streams are not there: chatd makes them when it starts, or chatd nats init", missing))
	}
	_ = t.Flush() // as with fmt.Fprintln: who reads no more has gone
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return wrong
}

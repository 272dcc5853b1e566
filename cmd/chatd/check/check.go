// Package check tells how many connections a host can hold, before they come.
//
//	machine.go, cgroup.go   Read: what the kernel says of its limits
//	verdict.go              Machine.Verdict: the walls, the lowest first, and the commands that move them
//	print.go                the table, and the line for the log
//	check.go                Run: the command "chatd check"; of NATS: package streams, of certificates: package certs
//
// Ephemeral ports are not among the walls: all of a server's connections share
// its one port, and differ by their clients' addresses.
package check

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"chatd/cmd/chatd/certs"
	"chatd/cmd/chatd/streams"
)

// Exit statuses of Run.
const (
	exitHolds   = 0
	exitTooFew  = 1 // the host does not hold what -conns asks for, NATS is not as it must be, or clients refuse a certificate
	exitUnknown = 2 // a flag is wrong, or a limit cannot be read
)

// Run is "chatd check [-conns N]": it prints the verdict on this host to out,
// or one line to errs if there is none, and returns the exit status: 0 if the
// host holds N connections, or none were asked for; 1 if it does not; 2 if that
// cannot be told.
func Run(args []string, out, errs io.Writer) int {
	return run("/", args, out, errs)
}

func run(root string, args []string, out, errs io.Writer) int {
	fail := func(status int, err error) int {
		fmt.Fprintln(errs, "chatd check:", err)
		return status
	}
	fs := flag.NewFlagSet("chatd check", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are reported once, below
	var nats streams.Flags
	nats.Add(fs)
	var tls certs.Flags
	tls.AddCertificates(fs, fs.Func)
	conns := fs.Int64("conns", 0, "exit with 1 if the host does not hold this `number` of connections; 0: only tell what it holds")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(out, "chatd check tells how many connections this host can hold, and what stands in the way of more.\n\nUsage: chatd check [-conns N]\n       chatd check -nats URL: tell what is wrong with a NATS cluster in which rooms are to span nodes\n       chatd check -tls-cert FILE -tls-key FILE: tell whether a certificate is of use, and until when\n\nFlags:")
		fs.SetOutput(out)
		fs.PrintDefaults()
		return exitHolds
	case err != nil:
		return fail(exitUnknown, err)
	case fs.NArg() > 0:
		return fail(exitUnknown, fmt.Errorf("unexpected argument %q", fs.Arg(0)))
	case *conns < 0 || *conns > maxTarget:
		return fail(exitUnknown, fmt.Errorf("-conns is %d: must be from 0 to %d", *conns, int64(maxTarget)))
	}
	if len(nats.URLs) > 0 {
		wrong, err := streams.Report(out, &nats)
		switch {
		case err != nil:
			return fail(exitUnknown, err)
		case wrong > 0:
			return exitTooFew
		}
		return exitHolds
	}
	if tls.On() {
		wrong, err := certs.Report(out, &tls, time.Now())
		switch {
		case err != nil:
			return fail(exitUnknown, err)
		case wrong > 0:
			return exitTooFew
		}
		return exitHolds
	}

	machine, err := Read(root)
	if err != nil {
		return fail(exitUnknown, err)
	}
	verdict := machine.Verdict()
	if *conns > 0 {
		verdict.Target = *conns
	}
	if err := verdict.Print(out); err != nil {
		return fail(exitUnknown, err)
	}
	if verdict.Conns < *conns {
		return fail(exitTooFew, fmt.Errorf("%d connections are too many: %s", *conns, verdict))
	}
	return exitHolds
}

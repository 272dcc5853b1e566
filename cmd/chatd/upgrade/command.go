package upgrade

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"time"
)

// Exit statuses of Run.
const (
	exitDone   = 0
	exitFailed = 1 // there was no upgrade, or it is not known
	exitUsage  = 2 // a flag is wrong
)

const usage = `chatd upgrade has a running server replace its program, and keep its connections.

Usage:
  chatd upgrade [-pid N] [PATH]

PATH is the new program; without it, it is the file from which the running one was
started. If that can't go on, the running one does: then the exit status is 1. SIGUSR2
to the server does the same, without an answer.

Flags:
`

// callTimeout is how long a server may take to call back: at most as long as another
// upgrade, which it is at, may take.
const callTimeout = Timeout + mostMore + freezeTimeout + 15*time.Second

// Run is "chatd upgrade".
func Run(args []string, out, errs io.Writer) int {
	fail := func(status int, err error) int {
		fmt.Fprintln(errs, "chatd upgrade:", err)
		return status
	}
	fs := flag.NewFlagSet("chatd upgrade", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are reported once, below
	pid := fs.Int("pid", 0, "the `process`; 0: the only chatd of this user's, or, for root, the only one")
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		fs.SetOutput(out)
		fs.PrintDefaults()
		return exitDone
	case err != nil:
		return fail(exitUsage, err)
	case fs.NArg() > 1:
		return fail(exitUsage, fmt.Errorf("unexpected argument %q: there is one program, and flags are in front of it", fs.Arg(1)))
	case *pid < 0:
		return fail(exitUsage, fmt.Errorf("-pid is %d: must be a process", *pid))
	}
	var what request
	if fs.NArg() == 1 {
		if what.Path, err = filepath.Abs(fs.Arg(0)); err != nil {
			return fail(exitFailed, err)
		}
	}
	server, err := choose(*pid)
	if err != nil {
		return fail(exitFailed, err)
	}
	r, err := ask(server, what)
	switch {
	case err != nil:
		return fail(exitFailed, err)
	case r.Outcome != Done:
		return fail(exitFailed, fmt.Errorf("%s: %s\nThe running server goes on. Nobody was served for %s", r.Outcome, r.Why, round(r.Unserved)))
	}
	fmt.Fprintf(out, "process %d is upgraded: %s carried, %d not; nobody was served for %s\nfrom %s\nto   %s\n", server, connections(r.Carried), r.Left, round(r.Unserved), r.From, r.To)
	return exitDone
}

// round leaves as much of d as anybody wants to know.
func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// ask has process pid be upgraded, and waits for what becomes of it.
func ask(pid int, what request) (r Result, err error) {
	ln, err := net.ListenUnix("unix", address(pid))
	if errors.Is(err, syscall.EADDRINUSE) {
		return r, fmt.Errorf("somebody else is asking process %d already", pid)
	}
	if err != nil {
		return r, err
	}
	defer ln.Close()
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		if errors.Is(err, syscall.EPERM) {
			return r, fmt.Errorf("process %d is another user's: only that one and root may ask it", pid)
		}
		return r, fmt.Errorf("send process %d a signal: %w", pid, err)
	}
	conn, err := called(ln, pid)
	if err != nil {
		return r, err
	}
	defer conn.Close()
	ln.Close() // others may ask now, and hear of the same
	if err := json.NewEncoder(conn).Encode(what); err != nil {
		return r, fmt.Errorf("ask process %d: %w", pid, err)
	}
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		return r, fmt.Errorf("process %d has ended, or does not say what became of the upgrade: its log may (%w)", pid, err)
	}
	return r, nil
}

// called is the call of process pid. Others that call are not heard.
func called(ln *net.UnixListener, pid int) (*net.UnixConn, error) {
	if err := ln.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return nil, err
	}
	for {
		conn, err := ln.AcceptUnix()
		if err != nil {
			return nil, fmt.Errorf("process %d does not call back: it is of another container or network namespace, and has to be asked there, or its chatd is too old; its log may say more (%w)", pid, err)
		}
		if who, _, err := peer(conn); err == nil && int(who.Pid) == pid {
			return conn, nil
		}
		conn.Close()
	}
}

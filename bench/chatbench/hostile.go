package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/certificate"
	"chatd/bench/hostile"
	"chatd/bench/load"
)

// hostileCommand compares the latencies of healthy clients with and without
// hostile peers beside them.
func hostileCommand(out io.Writer) *ffcli.Command {
	fs := flag.NewFlagSet("chatbench hostile", flag.ContinueOnError)
	trial := hostile.Trial{Rate: 20, Attack: attackElsewhere}
	fs.StringVar(&trial.Program, "server", "bin/chatd", "chatd's `binary`")
	fs.IntVar(&trial.Healthy, "clients", 500, "healthy clients")
	fs.IntVar(&trial.Peers, "peers", 500, "hostile peers")
	fs.IntVar(&trial.Rooms, "rooms", 1, "rooms, over which the clients and the peers are spread evenly, each with its own messages; 1: that of /ws; otherwise /r0, /r1 … behind it")
	fs.DurationVar(&trial.Duration, "duration", 4*time.Second, "measured time of a round")
	rounds := fs.Int("rounds", 3, "rounds without and with the peers, in turn")
	only := fs.String("only", "", "the `kind` to look at; empty: all")
	byTLS := fs.Bool("tls", false, "peers come by TLS wherever they can, and half of the clients; else only those whose kind is of TLS itself")
	path := fs.String("out", "", "write the table to this `file`, too")
	return &ffcli.Command{
		Name: "hostile", ShortHelp: "hostile peers beside healthy clients: who loses, latencies with and without them", ShortUsage: "chatbench hostile [flags]", FlagSet: fs,
		Exec: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return usageError("unexpected argument %q", args[0])
			}
			if trial.Healthy < 1 || trial.Peers < 1 || *rounds < 1 || trial.Duration <= 0 {
				return usageError("-clients, -peers, -rounds and -duration must be more than 0")
			}
			if trial.Rooms < 1 || trial.Rooms > min(trial.Healthy, load.MaxRooms-1) {
				return usageError("-rooms is %d: must be from 1 to the number of clients, %d, and at most %d", trial.Rooms, trial.Healthy, load.MaxRooms-1)
			}
			rows, err := hostileRows(ctx, trial, *rounds, *only, *byTLS)
			if err != nil {
				return err
			}
			m := thisMachine()
			where := ""
			if trial.Rooms > 1 {
				where = fmt.Sprintf(" in each of %d rooms, over which all are spread", trial.Rooms)
			}
			text := fmt.Sprintf("# Hostile peers\n\n%s, %d cores, %s, %s, loopback; commit %s.\n\nMedians of %d rounds of %s without and with the peers, in turn; %d healthy clients, half of them by TLS beside peers that come by it; %g messages a second%s.\nThe peers are in a process of their own, on the same cores, and get the time that the others leave (SCHED_IDLE);\nwhat chatd took of them is beside it.\n\n%s",
				m.CPU, m.Cores, m.Kernel, m.Go, m.Commit, *rounds, trial.Duration, trial.Healthy, trial.Rate, where, hostile.Markdown(rows))
			if *path != "" {
				if err := os.WriteFile(*path, []byte(text), 0o644); err != nil {
					return err
				}
			}
			if _, err := io.WriteString(out, text); err != nil {
				return err
			}
			for _, r := range rows {
				if r.Lost > 0 {
					return errFaults
				}
			}
			return nil
		},
	}
}

func hostileRows(ctx context.Context, trial hostile.Trial, rounds int, only string, byTLS bool) (rows []hostile.Row, err error) {
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cert, err := certificate.Write(dir)
	if err != nil {
		return nil, err
	}
	for _, k := range hostile.Kinds {
		if only != "" && k.Name != only {
			continue
		}
		trial.TLS = nil
		if k.Comes(true) && (byTLS || !k.Comes(false)) {
			trial.TLS = cert.Flags()
		}
		row, err := trial.Rounds(ctx, k, rounds, func(what string) { fmt.Fprintln(os.Stderr, what) })
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	if rows == nil {
		return nil, usageError("-only is %q: there is no such kind", only)
	}
	return rows, nil
}

const peersCommand = "hostile-peers"

// attackElsewhere has the peers in a process of their own, which does not share
// the healthy clients' scheduler and collector.
func attackElsewhere(ctx context.Context, k *hostile.Kind, t hostile.Target, peers int) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "chrt", "--idle", "0", exe, peersCommand, k.Name, t.Addr, strconv.FormatBool(t.TLS), strconv.Itoa(t.PID), strconv.Itoa(t.Rooms), strconv.Itoa(peers))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // Ctrl-C is for us
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var errs strings.Builder
	cmd.Stderr = &errs
	err = cmd.Run()
	if ctx.Err() != nil && errs.Len() == 0 {
		return nil // that was the end
	}
	if strings.Contains(errs.String(), hostile.ErrPrivilege.Error()) {
		return hostile.ErrPrivilege
	}
	return fmt.Errorf("peers: %w: %s", err, strings.TrimSpace(errs.String()))
}

// hostilePeers is the command line of their process, which only attackElsewhere
// uses.
func hostilePeers() *ffcli.Command {
	return &ffcli.Command{Name: peersCommand, ShortHelp: "(used by hostile)",
		Exec: func(ctx context.Context, args []string) error {
			if len(args) != 6 {
				return usageError("want a kind, an address, whether TLS is spoken there, a process, and how many rooms and peers")
			}
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
			defer stop()
			var numbers [3]int
			byTLS, err := strconv.ParseBool(args[2])
			if err != nil {
				return usageError("%q is not true or false", args[2])
			}
			for i, arg := range args[3:] {
				if numbers[i], err = strconv.Atoi(arg); err != nil {
					return usageError("number %q", arg)
				}
			}
			for _, k := range hostile.Kinds {
				if k.Name == args[0] {
					return k.Attack(ctx, hostile.Target{Addr: args[1], TLS: byTLS, PID: numbers[0], Rooms: numbers[1]}, numbers[2])
				}
			}
			return usageError("kind %q", args[0])
		}}
}

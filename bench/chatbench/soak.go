package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/certificate"
	"chatd/bench/soak"
)

// errSoak says that a check of a soak failed.
var errSoak = errors.New("checks failed")

// spread is how long a server takes to tell all clients that it ends.
const spread = time.Second

// headTime is a server's patience with a client's head: handshakes of TLS take both sides
// their time, on a machine that is busy with much else.
const headTime = 10 * time.Second

// soakCommand is the command line of a soak.
func soakCommand(out io.Writer) *ffcli.Command {
	var server, next, file string
	var duration time.Duration
	var seed uint64
	fs := flag.NewFlagSet("chatbench soak", flag.ContinueOnError)
	fs.StringVar(&server, "server", "bin/chatd", "chatd's `command`; -addr, -admin, -drain-spread, -history-age, -handshake-timeout, -tls-addr and a certificate are added")
	fs.StringVar(&next, "next", "", "`program` that upgrades in place go to; empty: the same one again")
	fs.DurationVar(&duration, "duration", 10*time.Minute, "time of all phases; warm-ups, checks and restarts come on top")
	fs.Uint64Var(&seed, "seed", 0, "decides what happens; 0: a random one, which the report names")
	fs.StringVar(&file, "out", "", "write the report to this `file`, too")
	return &ffcli.Command{
		Name: "soak", ShortHelp: "everything at random, from a seed, over several lives of chatd: no message lost, no byte leaked, all counts agree",
		ShortUsage: "chatbench soak [flags]", FlagSet: fs,
		Exec: func(ctx context.Context, args []string) error {
			switch {
			case len(args) > 0:
				return usageError("unexpected argument %q", args[0])
			case duration <= 0:
				return usageError("-duration is %s: must be more than 0", duration)
			}
			if seed == 0 {
				seed = rand.Uint64()
			}
			return runSoak(ctx, server, next, soak.NewSchedule(seed, duration), file, out)
		},
	}
}

func runSoak(ctx context.Context, command, next string, schedule *soak.Schedule, file string, out io.Writer) error {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cert, err := certificate.Write(dir)
	if err != nil {
		return err
	}
	p := newProgress(os.Stderr, fmt.Sprintf("seed %d, ", schedule.Seed))
	report, err := soak.Run(ctx, soak.Config{
		Schedule: schedule, Progress: p.show,
		Start: func(ctx context.Context) (*soak.Server, error) {
			return startForSoak(ctx, withTLS(command, cert), next)
		},
	})
	p.done()
	if err := report.Write(out); err != nil {
		return err
	}
	if file != "" {
		if err := writeReport(file, report); err != nil {
			return err
		}
	}
	if n := report.Failed(); err == nil && n > 0 {
		err = fmt.Errorf("%d %w", n, errSoak)
	}
	if err != nil {
		return fmt.Errorf("%w; the same again: -seed %d", err, schedule.Seed)
	}
	return nil
}

func writeReport(file string, report interface{ Write(io.Writer) error }) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(report.Write(f), f.Sync())
}

// startForSoak starts chatd for one life, in which it may be replaced by next.
func startForSoak(ctx context.Context, command, next string) (*soak.Server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	secure, err := freeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s, err := startServer(ctx, fmt.Sprintf("%s -addr %s -tls-addr %s -admin %s -drain-spread %s -history-age 1s -handshake-timeout %s", command, addr, secure, admin, spread, headTime), "http://"+admin) // which it opens last
	if err != nil {
		return nil, err
	}
	return &soak.Server{
		Addr: soak.Addr{Plain: netip.MustParseAddrPort(addr), TLS: netip.MustParseAddrPort(secure)}, Admin: admin,
		Terminate: func() error { return s.cmd.Process.Signal(syscall.SIGTERM) },
		Upgrade: func() error {
			_, err := upgradeInPlace(command, s.cmd.Process.Pid, next)
			return err
		},
		Ended: s.done,
		Log:   s.log.String,
		Kill:  func() { _ = s.cmd.Process.Kill() }, // it may have ended
		Race:  hasRaceDetector(command),
	}, nil
}

// hasRaceDetector reports whether the command's program was built with it.
func hasRaceDetector(command string) bool {
	info, err := buildinfo.ReadFile(strings.Fields(command)[0])
	return err == nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

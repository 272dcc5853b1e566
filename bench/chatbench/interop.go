package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/interop"
)

// errInterop says that something does not work with chatd.
var errInterop = errors.New("clients or tools have faults that were not known")

// interopCommand is the command line of the clients that others wrote.
func interopCommand(out io.Writer) *ffcli.Command {
	var c interop.Config
	var only, file string
	fs := flag.NewFlagSet("chatbench interop", flag.ContinueOnError)
	fs.StringVar(&c.Chatd, "server", "bin/chatd", "chatd's `program`")
	fs.StringVar(&c.Clients, "clients", "bench/interop/clients", "`directory` of the clients")
	fs.StringVar(&c.Bin, "bin", "bin/interop", "`directory` of what make interop built and installed for them")
	fs.DurationVar(&c.Timeout, "timeout", 30*time.Second, "time of one run")
	fs.StringVar(&only, "only", "", "only those whose name contains this `word`")
	fs.StringVar(&file, "out", "", "write the table to this `file`, too")
	return &ffcli.Command{
		Name: "interop", ShortHelp: "clients and tools that others wrote, each in a short run against chatd, with a verdict",
		ShortUsage: "chatbench interop [flags]", FlagSet: fs,
		Exec: func(ctx context.Context, args []string) error {
			switch {
			case len(args) > 0:
				return usageError("unexpected argument %q", args[0])
			case c.Timeout <= 0:
				return usageError("-timeout is %s: must be more than 0", c.Timeout)
			}
			for _, dir := range []*string{&c.Chatd, &c.Clients, &c.Bin} {
				var err error
				if *dir, err = filepath.Abs(*dir); err != nil {
					return err
				}
			}
			return runInterop(ctx, c, only, file, out)
		},
	}
}

func runInterop(ctx context.Context, c interop.Config, only, file string, out io.Writer) error {
	p := newProgress(os.Stderr, "")
	report, err := c.All(ctx, only, p.show)
	p.done()
	switch {
	case errors.Is(err, interop.ErrNone):
		return usageError("-only is %q: %v", only, err)
	case err != nil:
		return err
	}
	m := thisMachine()
	table := fmt.Sprintf("# Clients and tools that others wrote\n\n%s, %s, %s, loopback; commit %s.\n\n%s", system(), m.Kernel, m.Go, m.Commit, report.Markdown())
	fmt.Fprint(out, table)
	if file != "" {
		if err := os.WriteFile(file, []byte(table), 0o644); err != nil {
			return err
		}
	}
	if failed := report.Failed(); len(failed) > 0 {
		return fmt.Errorf("%w: %s", errInterop, strings.Join(failed, ", "))
	}
	return nil
}

// system is what the packages are of.
func system() string {
	b, err := os.ReadFile("/etc/os-release")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				return strings.Trim(name, `"`)
			}
		}
	}
	return "an unknown system"
}

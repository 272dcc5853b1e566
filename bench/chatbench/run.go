package main

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"chatd/bench/load"
	"chatd/bench/result"
)

// run runs a scenario, prints what it found and says whether all was well.
func (o *options) run(ctx context.Context, name string, out io.Writer) error {
	target, err := load.NewTarget(o.url, o.dialect, o.header)
	if err != nil {
		return usageError("%v", err)
	}
	if o.resume && !target.Resume() {
		return usageError("-resume is without effect: -url is %q, which has no TLS", o.url)
	}
	s := &scenario{params: o.params, url: o.url, dialect: o.dialect, header: o.header, target: target, share: o.share, duration: o.duration, warmup: o.warmup, limit: o.limit,
		versus: o.versus, pairs: o.pairs, patience: herdPatience, syscalls: o.syscalls, progress: newProgress(os.Stderr, "")}
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
	return tell(out, o.json, run, err)
}

// tell prints a run that ended with err, and writes it to a file, unless that has no name.
func tell(out io.Writer, file string, run *result.Run, err error) error {
	printRun(out, run)
	if file != "" {
		if err := writeJSON(file, run); err != nil {
			return err
		}
	}
	if err == nil && run.Faults.Any() {
		return errFaults
	}
	return err
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Command minimize writes the archives of fuzz targets: out of the inputs that
// are in an archive, and those that fuzzing has found since, it takes as few as
// cover all that they all cover.
//
//	sources.go ─▶ measure.go ─▶ choose.go ─▶ fuzzcorpus.Write
//
// Coverage is counted as fuzzers do: which blocks of code were run, and how often,
// in powers of two; in the target's package and those that it imports. Inputs in
// testdata/fuzz once failed and stay: what they cover needs no other input.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"chatd/room/fuzzcorpus"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "minimize: say which targets: DIRECTORY:FuzzTarget ...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "minimize:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, targets []string) error {
	cache, err := output(ctx, ".", "go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	for _, arg := range targets {
		dir, name, ok := strings.Cut(arg, ":")
		if !ok {
			return fmt.Errorf("%q is not DIRECTORY:FuzzTarget", arg)
		}
		t := target{dir: dir, name: name, cache: filepath.Join(cache, "fuzz")}
		if err := t.minimize(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// A target is a fuzz test.
type target struct {
	dir   string // of its package
	name  string
	cache string // directory of what fuzzing found, as Go lays it out
}

func (t *target) minimize(ctx context.Context) error {
	from, err := t.sources(ctx)
	if err != nil {
		return err
	}
	m, err := build(ctx, t)
	if err != nil {
		return err
	}
	defer m.close()
	kept, err := m.measure(ctx, from.failed)
	if err != nil {
		return err
	}
	found, err := m.measure(ctx, from.inputs)
	if err != nil {
		return err
	}
	chosen := choose(kept, found)
	fmt.Printf("%s: %d of %d inputs, and %d that once failed, cover %d blocks in %d classes of counts\n",
		t.name, len(chosen), len(found), len(kept), m.blocks(), len(m.features))
	return fuzzcorpus.Write(fuzzcorpus.Path(t.dir, t.name), chosen)
}

// output is what a program says on standard output, without the last newline.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w\n%s", cmd, err, exit.Stderr)
	}
	return strings.TrimSuffix(string(out), "\n"), err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/tools/cover"

	"chatd/room/fuzzcorpus"
)

// A feature is a block of code that was run so often.
type feature struct {
	file  string
	block cover.ProfileBlock // its Count is the class
}

// class is the power of two that a fuzzer tells counts apart by. Go's counts up
// to 255.
func class(count int) int { return min(bits.Len(uint(count)), 8) }

// A meter runs a target with one input at a time, each in a process of its own,
// and tells what code that has run.
type meter struct {
	target   *target
	dir      string          // temporary
	baseline map[feature]int // counts without any input, of features of class 0
	features map[feature]int // numbers of all that were seen
}

// build makes the target's program, which counts.
func build(ctx context.Context, t *target) (_ *meter, err error) {
	packages, err := instrumented(ctx, t.dir)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "minimize")
	if err != nil {
		return nil, err
	}
	m := &meter{target: t, dir: dir, features: map[feature]int{}}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if _, err = output(ctx, t.dir, "go", "test", "-c", "-o", m.program(), "-covermode=atomic", "-coverpkg="+strings.Join(packages, ","), "."); err != nil {
		return nil, err
	}
	if found, err := output(ctx, t.dir, m.program(), "-test.list=^"+t.name+"$"); err != nil || found != t.name {
		return nil, errors.Join(err, fmt.Errorf("no such target in %s", t.dir))
	}
	place, err := m.place("baseline")
	if err != nil {
		return nil, err
	}
	m.baseline, err = m.counts(ctx, place)
	return m, err
}

func (m *meter) program() string { return filepath.Join(m.dir, "fuzz.test") }

func (m *meter) close() { _ = os.RemoveAll(m.dir) }

// instrumented are the package in dir and those that it imports, but for those
// that Go needs to read an input: their counts would not be the target's.
func instrumented(ctx context.Context, dir string) ([]string, error) {
	own, err := output(ctx, dir, "go", "list", "-f", "{{.ImportPath}}\n{{join .Imports \"\\n\"}}", ".")
	if err != nil {
		return nil, err
	}
	reading, err := output(ctx, dir, "go", "list", "-deps", "internal/fuzz")
	if err != nil {
		return nil, err
	}
	left := strings.Fields(reading)
	return slices.DeleteFunc(strings.Fields(own), func(pkg string) bool { return slices.Contains(left, pkg) }), nil
}

// place makes a directory to run the program in: with an archive that is empty.
func (m *meter) place(name string) (string, error) {
	dir := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Join(dir, "testdata", "fuzz", m.target.name), 0o777); err != nil {
		return "", err
	}
	return dir, fuzzcorpus.Write(fuzzcorpus.Path(dir, m.target.name), nil)
}

// measure runs the target with each of the inputs.
func (m *meter) measure(ctx context.Context, inputs [][]byte) ([]measured, error) {
	counts, errs := make([]map[feature]int, len(inputs)), make([]error, runtime.NumCPU())
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			place, err := m.place(fmt.Sprintf("place%d", i))
			for err == nil {
				n := int(next.Add(1)) - 1
				if n >= len(inputs) {
					break
				}
				counts[n], err = m.try(ctx, place, inputs[n])
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	all := make([]measured, len(inputs))
	for i := range inputs {
		all[i] = measured{inputs[i], m.numbers(counts[i])}
	}
	return all, nil
}

// try runs the target with one input.
func (m *meter) try(ctx context.Context, place string, input []byte) (map[feature]int, error) {
	if err := os.WriteFile(filepath.Join(place, "testdata", "fuzz", m.target.name, "input"), input, 0o666); err != nil {
		return nil, err
	}
	counts, err := m.counts(ctx, place)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("an input fails: mend the fault and keep it in testdata/fuzz; or it is of an older target: go clean -fuzzcache\n%s%w", input, err)
	}
	return counts, nil
}

// counts runs the program in a place, with the input that is there.
func (m *meter) counts(ctx context.Context, place string) (map[feature]int, error) {
	path := filepath.Join(place, "cover.out")
	cmd := exec.CommandContext(ctx, m.program(), "-test.run=^"+m.target.name+"$/^input$", "-test.timeout=1m", "-test.coverprofile="+path)
	cmd.Dir = place
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	profiles, err := cover.ParseProfiles(path)
	if err != nil {
		return nil, err
	}
	counts := map[feature]int{}
	for _, p := range profiles {
		for _, block := range p.Blocks {
			count := block.Count
			block.Count = 0
			if count > 0 {
				counts[feature{p.FileName, block}] = count
			}
		}
	}
	return counts, nil
}

// numbers turns counts into features, less what is run without an input.
func (m *meter) numbers(counts map[feature]int) (numbers []int) {
	for f, count := range counts {
		f.block.Count = class(max(0, count-m.baseline[f]))
		if f.block.Count == 0 {
			continue
		}
		n, ok := m.features[f]
		if !ok {
			n = len(m.features)
			m.features[f] = n
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// blocks is how many blocks of code were run.
func (m *meter) blocks() int {
	seen := map[feature]bool{}
	for f := range m.features {
		f.block.Count = 0
		seen[f] = true
	}
	return len(seen)
}

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"chatd/room/fuzzcorpus"
)

// maxInput bounds an input of the archive, in bytes: larger ones say little
// that smaller ones don't, and the repository is to stay small.
const maxInput = 8 << 10

// sources are the encoded inputs that there are of a target.
type sources struct {
	failed [][]byte // once; they stay what they are
	inputs [][]byte // of the archive and of the cache, each once
}

func (t *target) sources(ctx context.Context) (from sources, err error) {
	pkg, err := output(ctx, t.dir, "go", "list", ".")
	if err != nil {
		return from, err
	}
	from.failed, err = readAll(filepath.Join(t.dir, "testdata", "fuzz", t.name))
	if err != nil {
		return from, err
	}
	archived, err := fuzzcorpus.Read(fuzzcorpus.Path(t.dir, t.name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // the first time it isn't there
		return from, err
	}
	cached, err := readAll(filepath.Join(t.cache, filepath.FromSlash(pkg), t.name))
	if err != nil {
		return from, err
	}
	seen := map[string]bool{}
	for _, input := range append(archived, cached...) {
		if name := fuzzcorpus.Name(input); !seen[name] && len(input) < maxInput {
			seen[name] = true
			from.inputs = append(from.inputs, input)
		}
	}
	return from, nil
}

// readAll returns the contents of the files of dir, if there is such a directory.
func readAll(dir string) (all [][]byte, err error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, err
}

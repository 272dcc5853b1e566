package fuzzcorpus

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/txtar"
)

// Path is the archive of a target whose package is in dir.
func Path(dir, target string) string {
	return filepath.Join(dir, "testdata", target+".txtar")
}

// Name is what Go's fuzzer calls an encoded input.
func Name(input []byte) string {
	sum := sha256.Sum256(input)
	return hex.EncodeToString(sum[:8])
}

// heading begins an archive. It counts the inputs, so that none gets lost.
func heading(path string, inputs int) string {
	target := strings.TrimSuffix(filepath.Base(path), ".txtar")
	return fmt.Sprintf("%s: %d inputs, minimized by coverage. Written by make corpus.\n", target, inputs)
}

// Read returns the encoded inputs of an archive, if they are what was written.
func Read(path string) (inputs [][]byte, err error) {
	archive, err := txtar.ParseFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: make corpus writes it", err)
	}
	if err != nil {
		return nil, err
	}
	for _, file := range archive.Files {
		if Name(file.Data) != file.Name {
			return nil, damaged(path, "input %s is not what it was", file.Name)
		}
		inputs = append(inputs, file.Data)
	}
	if want := heading(path, len(inputs)); string(archive.Comment) != want {
		first, _, _ := strings.Cut(string(archive.Comment), "\n")
		return nil, damaged(path, "it begins with %q, and %d inputs follow", first, len(inputs))
	}
	return inputs, nil
}

func damaged(path, format string, args ...any) error {
	return fmt.Errorf("%s is damaged: %s: restore it, or remove it and run make corpus", path, fmt.Sprintf(format, args...))
}

// Write makes the archive of the encoded inputs, in their order.
func Write(path string, inputs [][]byte) error {
	archive := txtar.Archive{Comment: []byte(heading(path, len(inputs)))}
	for _, input := range inputs {
		archive.Files = append(archive.Files, txtar.File{Name: Name(input), Data: input})
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, txtar.Format(&archive), 0o666)
}

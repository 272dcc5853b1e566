// Package reload reads a file again that may change while its content is in use, as
// that of a key.
package reload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// File is a file whose content is in use, or several that are of use together.
type File struct {
	paths []string // static, as the next two
	most  int64    // bytes of each
	use   func(contents [][]byte) error

	reloads, failures atomic.Uint64

	// Owned by who calls Reload.
	used [][]byte // what is in use, or of no use
	seen [][]byte // what the files had when they were last read
}

// Open reads the file, of at most so many bytes, and has use take its content. An
// error of use says why it can't, and nothing of the content.
func Open(path string, most int64, use func(content []byte) error) (*File, error) {
	return OpenTogether([]string{path}, most, func(contents [][]byte) error { return use(contents[0]) })
}

// OpenTogether is Open of files that are of use only together, as a certificate and
// its key: use takes the contents of all whenever one has changed.
func OpenTogether(paths []string, most int64, use func(contents [][]byte) error) (*File, error) {
	f := &File{paths: paths, most: most, use: use}
	contents, err := f.read()
	if err == nil {
		err = f.take(contents)
	}
	if err != nil {
		return nil, err
	}
	f.used = contents
	return f, nil
}

// Reload looks whether the file has changed. It is to be called every second or so,
// by one at a time. What was read twice is written whole: then it is in use from now
// on, and changed is true; or else, once, err says what is wrong with it, and what
// was in use stays so.
func (f *File) Reload() (changed bool, err error) {
	contents, err := f.read()
	switch {
	case errors.Is(err, errOnce):
		return false, nil
	case err != nil:
		contents = [][]byte{[]byte(err.Error())} // so that it is told once
	}
	settled := same(contents, f.seen)
	f.seen = contents
	if same(contents, f.used) || !settled {
		return false, nil
	}
	f.used = contents
	if err == nil {
		err = f.take(contents)
	}
	if err != nil {
		f.failures.Add(1)
		return false, err
	}
	f.reloads.Add(1)
	return true, nil
}

func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

// Reloads is how many times what is in use was replaced, and how often that failed.
func (f *File) Reloads() (done, failed uint64) { return f.reloads.Load(), f.failures.Load() }

func (f *File) take(contents [][]byte) error {
	if err := f.use(contents); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(f.paths, ", "), err)
	}
	return nil
}

var (
	errTooLarge = errors.New("the file is too large")
	errOnce     = errors.New("it can be read only once")
)

// read reads the files.
func (f *File) read() (contents [][]byte, err error) {
	for _, path := range f.paths {
		content, err := f.readOne(path)
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
	}
	return contents, nil
}

// readOne reads one of them. A pipe, as a shell's <(…), has nothing more once it was
// read.
func (f *File) readOne(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0 && f.used != nil {
		return nil, errOnce
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, f.most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(content)) > f.most:
		return nil, &os.PathError{Op: "read", Path: path, Err: errTooLarge}
	}
	return content, nil
}

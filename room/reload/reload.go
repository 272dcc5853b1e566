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
	"sync/atomic"
)

// File is a file whose content is in use.
type File struct {
	path string // static, as the next two
	most int64  // bytes of it
	use  func(content []byte) error

	reloads, failures atomic.Uint64

	// Owned by who calls Reload.
	used []byte // what is in use, or of no use
	seen []byte // what the file had when it was last read
}

// Open reads the file, of at most so many bytes, and has use take its content. An
// error of use says why it can't, and nothing of the content.
func Open(path string, most int64, use func(content []byte) error) (*File, error) {
	f := &File{path: path, most: most, use: use}
	content, err := f.read()
	if err == nil {
		err = f.take(content)
	}
	if err != nil {
		return nil, err
	}
	f.used = content
	return f, nil
}

// Reload looks whether the file has changed. It is to be called every second or so,
// by one at a time. What was read twice is written whole: then it is in use from now
// on, and changed is true; or else, once, err says what is wrong with it, and what
// was in use stays so.
func (f *File) Reload() (changed bool, err error) {
	content, err := f.read()
	switch {
	case errors.Is(err, errOnce):
		return false, nil
	case err != nil:
		content = []byte(err.Error()) // so that it is told once
	}
	settled := bytes.Equal(content, f.seen)
	f.seen = content
	if bytes.Equal(content, f.used) || !settled {
		return false, nil
	}
	f.used = content
	if err == nil {
		err = f.take(content)
	}
	if err != nil {
		f.failures.Add(1)
		return false, err
	}
	f.reloads.Add(1)
	return true, nil
}

// Reloads is how many times what is in use was replaced, and how often that failed.
func (f *File) Reloads() (done, failed uint64) { return f.reloads.Load(), f.failures.Load() }

func (f *File) take(content []byte) error {
	if err := f.use(content); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return nil
}

var (
	errTooLarge = errors.New("the file is too large")
	errOnce     = errors.New("it can be read only once")
)

// read reads the file. A pipe, as a shell's <(…), has nothing more once it was read.
func (f *File) read() ([]byte, error) {
	if info, err := os.Stat(f.path); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0 && f.used != nil {
		return nil, errOnce
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, f.most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(content)) > f.most:
		return nil, &os.PathError{Op: "read", Path: f.path, Err: errTooLarge}
	}
	return content, nil
}

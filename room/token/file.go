package token

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// maxFile is the size in bytes of the largest file of a key.
const maxFile = 64 << 10

// File is a key whose file may change while it is in use. Anybody may verify by it.
type File struct {
	path string // static
	key  atomic.Pointer[Key]

	reloads, failures atomic.Uint64

	// Owned by who calls Reload.
	used []byte // what was made the key, or is none
	seen []byte // what the file had when it was last read, if that is something else
}

// Open reads the key from the file.
func Open(path string) (*File, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &File{path: path, used: content}
	f.key.Store(key)
	return f, nil
}

// Reload looks whether the file has changed. It is to be called every second or so,
// by one at a time. What was read twice is written whole: then it is the key from
// now on, and changed is true; or else, once, err says what is wrong with it, and
// the key stays what it was.
func (f *File) Reload() (changed bool, err error) {
	content, err := read(f.path)
	if err != nil {
		content = []byte(err.Error()) // so that it is told once
	}
	settled := bytes.Equal(content, f.seen)
	f.seen = content
	if bytes.Equal(content, f.used) || !settled {
		return false, nil
	}
	f.used = content
	var key *Key
	if err == nil {
		if key, err = ParseKey(content); err != nil {
			err = fmt.Errorf("%s: %w", f.path, err)
		}
	}
	if err != nil {
		f.failures.Add(1)
		return false, err
	}
	f.key.Store(key)
	f.reloads.Add(1)
	return true, nil
}

// Reloads is how many times the key was replaced, and how often that failed.
func (f *File) Reloads() (done, failed uint64) { return f.reloads.Load(), f.failures.Load() }

// Algorithm is that of the present key.
func (f *File) Algorithm() string { return f.key.Load().Algorithm }

// Verify is [Key.Verify] by the present key.
func (f *File) Verify(token string, now time.Time) (*Grant, Fault) {
	return f.key.Load().Verify(token, now)
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) > maxFile:
		return nil, &os.PathError{Op: "read", Path: path, Err: errTooLarge}
	}
	return content, nil
}

var errTooLarge = errors.New("larger than any key")

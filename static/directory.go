package static

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
)

const (
	holdMost  = 1 << 20 // bytes of a file; a larger one is read for each answer anew, and not compressed
	cacheMost = 8 << 20 // bytes of files, in all codings

	// Quick: somebody waits for it.
	quickBrotli = 5
	quickGzip   = 6
)

// directory is files on disk, as they are at the time of each request: they may
// be written, removed and made anew at any time, and so may the directory itself,
// which may be a link that is switched.
type directory struct {
	path string

	mu    sync.Mutex
	cache map[[sha256.Size]byte]*content // by what is in the file and its name; guarded by mu
	held  int                            // bytes in cache; guarded by mu
}

func newDirectory(path string) (*directory, error) {
	d := &directory{path: path, cache: make(map[[sha256.Size]byte]*content)}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the assets directory: %w", err)
	}
	defer root.Close()
	if info, err := root.Stat(index); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the assets directory %s has no %s", path, index)
	}
	return d, nil
}

// find implements finder.
func (d *directory) find(name string) (*content, error) {
	change := func(body []byte) []byte { return body }
	if name == roomIndex {
		name, change = index, inRoom
	}
	if !fs.ValidPath(name) || strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
		return nil, fs.ErrNotExist
	}
	// Opened by its path each time: an open directory stays the one that it was.
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe would wait for its writer
	if err != nil {
		return nil, unreadable(err)
	}
	found, err := d.read(name, file, change)
	if err != nil || found.large == nil {
		file.Close()
	}
	return found, err
}

// unreadable is the error for a file that could not be opened: unless the system
// is short of something, it may not be served.
func unreadable(err error) error {
	for _, short := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO} {
		if errors.Is(err, short) {
			return err
		}
	}
	return fs.ErrNotExist
}

// read makes the content of an open file, changed unless it is large.
func (d *directory) read(name string, file *os.File, change func([]byte) []byte) (*content, error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fs.ErrNotExist
	}
	body, err := io.ReadAll(io.LimitReader(file, holdMost+1))
	if err != nil {
		return nil, err
	}
	if len(body) > holdMost {
		return readLarge(name, body, file)
	}
	return d.content(name, change(body))
}

// readLarge makes the content of a file that begins with head.
func readLarge(name string, head []byte, file *os.File) (*content, error) {
	hash := sha256.New()
	hash.Write(head)
	if _, err := io.Copy(hash, file); err != nil {
		return nil, err
	}
	sum := [sha256.Size]byte(hash.Sum(nil))
	return &content{typeField: []string{typeOf(name, head)}, codings: []coded{newCoded(identity, nil, sum)}, large: file}, nil
}

// content makes the content of a file, or has it already.
func (d *directory) content(name string, body []byte) (*content, error) {
	hash := sha256.Sum256(body)
	key := sha256.Sum256(append(hash[:], name...)) // its type follows from its name
	d.mu.Lock()
	found := d.cache[key]
	d.mu.Unlock()
	if found != nil {
		return found, nil
	}
	found, err := newContent(name, bytes.Clone(body), hash, quickBrotli, quickGzip)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep(key, found)
	return found, nil
}

// keep puts c into the cache. When that is full all is made anew, bit by bit.
func (d *directory) keep(key [sha256.Size]byte, c *content) {
	if d.cache[key] != nil { // somebody else has made it meanwhile
		return
	}
	size := 0
	for _, coding := range c.codings {
		size += len(coding.body)
	}
	if d.held+size > cacheMost {
		clear(d.cache)
		d.held = 0
	}
	d.cache[key] = c
	d.held += size
}

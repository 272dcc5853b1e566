package carry

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// Reader reads a state. After the first error all that it reads is zero, no and empty,
// so that who reads needs to look for errors only where a loop may be long, and in the
// end. It is used by one goroutine.
type Reader struct {
	version int
	size    int    // of the state, without the trailer
	rest    []byte // of that: what was not read yet
	stays   bool
	section string // that is read
	err     error
}

// NewReader is one of a state that is whole and undamaged, and of a version that it
// knows. Of any other nothing is read.
func NewReader(b []byte) (*Reader, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return nil, errMagic
	}
	r := &Reader{size: len(b) - trailerSize, rest: b[len(magic):], section: "none"}
	version := r.Uint()
	switch {
	case r.err != nil:
		return nil, errTruncated
	case version < Oldest || version > Version:
		return nil, fmt.Errorf("the state has version %d, known are %d to %d", version, Oldest, Version)
	case len(r.rest) < trailerSize:
		return nil, errTruncated
	}
	state, trailer := b[:len(b)-trailerSize], b[len(b)-trailerSize:]
	switch {
	case binary.LittleEndian.Uint64(trailer) != uint64(len(state)):
		return nil, errTruncated
	case binary.LittleEndian.Uint32(trailer[8:]) != crc32.Checksum(state, table):
		return nil, errChecksum
	}
	r.version, r.rest = int(version), r.rest[:len(r.rest)-trailerSize]
	return r, nil
}

// Version is that of the state.
func (r *Reader) Version() int { return r.version }

// Section begins a part, which must be the one of that name.
func (r *Reader) Section(name string) {
	if got := r.Bytes(); r.err == nil && string(got) != name {
		r.Fail("%.40q is where the section %s should begin", got, name)
	}
	r.section = name
}

// Uint reads a number.
func (r *Reader) Uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if !r.took(size) {
		return 0
	}
	return n
}

// Int reads a number that may be negative.
func (r *Reader) Int() int64 {
	n, size := binary.Varint(r.rest)
	if !r.took(size) {
		return 0
	}
	return n
}

// UpTo reads a number that must not be more than most.
func (r *Reader) UpTo(most uint64) uint64 {
	n := r.Uint()
	if n > most {
		r.Fail("%d where %d is most", n, most)
		return 0
	}
	return n
}

// Uint32 reads a number of as many bits, a tick as a rule.
func (r *Reader) Uint32() uint32 { return uint32(r.UpTo(math.MaxUint32)) }

// Bool reads a yes or no.
func (r *Reader) Bool() bool { return r.UpTo(1) == 1 }

// Count reads how many elements follow, at most so many. Each takes a byte at least, so
// that a slice can be made for them: there are never more than there are bytes.
func (r *Reader) Count(most int) int {
	n := r.Uint()
	switch {
	case n > uint64(max(most, 0)):
		r.Fail("%d elements where %d are most", n, most)
		return 0
	case n > uint64(len(r.rest)):
		r.Fail("%d elements in %d bytes", n, len(r.rest))
		return 0
	}
	return int(n)
}

// Bytes reads some. They are a part of the state, and are gone when that is wiped.
func (r *Reader) Bytes() []byte {
	n := r.Count(math.MaxInt)
	if r.err != nil {
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Stays says that the state stays as long as what is read of it, which is so where it is
// only tried whether it can be read.
func (r *Reader) Stays() { r.stays = true }

// Kept reads what Bytes does, for who keeps it when the state is wiped: a copy, if it is
// ever wiped.
func (r *Reader) Kept() []byte {
	if r.stays {
		return r.Bytes()
	}
	return bytes.Clone(r.Bytes())
}

// String reads what Bytes does, as a copy.
func (r *Reader) String() string { return string(r.Bytes()) }

// FD reads a descriptor. It is not one of the first three, which are everybody's.
func (r *Reader) FD() int {
	fd := int(r.UpTo(math.MaxInt32))
	if r.err == nil && fd < 3 {
		r.Fail("descriptor %d", fd)
	}
	return fd
}

// Close is the first error of all: it is one if there is anything left to read.
func (r *Reader) Close() error {
	r.Section(endSection)
	if len(r.rest) > 0 {
		r.Fail("%d bytes are left", len(r.rest))
	}
	return r.err
}

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// Fail notes that what was read can't be. Only the first counts.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		at := r.size - len(r.rest)
		r.err = fmt.Errorf("section %s, byte %d: "+format, append([]any{r.section, at}, args...)...)
	}
}

// took takes a number of so many bytes, as package binary counts them. It must be
// written as Writer does it.
func (r *Reader) took(size int) bool {
	switch {
	case r.err != nil:
	case size <= 0:
		r.Fail("no number")
	case size > 1 && r.rest[size-1] == 0:
		r.Fail("a number in more bytes than it takes")
	default:
		r.rest = r.rest[size:]
		return true
	}
	return false
}

// Package deflate compresses and inflates messages for permessage-deflate (RFC
// 7692 §7.2), each by itself: no message refers to another one, in neither
// direction. So one compressed message serves any number of receivers, and a
// connection has no memory for it.
//
// It is pure: bytes in, bytes out; no I/O, no clock. Any number of goroutines
// may use it.
package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"

	fast "github.com/klauspost/compress/flate"
)

// MinSize is the length in bytes of the shortest message that is compressed:
// below, the gain is less than what it costs.
const MinSize = 128

// level is where more work hardly saves more bytes of chat and events.
const level = 1

// The end of every flush, which messages go without (RFC 7692 §7.2.1), and an
// empty last block, so that the reader sees an end.
const (
	flushed = "\x00\x00\xff\xff"
	ending  = flushed + "\x01\x00\x00\xff\xff"
)

// The errors of Inflate.
var (
	ErrTooBig = errors.New("inflated message is too big")
	ErrBad    = errors.New("message can't be inflated")
)

// compressor is a writer and where it writes to.
type compressor struct {
	w   *fast.Writer
	out []byte
}

// Write implements io.Writer.
func (c *compressor) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

var compressors = sync.Pool{New: func() any {
	c := new(compressor)
	c.w, _ = fast.NewWriter(c, level) // fails only for a level that there is not
	return c
}}

// Append appends the compressed form of message to dst. It reports false, and
// appends nothing, if that would not be shorter.
func Append(dst, message []byte) ([]byte, bool) {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.out = dst
	c.w.Reset(c)
	_, _ = c.w.Write(message) // c takes everything
	_ = c.w.Flush()
	out := bytes.TrimSuffix(c.out, []byte(flushed))
	c.out = nil
	if len(out)-len(dst) >= len(message) {
		return dst, false
	}
	return out, true
}

// inflater is a reader and what it reads from. The reader is the standard
// library's: the faster one takes some invalid distance codes for valid.
type inflater struct {
	r      io.ReadCloser
	source bytes.Reader
	input  []byte
}

// maxKept is the largest memory in bytes that an inflater keeps for the next
// message.
const maxKept = 128 << 10

var inflaters = sync.Pool{New: func() any {
	i := new(inflater)
	i.r = flate.NewReader(&i.source)
	return i
}}

// Inflate appends the message that payload is the compressed form of to dst.
// It never makes more than limit bytes of it, and a few for its own use: beyond
// that the message is [ErrTooBig]. One that is not valid is [ErrBad].
//
// A message may be any number of streams, each with a last block of its own
// (RFC 7692 §7.2.3.4). There is no limit, since none would save work: a stream
// has at least 2 bytes, and by the byte it costs less than blocks with codes of
// their own, which any message may have (BenchmarkHostile).
func Inflate(dst, payload []byte, limit int) ([]byte, error) {
	i := inflaters.Get().(*inflater)
	defer func() {
		if cap(i.input) > maxKept {
			i.input = nil
		}
		inflaters.Put(i)
	}()
	i.input = append(append(i.input[:0], payload...), ending...)
	i.source.Reset(i.input)
	room := len(dst) + limit
	for {
		if err := i.r.(flate.Resetter).Reset(&i.source, nil); err != nil {
			return dst, ErrBad
		}
		var err error
		if dst, err = i.stream(dst, room); err != nil {
			return dst, err
		}
		if i.source.Len() <= len(ending) {
			return dst, nil
		}
	}
}

// stream appends what one stream holds, while dst has at most room bytes.
func (i *inflater) stream(dst []byte, room int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := i.r.Read(dst[len(dst):min(cap(dst), room+1)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > room:
			return dst, ErrTooBig
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, ErrBad
		}
	}
}

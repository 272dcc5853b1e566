package soak

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"

	"github.com/gobwas/ws/wsflate"
)

// inflater undoes permessage-deflate (RFC 7692) without context takeover. One
// does for all clients.
type inflater struct {
	reader *wsflate.Reader
	buf    bytes.Buffer
}

// inflate returns the message, until the next call.
func (i *inflater) inflate(payload []byte) ([]byte, error) {
	if i.reader == nil {
		i.reader = wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) })
	}
	i.reader.Reset(bytes.NewReader(payload))
	i.buf.Reset()
	if _, err := i.buf.ReadFrom(io.LimitReader(i.reader, mostMessage+1)); err != nil {
		return nil, fmt.Errorf("a compressed message that can't be inflated: %w", err)
	}
	return i.buf.Bytes(), nil
}

// deflater is the way there.
type deflater struct {
	writer *wsflate.Writer
	buf    bytes.Buffer
}

func (d *deflater) deflate(message []byte) []byte {
	d.buf.Reset()
	if d.writer == nil {
		d.writer = wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			f, err := flate.NewWriter(w, flate.BestSpeed)
			if err != nil {
				panic(err) // the level is one that exists
			}
			return f
		})
	}
	d.writer.Reset(&d.buf)
	if _, err := d.writer.Write(message); err != nil {
		panic(err) // memory takes everything
	}
	if err := d.writer.Flush(); err != nil {
		panic(err) // as above
	}
	return bytes.Clone(d.buf.Bytes())
}

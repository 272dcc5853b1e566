package conformance

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// The end of every flush, which messages go without (RFC 7692 §7.2.1), and
// with it an empty last block.
const (
	flushed = "\x00\x00\xff\xff"
	ending  = flushed + "\x01\x00\x00\xff\xff"
)

// maxInflated bounds what a server's message may come to, in bytes.
const maxInflated = 64 << 20

// window is how far back in bytes a message can refer.
const window = 32 << 10

// deflater makes the payloads of compressed messages.
type deflater struct {
	w   *flate.Writer
	out bytes.Buffer
}

func newDeflater(level int) *deflater {
	d := new(deflater)
	var err error
	if d.w, err = flate.NewWriter(&d.out, level); err != nil {
		panic(err) // a case's level is a constant
	}
	return d
}

// flush compresses s in a block of its own, in the context of what came
// before, and returns all there is, with the flush's end.
func (d *deflater) flush(s string) string {
	d.out.Reset()
	_, _ = io.WriteString(d.w, s) // memory takes everything
	_ = d.w.Flush()
	return d.out.String()
}

// finish is like flush, but ends the stream with a block that has BFINAL set.
func (d *deflater) finish(s string) string {
	d.out.Reset()
	_, _ = io.WriteString(d.w, s)
	_ = d.w.Close()
	return d.out.String()
}

// next is the payload of the next message.
func (d *deflater) next(s string) string {
	b := d.flush(s)
	return b[:len(b)-len(flushed)]
}

// deflated is the payload of a message by itself.
func deflated(s string) string { return newDeflater(flate.DefaultCompression).next(s) }

// inflater takes the payloads of a server's compressed messages.
type inflater struct {
	alone   bool // no message may refer to an earlier one
	context []byte
}

// inflate is the message that payload is the compressed form of.
func (i *inflater) inflate(payload []byte) ([]byte, error) {
	source := bytes.NewReader(append(bytes.Clone(payload), ending...))
	var out []byte
	for { // each time round a stream, which a block with BFINAL ends (RFC 7692 §7.2.3.4)
		context := append(bytes.Clone(i.context), out...)
		r := flate.NewReaderDict(source, context[max(0, len(context)-window):])
		more, err := io.ReadAll(io.LimitReader(r, maxInflated))
		if err != nil {
			return nil, err
		}
		if out = append(out, more...); len(out) >= maxInflated {
			return nil, errors.New("it is endless")
		}
		if source.Len() <= len(ending) {
			break
		}
	}
	if !i.alone {
		i.context = append(i.context, out...)
		i.context = i.context[max(0, len(i.context)-window):]
	}
	return out, nil
}

package carry

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// bufferSize is how much is written at a time.
const bufferSize = 64 << 10

// Writer writes a state. It is used by one goroutine.
type Writer struct {
	to     io.Writer
	buf    []byte
	length uint64 // of what has left buf
	sum    uint32 // … and its checksum
	fds    []int  // descriptors that were written with FD
	open   []int  // … and with OpenFD
	err    error  // the first; nothing is written any more
}

// NewWriter begins a state.
func NewWriter(to io.Writer) *Writer {
	w := &Writer{to: to, buf: make([]byte, 0, bufferSize)}
	w.buf = append(w.buf, magic...)
	w.Uint(Version)
	return w
}

// Section begins a part. Its name is a mark, by which a Reader finds that what it reads
// is something else.
func (w *Writer) Section(name string) { w.String(name) }

// Uint writes a number.
func (w *Writer) Uint(n uint64) {
	w.room(binary.MaxVarintLen64)
	w.buf = binary.AppendUvarint(w.buf, n)
}

// Int writes a number that may be negative.
func (w *Writer) Int(n int64) {
	w.room(binary.MaxVarintLen64)
	w.buf = binary.AppendVarint(w.buf, n)
}

// Bool writes a yes or no.
func (w *Writer) Bool(yes bool) {
	n := uint64(0)
	if yes {
		n = 1
	}
	w.Uint(n)
}

// Bytes writes how many there are, and those.
func (w *Writer) Bytes(b []byte) {
	w.Uint(uint64(len(b)))
	if len(b) > bufferSize { // it needs no other place first
		w.flush()
		w.put(b)
		return
	}
	for len(b) > 0 {
		w.room(1)
		n := copy(w.buf[len(w.buf):cap(w.buf)], b)
		w.buf, b = w.buf[:len(w.buf)+n], b[n:]
	}
}

// String writes what Bytes does.
func (w *Writer) String(s string) {
	w.Uint(uint64(len(s)))
	for len(s) > 0 {
		w.room(1)
		n := copy(w.buf[len(w.buf):cap(w.buf)], s)
		w.buf, s = w.buf[:len(w.buf)+n], s[n:]
	}
}

// FD writes a descriptor, which is the new program's, too.
func (w *Writer) FD(fd int) {
	w.Uint(uint64(fd))
	w.fds = append(w.fds, fd)
}

// OpenFD is FD for one that stays open over an exec by itself.
func (w *Writer) OpenFD(fd int) {
	w.Uint(uint64(fd))
	w.open = append(w.open, fd)
}

// FDs are the descriptors that were written: who begins the new program has fds stay open,
// and leaves those in open as they are.
func (w *Writer) FDs() (fds, open []int) { return w.fds, w.open }

// Close ends the state, and is the first error of all. The Writer is not used any more.
func (w *Writer) Close() error {
	w.Section(endSection)
	w.flush()
	trailer := binary.LittleEndian.AppendUint64(nil, w.length)
	w.write(binary.LittleEndian.AppendUint32(trailer, w.sum))
	clear(w.buf[:cap(w.buf)])
	w.buf = nil
	return w.err
}

// room has n bytes more fit into buf, at most bufferSize.
func (w *Writer) room(n int) {
	if cap(w.buf)-len(w.buf) < n {
		w.flush()
	}
}

// flush empties buf.
func (w *Writer) flush() {
	w.put(w.buf)
	w.buf = w.buf[:0]
}

// put writes a part of the state.
func (w *Writer) put(b []byte) {
	w.length += uint64(len(b))
	w.sum = crc32.Update(w.sum, table, b)
	w.write(b)
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.to.Write(b)
	}
}

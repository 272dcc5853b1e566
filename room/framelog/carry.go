package framelog

import (
	"bytes"
	"math"

	"chatd/room/carry"
)

// mostSeq is beyond the number of any frame: what JavaScript can count exactly is below.
const mostSeq = 1 << 53

// Carry writes what follows from: the number, and the pieces.
func (l *Log) Carry(w *carry.Writer, from Cursor) {
	w.Uint(from.Seq)
	for at := from; ; {
		p, after := at.Next()
		w.Uint(uint64(p.Frames))
		if p.Frames == 0 {
			return
		}
		w.Bytes(p.Bytes)
		at = after
	}
}

// Restore makes the log the one that Carry has written, and returns the place of its
// first frame. Events says what its frames are, see [Len]. The memory is its own, and
// nothing is spare.
func (l *Log) Restore(r *carry.Reader, events bool) (begin Cursor) {
	seq := r.UpTo(mostSeq)
	first := &segment{first: seq}
	l.tail = first
	for {
		n := r.Count(math.MaxInt)
		if n == 0 {
			break
		}
		b := r.Kept()
		if !whole(b, n, events) {
			r.Fail("%d bytes are not %d frames", len(b), n)
			break
		}
		next := &segment{first: seq, buf: b}
		next.publish(len(b), n)
		l.tail.next.Store(next)
		l.tail = next
		seq += uint64(n)
	}
	l.Restart(seq)
	return Cursor{seg: first, Seq: first.first}
}

// whole reports whether b is n frames of the kind.
func whole(b []byte, n int, events bool) bool {
	if len(b) > math.MaxUint32 {
		return false
	}
	for ; n > 0; n-- {
		size := checkedLen(b)
		if size < 2 || size > len(b) || (b[0] < 0x80) != events {
			return false
		}
		b = b[size:]
	}
	return len(b) == 0
}

// checkedLen is Len of what may be anything; it may be too much, or too little.
func checkedLen(b []byte) int {
	const headerMost = 10
	if len(b) < headerMost { // Len may look at so many
		b = append(bytes.Clone(b), make([]byte, headerMost)...)
	}
	return Len(b)
}

// Carry writes where c is in its log.
func (c Cursor) Carry(w *carry.Writer) { w.Uint(c.Seq) }

// RestoreCursor reads what a Cursor's Carry has written. Begin is the log's first place.
func (l *Log) RestoreCursor(r *carry.Reader, begin Cursor) Cursor {
	seq := r.Uint()
	if head := l.Head().Seq; seq < begin.Seq || seq > head {
		r.Fail("a place behind the message %d, in a log from %d to %d", seq, begin.Seq, head)
		return begin
	}
	return begin.Forward(seq)
}

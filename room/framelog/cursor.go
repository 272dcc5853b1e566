package framelog

import "iter"

// Cursor is a place between two frames of a log. It is a plain value; holding
// one keeps the log from there on in memory.
type Cursor struct {
	seg *segment
	off int // bytes into seg
	// Seq is the number of frames before the cursor since the log began, which
	// is also the number of the frame that follows.
	Seq uint64
}

// Piece is a stretch of adjacent bytes of the log, made of whole frames.
type Piece struct {
	Start  Cursor
	Bytes  []byte
	Frames int
}

// Next returns what was published behind c, as far as it is adjacent, and the
// cursor behind that. The piece is empty when there is nothing more.
func (c Cursor) Next() (Piece, Cursor) {
	for {
		// The link is read first: once it is set the length is final.
		next := c.seg.next.Load()
		size, frames := c.seg.size()
		if size > c.off {
			end := Cursor{seg: c.seg, off: size, Seq: c.seg.first + uint64(frames)}
			return Piece{Start: c, Bytes: c.seg.buf[c.off:size], Frames: int(end.Seq - c.Seq)}, end
		}
		if next == nil {
			return Piece{Start: c}, c
		}
		c = Cursor{seg: next, Seq: next.first}
	}
}

// NextTo is Next for a reader that must not go beyond end.
func (c Cursor) NextTo(end Cursor) (Piece, Cursor) {
	if c.Seq == end.Seq {
		return Piece{Start: end}, end
	}
	p, after := c.Next()
	if after.Seq > end.Seq {
		n := int(end.Seq - p.Start.Seq)
		if end.seg != p.Start.seg { // the log was compacted: the same frames are in two segments
			return Piece{Start: p.Start, Bytes: First(p.Bytes, n), Frames: n}, end
		}
		return Piece{Start: p.Start, Bytes: p.Bytes[:end.off-p.Start.off], Frames: n}, end
	}
	return p, after
}

// Skip moves over n bytes that follow c in one piece. It returns the cursor in
// front of the frame in which they end, and how many bytes of that frame they
// cover, 0 if they end between two frames.
func (c Cursor) Skip(n int) (at Cursor, part int) {
	for n > 0 {
		size := Len(c.seg.buf[c.off:])
		if n < size {
			break
		}
		c.off += size
		c.Seq++
		n -= size
	}
	return c, n
}

// Forward is the cursor in front of the frame number seq, which must not be before
// c's nor beyond the head.
func (c Cursor) Forward(seq uint64) Cursor {
	for {
		next := c.seg.next.Load() // see Next
		size, frames := c.seg.size()
		if end := c.seg.first + uint64(frames); seq > end || seq == end && next != nil {
			c = Cursor{seg: next, Seq: next.first}
			continue
		} else if seq == end {
			return Cursor{seg: c.seg, off: size, Seq: end}
		}
		for ; c.Seq < seq; c.Seq++ {
			c.off += Len(c.seg.buf[c.off:])
		}
		return c
	}
}

// Between is the memory in bytes of the segments from c's on that come before at's.
func (c Cursor) Between(at Cursor) (size int) {
	for seg := c.seg; seg != at.seg; seg = seg.next.Load() {
		size += len(seg.buf)
	}
	return size
}

// Frame is the frame that follows c, which must not be at the head.
func (c Cursor) Frame() []byte {
	p, _ := c.Next()
	return p.Bytes[:Len(p.Bytes)]
}

// Until is the pieces of adjacent bytes between c and the frame number seq. They
// hold the bytes alone, not the log behind them.
func (c Cursor) Until(seq uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for c.Seq < seq {
			p, after := c.Next()
			if after.Seq > seq {
				p.Bytes = First(p.Bytes, int(seq-p.Start.Seq))
				after.Seq = seq
			}
			if !yield(p.Bytes) {
				return
			}
			c = after
		}
	}
}

// Pieces is how many pieces Until has.
func (c Cursor) Pieces(seq uint64) (n int) {
	for c.Seq < seq {
		_, c = c.Next()
		n++
	}
	return n
}

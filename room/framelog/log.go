// Package framelog is a room's memory: an append-only log of encoded messages that
// all members of the room read, each at its own pace. A log has one frame for each
// message: a WebSocket frame, or a server-sent event.
//
//	log:   … [frame 1041][frame 1042][frame 1043][frame 1044]┃head
//	alice ───────────────────────────────────────────────────^   (caught up)
//	bob   ─────────────────────^                                 (2 behind: queue length 2)
//
// The log is a linked list of segments. A segment's bytes below its published
// length never change; length and number of frames are published together in
// one atomic word; the link to the next segment is set once. So one appender
// and any number of readers need no lock, and the collector frees what no
// [Cursor] can reach any more.
//
// The package knows how long a frame is. It knows nothing of members, sockets
// or queues.
package framelog

import (
	"sync/atomic"

	"chatd/room/frame"
	"chatd/room/sse"
)

// Segment buffers grow by doubling with the traffic, in bytes: a quiet room
// holds little, a busy one links seldom.
const (
	minSegment = 512
	maxSegment = 64 << 10
)

// segment is one stretch of the log. The links (segments) are kept apart from
// the bytes (buf): who holds a slice of buf does not hold the chain.
type segment struct {
	buf   []byte // bytes beyond the published length are the appender's
	first uint64 // number of the first frame
	// published holds the length in bytes (low half) and in frames (high
	// half). Written by the appender, read by all.
	published atomic.Uint64
	next      atomic.Pointer[segment] // set once, after the last frame was published
}

func (s *segment) publish(size, frames int) {
	s.published.Store(uint64(size) | uint64(frames)<<32)
}

func (s *segment) size() (size, frames int) {
	p := s.published.Load()
	return int(uint32(p)), int(p >> 32)
}

// Log is the appending end. All of it belongs to one Task; the cursors that
// it gives out may be read by others.
type Log struct {
	tail *segment
	grow int // the next segment's size in bytes
}

// Init makes the log ready.
func (l *Log) Init() {
	l.tail = new(segment)
	l.grow = minSegment
}

// Head is the cursor behind the last frame.
func (l *Log) Head() Cursor {
	size, frames := l.tail.size()
	return Cursor{seg: l.tail, off: size, Seq: l.tail.first + uint64(frames)}
}

// Append adds n whole encoded frames, and returns how many bytes of memory it
// took for them. Readers see all of them at once.
func (l *Log) Append(frames []byte, n int) (grown int) {
	size, count := l.tail.size()
	if len(frames) > len(l.tail.buf)-size {
		grown = max(l.grow, len(frames))
		l.link(grown, l.Head().Seq)
		l.grow = min(2*l.grow, maxSegment)
		size, count = 0, 0
	}
	copy(l.tail.buf[size:], frames)
	l.tail.publish(size+len(frames), count+n)
	return grown
}

// Trim ends the last segment, so that its memory is free as soon as all have
// read it, and starts small again. It is for a log that went quiet, and does
// nothing to one that has been trimmed.
func (l *Log) Trim() {
	if l.tail.buf != nil {
		l.Restart(l.Head().Seq)
	}
}

// Restart goes on with the frame number seq, in a new segment that starts
// small. Unless it is the next number anyway, nobody may be reading.
func (l *Log) Restart(seq uint64) {
	l.link(0, seq)
	l.grow = minSegment
}

// Extent is what the log holds for a reader at c: segments that have bytes, and
// their memory in bytes.
func (c Cursor) Extent() (segments, size int) {
	for seg := c.seg; seg != nil; seg = seg.next.Load() {
		if len(seg.buf) > 0 {
			segments++
			size += len(seg.buf)
		}
	}
	return segments, size
}

// Trimmed reports whether the log has held nothing since Trim.
func (l *Log) Trimmed() bool { return l.tail.buf == nil }

// Compact moves what follows from into segments with nothing to spare, and starts
// small again. It returns from's new place. Readers elsewhere go on as they were,
// and hold the old segments until they have read them.
func (l *Log) Compact(from Cursor) Cursor {
	first := &segment{first: from.Seq}
	last := first
	for at := from; ; {
		size, count := 0, 0
		for end := at; size < maxSegment; {
			p, after := end.Next()
			if len(p.Bytes) == 0 {
				break
			}
			size, count, end = size+len(p.Bytes), count+p.Frames, after
		}
		if size == 0 {
			break
		}
		seg := &segment{first: at.Seq, buf: make([]byte, 0, size)}
		for len(seg.buf) < size {
			var p Piece
			p, at = at.Next()
			seg.buf = append(seg.buf, p.Bytes...)
		}
		seg.publish(size, count)
		last.next.Store(seg)
		last = seg
	}
	l.Restart(l.Head().Seq)
	last.next.Store(l.tail)
	return Cursor{seg: first, Seq: from.Seq}
}

func (l *Log) link(size int, first uint64) {
	next := &segment{first: first}
	if size > 0 {
		next.buf = make([]byte, size)
	}
	l.tail.next.Store(next)
	l.tail = next
}

// Len is the length in bytes of the frame that begins at b, which tells what it is:
// one of a WebSocket has a whole message, so it begins with the highest bit set
// (FIN, RFC 6455 §5.2), and an event is text.
func Len(b []byte) int {
	if b[0] >= 0x80 {
		return frame.Len(b)
	}
	return sse.Len(b)
}

// First is the first n of frames.
func First(frames []byte, n int) []byte {
	size := 0
	for range n {
		size += Len(frames[size:])
	}
	return frames[:size]
}

package room

import (
	"slices"
	"sync/atomic"
	"unsafe"

	"chatd/room/carry"
	"chatd/room/framelog"
)

// archive is what a room has besides the end of its raw log: how far back its
// messages are kept, what is known of them (history.go), and the logs of the other
// streams that have readers (translate.go). A room has none before something is
// said that is to be kept, or somebody comes who reads another stream; then for
// life.
//
//	raw:   … ┊ [1041][1042][1043]┃head      what is kept, once
//	chat:  … ┊ [1041][1042][1043]┃head      made with its first reader, from raw
//	runs:      [  at 9:00  ][9:01]          who said it, and when
//	         ^floor
//
// It belongs to the hub's Task but for what says otherwise.
type archive struct {
	tracks  [streams]*track // nil: no readers; never that of raw
	spacing uint64          // of marks
	history
	crowd

	// From the Task to the directory.
	size     atomic.Int64  // bytes that are kept, as they were last counted
	noticeAt atomic.Uint32 // the tick from which its members may be told how many they are
	shed     atomic.Int64  // from the directory to the Task: bytes that are to be let go of

	// Owned by the directory, see silence.
	older, newer *hub
	spoken       int64 // when something was said last, in ms, and up to a second more
}

// archiveSize is what an archive with one track has of its own, in bytes.
const archiveSize = int(unsafe.Sizeof(archive{}) + unsafe.Sizeof(track{}))

// track is one log of a room, and how far back it is kept.
type track struct {
	log *framelog.Log
	// marks are places in the log by which others are found, in order: the first is
	// where what is kept begins, or not far before.
	marks  []framelog.Cursor
	memory int // bytes of the segments from there on
}

// maxSpacing is how many messages there are between two marks at least, in a long
// history.
const maxSpacing = 64

// carry writes what is kept, and of each log what somebody has yet to read: the one that
// is furthest behind is at oldest, the zero value if nobody is. The frames themselves are
// carried, of all streams: of some a part was sent, and what follows must be its rest.
//
// It is the hub's, and reads what the directory owns: nothing changes meanwhile.
func (a *archive) carry(w *carry.Writer, oldest *[streams]framelog.Cursor) {
	for x, t := range a.tracks {
		if stream(x) != rawStream {
			w.Bool(t != nil)
		}
		if t != nil {
			t.carry(w, a.floor, oldest[x])
		}
	}
	a.history.carry(w)
	a.crowd.carry(w)
	w.Uint(uint64(a.noticeAt.Load()))
	w.Int(a.spoken)
}

// restoreArchive reads h's, and with it h's raw log. Where each log begins is returned
// for cursors in them.
func restoreArchive(r *carry.Reader, h *hub) (begins [streams]framelog.Cursor) {
	a := newArchive(h)
	logs := [streams]*framelog.Log{rawStream: &h.log}
	for x := range streams {
		if x != rawStream && r.Bool() {
			logs[x] = new(framelog.Log)
		}
		if l := logs[x]; l != nil {
			begins[x] = l.Restore(r, x == eventStream || x == bareStream)
			if l.Head().Seq != h.log.Head().Seq {
				r.Fail("a log ends at %d, and the raw one at %d", l.Head().Seq, h.log.Head().Seq)
			}
		}
	}
	head := h.log.Head().Seq
	a.history.restore(r, head)
	for x, l := range logs {
		if l == nil {
			continue
		}
		if begins[x].Seq > a.floor {
			r.Fail("a log begins at %d, and what is kept at %d", begins[x].Seq, a.floor)
		}
		if r.Err() != nil {
			return begins
		}
		a.tracks[x] = restoreTrack(l, begins[x], a.floor, a.spacing)
	}
	a.crowd.restore(r)
	a.noticeAt.Store(r.Uint32())
	a.spoken = r.Int()
	h.archive = a
	if h.floor() < head {
		h.flags.Or(hubKeeps)
	}
	h.account(nil)
	return begins
}

// newArchive is one in which nothing is kept yet.
func newArchive(h *hub) *archive {
	a := &archive{spacing: uint64(min(max(h.server.config.History/8, 1), maxSpacing))}
	a.floor, a.before = h.log.Head().Seq, -1
	a.tracks[rawStream] = newTrack(&h.log)
	return a
}

// newTrack is that of a log whose history begins at its head.
func newTrack(l *framelog.Log) *track {
	t := &track{log: l}
	t.restart()
	return t
}

// carry writes the log from oldest on, or from the message behind floor on if that is
// sooner.
func (t *track) carry(w *carry.Writer, floor uint64, oldest framelog.Cursor) {
	from := t.at(floor)
	if oldest != (framelog.Cursor{}) && oldest.Seq < floor {
		from = oldest
	}
	t.log.Carry(w, from)
}

// restoreTrack is that of a log that begins at begin, and whose history does behind
// floor.
func restoreTrack(l *framelog.Log, begin framelog.Cursor, floor, spacing uint64) *track {
	at := begin.Forward(floor)
	t := &track{log: l, marks: []framelog.Cursor{at}}
	_, t.memory = at.Extent()
	for head := l.Head().Seq; head-at.Seq >= spacing; {
		at = at.Forward(at.Seq + spacing)
		t.marks = append(t.marks, at)
	}
	return t
}

// restart lets go of all that is kept.
func (t *track) restart() {
	t.log.Trim()
	t.marks = []framelog.Cursor{t.log.Head()}
	t.memory = 0
}

// append adds n frames, of which the first may become a mark.
func (t *track) append(frames []byte, n int, spacing uint64) {
	if head := t.log.Head(); head.Seq >= t.marks[len(t.marks)-1].Seq+spacing {
		t.marks = append(t.marks, head)
	}
	t.memory += t.log.Append(frames, n)
}

// at is the place behind the message seq, which must be kept, or be the last one
// that is not.
func (t *track) at(seq uint64) framelog.Cursor {
	i, found := slices.BinarySearchFunc(t.marks, seq, func(c framelog.Cursor, seq uint64) int {
		return int(int64(c.Seq - seq))
	})
	if !found {
		i--
	}
	return t.marks[i].Forward(seq)
}

// forget lets go of what is before floor, up to the last mark.
func (t *track) forget(floor uint64) {
	n := 0
	for n+1 < len(t.marks) && t.marks[n+1].Seq <= floor {
		n++
	}
	if n > 0 {
		t.memory -= t.marks[0].Between(t.marks[n])
		t.marks = slices.Delete(t.marks, 0, n)
	}
}

// worthCompacting is how much memory, in bytes, may be spared without a thought.
const worthCompacting = 1 << 10

// compact gives back what memory the log of a room that went quiet does not need.
// It reports whether there was any.
func (t *track) compact() bool {
	used := 0
	for at := t.marks[0]; ; {
		p, after := at.Next()
		if len(p.Bytes) == 0 {
			break
		}
		used, at = used+len(p.Bytes), after
	}
	if t.memory <= 2*used+worthCompacting {
		return false
	}
	at := t.log.Compact(t.marks[0])
	t.marks, t.memory = t.marks[:0], used
	for p, after := at.Next(); len(p.Bytes) > 0; p, after = at.Next() {
		t.marks = append(t.marks, p.Start)
		at = after
	}
	t.marks = append(t.marks, at)
	return true
}

// size is the track's memory in bytes.
func (t *track) size() int { return t.memory + cap(t.marks)*24 }

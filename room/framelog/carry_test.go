package framelog

import (
	"bytes"
	"testing"

	"chatd/room/carry"
	"chatd/room/carry/carrytest"
	"chatd/room/sse"
)

func TestEachFieldOfALogIsCarried(t *testing.T) {
	carrytest.Fields(t, Log{}, carrytest.Carried("tail"), carrytest.Rebuilt("grow", "it starts small, as when it was quiet"))
	carrytest.Fields(t, Cursor{}, carrytest.Carried("Seq"), carrytest.Rebuilt("seg", "it is looked for"), carrytest.Rebuilt("off", "likewise"))
	carrytest.Fields(t, segment{}, carrytest.Carried("buf", "first", "published"), carrytest.Rebuilt("next", "the pieces come one after the other"))
}

func TestLogIsRestoredFromAnyPlace(t *testing.T) {
	l := newLog()
	l.Restart(1000)
	start := l.Head()
	for i := range 300 {
		if l.Append(frames(i, 1, i*i%700), 1); i == 100 {
			l.Trim()
		}
	}
	for from := uint64(1000); from <= 1300; from += 7 {
		at := start.Forward(from)
		want, _ := readAll(at)
		r := carrytest.Read(t, func(w *carry.Writer) {
			l.Carry(w, at)
			at.Carry(w)
			l.Head().Carry(w)
			start.Forward(1300 - (1300-from)/2).Carry(w)
		})
		var next Log
		begin := next.Restore(r, false)
		same, end, middle := next.RestoreCursor(r, begin), next.RestoreCursor(r, begin), next.RestoreCursor(r, begin)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		got, last := readAll(begin)
		_, size := begin.Extent()
		if !bytes.Equal(got, want) || begin.Seq != from || last != next.Head() || next.Head().Seq != 1300 || size != len(want) || !next.Trimmed() {
			t.Fatalf("from %d: %d bytes in %d, want %d; %d to %d", from, len(got), size, len(want), begin.Seq, next.Head().Seq)
		}
		if same.Seq != from || end != next.Head() || middle.Seq != 1300-(1300-from)/2 {
			t.Fatalf("from %d: cursors at %d, %d, %d", from, same.Seq, middle.Seq, end.Seq)
		}
		rest, _ := readAll(middle)
		if want, _ := readAll(start.Forward(middle.Seq)); !bytes.Equal(rest, want) {
			t.Fatalf("from %d: %d bytes behind %d, want %d", from, len(rest), middle.Seq, len(want))
		}
		more := frames(1, 3, 500)
		next.Append(more, 3)
		if got, _ := readAll(begin); !bytes.Equal(got, append(bytes.Clone(want), more...)) {
			t.Fatalf("from %d: the log does not go on", from)
		}
	}
}

func TestLogThatCannotBeIsRefused(t *testing.T) {
	event := func(text string) []byte {
		return sse.Chunk(sse.End(append(sse.AppendEvent([]byte("id: 1.1.1\n"), "say"), text...)), 0)
	}
	bare := sse.End(append(sse.AppendEvent([]byte("id: 1.1.1\n"), "say"), "text"...))
	for _, tt := range []struct {
		name   string
		bytes  []byte
		frames uint64
		events bool
		ok     bool
	}{
		{"a frame", []byte{0x81, 1, 'a'}, 1, false, true},
		{"two", []byte{0x81, 1, 'a', 0x82, 0}, 2, false, true},
		{"a chunk", event("some text"), 1, true, true},
		{"a bare event, and another", append(bytes.Clone(bare), bare...), 2, true, true},
		{"frames of another number", []byte{0x81, 1, 'a', 0x82, 0}, 1, false, false},
		{"fewer than it says", []byte{0x81, 1, 'a'}, 2, false, false},
		{"a frame among events", []byte{0x81, 1, 'a'}, 1, true, false},
		{"an event among frames", event("some text"), 1, false, false},
		{"a byte", []byte{0x81}, 1, false, false},
		{"half a length", []byte{0x81, 126, 1}, 1, false, false},
		{"half a long length", []byte{0x81, 127, 0, 0}, 1, false, false},
		{"a length beyond all", append([]byte{0x81, 127}, bytes.Repeat([]byte{0xff}, 20)...), 1, false, false},
		{"an event without its end", bare[:len(bare)-1], 1, true, false},
		{"half a chunk", event("some text")[:9], 1, true, false},
		{"a chunk without a size", []byte("zzzz"), 1, true, false},
		{"a chunk of 16 EiB", []byte("ffffffffffffffff\r\na\r\n"), 1, true, false},
		{"nothing", nil, 1, false, false},
	} {
		r := carrytest.Read(t, func(w *carry.Writer) {
			w.Uint(7)
			w.Uint(tt.frames)
			w.Bytes(tt.bytes)
			w.Uint(0)
		})
		var l Log
		begin := l.Restore(r, tt.events)
		if (r.Err() == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, r.Err())
		}
		if end := l.Head(); tt.ok && end.Seq != 7+tt.frames || begin.Seq != 7 {
			t.Errorf("%s: from %d to %d", tt.name, begin.Seq, end.Seq)
		}
	}
	for _, seq := range []uint64{6, 9, 1 << 60} {
		r := carrytest.Read(t, func(w *carry.Writer) {
			w.Uint(7)
			w.Uint(1)
			w.Bytes([]byte{0x81, 0})
			w.Uint(0)
			w.Uint(seq)
		})
		var l Log
		if begin := l.Restore(r, false); l.RestoreCursor(r, begin) != begin || r.Err() == nil {
			t.Errorf("a cursor at %d, in a log from 7 to 8", seq)
		}
	}
}

package framelog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"chatd/room/frame"
)

// frames makes n encoded frames, numbered from first.
func frames(first, n, size int) []byte {
	var b []byte
	for i := range n {
		body := fmt.Appendf(nil, "%d:", first+i)
		b = frame.AppendMessage(b, ws.OpText, append(body, bytes.Repeat([]byte{'x'}, size)...))
	}
	return b
}

func newLog() *Log {
	l := new(Log)
	l.Init()
	return l
}

// readAll returns everything behind c, and where it ends.
func readAll(c Cursor) ([]byte, Cursor) {
	var all []byte
	for {
		p, next := c.Next()
		if c = next; len(p.Bytes) == 0 {
			return all, c
		}
		all = append(all, p.Bytes...)
	}
}

func TestReaderGetsWhatWasAppendedAcrossSegments(t *testing.T) {
	l := newLog()
	c := l.Head()
	var want []byte
	for i := range 2000 {
		f := frames(i, 1, i%700)
		l.Append(f, 1)
		want = append(want, f...)
	}
	got, end := readAll(c)
	if !bytes.Equal(got, want) || end.Seq != 2000 {
		t.Fatalf("got %d bytes up to %d, want %d up to 2000", len(got), end.Seq, len(want))
	}
	if end != l.Head() {
		t.Fatal("the reader is not at the head")
	}
}

func TestNextToStopsAtTheEnd(t *testing.T) {
	l := newLog()
	c := l.Head()
	l.Append(frames(0, 3, 50), 3)
	end := l.Head()
	l.Append(frames(3, 40, 50), 40)
	var got []byte
	for c.Seq < end.Seq {
		p, next := c.NextTo(end)
		got, c = append(got, p.Bytes...), next
	}
	if !bytes.Equal(got, frames(0, 3, 50)) {
		t.Fatalf("got %q", got)
	}
	if p, _ := c.NextTo(end); len(p.Bytes) != 0 {
		t.Fatalf("got %q behind the end", p.Bytes)
	}
}

func TestSkipFindsTheFrameInWhichTheBytesEnd(t *testing.T) {
	l := newLog()
	c := l.Head()
	f := frames(0, 3, 10)
	size := len(f) / 3
	l.Append(f, 3)
	p, _ := c.Next()
	for n := range len(f) + 1 {
		at, part := p.Start.Skip(n)
		if int(at.Seq) != n/size || part != n%size {
			t.Fatalf("skip %d: frame %d part %d, want %d part %d", n, at.Seq, part, n/size, n%size)
		}
	}
}

func TestUntilGivesTheBytesUpToTheFrameAndLetsTheLogGo(t *testing.T) {
	l := newLog()
	c := l.Head()
	var want []byte
	for i := range 100 {
		f := frames(i, 3, 40)
		l.Append(f, 3)
		want = append(want, f...)
	}
	for _, limit := range []int{0, 1, 2, 150, 299, 300} {
		got := bytes.Join(slices.Collect(c.Until(uint64(limit))), nil)
		if w := First(want, limit); !bytes.Equal(got, w) {
			t.Fatalf("until %d: %d bytes, want %d", limit, len(got), len(w))
		}
	}

	// Who holds the bytes of the first segments does not hold the last.
	held := slices.Collect(c.Until(5))
	gone := make(chan bool)
	runtime.AddCleanup(&l.tail.buf[0], func(int) { close(gone) }, 0)
	l.Trim()
	c = Cursor{}
	for range 10 {
		runtime.GC()
		select {
		case <-gone:
			runtime.KeepAlive(held)
			return
		default:
		}
	}
	t.Fatal("the last segment is still in memory")
}

func TestTrimmedLogHoldsNothingAndGoesOn(t *testing.T) {
	l := newLog()
	c := l.Head()
	l.Append(frames(0, 10, 100), 10)
	l.Trim()
	if !l.Trimmed() {
		t.Fatal("not trimmed")
	}
	_, c = readAll(c)
	if c != l.Head() { // which has no buffer, and nothing before it can be reached
		t.Fatal("a caught-up reader holds more than the head")
	}
	l.Append(frames(10, 1, 100), 1)
	if got, end := readAll(c); !bytes.Equal(got, frames(10, 1, 100)) || end.Seq != 11 {
		t.Fatalf("got %q up to %d", got, end.Seq)
	}
}

func TestSegmentsGrowWithTheTrafficAndStartSmallAgain(t *testing.T) {
	l := newLog()
	l.Append(frames(0, 1, 10), 1)
	if n := len(l.tail.buf); n != minSegment {
		t.Fatalf("first segment %d, want %d", n, minSegment)
	}
	for i := range 5000 {
		l.Append(frames(i, 1, 100), 1)
	}
	if n := len(l.tail.buf); n != maxSegment {
		t.Fatalf("busy segment %d, want %d", n, maxSegment)
	}
	l.Trim()
	l.Append(frames(0, 1, 10), 1)
	if n := len(l.tail.buf); n != minSegment {
		t.Fatalf("segment after a pause %d, want %d", n, minSegment)
	}
	big := frames(0, 1, 3*maxSegment)
	c := l.Head()
	l.Append(big, 1)
	if got, _ := readAll(c); !bytes.Equal(got, big) {
		t.Fatal("a frame larger than a segment came to harm")
	}
}

func TestReadersMayFollowWhileTheLogGrows(t *testing.T) {
	const total = 20000
	l := newLog()
	start := l.Head()
	want := frames(0, total, 20)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			c := start
			var got []byte
			for c.Seq < total {
				p, next := c.Next()
				got, c = append(got, p.Bytes...), next
			}
			if !bytes.Equal(got, want) {
				t.Error("a reader got something else")
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for done, rest := 0, want; done < total; {
		n := min(1+r.IntN(9), total-done)
		f := First(rest, n)
		l.Append(f, n)
		if rest = rest[len(f):]; r.IntN(50) == 0 {
			l.Trim()
		}
		done += n
	}
	wg.Wait()
}

func BenchmarkAppend(b *testing.B) {
	l := newLog()
	f := frames(0, 1, 120)
	b.ReportAllocs()
	b.SetBytes(int64(len(f)))
	for b.Loop() {
		l.Append(f, 1)
	}
}

func BenchmarkReadOneByOne(b *testing.B) {
	l := newLog()
	c := l.Head()
	f := frames(0, 1, 120)
	b.ReportAllocs()
	for b.Loop() {
		l.Append(f, 1)
		_, c = c.Next()
	}
}

func BenchmarkSkip128Frames(b *testing.B) {
	l := newLog()
	f := frames(0, 128, 120)
	l.Append(f, 128)
	p, _ := newCursor(l).Next()
	b.ReportAllocs()
	for b.Loop() {
		p.Start.Skip(len(p.Bytes) - 1)
	}
}

// newCursor is at the beginning of the segment that is being filled.
func newCursor(l *Log) Cursor { return Cursor{seg: l.tail, Seq: l.tail.first} }

func TestForwardFindsTheFrame(t *testing.T) {
	l := newLog()
	c := l.Head()
	var all []byte
	memory := 0
	for i := range 300 {
		f := frames(i, 1, i)
		all = append(all, f...)
		memory += l.Append(f, 1)
	}
	if _, size := c.Extent(); size != memory {
		t.Fatalf("the log has %d bytes, Append said %d", size, memory)
	}
	for seq := range uint64(301) {
		at := c.Forward(seq)
		got, _ := readAll(at)
		if want := all[len(First(all, int(seq))):]; at.Seq != seq || !bytes.Equal(got, want) {
			t.Fatalf("forward to %d: at %d, %d bytes follow, want %d", seq, at.Seq, len(got), len(want))
		}
		if _, size := at.Extent(); size != memory-c.Between(at) {
			t.Fatalf("forward to %d: %d bytes are held, %d of %d were left", seq, size, c.Between(at), memory)
		}
	}
}

func TestCompactKeepsTheFramesAndNothingElse(t *testing.T) {
	for _, from := range []uint64{0, 1, 150, 299, 300} {
		l := newLog()
		c := l.Head()
		var all []byte
		for i := range 300 {
			f := frames(i, 1, i)
			all = append(all, f...)
			l.Append(f, 1)
		}
		behind := c.Forward(120)
		at := c.Forward(from)
		want := all[len(First(all, int(from))):]
		at = l.Compact(at)
		if _, size := at.Extent(); size != len(want) || !l.Trimmed() {
			t.Fatalf("from %d: %d bytes of memory for %d", from, size, len(want))
		}
		l.Append(frames(300, 1, 10), 1)
		more := frames(300, 1, 10)
		if got, end := readAll(at); !bytes.Equal(got, append(want, more...)) || end != l.Head() {
			t.Fatalf("from %d: %d bytes follow, want %d", from, len(got), len(want)+len(more))
		}
		if got, end := readAll(behind); !bytes.Equal(got, append(all[len(First(all, 120)):len(all):len(all)], more...)) || end != l.Head() {
			t.Fatal("a reader on the old segments lost its way")
		}
	}
}

// A reader may begin in the segments that are new while the others are still
// in the old ones.
func TestNextToStopsAtAnEndThatIsInOldSegments(t *testing.T) {
	l := newLog()
	old := newCursor(l)
	for i := range 40 {
		l.Append(frames(i, 1, 10+i), 1)
	}
	begin := l.Compact(old)
	for end := range uint64(41) {
		want, _ := readTo(old, old.Forward(end))
		got, at := readTo(begin, old.Forward(end))
		if !bytes.Equal(got, want) || at.Seq != end {
			t.Fatalf("up to %d: %d bytes, want %d; the reader is at %d", end, len(got), len(want), at.Seq)
		}
	}
}

func readTo(c, end Cursor) (all []byte, at Cursor) {
	for c.Seq != end.Seq {
		var p Piece
		p, c = c.NextTo(end)
		all = append(all, p.Bytes...)
	}
	return all, c
}

package room

import (
	"math"
	"unsafe"

	"chatd/room/carry"
)

// numbering says which number the Source gave to each message of a room's log, whose own
// are without holes. It is of the messages that are kept and the one before them, and
// belongs to the hub's Task.
//
//	log      41   42   43   44
//	Source  107  108  120  121     two runs: from 41 on 107, from 43 on 120
type numbering struct {
	runs []adjacent // in order, at least one
}

// adjacent is messages that are adjacent in the Source's numbers, too: the first
// one in the log, and its number there. It goes on to the next run.
type adjacent struct{ first, seq uint64 }

func (y *numbering) carry(w *carry.Writer) {
	w.Uint(uint64(len(y.runs)))
	for _, run := range y.runs {
		w.Uint(run.first)
		w.Uint(run.seq)
	}
}

// restore reads what carry has written. The log's last message is head, and floor the
// last that is not kept.
func (y *numbering) restore(r *carry.Reader, floor, head uint64) {
	y.runs = nil
	for i := range r.Count(math.MaxInt) {
		run := adjacent{r.UpTo(head), r.Uint()}
		if i == 0 && run.first > floor || i > 0 && (run.first <= y.runs[i-1].first || run.seq <= y.runs[i-1].seq) {
			r.Fail("the message %d has the number %d", run.first, run.seq)
			break
		}
		y.runs = append(y.runs, run)
	}
	if len(y.runs) == 0 {
		r.Fail("no message has a number")
		y.begin(0, 0)
	}
}

// begin forgets all: the message n, the last one that is not kept, is the Source's seq.
func (y *numbering) begin(n, seq uint64) { y.runs = []adjacent{{n, seq}} }

// add says that the message n, the next one, is the Source's seq.
func (y *numbering) add(n, seq uint64) {
	for last := y.runs[len(y.runs)-1]; last.first >= n; last = y.runs[len(y.runs)-1] {
		y.runs = y.runs[:len(y.runs)-1] // it was added, and did not come into the log
	}
	if last := y.runs[len(y.runs)-1]; seq-last.seq != n-last.first {
		y.runs = append(y.runs, adjacent{n, seq})
	}
}

// begins reports whether a run begins with the message n, which is the last one.
func (y *numbering) begins(n uint64) bool { return y.runs[len(y.runs)-1].first == n }

// seq is the Source's number of the message n.
func (y *numbering) seq(n uint64) uint64 {
	r := y.runs[search(y.runs, func(r adjacent) bool { return r.first <= n })]
	return r.seq + n - r.first
}

// behind is the last message up to head that the Source's number seq is not before.
func (y *numbering) behind(seq, head uint64) uint64 {
	i := search(y.runs, func(r adjacent) bool { return r.seq <= seq })
	n := y.runs[i].first + seq - y.runs[i].seq
	if i+1 < len(y.runs) {
		return min(n, y.runs[i+1].first-1)
	}
	return min(n, head)
}

// search is the last of the runs for which before is true, as it is for the first.
func search(runs []adjacent, before func(adjacent) bool) int {
	low, high := 0, len(runs)
	for high-low > 1 {
		if middle := (low + high) / 2; before(runs[middle]) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// forget lets go of what is before floor. The memory goes with the next that are added,
// or when nothing is kept any more.
func (y *numbering) forget(floor uint64) {
	for len(y.runs) > 1 && y.runs[1].first <= floor {
		y.runs = y.runs[1:]
	}
	if len(y.runs) == 1 && cap(y.runs) > 8 {
		y.runs = []adjacent{y.runs[0]}
	}
}

// size is the memory in bytes, about.
func (y *numbering) size() int { return cap(y.runs) * int(unsafe.Sizeof(adjacent{})) }

package load

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"chatd/bench/result"
)

// slowest is the longest latency that is told apart.
const slowest = time.Minute

// window collects the latencies of the messages that were due in the measured
// time. It belongs to the fleet's worker.
type window struct {
	rooms    Rooms
	from, to int64                   // of due times
	all      *hdrhistogram.Histogram // of deliveries, in microseconds
	last     [][]Last                // by room, from rooms.First on, and sender
}

// Last is when a sender's messages reached the last client.
type Last struct {
	First   uint64  // the first measured message
	Latency []int64 // by message from First on: of the latest delivery, in ns
}

func (v *window) init(rooms Rooms) {
	v.rooms = rooms
	v.all = hdrhistogram.New(1, slowest.Microseconds(), 3)
	v.last = make([][]Last, rooms.Len())
}

func (v *window) record(m message, now int64) {
	if m.due < v.from || m.due >= v.to {
		return
	}
	latency := max(now-m.due, 0)
	_ = v.all.RecordValue(min(latency/1000, slowest.Microseconds())) // in range by now
	senders := &v.last[int(m.room)-v.rooms.First]
	for int(m.sender) >= len(*senders) {
		*senders = append(*senders, Last{First: m.seq})
	}
	l := &(*senders)[m.sender]
	if len(l.Latency) == 0 {
		l.First = m.seq
	}
	l.add(m.seq, latency)
}

// add takes in a message's latency.
func (l *Last) add(seq uint64, latency int64) {
	if seq < l.First {
		return
	}
	i := int(seq - l.First)
	for i >= len(l.Latency) {
		l.Latency = append(l.Latency, 0)
	}
	l.Latency[i] = max(l.Latency[i], latency)
}

// Measure begins to collect the latencies of messages that are due between
// from and to, and forgets earlier ones.
func (f *Fleet) Measure(from, to int64) {
	f.Do(func() {
		f.window = window{from: from, to: to}
		f.window.init(f.rooms)
	})
}

// MeasureUntil ends what Measure began without an end.
func (f *Fleet) MeasureUntil(to int64) { f.Do(func() { f.window.to = to }) }

// Latencies is what was collected.
type Latencies struct {
	All  *hdrhistogram.Snapshot // of all deliveries, in microseconds
	Last [][]Last               // by room and sender
}

// Latencies returns what was collected since Measure.
func (f *Fleet) Latencies() (l Latencies) {
	f.Do(func() {
		l = Latencies{All: f.window.all.Export()}
		for _, room := range f.window.last {
			senders := slices.Clone(room)
			for i := range senders { // late deliveries may still be taken in
				senders[i].Latency = slices.Clone(senders[i].Latency)
			}
			l.Last = append(l.Last, senders)
		}
	})
	return l
}

// Merge adds what other clients collected of the same messages.
func (l *Latencies) Merge(other Latencies) {
	all := hdrhistogram.Import(l.All)
	all.Merge(hdrhistogram.Import(other.All))
	l.All = all.Export()
	for room, senders := range other.Last {
		for sender, more := range senders {
			if sender >= len(l.Last[room]) {
				l.Last[room] = append(l.Last[room], more)
				continue
			}
			// What only the others heard of is left out.
			last := &l.Last[room][sender]
			for i, latency := range more.Latency {
				if seq := more.First + uint64(i); seq < last.First+uint64(len(last.Latency)) {
					last.add(seq, latency)
				}
			}
		}
	}
}

// Percentiles is of all deliveries, and of the last delivery of each message.
// They are nil if there was none.
func (l *Latencies) Percentiles() (all, last *result.Latency) {
	h := hdrhistogram.New(1, slowest.Microseconds(), 3)
	for _, senders := range l.Last {
		for _, last := range senders {
			for _, ns := range last.Latency {
				_ = h.RecordValue(min(ns/1000, slowest.Microseconds())) // in range by now
			}
		}
	}
	return latency(hdrhistogram.Import(l.All)), latency(h)
}

func latency(h *hdrhistogram.Histogram) *result.Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return &result.Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1000}
}

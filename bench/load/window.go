package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"chatd/bench/result"
)

// slowest is the longest latency that is told apart.
const slowest = time.Minute

// window collects the latencies of the messages that were due in the measured
// time. It belongs to the fleet's worker.
type window struct {
	from, to int64                   // of due times
	all      *hdrhistogram.Histogram // of deliveries, in microseconds
	last     [][]int64               // by sender and message since the first measured: latency of the latest delivery, in ns
	first    []uint64                // by sender: the first measured message
}

func (v *window) init() {
	v.all = hdrhistogram.New(1, slowest.Microseconds(), 3)
}

func (v *window) record(m message, now int64) {
	if m.due < v.from || m.due >= v.to {
		return
	}
	latency := max(now-m.due, 0)
	_ = v.all.RecordValue(min(latency/1000, slowest.Microseconds())) // in range by now
	for int(m.sender) >= len(v.last) {
		v.last = append(v.last, nil)
		v.first = append(v.first, m.seq)
	}
	if len(v.last[m.sender]) == 0 {
		v.first[m.sender] = m.seq
	}
	if m.seq < v.first[m.sender] {
		return
	}
	i := int(m.seq - v.first[m.sender])
	for i >= len(v.last[m.sender]) {
		v.last[m.sender] = append(v.last[m.sender], 0)
	}
	v.last[m.sender][i] = max(v.last[m.sender][i], latency)
}

// Measure begins to collect the latencies of messages that are due between
// from and to, and forgets earlier ones.
func (f *Fleet) Measure(from, to int64) {
	f.Do(func() {
		f.window = window{from: from, to: to}
		f.window.init()
	})
}

// Latencies is what was collected.
type Latencies struct {
	All   *hdrhistogram.Snapshot // of all deliveries, in microseconds
	First []uint64               // by sender: the first measured message
	Last  [][]int64              // by sender and message from First on: latency of its last delivery, in ns
}

// Latencies returns what was collected since Measure.
func (f *Fleet) Latencies() (l Latencies) {
	f.Do(func() { l = Latencies{All: f.window.all.Export(), First: f.window.first, Last: f.window.last} })
	return l
}

// Merge adds what other clients collected of the same messages.
func (l *Latencies) Merge(other Latencies) {
	all := hdrhistogram.Import(l.All)
	all.Merge(hdrhistogram.Import(other.All))
	l.All = all.Export()
	for sender := range other.Last {
		if sender >= len(l.Last) {
			l.First, l.Last = append(l.First, other.First[sender]), append(l.Last, other.Last[sender])
			continue
		}
		for i, latency := range other.Last[sender] {
			at := int(other.First[sender]-l.First[sender]) + i
			if at >= 0 && at < len(l.Last[sender]) {
				l.Last[sender][at] = max(l.Last[sender][at], latency)
			}
		}
	}
}

// Percentiles is of all deliveries, and of the last delivery of each message.
// They are nil if there was none.
func (l *Latencies) Percentiles() (all, last *result.Latency) {
	h := hdrhistogram.New(1, slowest.Microseconds(), 3)
	for _, sender := range l.Last {
		for _, ns := range sender {
			_ = h.RecordValue(min(ns/1000, slowest.Microseconds())) // in range by now
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

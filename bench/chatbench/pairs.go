package main

import (
	"fmt"
	"io"

	"chatd/bench/result"
)

// pairFigures are those of which pairs of runs are compared.
var pairFigures = []struct {
	name, unit string
	value      func(*result.Run) (float64, bool)
}{
	{"p99", "ms", func(r *result.Run) (float64, bool) {
		return orNone(r.Delivery, func(l *result.Latency) float64 { return l.P99 })
	}},
	{"p99 of last delivery", "ms", func(r *result.Run) (float64, bool) {
		return orNone(r.Last, func(l *result.Latency) float64 { return l.P99 })
	}},
	{"a frame", "bytes", func(r *result.Run) (float64, bool) { return r.FrameBytes, r.FrameBytes > 0 }},
	{"CPU of a message", "µs", func(r *result.Run) (float64, bool) {
		return orNone(r.PerMessage, func(c *result.Cost) float64 { return c.CPU.Total() })
	}},
	{"threads waited", "times a message", func(r *result.Run) (float64, bool) {
		return orNone(r.PerMessage, func(c *result.Cost) float64 { return c.Voluntary })
	}},
	{"threads gave way", "times a message", func(r *result.Run) (float64, bool) {
		return orNone(r.PerMessage, func(c *result.Cost) float64 { return c.Involuntary })
	}},
	{"system calls", "a message", func(r *result.Run) (float64, bool) {
		v, _ := orNone(r.PerMessage, func(c *result.Cost) float64 { return c.Syscalls })
		return v, v > 0 // they are counted only if that was asked for
	}},
	{"flood", "M deliveries/s", func(r *result.Run) (float64, bool) {
		return orNone(r.Flood, func(f *result.Flood) float64 { return f.Achieved / 1e6 })
	}},
}

func orNone[T any](from *T, value func(*T) float64) (float64, bool) {
	if from == nil {
		return 0, false
	}
	return value(from), true
}

// versusTitles name the two runs of a pair.
var versusTitles = map[string][2]string{
	versusFlood:  {"without a flood", "beside a flooded room"},
	versusSingle: {"in a single room", "over all rooms"},
	versusRaw:    {"raw frames", "the dialect's"},
}

// printPairs writes the medians of the pairs' figures, with their least and
// most, and the ratios: of the medians, and the least and most of the pairs'.
func printPairs(w io.Writer, r *result.Rooms) {
	titles := versusTitles[r.Versus]
	fmt.Fprintf(w, "medians of %d pairs\t%s\t%s\tratio\n", len(r.Pairs), titles[0], titles[1])
	for _, f := range pairFigures {
		var bases, others, ratios []float64
		for i := range r.Pairs {
			base, has := f.value(&r.Pairs[i].Base)
			if has {
				bases = append(bases, base)
			}
			other, also := f.value(&r.Pairs[i].Against)
			if also {
				others = append(others, other)
			}
			if has && also && base > 0 {
				ratios = append(ratios, other/base)
			}
		}
		base, other := result.SpreadOf(bases), result.SpreadOf(others)
		if base.N == 0 && other.N == 0 {
			continue
		}
		ratio := result.SpreadOf(ratios)
		ratio.Median, _ = other.Ratio(base)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.name, spreadText(base, f.unit), spreadText(other, f.unit), spreadText(ratio, "×"))
	}
}

// spreadText is a figure with its spread; nothing if there is none.
func spreadText(s result.Spread, unit string) string {
	switch {
	case s.N == 0:
		return "–"
	case s.N == 1:
		return fmt.Sprintf("%.4g %s", s.Median, unit)
	}
	return fmt.Sprintf("%.4g %s (%.4g–%.4g)", s.Median, unit, s.Min, s.Max)
}

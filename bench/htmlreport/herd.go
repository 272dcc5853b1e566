package htmlreport

import "chatd/bench/result"

// centrifuge is the peer to which clients can come back.
const centrifuge = "centrifuge"

// herdView is the runs in which so many clients came back.
type herdView struct {
	Params string
	Rows   [][]string // a row for each server
}

var herdHeader = []string{"Server", "All caught up, s", "Each, p99 ms", "Who stayed, p99 ms", "The same without, ms", "CPU of each, µs", "Memory before", "Memory added"}

func herdViews(c *result.Comparison) (all []herdView) {
	for _, g := range groups(c, "herd") {
		v := herdView{Params: describe(g.Params)}
		for _, server := range everybody(c) {
			if g.count(server) > 0 {
				v.Rows = append(v.Rows, herdRow(g, server))
			}
		}
		all = append(all, v)
	}
	return all
}

// herdRow is the medians of the rounds.
func herdRow(g group, server string) []string {
	row := []string{server}
	for _, f := range []figure{
		{Format: short, value: caughtUp},
		{Format: short, value: func(r result.Run) (float64, bool) {
			return herdP99(r, func(h *result.Herd) *result.Latency { return h.Each })
		}},
		{Format: short, value: stayedP99},
		{Format: short, value: calmP99},
		{Format: short, value: comebackCPU},
		{Format: mebibytes, value: herdBefore},
		{Format: mebibytes, value: herdAdded},
	} {
		f.from = g
		row = append(row, f.cell(server))
	}
	return row
}

func caughtUp(r result.Run) (float64, bool) {
	if r.Herd == nil {
		return 0, false
	}
	return r.Herd.CaughtUp, r.Herd.CaughtUp > 0
}

func herdP99(r result.Run, of func(*result.Herd) *result.Latency) (float64, bool) {
	if r.Herd == nil || of(r.Herd) == nil {
		return 0, false
	}
	return of(r.Herd).P99, true
}

func stayedP99(r result.Run) (float64, bool) {
	return herdP99(r, func(h *result.Herd) *result.Latency { return h.Stayed })
}

func calmP99(r result.Run) (float64, bool) {
	return herdP99(r, func(h *result.Herd) *result.Latency { return h.Calm })
}

func comebackCPU(r result.Run) (float64, bool) {
	if r.Herd == nil || r.Herd.CPU == nil {
		return 0, false
	}
	return r.Herd.CPU.Total(), true
}

func herdBefore(r result.Run) (float64, bool) {
	if r.Herd == nil {
		return 0, false
	}
	return float64(r.Herd.RSSBefore), r.Herd.RSSBefore > 0
}

func herdAdded(r result.Run) (float64, bool) {
	if r.Herd == nil {
		return 0, false
	}
	return float64(r.Herd.Added()), r.Herd.RSSBefore > 0
}

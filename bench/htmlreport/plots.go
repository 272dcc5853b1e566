package htmlreport

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"chatd/bench/result"
)

// pictures returns the plots for which there are runs, but for those of growth.
func pictures(c *result.Comparison) []picture {
	all := names(c)
	var made []picture
	add := func(p picture, ok bool) {
		if ok {
			made = append(made, p)
		}
	}
	deliveryTime := func(r result.Run) *result.CPU { return r.ServerCPU }
	handshakeTime := func(r result.Run) *result.CPU {
		if r.Handshakes == nil {
			return nil
		}
		return r.Handshakes.CPU
	}
	for _, f := range figures(c) {
		title := f.Title + " (" + f.Unit + ")"
		switch f.Title {
		case cpuPerDelivery:
			add(barPicture("cpu-per-delivery", title, f, all, deliveryTime))
		case memoryPerConn:
			add(barPicture("memory-per-connection", title, f, all, nil))
		case cpuPerHandshake:
			add(barPicture("cpu-per-handshake", title, f, all, handshakeTime))
		}
	}
	add(latencyPicture(fanout(c), all))
	return made
}

// barPicture shows one figure, the least at the top. With times, bars are
// divided into user and system time.
func barPicture(name, title string, f figure, servers []string, times func(result.Run) *result.CPU) (picture, bool) {
	var all bars
	for _, server := range servers {
		b := bar{server: server, spread: f.spread(server)}
		if b.spread.N == 0 {
			continue
		}
		b.text, _ = f.text(server)
		if _, bad := faultsOf(server, f.from.Runs); bad > 0 {
			b.text += " (faults)"
		}
		if times != nil {
			b.system = systemShare(server, f.from.Runs, times)
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return picture{}, false
	}
	slices.SortStableFunc(all, func(a, b bar) int { return cmp.Compare(b.spread.Median, a.spread.Median) })
	p := newPlot("", "")
	addGrid(p, true, false)
	p.Add(all)
	ticks := make([]plot.Tick, len(all))
	for i, b := range all {
		ticks[i] = plot.Tick{Value: float64(i), Label: b.server}
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Length, p.Y.LineStyle.Width, p.X.LineStyle.Width, p.X.Tick.Length = 0, 0, 0, 0
	p.X.Tick.Marker = plainTicks{}
	p.X.Tick.Label.Color = muted
	legend := describe(f.from.Params)
	if times != nil {
		legend += " – full colour: user, pale: system"
	}
	height := 80 + 22*vg.Length(len(all))
	return picture{Name: name, Title: title, Legend: legend, plot: p, height: height, right: 70}, true
}

// systemShare returns which share of a server's time was the kernel's.
func systemShare(server string, runs []result.Run, times func(result.Run) *result.CPU) float64 {
	var user, system []float64
	for _, run := range runs {
		if t := times(run); t != nil && run.Server == server {
			user, system = append(user, t.User), append(system, t.System)
		}
	}
	u, s := result.SpreadOf(user).Median, result.SpreadOf(system).Median
	if u+s == 0 {
		return 0
	}
	return s / (u + s)
}

// latencyPicture shows the percentiles of the latency of each message's last
// delivery; of every delivery, if those of the last are not known.
func latencyPicture(fan group, servers []string) (picture, bool) {
	title := "Latency of each message's last delivery (ms)"
	latency := func(r result.Run) *result.Latency { return r.Last }
	if !slices.ContainsFunc(fan.Runs, func(r result.Run) bool { return r.Last != nil }) {
		title = "Latency of deliveries (ms)"
		latency = func(r result.Run) *result.Latency { return r.Delivery }
	}
	percentiles := []struct {
		name  string
		value func(*result.Latency) float64
	}{
		{"p50", func(l *result.Latency) float64 { return l.P50 }},
		{"p90", func(l *result.Latency) float64 { return l.P90 }},
		{"p99", func(l *result.Latency) float64 { return l.P99 }},
		{"p99.9", func(l *result.Latency) float64 { return l.P999 }},
		{"max", func(l *result.Latency) float64 { return l.Max }},
	}
	ticks := make([]plot.Tick, len(percentiles))
	for i, p := range percentiles {
		ticks[i] = plot.Tick{Value: float64(i), Label: p.name}
	}
	var all lines
	for _, server := range servers {
		l := line{server: server}
		for i, p := range percentiles {
			of := figure{from: fan, value: func(r result.Run) (float64, bool) {
				if at := latency(r); at != nil {
					return p.value(at), true
				}
				return 0, false
			}}
			if s := of.spread(server); s.Median > 0 {
				l.points = append(l.points, plotter.XY{X: float64(i), Y: s.Median})
			}
		}
		all = append(all, l)
	}
	return linePicture("latency", title, describe(fan.Params)+" – lower is better", "", all, ticks)
}

// linePicture shows those of the lines that have points.
func linePicture(name, title, legend, axis string, all lines, ticks []plot.Tick) (picture, bool) {
	all = slices.DeleteFunc(all, func(l line) bool { return len(l.points) == 0 })
	if len(all) == 0 {
		return picture{}, false
	}
	// What is drawn last is above the others.
	slices.SortStableFunc(all, func(a, b line) int { return cmp.Compare(prominence(a.server), prominence(b.server)) })
	p := newPlot(axis, "")
	addGrid(p, false, true)
	p.Add(all)
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Marker = logTicks{}
	p.Y.Scale = plot.LogScale{}
	p.Y.LineStyle.Width, p.Y.Tick.Length = 0, 0
	right := vg.Length(0)
	for _, l := range all {
		right = max(right, label(9.5, ink, true).Width(l.server))
	}
	height := vg.Length(math.Max(300, 110+nameGap*float64(len(all))))
	return picture{Name: name, Title: title, Legend: legend, plot: p, height: height, right: right + 28}, true
}

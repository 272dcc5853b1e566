package htmlreport

import (
	"fmt"
	"strings"

	"chatd/bench/result"
)

// Titles of the figures that are shown as bars.
const (
	cpuPerDelivery  = "CPU per delivery"
	memoryPerConn   = "Memory per connection"
	cpuPerHandshake = "CPU per handshake"
)

// figure is one headline figure of every server: what is read from which runs.
type figure struct {
	Title  string // of the column
	Short  string // the same for the terminal
	Unit   string
	Higher bool // is better
	Format func(float64) string

	from  group
	value func(result.Run) (float64, bool)
}

// spread returns what the rounds measured of a server.
func (f figure) spread(server string) result.Spread {
	var values []float64
	for _, run := range f.from.Runs {
		if v, ok := f.value(run); ok && run.Server == server {
			values = append(values, v)
		}
	}
	return result.SpreadOf(values)
}

// text returns a server's median, then its spread if there were several rounds.
func (f figure) text(server string) (median, minmax string) {
	s := f.spread(server)
	if s.N == 0 {
		return missing, ""
	}
	if s.N > 1 {
		minmax = f.Format(s.Min) + "–" + f.Format(s.Max)
	}
	return f.Format(s.Median), minmax
}

// cell returns the same in one text, with the sign for faults.
func (f figure) cell(server string) string {
	cell, minmax := f.text(server)
	if minmax != "" {
		cell += " (" + minmax + ")"
	}
	if _, bad := faultsOf(server, f.from.Runs); bad > 0 {
		cell += " !"
	}
	return cell
}

// amount returns a value with its unit.
func (f figure) amount(v float64) string { return strings.TrimSpace(f.Format(v) + " " + f.Unit) }

// ratio returns a server's median as a multiple of another's.
func (f figure) ratio(server, base string) string {
	r, ok := f.spread(server).Ratio(f.spread(base))
	if !ok {
		return missing
	}
	return digits(r) + "×"
}

// figures returns the headline figures. Those of a scenario that nobody ran
// are missing for every server; floods are one figure each.
func figures(c *result.Comparison) []figure {
	fan := fanout(c)
	all := []figure{
		{Title: cpuPerDelivery, Short: "CPU/DELIVERY", Unit: "µs", Format: short, from: fan, value: deliveryCPU},
		{Title: "p99 of last delivery", Short: "P99 LAST", Unit: "ms", Format: short, from: fan, value: lastP99},
	}
	for _, g := range floods(c) {
		all = append(all, figure{
			Title: fmt.Sprintf("Flood, %s outstanding", grouped(g.Params.Outstanding)),
			Short: fmt.Sprintf("FLOOD %d", g.Params.Outstanding),
			Unit:  "deliveries/s", Higher: true, Format: short, from: g, value: throughput,
		})
	}
	idle, storm := widest(groups(c, "idle")), widest(groups(c, "storm"))
	return append(all,
		figure{Title: memoryPerConn, Short: "MEM/CONN", Unit: "bytes", Format: whole, from: idle, value: perConn},
		figure{Title: cpuPerHandshake, Short: "CPU/HANDSHAKE", Unit: "µs", Format: short, from: storm, value: handshakeCPU},
	)
}

func deliveryCPU(r result.Run) (float64, bool) {
	if r.ServerCPU == nil {
		return 0, false
	}
	return r.ServerCPU.Total(), true
}

func deliveryP99(r result.Run) (float64, bool) {
	if r.Delivery == nil {
		return 0, false
	}
	return r.Delivery.P99, true
}

func lastP99(r result.Run) (float64, bool) {
	if r.Last == nil {
		return 0, false
	}
	return r.Last.P99, true
}

func throughput(r result.Run) (float64, bool) { return r.Achieved, r.Achieved > 0 }

func perConn(r result.Run) (float64, bool) {
	if r.Memory == nil {
		return 0, false
	}
	return r.Memory.PerConn, r.Memory.PerConn > 0
}

// rssShare is all of the process's memory shared out among its clients.
func rssShare(r result.Run) (float64, bool) {
	if r.Memory == nil || r.Memory.RSS == 0 || r.Params.Clients == 0 {
		return 0, false
	}
	return float64(r.Memory.RSS) / float64(r.Params.Clients), true
}

// filesPerConn is the process's descriptors shared out among its clients.
func filesPerConn(r result.Run) (float64, bool) {
	if r.Memory == nil || r.Params.Clients == 0 {
		return 0, false
	}
	return float64(r.Memory.Files) / float64(r.Params.Clients), true
}

// healthyHarmed counts deliveries that were lost and clients that were cut off.
func healthyHarmed(r result.Run) (float64, bool) {
	return float64(r.Faults.Lost + r.Faults.Disconnected), r.Achieved > 0
}

func rssWith(r result.Run) (float64, bool) {
	if r.Stuck == nil {
		return 0, false
	}
	return float64(r.Stuck.RSSWith), r.Stuck.RSSWith > 0
}

func rssWithout(r result.Run) (float64, bool) {
	if r.Stuck == nil {
		return 0, false
	}
	return float64(r.Stuck.RSSWithout), r.Stuck.RSSWithout > 0
}

func handshakeCPU(r result.Run) (float64, bool) {
	if r.Handshakes == nil || r.Handshakes.CPU == nil {
		return 0, false
	}
	return r.Handshakes.CPU.Total(), true
}

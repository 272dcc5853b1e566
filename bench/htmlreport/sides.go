package htmlreport

import (
	"strings"

	"chatd/bench/result"
)

// sideView is a table of its own, of what servers did besides the usual, with ours that
// did as much of that at the same time.
type sideView struct {
	Name, Title, Note string
	Params            string
	Header            []string
	Rows              [][]string // a row for each server
}

// sideFigure is a figure of a sideView.
type sideFigure struct {
	figure
	ratio string // what its ratio to ours is called; "": there is none
}

func sideViews(c *result.Comparison) (all []sideView) {
	for _, v := range []sideView{eventsView(c), secureView(c)} {
		if len(v.Rows) > 0 {
			all = append(all, v)
		}
	}
	return all
}

// eventsView is what readers of server-sent events cost.
func eventsView(c *result.Comparison) sideView {
	idle, fan := widest(groups(c, result.EventsIdle)), widest(groups(c, result.EventsFanout))
	v := sideView{Name: "events", Title: "Server-sent events", Note: "Clients that read them, and as much sent to raw members of chatd; medians."}
	v.fill(c, result.Events, []sideFigure{
		{figure{Title: memoryPerConn, Unit: "bytes", Format: whole, from: idle, value: perConn}, "Memory"},
		{figure{Title: cpuPerDelivery, Unit: "µs", Format: short, from: fan, value: deliveryCPU}, "CPU"},
		{figure{Title: "p99 of each delivery", Unit: "ms", Format: short, from: fan, value: deliveryP99}, ""},
		{figure{Title: "A delivery on the wire", Unit: "bytes", Format: whole, from: fan, value: frameBytes}, ""},
	})
	return v
}

// secureView is what TLS costs.
func secureView(c *result.Comparison) sideView {
	of := func(scenario string) group { return widest(groups(c, scenario)) }
	v := sideView{Name: "wss", Title: "Over TLS", Note: "Clients that speak TLS 1.3, and as many that speak to chatd without; medians. A handshake is that of TLS and the one of the WebSocket behind it, with the close."}
	v.fill(c, result.Secure, []sideFigure{
		{figure{Title: memoryPerConn, Unit: "bytes", Format: whole, from: of(result.SecureIdle), value: perConn}, "Memory"},
		{figure{Title: cpuPerDelivery, Unit: "µs", Format: short, from: of(result.SecureFanout), value: deliveryCPU}, "CPU"},
		{figure{Title: "p99 of each delivery", Unit: "ms", Format: short, from: of(result.SecureFanout), value: deliveryP99}, ""},
		{figure{Title: "Flood", Unit: "deliveries/s", Format: short, from: of(result.SecureFlood), value: throughput}, "Flood"},
		{figure{Title: cpuPerHandshake, Unit: "µs", Format: short, from: of(result.SecureStorm), value: handshakeCPU}, ""},
		{figure{Title: "The same, resumed", Unit: "µs", Format: short, from: of(result.SecureResumed), value: handshakeCPU}, ""},
		{figure{Title: "Memory with stuck clients", Format: mebibytes, from: of(result.SecureStuck), value: rssWith}, ""},
	})
	return v
}

// fill makes the table of these figures, of the scenarios that begin so.
func (v *sideView) fill(c *result.Comparison, family string, figures []sideFigure) {
	v.Header = []string{"Server"}
	var params, ratios []string
	said := make(map[string]bool)
	for _, f := range figures {
		title := f.Title
		if f.Unit != "" {
			title += ", " + f.Unit
		}
		v.Header = append(v.Header, title)
		if f.ratio != "" {
			ratios = append(ratios, f.ratio+" ×"+ours)
		}
		if about := describe(f.from.Params); about != "" && !said[f.from.Scenario] {
			said[f.from.Scenario] = true
			params = append(params, strings.TrimPrefix(f.from.Scenario, family)+": "+about)
		}
	}
	v.Header, v.Params = append(v.Header, ratios...), strings.Join(params, "; ")
	for _, server := range everybody(c) {
		row, to, runs := []string{server}, []string(nil), 0
		for _, f := range figures {
			runs += f.from.count(server)
			row = append(row, f.cell(server))
			if f.ratio != "" {
				to = append(to, f.figure.ratio(server, ours))
			}
		}
		if runs > 0 {
			v.Rows = append(v.Rows, append(row, to...))
		}
	}
}

func frameBytes(r result.Run) (float64, bool) { return r.FrameBytes, r.FrameBytes > 0 }

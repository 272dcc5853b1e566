package htmlreport

import (
	"strings"

	"chatd/bench/result"
)

// eventsView is what readers of server-sent events cost, beside raw members of our
// server.
type eventsView struct {
	Params string
	Header []string
	Rows   [][]string // a row for each server
}

func newEventsView(c *result.Comparison) eventsView {
	idle, fan := widest(groups(c, result.EventsIdle)), widest(groups(c, result.EventsFanout))
	v := eventsView{Header: []string{"Server"}}
	var params []string
	for _, g := range []group{idle, fan} {
		if len(g.Runs) > 0 {
			params = append(params, strings.TrimPrefix(g.Scenario, result.Events)+": "+describe(g.Params))
		}
	}
	v.Params = strings.Join(params, "; ")
	memory := figure{Title: memoryPerConn, Unit: "bytes", Format: whole, from: idle, value: perConn}
	cpu := figure{Title: cpuPerDelivery, Unit: "µs", Format: short, from: fan, value: deliveryCPU}
	p99 := figure{Title: "p99 of each delivery", Unit: "ms", Format: short, from: fan, value: deliveryP99}
	frame := figure{Title: "A delivery on the wire", Unit: "bytes", Format: whole, from: fan, value: frameBytes}
	for _, f := range []figure{memory, cpu, p99, frame} {
		v.Header = append(v.Header, f.Title+", "+f.Unit)
	}
	v.Header = append(v.Header, "Memory ×"+ours, "CPU ×"+ours)
	for _, server := range everybody(c) {
		if idle.count(server)+fan.count(server) == 0 {
			continue
		}
		row := []string{server}
		for _, f := range []figure{memory, cpu, p99, frame} {
			row = append(row, f.cell(server))
		}
		v.Rows = append(v.Rows, append(row, memory.ratio(server, ours), cpu.ratio(server, ours)))
	}
	return v
}

func frameBytes(r result.Run) (float64, bool) { return r.FrameBytes, r.FrameBytes > 0 }

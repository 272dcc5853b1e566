package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"chatd/bench/result"
)

// printRun writes a run's figures, a line each.
func printRun(out io.Writer, r *result.Run) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	row := func(name, format string, values ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, values...))
	}
	what := fmt.Sprintf("%s against %s, %d clients", r.Scenario, r.Server, r.Params.Clients)
	if r.Dialect != "" {
		what = fmt.Sprintf("%s (%s) against %s, %d clients", r.Scenario, r.Dialect, r.Server, r.Params.Clients)
	}
	if r.Params.Rooms > 1 {
		what += fmt.Sprintf(" in %d rooms", r.Params.Rooms)
	}
	row("scenario", "%s, %.1f s", what, r.Seconds)
	if r.Offered > 0 {
		row("offered", "%.0f deliveries/s", r.Offered)
	}
	if r.Rooms != nil {
		printPairs(w, r.Rooms)
	}
	if r.Achieved > 0 {
		row("achieved", "%.0f deliveries/s (%d messages, %d deliveries)", r.Achieved, r.Messages, r.Deliveries)
	}
	if l := r.Delivery; l != nil {
		row("latency", "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms", l.P50, l.P90, l.P99, l.P999, l.Max)
	}
	if l := r.Last; l != nil {
		row("last delivery", "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms", l.P50, l.P90, l.P99, l.P999, l.Max)
	}
	if c := r.ServerCPU; c != nil {
		row("server CPU", "%.2f µs a delivery (user %.2f, system %.2f)", c.Total(), c.User, c.System)
	}
	if c := r.PerMessage; c != nil {
		row("a message", "%s", costText(c))
	}
	if r.FrameBytes > 0 {
		row("a frame", "%.1f bytes a delivery, with its header", r.FrameBytes)
	}
	if c := r.GeneratorCPU; c != nil {
		row("generator CPU", "%.2f µs a delivery, %.0f %% busy", c.Total(), r.Busy*100)
	}
	if h := r.Handshakes; h != nil {
		row("handshakes", "%.0f a second", h.PerSecond)
		if h.CPU != nil {
			row("handshake CPU", "%.1f µs (user %.1f, system %.1f)", h.CPU.Total(), h.CPU.User, h.CPU.System)
		}
	}
	if m := r.Memory; m != nil {
		row("server", "%.1f MiB resident, %d descriptors, %d threads", float64(m.RSS)/(1<<20), m.Files, m.Threads)
		if m.PerConn != 0 {
			row("memory", "%.0f bytes a connection", m.PerConn)
		}
	}
	if s := r.Stuck; s != nil {
		row("stuck clients", "%d of %d hung up on, the first after %d messages", s.Dropped, r.Params.StuckClients, s.FirstDropped)
		row("server memory", "%.1f MiB without them, %.1f MiB with", float64(s.RSSWithout)/(1<<20), float64(s.RSSWith)/(1<<20))
	}
	if p := r.Publish; p != nil {
		row("publishes", "%.0f a second by %d publishers, told to come again %d times", p.PerSecond, r.Params.Senders, p.Refused)
		if l := p.Latency; l != nil {
			row("a publish", "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms", l.P50, l.P90, l.P99, l.P999, l.Max)
		}
	}
	if h := r.Herd; h != nil {
		printHerd(row, h, r.Params)
	}
	if u := r.Upgrades; u != nil {
		printUpgrades(row, u)
	}
	if m := r.Ramp; m != nil {
		row("sustained", "%.0f messages/s; %.0f was too much: %s", m.Sustained, m.Failed, m.Why)
	}
	f := r.Faults
	row("faults", "%d lost, %d duplicated, %d out of order, %d clients with another order, %d corrupt, %d of another room, %d disconnected",
		f.Lost, f.Duplicated, f.Disordered, f.OrderDiffers, f.Corrupt, f.Foreign, f.Disconnected)
	if r.Dialect != "" {
		row("positions", "%d misnumbered, %d gaps", f.Misnumbered, f.Gaps)
	}
	for _, warning := range r.Warnings {
		row("note", "%s", warning)
	}
}

// costText is what a message costs, in words.
func costText(c *result.Cost) string {
	text := fmt.Sprintf("%.1f µs of CPU (user %.1f, system %.1f), threads waited %.2f times, gave way %.2f times",
		c.CPU.Total(), c.CPU.User, c.CPU.System, c.Voluntary, c.Involuntary)
	if c.Syscalls > 0 {
		text += fmt.Sprintf(", %.2f system calls", c.Syscalls)
	}
	return text
}

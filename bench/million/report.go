package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"chatd/bench/result"
)

// Report is what a run found out.
type Report struct {
	Started time.Time `json:"started"`
	Kernel  string    `json:"guest_kernel"`
	Server  string    `json:"server"` // version
	Commit  string    `json:"commit"`
	Command string    `json:"command"`
	Clients int       `json:"clients"`
	Held    int       `json:"held"` // connected, all at once

	Connecting   float64 `json:"connecting_s"`
	HandshakeCPU float64 `json:"handshake_cpu_us"` // the server's, of one

	RSSBefore int64 `json:"rss_before_bytes"` // the server's, without connections
	RSS       int64 `json:"rss_bytes"`        // with all of them, idle
	RSSAnon   int64 `json:"rss_anon_bytes"`
	RSSFile   int64 `json:"rss_file_bytes"`
	RSSPeak   int64 `json:"rss_peak_bytes"`
	GC        GC    `json:"gc"`

	KernelMemory int64  `json:"kernel_bytes"` // what the kernel took for both ends, idle
	Slabs        []Slab `json:"slabs"`        // the largest
	// All of the slabs, and what of them cannot be taken back.
	Slab              int64   `json:"slab_bytes"`
	SlabUnreclaimable int64   `json:"slab_unreclaimable_bytes"`
	Sockets           Sockets `json:"tcp_sockets"`

	Upgrade *Upgrade `json:"upgrade,omitempty"` // nil in reports from before there was one

	Message     int           `json:"message_bytes"`
	Delivered   uint64        `json:"delivered"`
	First       float64       `json:"first_delivery_s"` // since the message was due
	Last        float64       `json:"last_delivery_s"`
	DeliveryCPU float64       `json:"delivery_cpu_us"` // the server's
	Faults      result.Faults `json:"faults"`

	Closing float64 `json:"closing_s"`
	Took    float64 `json:"took_s"`
}

// Upgrade is what the server said of the one in the middle.
type Upgrade struct {
	Carried  int     `json:"carried"`    // connections
	Unserved float64 `json:"unserved_s"` // for so long nobody was served
}

// verdict is an error if not everybody was held and heard the message.
func (r *Report) verdict() error {
	switch {
	case r.Held != r.Clients:
		return fmt.Errorf("%d of %d clients were held", r.Held, r.Clients)
	case r.Upgrade != nil && r.Upgrade.Carried != r.Clients:
		return fmt.Errorf("%d of %d clients were carried by the upgrade", r.Upgrade.Carried, r.Clients)
	case r.Faults.Any() || r.Delivered != uint64(r.Clients):
		return errors.New("not everybody got the message, or not as it was sent")
	}
	return nil
}

func (r *Report) markdown() string {
	var b strings.Builder
	p := message.NewPrinter(language.English)
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", what, p.Sprintf(format, args...))
	}
	mib := func(n int64) float64 { return float64(n) / (1 << 20) }
	perConn := func(n int64) float64 { return float64(n) / float64(max(1, r.Held)) }

	p.Fprintf(&b, "# %d connections in one process\n\n", r.Held)
	fmt.Fprintf(&b, "`%s`, %s, chatd %s (commit %s), in a User-Mode Linux guest (kernel %s) with one CPU, in which the clients run, too.\n",
		r.Command, r.Started.Format(time.DateOnly), r.Server, r.Commit, r.Kernel)
	fmt.Fprintf(&b, "The server's flags: `%s`; these clients do not answer pings.\n\n| | |\n|---|---|\n",
		strings.Join(serverFlags, " "))
	row("connections held", "%d of %d", r.Held, r.Clients)
	row("connected in", "%.0f s, %.0f a second; %.0f µs of the server's CPU each", r.Connecting, float64(r.Held)/r.Connecting, r.HandshakeCPU)
	row("resident memory of chatd, idle", "%.1f MiB (%.0f bytes a connection); %.1f MiB before the first connection, %.1f MiB at the peak",
		mib(r.RSS), perConn(r.RSS), mib(r.RSSBefore), mib(r.RSSPeak))
	row("of it", "%.1f MiB anonymous, %.1f MiB of the binary", mib(r.RSSAnon), mib(r.RSSFile))
	row("Go heap", "%.0f MiB live, at most %.0f MiB", mib(r.GC.Live), mib(r.GC.Peak))
	row("garbage collector", "%d cycles, %d %% of the time, %.1f ms stopped in all, %.2f ms at the longest", r.GC.Cycles, r.GC.Percent, r.GC.Stopped, r.GC.Longest)
	row("kernel memory, both ends", "%.0f MiB (%.0f bytes a connection)", mib(r.KernelMemory), perConn(r.KernelMemory))
	row("slabs of the guest's kernel, in all", "%.0f MiB, of which %.0f MiB cannot be taken back", mib(r.Slab), mib(r.SlabUnreclaimable))
	row("TCP sockets of the kernel", "%d, with %.0f MiB of buffers", r.Sockets.InUse, mib(r.Sockets.Bytes))
	if u := r.Upgrade; u != nil {
		row("an upgrade in place, then", "%d carried, nobody was served for %.1f s", u.Carried, u.Unserved)
	}
	row("one message to all", "%d of %d delivered and verified; %d lost, %d repeated, %d damaged, %d cut off",
		r.Delivered, r.Clients, r.Faults.Lost, r.Faults.Duplicated, r.Faults.Corrupt, r.Faults.Disconnected)
	row("first and last delivery", "%.3f s and %.1f s after it was due; %.1f µs of the server's CPU each", r.First, r.Last, r.DeliveryCPU)
	row("closed in", "%.0f s", r.Closing)
	row("all of it", "%.0f s", r.Took)
	fmt.Fprintf(&b, "\nThe largest slabs of the guest's kernel:\n\n| slab | objects | MiB |\n|---|---|---|\n")
	for _, s := range r.Slabs {
		p.Fprintf(&b, "| `%s` | %d | %.1f |\n", s.Name, s.Objects, mib(s.Bytes))
	}
	return b.String()
}

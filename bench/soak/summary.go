package soak

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Write writes the report as Markdown.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	length := time.Duration(0)
	for _, l := range r.Schedule.Lives {
		length += l.Length
	}
	verdict := "All checks hold."
	if n := r.Failed(); n > 0 {
		verdict = fmt.Sprintf("**Checks that failed: %d.**", n)
	}
	if r.Cut {
		verdict += " The run was interrupted."
	}
	fmt.Fprintf(&b, "# Soak\n\n%s\n\nSeed %d, %s of phases in %d lives of the server, begun %s; with warm-ups, checks and restarts it took %s.\nThe same again: `make soak SOAK=%s SEED=%d`.\n",
		verdict, r.Schedule.Seed, length, len(r.Schedule.Lives), r.Began.UTC().Format("2006-01-02 15:04 MST"), r.Took.Round(time.Second), asFlag(length), r.Schedule.Seed)
	r.writePhases(&b)
	r.writeTotals(&b)
	r.writeLives(&b)
	r.writeChecks(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// asFlag is d as one writes it: 10m rather than 10m0s.
func asFlag(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
}

// what is done in the phases of each kind.
var what = [kinds]string{
	Steady:  "500 to 2000 listeners, and publishers with a fixed rate",
	Flood:   "publishers that send as fast as their messages come back, of 8 bytes to 60 KiB",
	Churn:   "clients that come and leave by close frame, end of the stream or reset, or cut off where TLS has not ended",
	Stuck:   "clients that don't read; half of them wake up and read on",
	Hostile: "half heads, frames and ClientHellos, bad handshakes, violations of the protocol, resets",
	Upgrade: "the server's program is replaced in place, and everything goes on",
	Births:  "clients that come into rooms and leave them step by step, with nobody else about: each room that is made or removed is known",
	Restart: "SIGTERM under load",
}

func (r *Report) writePhases(b *strings.Builder) {
	b.WriteString("\n## Phases\n\n| phase | how many | what |\n|---|---:|---|\n")
	for k := range kinds {
		fmt.Fprintf(b, "| %v | %d | %s |\n", k, r.Phases[k], what[k])
	}
	b.WriteString("\nSeveral go on at a time. Half of all clients come by TLS, half of which resume sessions. In gentle lives everybody reads everything and nobody leaves by a reset, so that deliveries agree with what was heard to the message.\n")
}

func (r *Report) writeTotals(b *strings.Builder) {
	var t Tally
	var deliveries, lost, compressed, members, rooms, created float64
	dropped, failures := make(map[string]float64), make(map[string]float64)
	add := func(to, from map[string]float64) {
		for key, n := range from {
			to[key] += n
		}
	}
	for _, l := range r.Lives {
		e := &l.Evidence
		for _, more := range []*Tally{&e.Tally, &e.Restart} {
			t.Connected += more.Connected
			t.Deflating += more.Deflating
			t.Secured += more.Secured
			t.Sent += more.Sent
			t.Heard += more.Heard + more.Loose
			t.Inflated += more.Inflated
			t.Stuck += more.Stuck
			t.GoingAway += more.GoingAway
			t.Parted += more.Parted
		}
		deliveries += e.End["chatd_deliveries_total"]
		lost += e.End["chatd_deliveries_lost_total"]
		compressed += e.End["chatd_compressed_messages_total"]
		members = max(members, e.Figures.Members)
		rooms = max(rooms, e.Figures.Rooms)
		created += e.End["chatd_rooms_created_total"]
		add(dropped, e.End.labelled("chatd_dropped_total"))
		add(failures, e.End.labelled("chatd_handshake_failures_total"))
	}
	b.WriteString("\n## Totals\n\n| | |\n|---|---:|\n")
	for _, row := range []struct {
		what string
		n    float64
	}{
		{"connections of clients", float64(t.Connected)},
		{"of them with permessage-deflate", float64(t.Deflating)},
		{"handshakes of TLS, those of hostile clients among them", float64(t.Secured)},
		{"of them stuck for a while", float64(t.Stuck)},
		{"handshakes of TLS that were under way in an upgrade, and cut off", float64(t.Parted)},
		{"most members at a time", members},
		{"most rooms at a time", rooms},
		{"rooms made, and removed again, without restarts", created},
		{"messages sent", float64(t.Sent)},
		{"deliveries heard", float64(t.Heard)},
		{"of them compressed", float64(t.Inflated)},
		{"deliveries made, by the server's count, without restarts", deliveries},
		{"deliveries given up with their client, likewise", lost},
		{"messages compressed, likewise", compressed},
		{"clients told 1001 at a restart", float64(t.GoingAway)},
	} {
		fmt.Fprintf(b, "| %s | %.0f |\n", row.what, row.n)
	}
	for _, counts := range []struct {
		what string
		by   map[string]float64
	}{{"dropped", dropped}, {"handshake failed", failures}} {
		for _, reason := range slices.Sorted(maps.Keys(counts.by)) {
			fmt.Fprintf(b, "| %s: %s | %.0f |\n", counts.what, reason, counts.by[reason])
		}
	}
}

func (r *Report) writeLives(b *strings.Builder) {
	const mib = 1 << 20
	b.WriteString("\n## Lives\n\nMemory in MiB: after the warm-up when everybody had left, at most, and when everybody had left again. The heap at the first and the last is after a collection.\n\n" +
		"| life | | seconds | upgrades | members | rooms | log segments | resident | most | end | heap | most | end | drain |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for i, l := range r.Lives {
		e := &l.Evidence
		f, character := &e.Figures, "rough"
		if e.Gentle {
			character = "gentle"
		}
		fmt.Fprintf(b, "| %d | %s | %.0f | %d | %.0f | %.0f | %.0f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f s |\n", i+1, character, f.Seconds, e.Upgrades.Asked, f.Members, f.Rooms, f.Segments,
			e.Baseline[resident]/mib, f.Resident/mib, e.End[resident]/mib, e.Baseline[heap]/mib, f.Heap/mib, e.End[heap]/mib, f.Drain.Seconds())
	}
}

func (r *Report) writeChecks(b *strings.Builder) {
	b.WriteString("\n## Checks\n")
	for i, l := range r.Lives {
		fmt.Fprintf(b, "\nLife %d\n\n| check | | |\n|---|---|---|\n", i+1)
		for _, c := range l.Checks {
			verdict := "holds"
			if !c.OK {
				verdict = "**fails**"
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", c.Name, verdict, strings.ReplaceAll(c.Detail, "|", "\\|"))
		}
	}
}

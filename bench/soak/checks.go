package soak

import (
	"fmt"
	"slices"
	"strings"
)

// The metrics of memory.
const (
	resident = "process_resident_memory_bytes"
	heap     = "go_memstats_heap_alloc_bytes"
)

// returns is a metric that is back where it was when everybody has left.
type returns struct {
	what, name string
	more       float64 // by which it may have grown
	exact      bool    // it may not have shrunk either
}

var returning = []returns{
	{what: "resident memory is back, but for 8 MiB", name: resident, more: 8 << 20},
	// It is steady to 128 KiB, and a life has thousands of connections.
	{what: "the heap is back, but for 256 KiB", name: heap, more: 256 << 10},
	{what: "descriptors are back", name: "process_open_fds", exact: true},
	{what: "goroutines are back, but for 2", name: "go_goroutines", more: 2},
	{what: "log segments are back", name: "chatd_log_segments"},
}

func (r *returns) ok(baseline, now Snapshot) bool {
	was, is := baseline[r.name], now[r.name]
	return is <= was+r.more && (!r.exact || is >= was)
}

// Evidence is what one life of the server left.
type Evidence struct {
	Gentle   bool     // as the life's
	Race     bool     // as the server's
	Baseline Snapshot // after the warm-up, when everybody had left
	End      Snapshot // as above, after all phases
	Tally    Tally    // up to then
	Upgrades Upgrades
	Births   error // what was wrong while rooms came and went one by one
	Calm     error // why it did not become calm, if it didn't
	Restart  Tally // of the clients of the restart
	Online   int   // clients that were there at the SIGTERM
	Exit     error // of the process, after SIGTERM
	Log      string
	Figures  Figures
}

// returning is what must be back. The shadow memory of a race detector, which
// is resident, never is.
func (e *Evidence) returning() []returns {
	if e.Race {
		return slices.DeleteFunc(slices.Clone(returning), func(r returns) bool { return r.name == resident })
	}
	return returning
}

// Upgrades is what became of them.
type Upgrades struct {
	Asked  int      // so many
	Faults []string // what was wrong
}

// Check is something that must hold, and whether it did.
type Check struct {
	Name   string
	OK     bool
	Detail string // the figures
}

// judge looks at what must hold. The order is that of the report.
func (e *Evidence) judge() (checks []Check) {
	check := func(name string, ok bool, format string, args ...any) {
		checks = append(checks, Check{name, ok, fmt.Sprintf(format, args...)})
	}
	missing := []string{}
	value := func(s Snapshot, name string) float64 {
		v, ok := s[name]
		if !ok && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
		return v
	}
	end := func(name string) float64 { return value(e.End, name) }

	faults := lines(e.Tally.Faults)
	check("healthy clients hear everything once, in order, intact, and are not cut off", len(faults) == 0, "%s", strings.Join(faults, "; "))

	members, conns := end("chatd_members"), end("chatd_connections")
	check("it becomes calm", e.Calm == nil && members == 0 && conns == 0, "members %.0f, connections %.0f, error %v", members, conns, e.Calm)

	u, upgraded := &e.Upgrades, end(`chatd_upgrades_total{outcome="done"}`)
	check("upgrades in place are done, cut nobody off, and all counts go on", u.Faults == nil && upgraded == float64(u.Asked), "%d asked for, %.0f done; %s", u.Asked, upgraded, strings.Join(u.Faults, "; "))

	check("rooms come and go with their members, and are counted so", e.Births == nil, "%v", e.Births)
	e.checkRooms(check, value)

	sent := end("chatd_messages_total")
	check("messages are those that were sent", sent == float64(e.Tally.Sent), "server %.0f, publishers %d", sent, e.Tally.Sent)

	due, done, lost := end("chatd_deliveries_due_total"), end("chatd_deliveries_total"), end("chatd_deliveries_lost_total")
	check("deliveries due are those made and those lost", due == done+lost, "due %.0f, made %.0f, lost %.0f", due, done, lost)

	heard, loose, missed := float64(e.Tally.Heard), float64(e.Tally.Loose), float64(e.Tally.Missed)
	check("deliveries made are at least those heard", done >= heard+loose, "made %.0f, heard %.0f, heard by clients that left or slept with something unread %.0f", done, heard, loose)
	// Where nobody may have missed anything, all counts are the same.
	check("deliveries due are those heard and those missed by clients that slept, were reset or hostile", due-heard-loose <= missed,
		"due %.0f, heard %.0f, missed %.0f, at most %.0f", due, heard+loose, due-heard-loose, missed)

	e.checkDrops(check, end)
	e.checkTLS(check, end)

	for _, r := range e.returning() {
		check(r.what, r.ok(e.Baseline, e.End), "from %.0f to %.0f", value(e.Baseline, r.name), end(r.name))
	}

	panics := end("chatd_panics_total")
	check("nothing panics", panics == 0 && !strings.Contains(e.Log, "panic"), "%.0f counted", panics)
	check("no data races", !strings.Contains(e.Log, "DATA RACE"), "")

	faults = lines(e.Restart.Faults)
	check("at SIGTERM everybody is told 1001 behind what is queued, or the stream ends", len(faults) == 0 && e.Online == e.Restart.GoingAway+e.Restart.Ended && e.Online > 0,
		"%d clients, %d told, %d ended; %s", e.Online, e.Restart.GoingAway, e.Restart.Ended, strings.Join(faults, "; "))
	check("it exits with status 0", e.Exit == nil, "%v", last(e.Exit, e.Log))
	check("all metrics are there", len(missing) == 0, "missing: %s", strings.Join(missing, ", "))
	return checks
}

// checkRooms compares the rooms that the server made with those that its clients
// joined. How often one of them died meanwhile only the server knows.
func (e *Evidence) checkRooms(check func(string, bool, string, ...any), value func(Snapshot, string) float64) {
	rooms, created, removed := value(e.End, "chatd_rooms"), value(e.End, "chatd_rooms_created_total"), value(e.End, "chatd_rooms_removed_total")
	check("no room is left, soon after its last member and message", rooms == 0 && created == removed, "%.0f left, %.0f made, %.0f removed", rooms, created, removed)
	made, joined := created-value(e.Baseline, "chatd_rooms_created_total"), value(e.End, "chatd_joined_total")-value(e.Baseline, "chatd_joined_total")
	check("rooms are made for who joins them", made >= float64(e.Tally.Rooms) && made <= joined, "%.0f made, of %d names, for %.0f members", made, e.Tally.Rooms, joined)
}

// checkDrops compares whom the server dropped with who had to be.
func (e *Evidence) checkDrops(check func(string, bool, string, ...any), end func(string) float64) {

	slow := end(`chatd_dropped_total{reason="slow_consumer"}`) + end(`chatd_dropped_total{reason="write_timeout"}`)
	check("only stuck clients are dropped as slow", slow <= float64(e.Tally.Stuck), "%.0f dropped, %d stuck", slow, e.Tally.Stuck)

	var wrong []string
	for _, reason := range []string{"ping_timeout", "idle", "rate", "fragments", "going_away", "panic"} {
		if n := end(fmt.Sprintf("chatd_dropped_total{reason=%q}", reason)); n != 0 {
			wrong = append(wrong, fmt.Sprintf("%s %.0f", reason, n))
		}
	}
	for _, a := range attacks {
		if a.series == "" {
			continue
		}
		if n, want := end(a.series), e.Tally.Refused[a.series]; n != float64(want) {
			wrong = append(wrong, fmt.Sprintf("%s is %.0f, not %d", a.series, n, want))
		}
	}
	check("hostile clients are sent away, for what they did, and nobody else", wrong == nil, "%s", strings.Join(wrong, "; "))
}

// checkTLS compares the server's counts of TLS with those of the clients.
func (e *Evidence) checkTLS(check func(string, bool, string, ...any), end func(string) float64) {
	full, resumed := end(`chatd_tls_handshakes_total{kind="full"}`), end(`chatd_tls_handshakes_total{kind="resumed"}`)
	made, least := full+resumed, float64(e.Tally.Secured)
	check("handshakes of TLS are those that were made, and some resume a session", resumed > 0 && made >= least && made <= least+float64(e.Tally.Fleeting), "server %.0f, %.0f of them resumed, clients %.0f, and %d that were reset at once", made, resumed, least, e.Tally.Fleeting)
	cut, broken := end(`chatd_tls_broken_streams_total{kind="truncated"}`), end(`chatd_tls_broken_streams_total{kind="broken"}`)
	check("streams of TLS that were cut off are found, and none is broken", cut >= float64(e.Tally.Unsaid) && broken == 0, "%.0f cut off, at least %d of them by clients; %.0f broken", cut, e.Tally.Unsaid, broken)
}

// lines is what went wrong and how often, in order.
func lines(faults map[string]int) (all []string) {
	for what, n := range faults {
		all = append(all, fmt.Sprintf("%s (%d times)", what, n))
	}
	slices.Sort(all)
	return all
}

// last is how a process ended, and, if it should not have, the end of its log.
func last(exit error, log string) string {
	if exit == nil {
		return "<nil>"
	}
	const most = 5
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return fmt.Sprintf("%v; the end of its log: %s", exit, strings.Join(lines[max(0, len(lines)-most):], "; "))
}

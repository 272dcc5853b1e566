package soak

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// sound is the evidence of a life in which all was well.
func sound(gentle bool) *Evidence {
	e := &Evidence{
		Gentle: gentle,
		Baseline: Snapshot{
			resident: 20 << 20, heap: 3 << 20, "process_open_fds": 17, "go_goroutines": 12, "chatd_log_segments": 1,
			"chatd_rooms_created_total": 20, "chatd_joined_total": 100,
		},
		End: Snapshot{
			resident: 22 << 20, heap: 3<<20 + 1<<17, "process_open_fds": 17, "go_goroutines": 12, "chatd_log_segments": 0,
			"chatd_rooms": 0, "chatd_rooms_created_total": 50, "chatd_rooms_removed_total": 50, "chatd_joined_total": 300,
			"chatd_members": 0, "chatd_connections": 0, "chatd_panics_total": 0,
			"chatd_messages_total": 100, "chatd_deliveries_due_total": 1010, "chatd_deliveries_total": 1000, "chatd_deliveries_lost_total": 10,
		},
		Tally:    Tally{Rooms: 25, Sent: 100, Heard: 990, Loose: 10, Missed: 30, Stuck: 2, Secured: 40, Fleeting: 5, Unsaid: 3, Refused: map[string]int{}},
		Upgrades: Upgrades{Asked: 3},
		Restart:  Tally{GoingAway: 9, Ended: 1},
		Online:   10,
	}
	if gentle {
		e.End["chatd_deliveries_due_total"], e.End["chatd_deliveries_lost_total"], e.Tally.Missed = 1000, 0, 0
	}
	e.End[`chatd_upgrades_total{outcome="done"}`] = 3
	for _, reason := range []string{"slow_consumer", "write_timeout", "ping_timeout", "idle", "rate", "fragments", "going_away", "reset", "panic"} {
		e.End[`chatd_dropped_total{reason="`+reason+`"}`] = 0
	}
	for series, n := range map[string]float64{"handshakes_total{kind=\"full\"}": 41, "handshakes_total{kind=\"resumed\"}": 2, "broken_streams_total{kind=\"truncated\"}": 4, "broken_streams_total{kind=\"broken\"}": 0} {
		e.End["chatd_tls_"+series] = n
	}
	e.End[`chatd_dropped_total{reason="slow_consumer"}`] = 2
	e.End[`chatd_dropped_total{reason="reset"}`] = 7
	for i, a := range attacks {
		if a.series != "" {
			e.End[a.series], e.Tally.Refused[a.series] = float64(i), i
		}
	}
	return e
}

func TestSoundLifePassesAllChecks(t *testing.T) {
	for _, gentle := range []bool{false, true} {
		for _, c := range sound(gentle).judge() {
			if !c.OK {
				t.Errorf("%s: %s", c.Name, c.Detail)
			}
		}
	}
}

func TestEachFaultFailsItsCheckAndNoOther(t *testing.T) {
	set := func(name string, v float64) func(*Evidence) { return func(e *Evidence) { e.End[name] = v } }
	for _, tt := range []struct {
		fault  string
		check  string // part of the only failing one's name
		doctor func(*Evidence)
	}{
		{"a client's fault", "healthy clients", func(e *Evidence) { e.Tally.Faults = map[string]int{"cut off": 1} }},
		{"a member is left", "becomes calm", set("chatd_members", 1)},
		{"a connection is left", "becomes calm", set("chatd_connections", 1)},
		{"no calm", "becomes calm", func(e *Evidence) { e.Calm = errNotCalm }},
		{"a birth that was not counted", "come and go", func(e *Evidence) { e.Births = errCounts }},
		{"an upgrade that was not done", "upgrades in place", set(`chatd_upgrades_total{outcome="done"}`, 2)},
		{"one that cut somebody off", "upgrades in place", func(e *Evidence) { e.Upgrades.Faults = []string{"cut off"} }},
		{"a room is left", "no room is left", set("chatd_rooms", 1)},
		{"a room was not removed", "no room is left", set("chatd_rooms_removed_total", 49)},
		{"a room was made twice", "rooms are made", func(e *Evidence) { e.End["chatd_joined_total"] = 129 }},
		{"a room was not made", "rooms are made", func(e *Evidence) { e.Tally.Rooms = 31 }},
		{"a message too few", "messages are those", set("chatd_messages_total", 99)},
		{"a message too many", "messages are those", set("chatd_messages_total", 101)},
		{"a delivery due too many", "deliveries due are those made", set("chatd_deliveries_due_total", 1011)},
		{"a delivery lost too many", "deliveries due are those made", set("chatd_deliveries_lost_total", 11)},
		{"phantoms, due and lost", "deliveries due are those heard", func(e *Evidence) {
			e.End["chatd_deliveries_due_total"] += 21
			e.End["chatd_deliveries_lost_total"] += 21
		}},
		{"a delivery heard too many", "deliveries made", func(e *Evidence) { e.Tally.Heard++ }},
		{"a delivery heard too many by others", "deliveries made", func(e *Evidence) { e.Tally.Loose++ }},
		{"a healthy client dropped", "only stuck", set(`chatd_dropped_total{reason="slow_consumer"}`, 3)},
		{"a healthy client given up", "only stuck", set(`chatd_dropped_total{reason="write_timeout"}`, 1)},
		{"a ping timeout", "hostile clients", set(`chatd_dropped_total{reason="ping_timeout"}`, 1)},
		{"another reason", "hostile clients", set(`chatd_dropped_total{reason="fragments"}`, 1)},
		{"a violation too many", "hostile clients", set(`chatd_dropped_total{reason="utf8"}`, 100)},
		{"a refusal too few", "hostile clients", set(`chatd_handshake_failures_total{reason="bad_key"}`, 0)},
		{"a handshake of TLS too few", "handshakes of TLS", set(`chatd_tls_handshakes_total{kind="full"}`, 37)},
		{"a handshake of TLS too many", "handshakes of TLS", set(`chatd_tls_handshakes_total{kind="full"}`, 44)},
		{"no session is resumed", "handshakes of TLS", func(e *Evidence) {
			e.End[`chatd_tls_handshakes_total{kind="full"}`], e.End[`chatd_tls_handshakes_total{kind="resumed"}`] = 43, 0
		}},
		{"the end of a socket is taken for that of TLS", "cut off", set(`chatd_tls_broken_streams_total{kind="truncated"}`, 2)},
		{"a stream of TLS is broken", "cut off", set(`chatd_tls_broken_streams_total{kind="broken"}`, 1)},
		{"memory is not given back", "resident memory", set(resident, 29<<20)},
		{"the heap has grown", "the heap", set(heap, 3<<20+300<<10)},
		{"a descriptor leaks", "descriptors", set("process_open_fds", 18)},
		{"a descriptor is missing", "descriptors", set("process_open_fds", 16)},
		{"goroutines leak", "goroutines", set("go_goroutines", 15)},
		{"a segment leaks", "log segments", set("chatd_log_segments", 2)},
		{"a panic was counted", "nothing panics", set("chatd_panics_total", 1)},
		{"a panic was logged", "nothing panics", func(e *Evidence) { e.Log = "panic: runtime error" }},
		{"a data race", "data races", func(e *Evidence) { e.Log = "WARNING: DATA RACE" }},
		{"a client was not told", "at SIGTERM", func(e *Evidence) { e.Restart.GoingAway-- }},
		{"a client was told something else", "at SIGTERM", func(e *Evidence) { e.Restart.Faults = map[string]int{"not told": 1} }},
		{"nobody was there", "at SIGTERM", func(e *Evidence) { e.Online, e.Restart = 0, Tally{} }},
		{"an exit status", "exits with", func(e *Evidence) { e.Exit = errors.New("exit status 1") }},
		{"a metric is missing", "all metrics", func(e *Evidence) { delete(e.End, "chatd_panics_total") }},
		{"a metric of the baseline is missing", "all metrics", func(e *Evidence) { delete(e.Baseline, "chatd_log_segments") }},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			e := sound(false)
			tt.doctor(e)
			onlyFails(t, e, tt.check)
		})
	}
	t.Run("a delivery that nobody heard, in a gentle life", func(t *testing.T) {
		e := sound(true)
		e.Tally.Heard--
		onlyFails(t, e, "deliveries due are those heard")
	})
	t.Run("a phantom, due and lost, in a gentle life", func(t *testing.T) {
		e := sound(true)
		e.End["chatd_deliveries_due_total"]++
		e.End["chatd_deliveries_lost_total"]++
		onlyFails(t, e, "deliveries due are those heard")
	})
	t.Run("resident memory that is not given back counts, but for a race detector's", func(t *testing.T) {
		e := sound(true)
		e.Race = true
		e.End[resident] = 29 << 20
		onlyFails(t, e, "")
	})
	t.Run("in another, a client that was reset may have", func(t *testing.T) {
		e := sound(false)
		e.Tally.Heard--
		onlyFails(t, e, "")
	})
}

// onlyFails wants one check to fail, or none without a name.
func onlyFails(t *testing.T, e *Evidence, name string) {
	t.Helper()
	failed := 0
	for _, c := range e.judge() {
		if c.OK {
			continue
		}
		if failed++; name == "" || !strings.Contains(c.Name, name) {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	if failed != 1 && name != "" {
		t.Errorf("%d checks failed", failed)
	}
}

func TestReportTellsWhatFailedAndHowToRepeatIt(t *testing.T) {
	bad := sound(false)
	bad.End["chatd_members"] = 3
	r := &Report{Schedule: NewSchedule(4711, 10*time.Minute), Phases: map[Kind]int{Churn: 5}}
	for _, e := range []*Evidence{sound(false), bad, sound(true)} {
		r.Lives = append(r.Lives, Outcome{*e, e.judge()})
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	if r.Failed() != 1 {
		t.Errorf("%d failed", r.Failed())
	}
	for _, want := range []string{
		"**Checks that failed: 1.**", "make soak SOAK=10m SEED=4711", "| churn | 5 |", "| dropped: slow_consumer | 6 |",
		"| it becomes calm | **fails** | members 3, connections 0, error <nil> |", "| deliveries heard | 3000 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

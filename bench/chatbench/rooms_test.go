package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatd/bench/result"
)

// small makes the scenario one of 4 rooms of 5 clients, two pairs.
func small(versus string) func(*scenario) {
	return func(s *scenario) {
		s.params.Rooms, s.params.Senders = 4, 4
		s.versus, s.pairs, s.duration = versus, 2, 300*time.Millisecond
	}
}

func TestRoomsAreComparedWithThemselvesBesideAFloodedOne(t *testing.T) {
	t.Parallel()
	run, _, _, err := against(t, "none", "rooms", small(versusFlood))
	if err != nil || run.Faults.Any() || len(run.Rooms.Pairs) != 2 {
		t.Fatalf("%v %+v %v", err, run.Faults, run.Warnings)
	}
	for _, p := range run.Rooms.Pairs {
		if p.Base.Delivery == nil || p.Base.PerMessage == nil || p.Base.Flood != nil {
			t.Errorf("without the flood: %+v", p.Base)
		}
		if p.Against.Delivery == nil || p.Against.PerMessage != nil || p.Against.Flood == nil || p.Against.Flood.Achieved == 0 {
			t.Errorf("with the flood: %+v", p.Against)
		}
	}
	var out strings.Builder
	printRun(&out, run)
	for _, want := range []string{"beside a flooded room", "p99 of last delivery", "M deliveries/s", "×"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestRoomsAreComparedWithASingleOneThatGetsAllMessages(t *testing.T) {
	t.Parallel()
	run, _, _, err := against(t, "none", "rooms", small(versusSingle))
	if err != nil || run.Faults.Any() || len(run.Rooms.Pairs) != 2 {
		t.Fatalf("%v %+v %v", err, run.Faults, run.Warnings)
	}
	for _, p := range run.Rooms.Pairs {
		if p.Base.Params.Clients != 5 || p.Base.Params.Rooms != 1 || p.Against.Params.Clients != 20 || p.Against.Params.Rooms != 4 {
			t.Errorf("%+v against %+v", p.Base.Params, p.Against.Params)
		}
		if p.Base.Offered != p.Against.Offered {
			t.Errorf("%g deliveries/s are offered to the single room, %g to all", p.Base.Offered, p.Against.Offered)
		}
		for _, r := range []result.Run{p.Base, p.Against} {
			if r.PerMessage == nil || r.PerMessage.Voluntary <= 0 {
				t.Errorf("a message costs %+v", r.PerMessage)
			}
		}
	}
}

func TestFloodThatReachesOtherRoomsIsFound(t *testing.T) {
	t.Parallel()
	run, _, _, err := against(t, "foreign", "rooms", small(versusFlood))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(run.Warnings, "\n")
	out := regexp.MustCompile(`(?m)^a message of room 4 came to a client in room [0-3] `)
	in := regexp.MustCompile(`(?m)^in the flooded room: a message of room [0-3] came to a client in room 4 `) // of which one is up to the timing
	if run.Faults.Foreign == 0 || !out.MatchString(all) || !in.MatchString(all) {
		t.Errorf("%+v\n%s", run.Faults, all)
	}
}

func TestSystemCallsAreThoseBetweenPerfsEnableAndDisable(t *testing.T) {
	const perf = `#!/bin/sh
trap 'echo "4711,,raw_syscalls:sys_enter,1,100.00,," >&2; exit 1' INT
for i in 1 2; do read -r command <&3; echo "Events ${command}d" >&2; echo ack >&4; done
while :; do sleep 0.01; done
`
	fake := func(script string) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "perf"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":/usr/bin:/bin")
	}
	count := func() (uint64, error) {
		self, err := findProcess(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		calls, err := traceSyscalls(self)
		if err != nil {
			return 0, err
		}
		defer calls.close()
		if err := calls.begin(); err != nil {
			return 0, err
		}
		return calls.end()
	}
	fake(perf)
	if n, err := count(); n != 4711 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	fake("#!/bin/sh\necho no permission >&2; exit 1\n")
	if n, err := count(); err == nil || !strings.Contains(err.Error(), "no permission") {
		t.Errorf("%d, %v", n, err)
	}
	t.Setenv("PATH", t.TempDir())
	if n, err := count(); err == nil || !strings.Contains(err.Error(), "linux-perf") {
		t.Errorf("%d, %v", n, err)
	}
}

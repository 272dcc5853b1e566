package main

import (
	"strings"
	"testing"

	"chatd/bench/load"
	"chatd/bench/result"
)

func TestReadersOfEventsHearAllWhoeverServesThem(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ dir, pkg, dialect string }{
		"chatd":      {"../..", "./cmd/chatd", load.Events},
		"centrifuge": {"../peers", "./centrifuge", load.CentrifugeEvents},
		"mercure":    {"../peers", "./mercure", load.Mercure},
	} {
		t.Run(name, func(t *testing.T) {
			program := built(t, tt.dir, tt.pkg)
			for _, scenario := range []string{"fanout", "flood", "idle"} {
				s := withServer(t, program, tt.dialect)
				s.params.Outstanding = 4
				run, err := s.run(t.Context(), scenario, name)
				if err != nil || run.Faults.Any() || len(complaints(run)) > 0 {
					t.Fatalf("%s: %v %+v %v", scenario, err, run.Faults, run.Warnings)
				}
				if scenario != "idle" && (run.Deliveries == 0 || run.FrameBytes < 64) {
					t.Errorf("%s: %d deliveries of %g bytes", scenario, run.Deliveries, run.FrameBytes)
				}
			}
		})
	}
}

func TestReadersOfEventsAreComparedWithRawFramesOfTheSameLength(t *testing.T) {
	t.Parallel()
	s := withServer(t, builtChatd(t), load.Events)
	small(versusRaw)(s)
	s.params.Rooms, s.params.Senders = 1, 1
	run, err := s.run(t.Context(), "rooms", "chatd")
	if err != nil || run.Faults.Any() || len(run.Rooms.Pairs) != 2 {
		t.Fatalf("%v %+v %v", err, run.Faults, run.Warnings)
	}
	for _, p := range run.Rooms.Pairs {
		// (One that is counted, and its bytes are not yet, makes a difference at the ends of a short run.)
		if d := p.Base.FrameBytes - p.Against.FrameBytes; d < -10 || d > 10 || p.Base.FrameBytes < 64+100 || p.Base.PerMessage == nil || p.Against.PerMessage == nil {
			t.Errorf("%+v against %+v", p.Base, p.Against)
		}
	}
}

func TestComparisonHasAStepForReadersOfEvents(t *testing.T) {
	for _, quick := range []bool{true, false} {
		runs := make(map[string]int)
		for _, s := range plan(quick) {
			if s.kind() != "events" {
				continue
			}
			if !strings.HasPrefix(s.title(), result.Events) {
				t.Error(s.title())
			}
			for _, k := range contestants {
				if k.runs(s) {
					runs[k.name]++
				}
			}
		}
		for _, name := range []string{"chatd", "chatd-events", "centrifuge-events", "mercure"} {
			if runs[name] != 2 || len(runs) != 4 {
				t.Errorf("%v", runs)
			}
		}
	}
}

package main

import (
	"strings"
	"testing"
	"time"

	"chatd/bench/htmlreport"
	"chatd/bench/result"
)

// A goal that no step measures would stay unjudged for ever.
func TestFullPlanMeasuresAllGoals(t *testing.T) {
	var c result.Comparison
	for _, s := range plan(false) {
		for _, k := range contestants {
			if !k.runs(s) {
				continue
			}
			c.Runs = append(c.Runs, result.Run{
				Scenario: s.title(), Server: k.name, Params: s.params, Achieved: 1,
				ServerCPU: &result.CPU{User: 1}, Delivery: &result.Latency{P99: 1},
				Memory:     &result.Memory{PerConn: 1, Files: 1},
				Handshakes: &result.Rate{CPU: &result.CPU{User: 1}},
				Stuck:      &result.Stuck{RSSWith: 1, RSSWithout: 1},
				Herd:       &result.Herd{CaughtUp: 1, Stayed: &result.Latency{P99: 1}, Calm: &result.Latency{P99: 1}, RSSBefore: 1, RSSPeak: 2},
			})
		}
	}
	if text := htmlreport.Goals(&c); !strings.Contains(text, " 0 were not measured") {
		t.Error(text)
	}
}

func TestEstimate(t *testing.T) {
	one := step{duration: time.Hour}
	e := &estimate{started: time.Now()}
	e.add(one, 3)
	e.add(one, 1)
	if got := e.String(); got != "241 min" { // with what comes on top of the durations
		t.Errorf("%s at first", got)
	}
	e.done(one)
	e.started = e.started.Add(-30 * time.Minute)
	if got := e.String(); got != "91 min" {
		t.Errorf("%s after a quarter in half an hour", got)
	}
}

func TestEachServerIsTheFirstInTurn(t *testing.T) {
	servers := []result.Server{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	for by, want := range []string{"abc", "bca", "cab", "abc"} {
		got := ""
		for _, s := range rotated(servers, by) {
			got += s.Name
		}
		if got != want {
			t.Errorf("%d: %s, want %s", by, got, want)
		}
	}
}

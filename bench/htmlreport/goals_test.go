package htmlreport

import (
	"slices"
	"strings"
	"testing"

	"chatd/bench/result"
)

// costs adds a round of the fan-out that goals are about, with servers that
// cost so much, for 0 one that failed.
func costs(c *result.Comparison, of map[string]float64) {
	for _, server := range []string{ours, oursPlain, "channels", "floor", OursBefore, PlainBefore} {
		run := result.Run{Scenario: "fanout", Server: server, Params: result.Params{Clients: 1000, Rate: 50}}
		if of[server] > 0 {
			run.ServerCPU = &result.CPU{User: of[server]}
			run.Delivery, run.Last = &result.Latency{P99: 10 * of[server]}, &result.Latency{P99: 1}
		}
		c.Runs = append(c.Runs, run)
	}
}

func verdict(t *testing.T, c *result.Comparison, what, server, base string) outcome {
	t.Helper()
	for _, o := range outcomes(c) {
		if strings.HasPrefix(o.What, what) && o.Server == server && strings.HasSuffix(o.Goal, base) {
			return o
		}
	}
	t.Fatalf("there is no goal for %s of %s and %s", what, server, base)
	return outcome{}
}

func TestGoalsAreJudgedByRatiosOfMedians(t *testing.T) {
	const what = "CPU per delivery, 1,000 clients × 50"
	var c result.Comparison
	costs(&c, map[string]float64{ours: 9, oursPlain: 11, "floor": 10})
	costs(&c, map[string]float64{ours: 8, oursPlain: 12, "floor": 10})
	costs(&c, map[string]float64{ours: 12, oursPlain: 12, "floor": 12})
	for _, test := range []struct {
		server, base string
		want         outcome
	}{
		{ours, "floor", outcome{Goal: "≤ 0.9 × floor", Measured: "0.90×", Spread: "0.80×–1.00×", Medians: "9.00 to 10.0 µs", Verdict: met}},
		{oursPlain, "floor", outcome{Goal: "≤ 1.1 × floor", Measured: "1.20×", Spread: "1.00×–1.20×", Medians: "12.0 to 10.0 µs", Verdict: notMet}},
		{ours, "channels", outcome{Goal: "≤ 0.45 × channels", Measured: missing, Medians: missing, Verdict: notMeasured}},
	} {
		got := verdict(t, &c, what, test.server, test.base)
		test.want.What, test.want.Server = got.What, test.server
		if got != test.want {
			t.Errorf("got  %+v\nwant %+v", got, test.want)
		}
	}
	if o := verdict(t, &c, "p99 of each delivery", ours, "floor"); o.Medians != "90.0 to 100 ms" || o.Verdict != met {
		t.Errorf("not the p99 of each delivery: %+v", o)
	}
	if o := verdict(t, &c, "CPU per delivery, 10,000", ours, "floor"); o.Verdict != notMeasured {
		t.Errorf("judged by other runs than its own: %+v", o)
	}
}

func TestRoundInWhichAServerFailedHasNoRatio(t *testing.T) {
	var c result.Comparison
	costs(&c, map[string]float64{ours: 8, "floor": 10})
	costs(&c, map[string]float64{ours: 8})
	costs(&c, map[string]float64{ours: 6, "floor": 10})
	if o := verdict(t, &c, "CPU per delivery, 1,000", ours, "floor"); o.Spread != "0.60×–0.80×" {
		t.Errorf("%+v", o)
	}
}

func TestGoalsWithoutABase(t *testing.T) {
	var c result.Comparison
	for round, cutOff := range []uint64{0, 0, 3} {
		c.Runs = append(c.Runs,
			result.Run{Scenario: "idle", Server: ours, Params: result.Params{Clients: 19000}, Memory: &result.Memory{PerConn: 250 + float64(round), Files: 19030}},
			result.Run{Scenario: "flood", Server: ours, Params: result.Params{Clients: 1000, Outstanding: 128}, Achieved: 1e6, Faults: result.Faults{Disconnected: cutOff}},
			result.Run{Scenario: "flood", Server: oursPlain, Params: result.Params{Clients: 1000, Outstanding: 128}},
			result.Run{Scenario: "stuck", Server: ours, Params: result.Params{Clients: 100, StuckClients: 100}, Stuck: &result.Stuck{RSSWithout: 1, RSSWith: 9}},
			result.Run{Scenario: "stuck", Server: ours, Params: result.Params{Clients: 1000, StuckClients: 1000}, Stuck: &result.Stuck{RSSWithout: 10 << 20, RSSWith: 11 << 20}},
		)
	}
	for _, test := range []struct {
		what, server, measured, medians, verdict string
	}{
		{"Memory per idle connection", ours, "251", missing, met},
		{"Descriptors per idle connection", ours, "1.002", missing, met},
		{"Deliveries lost", ours, "3", missing, notMet}, // in one round of three
		{"Deliveries lost", oursPlain, missing, missing, notMeasured},
		{"Memory with 1,000 stuck clients", ours, "1.10×", "11.0 MiB to 10.0 MiB", met},
	} {
		o := verdict(t, &c, test.what, test.server, "")
		if o.Measured != test.measured || o.Medians != test.medians || o.Verdict != test.verdict {
			t.Errorf("%s: %+v", test.what, o)
		}
	}
}

func TestGoalsInTexts(t *testing.T) {
	var c result.Comparison
	costs(&c, map[string]float64{ours: 6, oursPlain: 12, "channels": 15, "floor": 10})
	c.Runs[2].Faults.Lost = 1
	want := "| CPU per delivery, 1,000 clients × 50 messages/s | chatd | ≤ 0.45 × channels | 0.40× | 6.00 to 15.0 µs ! | met |"
	text := GoalsMarkdown(&c)
	if !slices.Contains(strings.Split(text, "\n"), want) {
		t.Errorf("no line %s in\n%s", want, text)
	}
	plain := Goals(&c)
	for _, want := range []string{"FIGURE ", "3 of 29 goals are met, 1 are not, 25 were not measured. ! Faults in these runs."} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
}

package htmlreport

import (
	"strings"
	"testing"

	"chatd/bench/result"
)

// herds is a comparison of two rounds, in which chatd needs a third of the other's
// time.
func herds() *result.Comparison {
	c := &result.Comparison{Rounds: 2, Servers: []result.Server{{Name: ours}, {Name: centrifuge}}}
	for _, round := range []float64{1, 2} {
		for server, k := range map[string]float64{ours: 1, centrifuge: 3} {
			c.Runs = append(c.Runs, result.Run{
				Scenario: "herd", Server: server, Params: result.Params{Clients: 10000, Staying: 1000, Missed: 50, Rate: 10},
				Herd: &result.Herd{
					CaughtUp: k * round, Each: &result.Latency{P99: 700 * k}, Stayed: &result.Latency{P99: 30 * k}, Calm: &result.Latency{P99: 20},
					CPU: &result.CPU{User: 100 * k}, RSSBefore: 50 << 20, RSSPeak: uint64(50+10*k*k) << 20,
				},
			})
		}
	}
	return c
}

func TestHerdsAreShownWithTheirGoals(t *testing.T) {
	c := herds()
	for _, tt := range []struct{ what, base, measured, verdict string }{
		{"Until 10,000 clients", centrifuge, "0.33×", met},
		{"Memory that they added", centrifuge, "0.11×", met},
		{"p99 of those who stayed", "without them", "1.50×", met},
	} {
		if o := verdict(t, c, tt.what, ours, tt.base); o.Measured != tt.measured || o.Verdict != tt.verdict {
			t.Errorf("%+v, want %+v", o, tt)
		}
	}
	c.Runs[0].Faults.Gaps = 3
	text := Table(c)
	for _, want := range []string{
		"herd: 10,000 clients, 10.0 messages/s, cut until they had missed 50, 1,000 more that stay",
		"1.50 (1.00–2.00)", "4.50 (3.00–6.00)", "50.0 MiB", "90.0 MiB", "3 gaps in 1 of 2 runs",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// Who has nothing else is in no other table.
	if strings.Contains(text, "CPU/DELIVERY") {
		t.Error(text)
	}
	html := pageOf(t, c)
	if !strings.Contains(html, "Clients that came back") || !strings.Contains(html, "<h1>Broadcast servers compared</h1>\n<p class=\"lead\">2 servers") {
		t.Error(html)
	}
}

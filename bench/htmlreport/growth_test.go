package htmlreport

import (
	"slices"
	"strings"
	"testing"

	"chatd/bench/result"
)

func TestGrowth(t *testing.T) {
	lines := strings.Split(Growth(synthetic()), "\n")
	for _, want := range []string{
		"CPU per delivery, by number of clients, µs:",
		"| Server | 100 | 1,000 | 10,000 |",
		"| chatd | 3.00 (2.85–3.30) | 2.10 (2.00–2.31) | 2.01 (1.91–2.21) |",
		"p99 of last delivery, by number of clients, ms:",
		"| Server | 1 | 16 | 256 | 1,024 |",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
}

func TestOneLoadIsNoGrowth(t *testing.T) {
	c := synthetic()
	c.Runs = slices.DeleteFunc(c.Runs, func(r result.Run) bool {
		return r.Scenario == "fanout" && r.Params.Clients != 1000
	})
	if all := growths(c); len(all) != 1 || all[0].Name != "throughput" {
		t.Errorf("%+v", all)
	}
}

package htmlreport

import (
	"strings"
	"testing"

	"chatd/bench/result"
)

func TestBeforeIsBesideNow(t *testing.T) {
	var c result.Comparison
	for _, cost := range []map[string]float64{
		{ours: 6, OursBefore: 5, oursPlain: 8, PlainBefore: 8},
		{ours: 4, OursBefore: 5, oursPlain: 9, PlainBefore: 8},
		{ours: 5, OursBefore: 4, oursPlain: 8},
	} {
		costs(&c, cost)
	}
	table := Before(&c)
	for _, row := range []string{
		"| CPU per delivery, 1,000 clients × 50 messages/s | chatd | 5.00 µs | 5.00 µs | 1.00× (0.80×–1.25×) |",
		"| CPU per delivery, 1,000 clients × 50 messages/s | chatd-plain | 8.00 µs | 8.00 µs | 1.00× (1.00×–1.12×) |",
		"| p99 of each delivery, 1,000 clients × 50 messages/s | chatd | 50.0 ms | 50.0 ms | 1.00× (0.80×–1.25×) |",
	} {
		if !strings.Contains(table, row) {
			t.Errorf("no line\n%s\nin\n%s", row, table)
		}
	}
	if strings.Contains(table, "handshake") {
		t.Errorf("what was not measured is in\n%s", table)
	}
}

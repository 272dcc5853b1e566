package htmlreport

import (
	"fmt"
	"strings"

	"chatd/bench/result"
)

// faultsOf returns what went wrong with a server in some runs, and in how many.
// Deliveries that healthy clients lost to stuck ones are lost.
func faultsOf(server string, runs []result.Run) (sum result.Faults, bad int) {
	for _, run := range runs {
		if run.Server != server {
			continue
		}
		f := run.Faults
		if run.Stuck != nil {
			f.Lost = max(f.Lost, run.Stuck.HealthyLosses)
		}
		if f.Any() {
			bad++
		}
		sum.Add(f)
	}
	return sum, bad
}

// faultText returns faults in words; nothing if there are none.
func faultText(f result.Faults) string {
	var parts []string
	for _, p := range []struct {
		n    uint64
		what string
	}{
		{f.Lost, "%s lost"},
		{f.Disconnected, "%s cut off"},
		{f.Duplicated, "%s duplicated"},
		{f.Disordered, "%s out of order"},
		{f.OrderDiffers, "%s clients in another order"},
		{f.Corrupt, "%s corrupt"},
		{f.Foreign, "%s of another room"},
		{f.Misnumbered, "%s misnumbered"},
		{f.Gaps, "%s gaps"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf(p.what, grouped(p.n)))
		}
	}
	return strings.Join(parts, ", ")
}

// faultNotes returns a line for each server and group of runs in which
// something went wrong.
func faultNotes(c *result.Comparison) []string {
	var notes []string
	for _, server := range everybody(c) {
		for _, scenario := range scenarios(c) {
			for _, g := range groups(c, scenario) {
				f, bad := faultsOf(server, g.Runs)
				if bad == 0 {
					continue
				}
				notes = append(notes, fmt.Sprintf("%s, %s (%s): %s in %d of %d runs",
					server, scenario, describe(g.Params), faultText(f), bad, g.count(server)))
			}
		}
	}
	return notes
}

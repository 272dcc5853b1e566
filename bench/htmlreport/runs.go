package htmlreport

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chatd/bench/result"
)

// headline is the number of clients of the fan-out that is shown first.
const headline = 1000

// group is the runs of one scenario with the same parameters.
type group struct {
	Scenario string
	Params   result.Params
	Runs     []result.Run
}

// groups returns the runs of a scenario by their parameters, in order of
// clients, outstanding messages and size.
func groups(c *result.Comparison, scenario string) []group {
	var all []group
	for _, run := range c.Runs {
		if run.Scenario != scenario {
			continue
		}
		i := slices.IndexFunc(all, func(g group) bool { return g.Params == run.Params })
		if i < 0 {
			i = len(all)
			all = append(all, group{Scenario: scenario, Params: run.Params})
		}
		all[i].Runs = append(all[i].Runs, run)
	}
	slices.SortStableFunc(all, func(a, b group) int {
		return cmp.Or(
			cmp.Compare(a.Params.Clients, b.Params.Clients),
			cmp.Compare(a.Params.Outstanding, b.Params.Outstanding),
			cmp.Compare(a.Params.MessageBytes, b.Params.MessageBytes),
			cmp.Compare(a.Params.Rate, b.Params.Rate),
		)
	})
	return all
}

// widest returns the group that the most servers ran, the last of equals.
func widest(all []group) group {
	var best group
	most := 0
	for _, g := range all {
		names := make(map[string]bool)
		for _, run := range g.Runs {
			names[run.Server] = true
		}
		if len(names) >= most {
			best, most = g, len(names)
		}
	}
	return best
}

// fanout returns the fan-out of the headline: that to 1,000 clients if there is
// one.
func fanout(c *result.Comparison) group {
	all := groups(c, "fanout")
	usual := slices.DeleteFunc(slices.Clone(all), func(g group) bool { return g.Params.Clients != headline })
	if len(usual) > 0 {
		all = usual
	}
	return widest(all)
}

// fanouts returns the fan-outs that differ from the headline's in the number of
// clients, and perhaps in the rate: one for each number.
func fanouts(c *result.Comparison) []group {
	main := fanout(c).Params
	var sizes []group
	for _, g := range groups(c, "fanout") {
		if g.Params.MessageBytes != main.MessageBytes || g.Params.Senders != main.Senders {
			continue
		}
		if g.Params.Clients == main.Clients && g.Params != main {
			continue
		}
		if n := len(sizes); n > 0 && sizes[n-1].Params.Clients == g.Params.Clients {
			sizes[n-1] = widest([]group{g, sizes[n-1]})
			continue
		}
		sizes = append(sizes, g)
	}
	return sizes
}

// floods returns the floods in order of outstanding messages, all with the same
// clients and messages.
func floods(c *result.Comparison) []group {
	all := groups(c, "flood")
	main := widest(all).Params
	return slices.DeleteFunc(all, func(g group) bool {
		p := g.Params
		p.Outstanding = main.Outstanding
		return p != main
	})
}

// names returns the servers that broadcast: all but those that only herds came
// back to, readers of events, or clients over TLS.
func names(c *result.Comparison) []string {
	return slices.DeleteFunc(everybody(c), func(name string) bool {
		of := func(r result.Run) bool { return r.Server == name }
		return slices.ContainsFunc(c.Runs, of) &&
			!slices.ContainsFunc(c.Runs, func(r result.Run) bool {
				return of(r) && r.Scenario != "herd" && !strings.HasPrefix(r.Scenario, result.Events) && !strings.HasPrefix(r.Scenario, result.Secure)
			})
	})
}

// everybody returns the servers in the comparison's order, then those that only
// its runs name; but not older versions, which [Before] is about.
func everybody(c *result.Comparison) []string {
	var all []string
	add := func(name string) {
		if name != OursBefore && name != PlainBefore && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, s := range c.Servers {
		add(s.Name)
	}
	for _, run := range c.Runs {
		add(run.Server)
	}
	return all
}

// describe returns parameters in words.
func describe(p result.Params) string {
	var parts []string
	add := func(there bool, format string, args ...any) {
		if there {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(p.Clients > 0, "%s clients", grouped(p.Clients)) // a storm has no number
	add(p.Rooms > 1, "%s rooms", grouped(p.Rooms))
	add(p.StuckClients > 0, "%s more that never read", grouped(p.StuckClients))
	add(p.Senders > 0, "%s senders", grouped(p.Senders))
	add(p.MessageBytes > 0, "%s-byte messages", grouped(p.MessageBytes))
	add(p.Rate > 0, "%s messages/s", short(p.Rate))
	add(p.Missed > 0, "cut until they had missed %s", grouped(p.Missed))
	add(p.Staying > 0, "%s more that stay", grouped(p.Staying))
	add(p.Outstanding > 0, "%s outstanding", grouped(p.Outstanding))
	return strings.Join(parts, ", ")
}

// count returns how many of the group's runs are a server's.
func (g group) count(server string) int {
	n := 0
	for _, run := range g.Runs {
		if run.Server == server {
			n++
		}
	}
	return n
}

// scenarios returns those that were run, in the order of their first runs.
func scenarios(c *result.Comparison) []string {
	var all []string
	for _, run := range c.Runs {
		if !slices.Contains(all, run.Scenario) {
			all = append(all, run.Scenario)
		}
	}
	return all
}

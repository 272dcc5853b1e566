package htmlreport

import "chatd/bench/result"

// stuckView is the runs with so many clients that never read.
type stuckView struct {
	Params string
	Rows   [][]string // a row for each server
}

func stuckViews(c *result.Comparison) (all []stuckView) {
	for _, g := range groups(c, "stuck") {
		all = append(all, stuckView{describe(g.Params), stuckRows(g, names(c))})
	}
	return all
}

// stuckRows returns how each server coped with clients that never read, in the
// medians of the rounds: its name, how many of the stuck it hung up on and after
// how many messages, memory without and with them, and what that meant for the
// healthy: deliveries lost and p99.
func stuckRows(g group, servers []string) [][]string {
	var rows [][]string
	for _, server := range servers {
		median := func(value func(result.Stuck) float64) float64 {
			return figure{from: g, value: func(r result.Run) (float64, bool) {
				if r.Stuck == nil {
					return 0, false
				}
				return value(*r.Stuck), true
			}}.spread(server).Median
		}
		if g.count(server) == 0 {
			continue
		}
		dropped := median(func(s result.Stuck) float64 { return float64(s.Dropped) })
		first := missing
		if dropped > 0 {
			first = whole(median(func(s result.Stuck) float64 { return float64(s.FirstDropped) }))
		}
		rows = append(rows, []string{
			server,
			whole(dropped),
			first,
			binary(uint64(median(func(s result.Stuck) float64 { return float64(s.RSSWithout) }))),
			binary(uint64(median(func(s result.Stuck) float64 { return float64(s.RSSWith) }))),
			whole(median(func(s result.Stuck) float64 { return float64(s.HealthyLosses) })),
			short(median(func(s result.Stuck) float64 { return s.HealthyP99 })),
		})
	}
	return rows
}

package page

import "chatd/bench/result"

// stuckRows returns how each server coped with clients that never read, in the
// medians of the rounds: its name, how many of the stuck it dropped and after
// how many messages, memory without and with them, and what that meant for the
// healthy: deliveries lost and p99.
func stuckRows(c *result.Comparison) [][]string {
	g := widest(groups(c, "stuck"))
	var rows [][]string
	for _, server := range names(c) {
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

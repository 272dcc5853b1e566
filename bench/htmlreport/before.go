package htmlreport

import "chatd/bench/result"

// Before returns, in Markdown, the figures that there are goals for beside those
// of an older version in the same comparison: the medians and their ratio, with
// the least and the most of the rounds' own.
func Before(c *result.Comparison) string {
	header := []string{"Figure", "Server", "Before", "Now", "Ratio"}
	var rows [][]string
	for _, t := range targets {
		f := figure{Unit: t.unit, Format: t.format, from: t.runs(c), value: t.value}
		for _, pair := range [][2]string{{ours, OursBefore}, {oursPlain, PlainBefore}} {
			now, was := f.spread(pair[0]), f.spread(pair[1])
			if now.N == 0 || was.N == 0 {
				continue
			}
			ratio := missing
			if r, ok := now.Ratio(was); ok {
				ratio = digits(r) + "×"
				if s := result.SpreadOf(f.ratios(pair[0], f, pair[1])); s.N > 1 {
					ratio += " (" + digits(s.Min) + "×–" + digits(s.Max) + "×)"
				}
			}
			rows = append(rows, []string{t.what, pair[0], f.amount(was.Median), f.amount(now.Median), ratio})
		}
	}
	return markdown(header, rows, 2)
}

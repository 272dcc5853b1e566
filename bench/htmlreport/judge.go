package htmlreport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chatd/bench/result"
)

// Verdicts on a goal.
const (
	met         = "met"
	notMet      = "not met"
	notMeasured = "not measured"
)

// outcome is a goal beside what was measured.
type outcome struct {
	What, Server, Goal string
	Measured           string // what the goal is about: a ratio of medians, or a median
	Spread             string // the same of each round
	Medians            string // the server's and the base's, for a ratio
	Verdict            string
}

// outcomes returns all goals beside what was measured.
func outcomes(c *result.Comparison) []outcome {
	var all []outcome
	for _, t := range targets {
		f := figure{Unit: t.unit, Format: t.format, from: t.runs(c), value: t.value}
		for _, g := range t.goals {
			o := outcome{What: t.what, Server: g.server, Measured: missing, Medians: missing, Verdict: notMeasured}
			if g.base == "" {
				o.Goal = strings.TrimSpace(g.sign + " " + t.format(g.limit) + " " + t.unit)
				o.judge(g, f.spread(g.server), t.most, t.format)
			} else {
				o.Goal = g.sign + " " + strconv.FormatFloat(g.limit, 'g', -1, 64) + " × " + g.base
				base, of := f, g.base
				if t.without != nil {
					base.value, of = t.without, g.server
				}
				o.compare(g, f, base, of)
			}
			all = append(all, o)
		}
	}
	return all
}

// runs returns those of the comparison that the target is about.
func (t target) runs(c *result.Comparison) group {
	return widest(slices.DeleteFunc(groups(c, t.scenario), func(g group) bool {
		want, have := t.params, g.Params
		return want.Clients != 0 && want.Clients != have.Clients ||
			want.Rate != 0 && want.Rate != have.Rate ||
			want.Outstanding != 0 && want.Outstanding != have.Outstanding ||
			want.StuckClients != 0 && want.StuckClients != have.StuckClients ||
			want.Missed != 0 && want.Missed != have.Missed
	}))
}

// compare judges a goal by a ratio: of the medians, as noise hits rounds, not
// servers.
func (o *outcome) compare(g goal, f, base figure, of string) {
	mine, its := f.spread(g.server), base.spread(of)
	ratio, ok := mine.Ratio(its)
	if !ok {
		return
	}
	o.Medians = f.Format(mine.Median) + " to " + f.amount(its.Median)
	s := result.SpreadOf(f.ratios(g.server, base, of))
	s.Median = ratio
	o.judge(g, s, false, func(v float64) string { return digits(v) + "×" })
	_, bad := faultsOf(g.server, f.from.Runs)
	if _, its := faultsOf(of, f.from.Runs); bad+its > 0 {
		o.Medians += " !"
	}
}

// judge compares with the limit.
func (o *outcome) judge(g goal, s result.Spread, most bool, format func(float64) string) {
	if s.N == 0 {
		return
	}
	v := s.Median
	if most {
		v = s.Max
	}
	o.Measured, o.Verdict = format(v), notMet
	if s.N > 1 {
		o.Spread = format(s.Min) + "–" + format(s.Max)
	}
	if g.sign == atMost && v <= g.limit || g.sign == atLeast && v >= g.limit {
		o.Verdict = met
	}
}

// ratios returns a server's figure in each round as a multiple of base's of
// another.
func (f figure) ratios(server string, base figure, of string) (all []float64) {
	mine, its := f.rounds(server), base.rounds(of)
	for i := range min(len(mine), len(its)) {
		if r, ok := mine[i].Ratio(its[i]); ok {
			all = append(all, r)
		}
	}
	return all
}

// rounds returns what was measured of a server in each round.
func (f figure) rounds(server string) []result.Spread {
	var all []result.Spread
	for _, run := range f.from.Runs {
		if run.Server == server {
			one := f
			one.from.Runs = []result.Run{run}
			all = append(all, one.spread(server))
		}
	}
	return all
}

// Goals returns the goals beside what was measured, as plain text.
func Goals(c *result.Comparison) string {
	all := outcomes(c)
	header, rows := goalCells(all)
	for i := range header {
		header[i] = strings.ToUpper(header[i])
	}
	return aligned(header, rows) + "\n" + goalSummary(all) + "\n"
}

// GoalsMarkdown returns the same for a README.
func GoalsMarkdown(c *result.Comparison) string {
	all := outcomes(c)
	header, rows := goalCells(all)
	return markdown(header, rows, 3) + "\n" + goalSummary(all) + "\n"
}

func goalCells(all []outcome) (header []string, rows [][]string) {
	header = []string{"Figure", "Server", "Goal", "Measured", "Medians", "Verdict"}
	for _, o := range all {
		measured := o.Measured
		if o.Spread != "" {
			measured += " (" + o.Spread + ")"
		}
		rows = append(rows, []string{o.What, o.Server, o.Goal, measured, o.Medians, o.Verdict})
	}
	return header, rows
}

// goalSummary counts the verdicts.
func goalSummary(all []outcome) string {
	verdicts, faults := make(map[string]int), ""
	for _, o := range all {
		verdicts[o.Verdict]++
		if strings.HasSuffix(o.Medians, "!") {
			faults = " ! Faults in these runs."
		}
	}
	return fmt.Sprintf("%d of %d goals are met, %d are not, %d were not measured.%s", verdicts[met], len(all), verdicts[notMet], verdicts[notMeasured], faults)
}

// Package htmlreport shows a measured comparison of servers: as a web page of its
// own with tables and plots, as files, and as a table for the terminal or a
// README.
package htmlreport

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"

	"chatd/bench/result"
)

//go:embed report.html.tmpl
var source string

var report = template.Must(template.New("report").Parse(source))

// Write writes the comparison into dir, which it creates: as index.html, which
// needs no other file, as comparison.jsonl, and each plot as SVG and PNG.
func Write(dir string, c *result.Comparison) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var lines bytes.Buffer
	if err := c.Write(&lines); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "comparison.jsonl"), lines.Bytes(), 0o644); err != nil {
		return err
	}
	v := newView(c)
	for _, p := range pictures(c) {
		plot, err := newPlotView(p, dir)
		if err != nil {
			return err
		}
		v.Plots = append(v.Plots, plot)
	}
	for _, g := range growths(c) {
		p, ok := g.picture(names(c))
		if !ok {
			continue
		}
		plot, err := newPlotView(p, dir)
		if err != nil {
			return err
		}
		v.Growth = append(v.Growth, growthView{growth: g, Plot: plot, Rows: rows(c, g.Columns, nil)})
	}
	var html bytes.Buffer
	if err := report.Execute(&html, v); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.html"), html.Bytes(), 0o644)
}

// view is what the template shows.
type view struct {
	*result.Comparison
	Date, Memory string
	Goals        []outcome
	GoalSummary  string
	Figures      []figure
	Bases        []string // of the ratios
	Rows         []rowView
	Growth       []growthView
	Stuck        []stuckView
	Herds        []herdView
	HerdHeader   []string
	Sides        []sideView
	Params       [][2]string
	Plots        []plotView
	Faults       []string
	Warnings     []string
}

// rowView is a server in the tables.
type rowView struct {
	result.Server
	Ours      bool
	Colour    template.CSS
	Cells     []cellView
	Lost, Cut string // over all runs
}

// cellView is one figure of a server.
type cellView struct {
	Median, Spread string
	Fault          string   // what went wrong in the runs that it is from
	Ratios         []string // to each base
}

type plotView struct {
	Title string
	SVG   template.HTML
}

// newPlotView writes a picture's files, too.
func newPlotView(p picture, dir string) (plotView, error) {
	svg, err := p.write(dir)
	if err != nil {
		return plotView{}, err
	}
	return plotView{p.Title, template.HTML(inline(svg))}, nil
}

// growthView is a figure as the load grows: a plot and its numbers.
type growthView struct {
	growth
	Plot plotView
	Rows []rowView
}

func newView(c *result.Comparison) view {
	v := view{
		Comparison: c,
		Date:       orMissing(""),
		Memory:     binary(c.Machine.Memory),
		Figures:    figures(c),
		Faults:     faultNotes(c),
		Stuck:      stuckViews(c),
		Herds:      herdViews(c),
		HerdHeader: herdHeader,
		Sides:      sideViews(c),
		Goals:      outcomes(c),
	}
	if !c.Started.IsZero() {
		v.Date = c.Started.UTC().Format("2 January 2006, 15:04 UTC")
	}
	v.GoalSummary = goalSummary(v.Goals)
	for _, base := range bases {
		if slices.Contains(names(c), base) {
			v.Bases = append(v.Bases, base)
		}
	}
	v.Rows = rows(c, v.Figures, v.Bases)
	for _, scenario := range scenarios(c) {
		for _, g := range groups(c, scenario) {
			v.Params = append(v.Params, [2]string{scenario, describe(g.Params)})
		}
	}
	v.Warnings = warnings(c)
	return v
}

// rows returns a table of figures, a row for each server.
func rows(c *result.Comparison, figures []figure, bases []string) (all []rowView) {
	what := make(map[string]result.Server)
	for _, s := range c.Servers {
		what[s.Name] = s
	}
	for _, name := range names(c) {
		sum, _ := faultsOf(name, c.Runs)
		row := rowView{
			Server: what[name],
			Ours:   name == ours,
			Colour: template.CSS(hex(colour(name))),
			Lost:   grouped(sum.Lost),
			Cut:    grouped(sum.Disconnected),
		}
		row.Name = name
		for _, f := range figures {
			var cell cellView
			cell.Median, cell.Spread = f.text(name)
			fault, _ := faultsOf(name, f.from.Runs)
			cell.Fault = faultText(fault)
			for _, base := range bases {
				cell.Ratios = append(cell.Ratios, f.ratio(name, base))
			}
			row.Cells = append(row.Cells, cell)
		}
		all = append(all, row)
	}
	return all
}

// warnings returns each warning of the runs once, with how often it came.
func warnings(c *result.Comparison) []string {
	var order []string
	times := make(map[string]int)
	for _, run := range c.Runs {
		for _, w := range run.Warnings {
			w = run.Server + ", " + run.Scenario + ": " + w
			if times[w]++; times[w] == 1 {
				order = append(order, w)
			}
		}
	}
	for i, w := range order {
		if n := times[w]; n > 1 {
			order[i] = fmt.Sprintf("%s (%d times)", w, n)
		}
	}
	return order
}

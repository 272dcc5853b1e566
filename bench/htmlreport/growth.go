package htmlreport

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"chatd/bench/result"
)

// growth is one figure of every server as the load grows: a column for each
// load, all else being equal.
type growth struct {
	Name    string // of the plot's files
	Title   string
	Unit    string
	Axis    string // what grows
	Legend  string
	Columns []figure // Title: the load

	loads []float64 // of the columns
}

// growths returns the figures that were measured under several loads: over the
// clients of the fan-outs and over the outstanding messages of the floods.
func growths(c *result.Comparison) []growth {
	sizes, depths := fanouts(c), floods(c)
	over := func(name, title, unit string, format func(float64) string, value func(result.Run) (float64, bool)) growth {
		g := growth{Name: name, Title: title, Unit: unit, Axis: "clients"}
		for _, from := range sizes {
			g.add(from, from.Params.Clients, format, value)
			g.Legend = fmt.Sprintf("fan-out of %s-byte messages – lower is better", grouped(from.Params.MessageBytes))
		}
		return g
	}
	flood := growth{Name: "throughput", Title: "Throughput, by number of outstanding messages", Unit: "deliveries/s", Axis: "outstanding messages"}
	for _, from := range depths {
		flood.add(from, from.Params.Outstanding, short, throughput)
		same := from.Params
		same.Outstanding = 0
		flood.Legend = describe(same) + " – higher is better"
	}
	all := []growth{
		over("cpu-over-clients", "CPU per delivery, by number of clients", "µs", short, deliveryCPU),
		over("memory-over-clients", "Memory of the process per client, by their number", "bytes", short, rssShare),
		over("p99-over-clients", "p99 of last delivery, by number of clients", "ms", short, lastP99),
		flood,
	}
	var several []growth
	for _, g := range all {
		if len(g.Columns) > 1 {
			several = append(several, g)
		}
	}
	return several
}

func (g *growth) add(from group, load int, format func(float64) string, value func(result.Run) (float64, bool)) {
	g.loads = append(g.loads, float64(load))
	g.Columns = append(g.Columns, figure{Title: grouped(load), Unit: g.Unit, Format: format, from: from, value: value})
}

// picture shows the medians over the loads, on logarithmic axes.
func (g growth) picture(servers []string) (picture, bool) {
	var all lines
	for _, server := range servers {
		l := line{server: server}
		for i, f := range g.Columns {
			if s := f.spread(server); s.Median > 0 && g.loads[i] > 0 {
				l.points = append(l.points, plotter.XY{X: g.loads[i], Y: s.Median})
			}
		}
		all = append(all, l)
	}
	ticks := make([]plot.Tick, len(g.loads))
	for i, load := range g.loads {
		ticks[i] = plot.Tick{Value: load, Label: whole(load)}
	}
	p, ok := linePicture(g.Name, g.Title+" ("+g.Unit+")", g.Legend, g.Axis, all, ticks)
	if ok {
		p.plot.X.Scale = plot.LogScale{}
	}
	return p, ok
}

// Growth returns how the figures grow with the load in Markdown, a table for
// each.
func Growth(c *result.Comparison) string {
	var tables []string
	for _, g := range growths(c) {
		header := []string{"Server"}
		for _, f := range g.Columns {
			header = append(header, f.Title)
		}
		var rows [][]string
		for _, server := range names(c) {
			row := []string{server}
			for _, f := range g.Columns {
				row = append(row, f.cell(server))
			}
			rows = append(rows, row)
		}
		tables = append(tables, fmt.Sprintf("%s, %s:\n\n%s", g.Title, g.Unit, markdown(header, rows, 1)))
	}
	return strings.Join(tables, "\n") + notes(c, "- ")
}

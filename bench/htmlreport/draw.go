package htmlreport

import (
	"cmp"
	"image/color"
	"slices"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"chatd/bench/result"
)

// label returns the style of text that begins at a point, in the middle of its
// height.
func label(size vg.Length, c color.Color, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return text.Style{Color: c, Font: f, XAlign: draw.XLeft, YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
}

// bars is one horizontal bar for each server, from the bottom up, with its
// figure at its end.
type bars []bar

type bar struct {
	server string
	spread result.Spread
	system float64 // share of the bar that is paler
	text   string
}

// Plot implements plot.Plotter.
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	rect := func(x0, x1, y0, y1 vg.Length, fill color.Color) {
		c.FillPolygon(fill, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
	}
	for i, bar := range b {
		mid, base := y(float64(i)), x(0)
		end := x(bar.spread.Median)
		split := base + (end-base)*vg.Length(1-bar.system)
		rect(base, split, mid-7, mid+7, colour(bar.server))
		if bar.system > 0 {
			rect(split, end, mid-7, mid+7, pale(colour(bar.server)))
		}
		at := end
		if bar.spread.Max > bar.spread.Min {
			at = x(bar.spread.Max)
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: 0.8}, x(bar.spread.Min), mid, at, mid)
			for _, v := range []vg.Length{x(bar.spread.Min), at} {
				c.StrokeLine2(draw.LineStyle{Color: ink, Width: 0.8}, v, mid-2.5, v, mid+2.5)
			}
		}
		c.FillText(label(9, ink, bar.server == ours), vg.Point{X: at + 5, Y: mid + 1}, bar.text)
	}
}

// DataRange implements plot.DataRanger. The axis leaves room for the texts.
func (b bars) DataRange() (xmin, xmax, ymin, ymax float64) {
	for _, bar := range b {
		xmax = max(xmax, bar.spread.Max)
	}
	return 0, cmp.Or(xmax, 1), -0.6, float64(len(b)) - 0.4
}

// lines is one line for each server, with its name at the right end.
type lines []line

type line struct {
	server string
	points plotter.XYs
}

// nameGap is the least distance between the middles of two names.
const nameGap = 12.5

// Plot implements plot.Plotter.
func (l lines) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	ends := make([]vg.Point, len(l))
	for i, line := range l {
		points := make([]vg.Point, len(line.points))
		for j, pt := range line.points {
			points[j] = vg.Point{X: x(pt.X), Y: y(pt.Y)}
		}
		ends[i] = points[len(points)-1]
		bold := vg.Length(prominence(line.server))
		style, radius := draw.LineStyle{Color: colour(line.server), Width: 1.5 + 0.75*bold}, 2+0.6*bold
		c.StrokeLines(style, points)
		for _, pt := range points {
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: style.Color, Radius: radius, Shape: draw.CircleGlyph{}}, pt)
		}
	}
	wanted := make([]float64, len(l))
	for i, end := range ends {
		wanted[i] = float64(end.Y)
	}
	for i, at := range apart(wanted, nameGap, float64(c.Min.Y), float64(c.Max.Y)) {
		server := l[i].server
		to := vg.Point{X: c.Max.X + 16, Y: vg.Length(at)}
		c.StrokeLine2(draw.LineStyle{Color: colour(server), Width: 0.6}, ends[i].X+3, ends[i].Y, to.X-2, to.Y)
		c.FillText(label(9.5, colour(server), server == ours), to, server)
	}
}

// DataRange implements plot.DataRanger, for a logarithmic y axis.
func (l lines) DataRange() (xmin, xmax, ymin, ymax float64) {
	first := l[0].points[0]
	xmin, xmax, ymin, ymax = first.X, first.X, first.Y, first.Y
	for _, line := range l {
		for _, pt := range line.points {
			xmin, xmax = min(xmin, pt.X), max(xmax, pt.X)
			ymin, ymax = min(ymin, pt.Y), max(ymax, pt.Y)
		}
	}
	return xmin, xmax, ymin / 1.2, ymax * 1.2
}

// apart moves wanted positions as little as it takes for each two to be gap
// away from each other, and all between low and high if there is room.
func apart(wanted []float64, gap, low, high float64) []float64 {
	order := make([]int, len(wanted))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(wanted[a], wanted[b]) })

	// Without the gaps it is enough for positions not to fall: neighbours that
	// do take their mean, until none is left.
	type block struct{ sum, n float64 }
	var blocks []block
	for i, j := range order {
		b := block{wanted[j] - float64(i)*gap, 1}
		for k := len(blocks) - 1; k >= 0 && blocks[k].sum/blocks[k].n > b.sum/b.n; k-- {
			b = block{b.sum + blocks[k].sum, b.n + blocks[k].n}
			blocks = blocks[:k]
		}
		blocks = append(blocks, b)
	}
	positions := make([]float64, len(wanted))
	top := high - float64(len(wanted)-1)*gap
	i := 0
	for _, b := range blocks {
		at := max(min(b.sum/b.n, top), low)
		for range int(b.n) {
			positions[order[i]] = at + float64(i)*gap
			i++
		}
	}
	return positions
}

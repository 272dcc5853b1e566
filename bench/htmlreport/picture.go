package htmlreport

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// picture is a plot below its title.
type picture struct {
	Name   string // of its files
	Title  string
	Legend string // below the title
	plot   *plot.Plot
	height vg.Length
	right  vg.Length // room for texts on the right of the plot
}

const (
	width = 480 * vg.Length(1)
	dpi   = 144
)

// newPlot returns an empty plot in our style.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		for style, to := range map[*text.Style]text.Style{
			&a.Label.TextStyle: label(9.5, muted, false),
			&a.Tick.Label:      label(9.5, ink, false),
		} {
			style.Font, style.Color = to.Font, to.Color
		}
		a.LineStyle.Color, a.Tick.LineStyle.Color = grid, grid
		a.Padding = 4
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Label.Padding, p.Y.Label.Padding = 4, 4
	return p
}

// addGrid draws lines across one of the axes.
func addGrid(p *plot.Plot, vertical, horizontal bool) {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = nil, nil
	g.Vertical.Width, g.Horizontal.Width = 0.7, 0.7
	if vertical {
		g.Vertical.Color = grid
	}
	if horizontal {
		g.Horizontal.Color = grid
	}
	p.Add(g)
}

// draw draws the picture on all of a canvas.
func (p picture) draw(c draw.Canvas) {
	c.FillPolygon(paper, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
	c.FillText(label(13, ink, true), vg.Point{X: c.Min.X + 8, Y: c.Max.Y - 15}, p.Title)
	c.FillText(label(9.5, muted, false), vg.Point{X: c.Min.X + 8, Y: c.Max.Y - 33}, p.Legend)
	p.plot.Draw(draw.Crop(c, 8, -p.right, 6, -50))
}

// svg returns the picture as a document of its own.
func (p picture) svg() ([]byte, error) {
	c := vgsvg.New(width, p.height)
	p.draw(draw.New(c))
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	return b.Bytes(), err
}

// png returns the picture as an image.
func (p picture) png() ([]byte, error) {
	c := vgimg.NewWith(vgimg.UseWH(width, p.height), vgimg.UseDPI(dpi))
	p.draw(draw.New(c))
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(&b)
	return b.Bytes(), err
}

// write writes the picture's files and returns its SVG.
func (p picture) write(dir string) ([]byte, error) {
	svg, err := p.svg()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	png, err := p.png()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, p.Name+".svg"), svg, 0o644); err != nil {
		return nil, err
	}
	return svg, os.WriteFile(filepath.Join(dir, p.Name+".png"), png, 0o644)
}

var fontStyle = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;`)

// inline turns an SVG document into an element of the page, which has the
// page's font and its colours for what is not a server's.
func inline(svg []byte) string {
	s := string(svg[bytes.Index(svg, []byte("<svg")):])
	s = fontStyle.ReplaceAllString(s, "")
	return strings.NewReplacer(
		hex(ink), "var(--ink)", hex(muted), "var(--muted)", hex(grid), "var(--grid)", hex(paper), "var(--paper)",
	).Replace(s)
}

// logTicks labels the powers of ten; if there are few, also twice and five
// times each.
type logTicks struct{}

// Ticks implements plot.Ticker.
func (logTicks) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	few := high/low < 200
	for e := math.Floor(math.Log10(low)); e <= math.Log10(high); e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow(10, e)
			if v < low || v > high {
				continue
			}
			tick := plot.Tick{Value: v}
			if m == 1 || few {
				tick.Label = round(v)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// plainTicks labels about five round values.
type plainTicks struct{}

// Ticks implements plot.Ticker.
func (plainTicks) Ticks(low, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10(high-low)))
	for (high-low)/step < 3 {
		step /= 2
	}
	for (high-low)/step > 6 {
		step *= 2
	}
	var ticks []plot.Tick
	for i := math.Ceil(low / step); i*step <= high; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: round(i * step)})
	}
	return ticks
}

// round formats a round number.
func round(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + "k"
	default:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
}

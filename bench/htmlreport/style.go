package htmlreport

import (
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"
)

// missing stands for a figure that nobody measured.
const missing = "–"

// short formats a figure with three digits, large ones with k, M or G.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(v) < unit.size*0.9995 {
			continue
		}
		if unit.name == "k" {
			return digits(v/1e3) + "k"
		}
		return digits(v/unit.size) + unit.name
	}
	if math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return digits(v)
}

// digits formats v below 1000 with three significant digits.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95 || v == 0:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.0995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// grouped formats an integer with commas between thousands.
func grouped[T int | uint64](n T) string {
	s := fmt.Sprint(n)
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// whole formats a figure without its fraction.
func whole(v float64) string { return grouped(uint64(math.Round(v))) }

// thousandths formats a figure near 1.
func thousandths(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

// mebibytes formats a figure that is a number of bytes.
func mebibytes(v float64) string { return binary(uint64(v)) }

// binary formats a number of bytes.
func binary(n uint64) string {
	switch {
	case n >= 1<<30:
		return digits(float64(n)/(1<<30)) + " GiB"
	case n >= 1<<20:
		return digits(float64(n)/(1<<20)) + " MiB"
	default:
		return grouped(n) + " B"
	}
}

// The colours of what is not a server's. The page replaces them by its own,
// which follow the reader's light or dark theme.
var (
	ink   = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	muted = color.RGBA{0x65, 0x6d, 0x76, 0xff}
	grid  = color.RGBA{0xe4, 0xe7, 0xeb, 0xff}
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
)

// The names of our own server, which stands out, and of the same one when it
// does without io_uring.
const (
	ours      = "chatd"
	oursPlain = "chatd-plain"
)

// OursEvents is ours where its clients read server-sent events.
const OursEvents = "chatd-events"

// OursSecure is ours where its clients speak TLS.
const OursSecure = "chatd-wss"

// The names of an older version of both.
const (
	OursBefore  = "before"
	PlainBefore = "before-plain"
)

// prominence is how much a server stands out, from 0: the lines of the more
// prominent are bolder, and above the others.
func prominence(server string) int {
	switch server {
	case ours:
		return 2
	case oursPlain:
		return 1
	}
	return 0
}

// palette has the colours of the servers. chatd's is the strongest, with one
// near to it for its variant; the floor is grey.
var palette = map[string]color.RGBA{
	ours:             {0xe0, 0x31, 0x31, 0xff},
	oursPlain:        {0xf0, 0x8c, 0x2e, 0xff},
	"channels":       {0x3b, 0x82, 0xc4, 0xff},
	"netpoll":        {0x2f, 0x9e, 0x8f, 0xff},
	"nbio":           {0x6f, 0x9e, 0x3f, 0xff},
	"gws":            {0xb8, 0x8a, 0x1f, 0xff},
	"melody":         {0x8f, 0x6b, 0xc9, 0xff},
	"gnet":           {0xc4, 0x62, 0xa0, 0xff},
	"floor":          {0x68, 0x71, 0x7d, 0xff},
	"floor-coalesce": {0x95, 0x9e, 0xa9, 0xff},
}

// others are the colours of servers that the palette does not know.
var others = []color.RGBA{
	{0x9c, 0x6b, 0x4e, 0xff}, {0x4f, 0x7d, 0x9e, 0xff}, {0x7a, 0x8c, 0x2e, 0xff}, {0x5d, 0x6a, 0xb8, 0xff},
}

// colour returns a server's colour, which its name alone decides.
func colour(server string) color.RGBA {
	if c, ok := palette[server]; ok {
		return c
	}
	sum := 0
	for _, b := range []byte(server) {
		sum = sum*31 + int(b)
	}
	return others[uint(sum)%uint(len(others))]
}

// pale mixes a colour with white, for the part of a bar that is the kernel's.
func pale(c color.RGBA) color.RGBA {
	mix := func(v uint8) uint8 { return uint8((int(v)*45 + 255*55) / 100) }
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 0xff}
}

// hex returns a colour as it is written in SVG and CSS.
func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

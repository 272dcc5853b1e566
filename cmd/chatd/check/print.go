package check

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Print writes the verdict for a reader: the first wall, all of them, and the
// commands that make room for v.Target connections.
func (v Verdict) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "This host holds about %d idle connections%s. The first wall: %s.\n\n", v.Conns, v.included(), v.First().Name)
	fmt.Fprintln(t, "CONNECTIONS\tWALL\tNOW\tWHAT IT IS")
	for _, wall := range v.Walls {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", wall.Conns, wall.Name, wall.Value, wall.What)
	}
	for _, hint := range v.Hints {
		fmt.Fprintf(t, "(%d)\t%s\t%s\t%s\n", hint.Conns, hint.Name, hint.Value, hint.What)
	}
	if len(v.Hints) > 0 {
		fmt.Fprintln(t, "\nIn brackets: hints. Beyond them something is slower, or would be if it were in use.")
	}
	if advice := v.advice(); len(advice) > 0 {
		fmt.Fprintf(t, "\nTo hold %d:\n", v.Target)
		for _, line := range advice {
			fmt.Fprintln(t, "  "+line)
		}
	}
	return t.Flush()
}

// advice is the commands, in an order in which they work: the highest wall
// first, as a descriptor limit can't be above fs.nr_open.
func (v Verdict) advice() []string {
	var lines []string
	for _, list := range [][]Wall{v.Hints, v.Walls} {
		for _, wall := range slices.Backward(list) {
			if line := wall.Raise(v.Target); line != "" {
				first := func(other string) bool { return strings.HasPrefix(line, other+" && ") }
				lines = append(slices.DeleteFunc(lines, first), line)
			}
		}
	}
	return lines
}

// String is the verdict in a line.
func (v Verdict) String() string {
	first := v.First()
	s := fmt.Sprintf("this host holds about %d idle connections%s; first wall: %s %s", v.Conns, v.included(), first.Name, first.Value)
	if raise := first.Raise(v.Target); raise != "" {
		s += "; raise it: " + raise
	}
	return s
}

// included says how many are here already, if any are.
func (v Verdict) included() string {
	if v.InUse == 0 {
		return ""
	}
	return fmt.Sprintf(", with the %d descriptors that chatd has now", v.InUse)
}

// LogAttrs is the verdict for the log: connections, in_use if another chatd has
// some of them, first_wall, now, and raise if the wall can be moved.
func (v Verdict) LogAttrs() []slog.Attr {
	first := v.First()
	attrs := []slog.Attr{slog.Int64("connections", v.Conns)}
	if v.InUse > 0 {
		attrs = append(attrs, slog.Int64("in_use", v.InUse))
	}
	attrs = append(attrs, slog.String("first_wall", first.Name), slog.String("now", first.Value))
	if raise := first.Raise(v.Target); raise != "" {
		attrs = append(attrs, slog.String("raise", raise))
	}
	return attrs
}

func count(n int64) string {
	return strconv.FormatInt(n, 10)
}

func mebibytes(n int64) string {
	return strconv.FormatInt(n>>20, 10) + " MiB"
}

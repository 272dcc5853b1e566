package cluster

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// around is how long before a violation what was done is told with it, and half as long
// after it.
const around = 15 * time.Second

// Write writes the report as Markdown.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	verdict := "Everybody heard the same, in the same order, once, or was told of a gap; all that was acknowledged is there."
	if n := len(r.Violations); n > 0 {
		verdict = fmt.Sprintf("**Violations: %d.**", n)
		if n == mostViolations {
			verdict = fmt.Sprintf("**Violations: %d, and perhaps more.**", n)
		}
	}
	if r.Cut {
		verdict += " The run was interrupted."
	}
	fmt.Fprintf(&b, "# Cluster\n\n%s\n\nSeed %d, %s of harm, begun %s; with start and end it took %s. After the last fault it took %s until everybody had heard everything.\n",
		verdict, r.Schedule.Seed, r.Schedule.Duration, r.Began.UTC().Format("2006-01-02 15:04 MST"), r.Took.Round(time.Second), r.Calm.Round(100*time.Millisecond))
	r.writeFaults(&b)
	r.writeCounts(&b)
	r.writeViolations(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeFaults(b *strings.Builder) {
	var n [kinds]int
	for _, lane := range r.Schedule.Lanes {
		for i := range lane {
			n[lane[i].Kind]++
		}
	}
	b.WriteString("\n## Faults\n\n| | |\n|---|---:|\n")
	for k, n := range n {
		if n > 0 {
			fmt.Fprintf(b, "| %v | %d |\n", Kind(k), n)
		}
	}
}

func (r *Report) writeCounts(b *strings.Builder) {
	b.WriteString("\n## Counts\n\n| | |\n|---|---:|\n")
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		fmt.Fprintf(b, "| %s | %d |\n", what, r.Counts[what])
	}
}

// writeViolations writes each with what was done around it.
func (r *Report) writeViolations(b *strings.Builder) {
	if len(r.Violations) == 0 {
		return
	}
	b.WriteString("\n## Violations\n\nTimes are those since the beginning. With each is what was done in the 15 s before it, and soon after.\n")
	clock := func(at time.Time) string { return fmt.Sprintf("%.2f s", at.Sub(r.Began).Seconds()) }
	violations := slices.SortedFunc(slices.Values(r.Violations), func(x, y Deed) int { return x.At.Compare(y.At) })
	for _, v := range violations {
		fmt.Fprintf(b, "\n**%s**: %s\n\n", clock(v.At), v.What)
		for _, d := range r.Deeds {
			if since := v.At.Sub(d.At); since < around && since > -around/2 {
				fmt.Fprintf(b, "- %s: %s\n", clock(d.At), d.What)
			}
		}
	}
}

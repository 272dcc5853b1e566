package htmlreport

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"chatd/bench/result"
)

// bases are the servers that the others are compared with: ours, and the floor
// under what any server could cost.
var bases = []string{ours, "floor"}

// Table returns the comparison's headline as aligned plain text, one line for
// each server, with medians and, after several rounds, their spread.
func Table(c *result.Comparison) string {
	header, rows := cells(c)
	text := ""
	if len(rows) > 0 {
		text = aligned(header, rows)
	}
	for _, v := range herdViews(c) {
		text += "\nherd: " + v.Params + "\n\n" + aligned(herdHeader, v.Rows)
	}
	for _, v := range sideViews(c) {
		text += "\n" + v.Title + ": " + v.Params + "\n\n" + aligned(v.Header, v.Rows)
	}
	return text + notes(c, "  ")
}

// Markdown returns the same for a README.
func Markdown(c *result.Comparison) string {
	header, rows := cells(c)
	for i, f := range figures(c) {
		header[i+1] = f.Title + ", " + f.Unit
	}
	header[0], header[len(header)-1] = "Server", "Faults"
	return markdown(header, rows, 1) + notes(c, "- ") + "\n" + origin(c)
}

// aligned returns a table as plain text, a line for each row.
func aligned(header []string, rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// markdown returns a table in Markdown, the first columns of which are texts
// and the others numbers.
func markdown(header []string, rows [][]string, texts int) string {
	var b strings.Builder
	line := func(row []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | ")) }
	line(header)
	rule := make([]string, len(header))
	for i := range rule {
		if rule[i] = "---:"; i < texts {
			rule[i] = "---"
		}
	}
	line(rule)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		line(row)
	}
	return b.String()
}

// cells returns the table that Table and Markdown show.
func cells(c *result.Comparison) (header []string, rows [][]string) {
	figures := figures(c)
	header = []string{"SERVER"}
	for _, f := range figures {
		header = append(header, f.Short+" "+strings.TrimPrefix(f.Unit, "deliveries"))
	}
	for _, base := range bases {
		header = append(header, "CPU ×"+base)
	}
	header = append(header, "FAULTS")
	for _, server := range names(c) {
		row := []string{server}
		for _, f := range figures {
			row = append(row, f.cell(server))
		}
		for _, base := range bases {
			row = append(row, figures[0].ratio(server, base))
		}
		sum, _ := faultsOf(server, c.Runs)
		row = append(row, orMissing(faultText(sum)))
		rows = append(rows, row)
	}
	return header, rows
}

// notes returns the notes on faults as lines that begin with bullet, after the
// sign that marks the figures.
func notes(c *result.Comparison, bullet string) string {
	all := faultNotes(c)
	if len(all) == 0 {
		return ""
	}
	return "\n! Faults in these runs:\n\n" + bullet + strings.Join(all, "\n"+bullet) + "\n"
}

// orMissing returns s, or the sign for nothing.
func orMissing(s string) string {
	if s == "" {
		return missing
	}
	return s
}

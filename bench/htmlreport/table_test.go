package htmlreport

import (
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	text := Table(synthetic())
	t.Log("\n" + text)
	lines := strings.Split(text, "\n")
	for i, server := range servers {
		line := lines[i+1]
		if !strings.HasPrefix(line, server+" ") {
			t.Errorf("line %d is %q, not %s's", i+1, line, server)
		}
		// The second column begins at the same place in each line.
		at := strings.Index(lines[0], "CPU/DELIVERY")
		if before, after := line[at-1], line[at]; before != ' ' || after == ' ' {
			t.Errorf("%q is not aligned", line)
		}
	}
	for _, want := range []string{
		"2.10 (2.00–2.31)", "1,200 (1,083–1,452)", "1.43×", "159k (145k–168k) !",
		"  melody, flood (1,000 clients, 10 senders, 128-byte messages, 1,024 outstanding): 3,702 lost, 6 cut off in 3 of 3 runs",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table has no %q", want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	text := Markdown(synthetic())
	t.Log("\n" + text)
	table, _, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(table, "\n")
	if len(lines) != len(servers)+2 {
		t.Fatalf("%d lines:\n%s", len(lines), table)
	}
	for _, line := range lines {
		if got, want := strings.Count(line, "|"), strings.Count(lines[0], "|"); got != want {
			t.Errorf("%d separators instead of %d in %q", got, want, line)
		}
	}
	if !strings.Contains(text, "| chatd | 2.10 (2.00–2.31) | 4.00 (3.80–4.40) |") {
		t.Errorf("no line of chatd's:\n%s", text)
	}
}

func TestBriefHasAFewFiguresOfEachServer(t *testing.T) {
	text := Brief(synthetic())
	t.Log("\n" + text)
	table, rest, _ := strings.Cut(text, "\n\n")
	if lines := strings.Split(table, "\n"); len(lines) != len(servers)-len(variants)+2 {
		t.Errorf("%d lines", len(lines))
	}
	for _, want := range []string{"| chatd | 1,200 | 2.10 | 398k | 19.1 MiB | heard everything |", "| 3,702 lost, 6 cut off |"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table has no %q", want)
		}
	}
	if want := "Medians of 3 rounds on one machine: Example CPU <8000>, 8 cores, 32.0 GiB, Linux 6.12, Go 1.26, loopback; commit 0123abc.\n"; rest != want {
		t.Errorf("%q, want %q", rest, want)
	}
}

func TestMissing(t *testing.T) {
	c := synthetic()
	c.Runs = c.Runs[:0]
	for _, row := range strings.Split(strings.TrimSpace(Table(c)), "\n")[1:] {
		if fields := strings.Fields(row); slices.ContainsFunc(fields[1:], func(s string) bool { return s != missing }) {
			t.Errorf("a figure that nobody measured: %q", row)
		}
	}
}

func TestApart(t *testing.T) {
	for _, test := range []struct{ wanted, want []float64 }{
		{nil, []float64{}},
		{[]float64{30, 10}, []float64{30, 10}},
		{[]float64{50, 50}, []float64{45, 55}},
		{[]float64{52, 50, 80}, []float64{56, 46, 80}},
		{[]float64{0, 0, 100}, []float64{0, 10, 100}},
		{[]float64{100, 100}, []float64{90, 100}},
	} {
		if got := apart(test.wanted, 10, 0, 100); !slices.Equal(got, test.want) {
			t.Errorf("apart(%v) = %v, want %v", test.wanted, got, test.want)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0123: "0.012", 0.5: "0.50", 2.625: "2.62", 99.96: "100", 999.6: "1000", 1234: "1234",
		10000: "10.0k", 123456: "123k", 999900: "1.00M", 2.5e9: "2.50G",
	} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %q, want %q", v, got, want)
		}
	}
}

package ops

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dashboard is the part of grafana.json that the tests look at.
type dashboard struct {
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct{ Expr string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ UID string }
	Targets                  []struct{ RefID, Expr string }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, "grafana.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// queries are the PromQL expressions of a file: of panels, variables and
// annotations of a dashboard, or of rules.
func queries(t *testing.T, file string) (all []string) {
	t.Helper()
	if strings.HasSuffix(file, ".json") {
		d := readDashboard(t)
		for _, v := range d.Templating.List {
			all = append(all, v.Definition)
		}
		for _, a := range d.Annotations.List {
			all = append(all, a.Expr)
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				all = append(all, target.Expr)
			}
		}
	} else {
		const block = "|\n"
		for _, m := range regexp.MustCompile(`(?m)^        expr: (.*\n(?:          .*\n)*)`).FindAllStringSubmatch(string(readFile(t, file)), -1) {
			all = append(all, strings.TrimPrefix(m[1], block))
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// Metrics are the names of the series that a file's queries ask for.
func Metrics(t *testing.T, file string) (names []string) {
	t.Helper()
	for _, q := range queries(t, file) {
		names = append(names, metrics(q)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var (
	variable  = regexp.MustCompile(`label_values\((.*), *\w+\)`)
	noMetrics = regexp.MustCompile(`"(?:\\.|[^"\\])*"|\{[^{}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)`)
	name      = regexp.MustCompile(`\b[a-zA-Z_:][\w:]* *\(?`)
	keywords  = strings.Fields("and or unless bool offset")
)

// metrics are the series that a query asks for: its names that are no
// functions, labels or keywords.
func metrics(query string) (names []string) {
	if m := variable.FindStringSubmatch(query); m != nil {
		query = m[1]
	}
	for _, n := range name.FindAllString(noMetrics.ReplaceAllString(query, " "), -1) {
		n = strings.TrimSpace(n)
		if !strings.HasSuffix(n, "(") && !slices.Contains(keywords, n) {
			names = append(names, n)
		}
	}
	return names
}

// familyOf is the family that a series is one of, and whether it only grows.
func familyOf(series string) (f family, grows, ok bool) {
	if f, ok = families[series]; ok {
		return f, f.kind == "counter", f.kind != "histogram" // of that there are only the parts
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if base, found := strings.CutSuffix(series, part); found {
			f = families[base]
			return f, true, f.kind == "histogram" || f.kind == "summary" && part != "_bucket"
		}
	}
	return f, false, false
}

func TestMetricsOfAQueryAreFound(t *testing.T) {
	for query, want := range map[string]string{
		`sum by (reason) (rate(a_total{job="x", reason=~"b|c"}[5m])) > 0`:                "a_total",
		`a / on (job) group_left (v) b{x="y(z"} and c unless d offset 5m`:                "a b c d",
		`histogram_quantile(0.99, sum by (le) (rate(h_bucket[$__rate_interval]))) > 1e3`: "h_bucket",
		`label_values(info{job="$job"}, instance)`:                                       "info",
		`-rate (x[1m])`: "x",
	} {
		if got := strings.Join(metrics(query), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

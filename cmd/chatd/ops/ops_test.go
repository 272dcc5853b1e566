// Package ops tests the files for those who run chatd: that each metric, label
// and flag that they speak of is one that the server has, and, where the tools
// are installed, that Prometheus and systemd take them.
package ops

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// promFiles are those with queries.
var promFiles = []string{"grafana.json", "alerts.yml"}

func TestEveryMetricThatIsAskedForExists(t *testing.T) {
	for _, file := range promFiles {
		names := Metrics(t, file)
		if len(names) < 15 {
			t.Errorf("%s: only %d metrics were found", file, len(names))
		}
		for _, n := range names {
			if _, _, ok := familyOf(n); !ok {
				t.Errorf("%s asks for %s, which the server does not have", file, n)
			}
		}
	}
}

func TestEveryMetricOfTheServerIsOnTheDashboard(t *testing.T) {
	shown := strings.Join(Metrics(t, "grafana.json"), " ") + " "
	for n, f := range families {
		if f.kind == "histogram" {
			n += "_bucket"
		}
		if strings.HasPrefix(n, "chatd_") && !strings.Contains(shown, n+" ") {
			t.Errorf("%s is not shown", n)
		}
	}
}

func TestOnlyWhatGrowsHasARate(t *testing.T) {
	rate := regexp.MustCompile(`\b(?:rate|increase) *\( *(\w+)`)
	for _, file := range promFiles {
		for _, q := range queries(t, file) {
			for _, m := range rate.FindAllStringSubmatch(q, -1) {
				if _, grows, _ := familyOf(m[1]); !grows {
					t.Errorf("%s: %s is no counter, in %s", file, m[1], q)
				}
			}
		}
	}
}

func TestEveryLabelAndItsValuesExist(t *testing.T) {
	selector := regexp.MustCompile(`(\w+)\{([^{}]*)\}`)
	matcher := regexp.MustCompile(`(\w+) *(?:=~|!~|!=|=) *"([^"]*)"`)
	grouping := regexp.MustCompile(`\b(?:by|on) *\(([^)]*)\)`)
	for _, file := range promFiles {
		for _, q := range queries(t, file) {
			known := map[string]bool{"job": true, "instance": true}
			for _, n := range metrics(q) {
				f, _, _ := familyOf(n)
				known[f.label] = true
				known["le"] = known["le"] || strings.HasSuffix(n, "_bucket")
				if n == "chatd_build_info" { // which has two
					known["version"], known["go_version"] = true, true
				}
			}
			for _, m := range grouping.FindAllStringSubmatch(q, -1) {
				for label := range strings.SplitSeq(m[1], ",") {
					if !known[strings.TrimSpace(label)] {
						t.Errorf("%s groups by %s, which no metric there has: %s", file, label, q)
					}
				}
			}
			for _, s := range selector.FindAllStringSubmatch(q, -1) {
				f, _, _ := familyOf(s[1])
				for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
					switch label, values := m[1], m[2]; {
					case label == "job", label == "instance":
					case label != f.label:
						t.Errorf("%s: %s has no label %s", file, s[1], label)
					default:
						for v := range strings.SplitSeq(values, "|") {
							if !slices.Contains(strings.Fields(f.values), v) {
								t.Errorf("%s: %s has no %s %q", file, s[1], label, v)
							}
						}
					}
				}
			}
		}
	}
}

func TestProseSpeaksOfMetricsAndFlagsThatExist(t *testing.T) {
	prose := map[string]string{}
	for _, file := range []string{"alerts.yml", "README.md", "chatd.service", "chatd.socket", "sysctl.conf", "nginx.conf", "haproxy.cfg", "haproxy-tcp.cfg", "Caddyfile", "cluster/nats-server.conf", "cluster/nats-server.service", "cluster/chatd.conf", "cluster/haproxy.cfg"} {
		prose[file] = string(readFile(t, file))
	}
	for _, p := range readDashboard(t).Panels {
		prose["grafana.json"] += p.Description + "\n"
	}
	metric := regexp.MustCompile(`\b(?:chatd|process)_[a-z]\w*`)
	option := regexp.MustCompile(`(?m)(?:^|[\s(\x60])-([a-z]{2,}(?:-[a-z]+)*)`)
	options := 0
	for file, text := range prose {
		for _, n := range metric.FindAllString(text, -1) {
			if _, _, ok := familyOf(n); !ok {
				t.Errorf("%s speaks of %s, which the server does not have", file, n)
			}
		}
		for _, m := range option.FindAllStringSubmatch(text, -1) {
			options++
			if !slices.Contains(strings.Fields(flags()), m[1]) {
				t.Errorf("%s speaks of -%s, which is no flag", file, m[1])
			}
		}
	}
	if options < 10 {
		t.Errorf("only %d flags were found", options)
	}
}

func TestDashboardIsWhole(t *testing.T) {
	d := readDashboard(t)
	if d.SchemaVersion < 41 {
		t.Errorf("schemaVersion %d is of an old Grafana", d.SchemaVersion)
	}
	kinds := map[string]string{}
	for _, v := range d.Templating.List {
		kinds[v.Name] = v.Type
	}
	if want := map[string]string{"datasource": "datasource", "job": "query", "instance": "query"}; !maps.Equal(kinds, want) {
		t.Errorf("variables %v, want %v", kinds, want)
	}
	ids := map[int]bool{}
	taken := map[[2]int]string{} // cells of the grid
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: its id %d is another panel's", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%s lies over %s or out of the grid", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("%s lacks a description, the data source variable or a query", p.Title)
		}
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `{job="$job", instance=~"$instance"`) {
				t.Errorf("%s does not ask for the chosen instances: %s", p.Title, target.Expr)
			}
		}
	}
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	alerts := strings.Split(string(readFile(t, "alerts.yml")), "- alert: ")[1:]
	tests := string(readFile(t, "alerts_test.yml"))
	for _, a := range alerts {
		title, _, _ := strings.Cut(a, "\n")
		for _, part := range []string{`severity: (page|ticket)\n`, `summary: ".*instance`, `description: "..`, `runbook: "..`} {
			if !regexp.MustCompile(part).MatchString(a) {
				t.Errorf("%s has no %s", title, part)
			}
		}
		if !strings.Contains(tests, fmt.Sprintf(`alertname=%q`, title)) {
			t.Errorf("no test of alerts_test.yml makes %s fire", title)
		}
	}
	if got, want := len(alerts), len(queries(t, "alerts.yml")); got != want || got < 11 {
		t.Errorf("%d alerts, %d queries", got, want)
	}
}

func TestAlertsAreTestedWithBucketsThatTheServerHas(t *testing.T) {
	bucket := regexp.MustCompile(`(\w+)_bucket\{[^}]*\ble="([^"]*)"`)
	found := bucket.FindAllStringSubmatch(string(readFile(t, "alerts_test.yml")), -1)
	if len(found) < 4 {
		t.Errorf("only %d buckets were found", len(found))
	}
	for _, m := range found {
		le, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Error(err)
		}
		if !math.IsInf(le, 1) && !slices.Contains(families[m[1]].buckets, le) {
			t.Errorf("%s has no bucket %s: %v", m[1], m[2], families[m[1]].buckets)
		}
	}
}

// A quantile beyond the largest finite bucket is said to be that bucket.
func TestQuantilesCanExceedTheThresholdsOfTheAlerts(t *testing.T) {
	threshold := regexp.MustCompile(`^histogram_quantile\(.*\b(\w+)_bucket\{.*\) > (\S+)\s*$`)
	found := 0
	for _, q := range queries(t, "alerts.yml") {
		q = strings.TrimSpace(q)
		if !strings.Contains(q, "histogram_quantile") {
			continue
		}
		found++
		m := threshold.FindStringSubmatch(q)
		if m == nil {
			t.Fatalf("no threshold in %s", q)
		}
		limit, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		if buckets := families[m[1]].buckets; len(buckets) == 0 || limit >= slices.Max(buckets) {
			t.Errorf("%s is never above %s: its buckets are %v", m[1], m[2], buckets)
		}
	}
	if found == 0 {
		t.Error("no quantile was found")
	}
}

// promtool runs it, and fails the test with its output if it complains.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	run(t, "promtool", args...)
}

func run(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return out
}

func TestPrometheusTakesTheAlertsAndTheyFireWhenTheyShould(t *testing.T) {
	promtool(t, "check", "rules", "alerts.yml")
	promtool(t, "test", "rules", "alerts_test.yml")
}

func TestPrometheusTakesTheQueriesOfTheDashboard(t *testing.T) {
	var rules bytes.Buffer
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, q := range queries(t, "grafana.json") {
		if !strings.HasPrefix(q, "label_values(") {
			fmt.Fprintf(&rules, "  - record: query_%d\n    expr: %q\n", i, strings.ReplaceAll(q, "$__rate_interval", "5m"))
		}
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(file, rules.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

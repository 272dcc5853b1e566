package htmlreport

import (
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatd/bench/result"
)

var servers = []string{"chatd", "chatd-plain", "channels", "netpoll", "nbio", "gws", "melody", "gnet", "floor", "floor-coalesce"}

// synthetic returns a comparison of all servers in all scenarios, three rounds.
// A server costs twice the figure of the one two places before it; round 2 is
// the median of each figure.
func synthetic() *result.Comparison {
	c := &result.Comparison{
		Schema: result.Schema, Started: time.Date(2026, 3, 14, 15, 9, 0, 0, time.UTC), Rounds: 3,
		Machine: result.Machine{CPU: "Example CPU <8000>", Cores: 8, Memory: 32 << 30, Kernel: "6.12.1", Go: "go1.26", Commit: "0123abc"},
		Command: "chatbench compare -rounds 3",
	}
	for _, s := range servers {
		c.Servers = append(c.Servers, result.Server{Name: s, What: "the server " + s, Command: s + " -addr :8080"})
	}
	for _, spread := range []float64{1.1, 1, 0.95} {
		for i, server := range servers {
			k := spread * (1 + float64(i)/4)
			if strings.HasPrefix(server, "floor") {
				k = spread * 0.7
			}
			add := func(scenario string, p result.Params, fill func(*result.Run)) {
				run := result.Run{Schema: result.Schema, Scenario: scenario, Server: server, Params: p, Seconds: 10}
				fill(&run)
				c.Runs = append(c.Runs, run)
			}
			cpu := func(x float64) *result.CPU { return &result.CPU{User: x * k / 4, System: 3 * x * k / 4} }
			add("idle", result.Params{Clients: 10000}, func(r *result.Run) {
				r.Memory = &result.Memory{RSS: uint64(2e7 * k), PerConn: 1200 * k * k}
			})
			for _, n := range []int{100, 1000, 10000} {
				add("fanout", result.Params{Clients: n, Senders: 10, MessageBytes: 128, Rate: 1e5 / float64(n)}, func(r *result.Run) {
					r.ServerCPU = cpu(2 + 100/float64(n))
					r.Memory = &result.Memory{RSS: uint64(k * (8e6 + 3000*float64(n)))}
					r.Last = &result.Latency{P50: k, P90: 1.5 * k, P99: 4 * k, P999: 9 * k, Max: 20 * k}
				})
			}
			for _, n := range []int{1, 16, 256, 1024} {
				add("flood", result.Params{Clients: 1000, Senders: 10, MessageBytes: 128, Outstanding: n}, func(r *result.Run) {
					r.Achieved = 4e5 * float64(n) / (4 + float64(n)) / k
					if server == "melody" && n == 1024 {
						r.Faults = result.Faults{Lost: 1234, Disconnected: 2}
						r.Warnings = []string{"the generator was busy"}
					}
				})
			}
			add("storm", result.Params{Clients: 5000}, func(r *result.Run) {
				r.Handshakes = &result.Rate{PerSecond: 9000 / k, CPU: cpu(40)}
			})
			add("stuck", result.Params{Clients: 1000, StuckClients: 50, MessageBytes: 128, Rate: 100}, func(r *result.Run) {
				r.Stuck = &result.Stuck{Dropped: 50, FirstDropped: 900, RSSWithout: 3e7, RSSWith: 5e7, HealthyP99: 3 * k}
			})
		}
	}
	return c
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if keep := os.Getenv("CHATD_REPORT_DIR"); keep != "" {
		dir = keep
	}
	c := synthetic()
	if err := Write(dir, c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"cpu-per-delivery", "memory-per-connection", "cpu-per-handshake", "throughput", "latency", "cpu-over-clients", "memory-over-clients", "p99-over-clients",
	} {
		if _, err := os.Stat(filepath.Join(dir, name+".svg")); err != nil {
			t.Error(err)
		}
		f, err := os.Open(filepath.Join(dir, name+".png"))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := png.Decode(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
	again, err := result.ReadComparison(strings.NewReader(read(t, dir, "comparison.jsonl")))
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("what was written is read as something else, %v", err)
	}

	html := read(t, dir, "index.html")
	checkMarkup(t, html)
	headline := html[strings.Index(html, `id="headline"`):]
	headline = headline[:strings.Index(headline, "</table>")]
	for _, server := range servers {
		if !strings.Contains(headline, "</span>"+server+"<") {
			t.Errorf("the table does not name %s", server)
		}
	}
	for _, section := range []string{"goals", "cpu-over-clients", "memory-over-clients", "p99-over-clients", "throughput"} {
		if !strings.Contains(html, `<table id="`+section+`">`) {
			t.Errorf("the report has no table %s", section)
		}
	}
	for _, want := range []string{
		`<span class="median">2.10</span><small>2.00–2.31</small>`, // chatd's CPU per delivery
		"⚠ 3,702 lost, 6 cut off",
		"melody, flood: the generator was busy (3 times)",
		"Example CPU &lt;8000&gt;", "32.0 GiB", "6.12.1", "go1.26", "0123abc", "chatbench compare -rounds 3", "14 March 2026",
		"10,000 clients, 10 senders, 128-byte messages, 10.0 messages/s",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the report has no %q", want)
		}
	}
}

// checkMarkup checks that elements are closed in the order in which they are
// opened, and that nothing is loaded.
func checkMarkup(t *testing.T, html string) {
	t.Helper()
	var open []string
	void := regexp.MustCompile(`^(meta|link|br|!doctype)$`)
	comments := regexp.MustCompile(`(?s)<!--.*?-->`)
	for _, m := range regexp.MustCompile(`<(/?)([a-z!][a-z0-9]*)[^>]*?(/?)>`).FindAllStringSubmatch(comments.ReplaceAllString(html, ""), -1) {
		switch {
		case m[3] == "/" || void.MatchString(m[2]):
		case m[1] == "":
			open = append(open, m[2])
		case len(open) == 0 || open[len(open)-1] != m[2]:
			t.Fatalf("</%s> closes %v", m[2], open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%v stay open", open)
	}
	rest := regexp.MustCompile(`xmlns(:xlink)?="[^"]*"`).ReplaceAllString(html, "")
	for _, bad := range []string{"http://", "https://", "<script", "@import", "url("} {
		if strings.Contains(rest, bad) {
			t.Errorf("the report contains %s", bad)
		}
	}
}

func TestEmpty(t *testing.T) {
	for _, c := range []*result.Comparison{
		{},
		{Servers: []result.Server{{Name: "chatd"}}},
		{Runs: []result.Run{{Scenario: "fanout", Server: "x"}, {Scenario: "flood", Server: "x"}, {Scenario: "stuck"}}},
	} {
		dir := t.TempDir()
		if err := Write(dir, c); err != nil {
			t.Error(err)
		}
		checkMarkup(t, read(t, dir, "index.html"))
		Table(c)
		Markdown(c)
		Brief(c)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// pageOf is the report's page, as it is written.
func pageOf(t *testing.T, c *result.Comparison) string {
	t.Helper()
	dir := t.TempDir()
	if err := Write(dir, c); err != nil {
		t.Fatal(err)
	}
	html := read(t, dir, "index.html")
	checkMarkup(t, html)
	return html
}

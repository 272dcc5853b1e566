package soak

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Snapshot is the server's metrics at a moment: counters and gauges by their
// name, with labels as in chatd_dropped_total{reason="reset"}.
type Snapshot map[string]float64

// parse reads the Prometheus text format.
func parse(r io.Reader) (Snapshot, error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	s := make(Snapshot)
	for name, family := range families {
		for _, m := range family.GetMetric() {
			switch {
			case m.Counter != nil:
				s[series(name, m)] = m.Counter.GetValue()
			case m.Gauge != nil:
				s[series(name, m)] = m.Gauge.GetValue()
			}
		}
	}
	return s, nil
}

// series is a metric's name with its labels.
func series(name string, m *dto.Metric) string {
	var labels []string
	for _, l := range m.GetLabel() {
		labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if labels == nil {
		return name
	}
	slices.Sort(labels)
	return name + "{" + strings.Join(labels, ",") + "}"
}

// labelled is all series of a name, without 0s, by the value of their label.
func (s Snapshot) labelled(name string) map[string]float64 {
	found := make(map[string]float64)
	for key, v := range s {
		label, ok := strings.CutPrefix(key, name+"{")
		if ok && v != 0 {
			_, value, _ := strings.Cut(strings.TrimSuffix(label, `"}`), `="`)
			found[value] = v
		}
	}
	return found
}

// admin is the server's -admin address.
type admin struct {
	addr   string
	client http.Client
}

// scrapeTime is more than a server under load needs.
const scrapeTime = 20 * time.Second

func newAdmin(addr string) *admin {
	// A connection that is kept would count among the server's descriptors.
	return &admin{addr, http.Client{Timeout: scrapeTime, Transport: &http.Transport{DisableKeepAlives: true}}}
}

func (a *admin) get(ctx context.Context, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.addr+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.client.Do(r)
	if err == nil && answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return answer, err
}

// scrape takes a snapshot.
func (a *admin) scrape(ctx context.Context) (Snapshot, error) {
	answer, err := a.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return parse(answer.Body)
}

// collect has the server collect its garbage and returns the bytes that are
// left. A scrape would count what it allocates itself.
func (a *admin) collect(ctx context.Context) (left float64, err error) {
	answer, err := a.get(ctx, "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	profile, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	_, stats, _ := strings.Cut(string(profile), "\n# HeapAlloc = ")
	_, err = fmt.Sscan(stats, &left)
	return left, err
}

package soak

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const exposition = `# HELP chatd_members Members of the room.
# TYPE chatd_members gauge
chatd_members 12
# TYPE chatd_dropped_total counter
chatd_dropped_total{reason="slow_consumer"} 3
chatd_dropped_total{reason="reset"} 1.5e+06
chatd_dropped_total{reason="rate"} 0
# TYPE chatd_build_info gauge
chatd_build_info{version="x",go_version="go1.26"} 1
# TYPE chatd_lag_messages histogram
chatd_lag_messages_bucket{le="1"} 4
chatd_lag_messages_bucket{le="+Inf"} 5
chatd_lag_messages_sum 7
chatd_lag_messages_count 5
`

func TestMetricsAreReadWithTheirLabels(t *testing.T) {
	s, err := parse(strings.NewReader(exposition))
	if err != nil {
		t.Fatal(err)
	}
	want := Snapshot{
		"chatd_members": 12,
		`chatd_dropped_total{reason="slow_consumer"}`:       3,
		`chatd_dropped_total{reason="reset"}`:               1.5e6,
		`chatd_dropped_total{reason="rate"}`:                0,
		`chatd_build_info{go_version="go1.26",version="x"}`: 1,
	}
	if !maps.Equal(s, want) {
		t.Errorf("%v", s)
	}
	if got := s.labelled("chatd_dropped_total"); !maps.Equal(got, map[string]float64{"slow_consumer": 3, "reset": 1.5e6}) {
		t.Errorf("%v", got)
	}
}

func TestMetricsThatAreNoneAreAnError(t *testing.T) {
	if s, err := parse(strings.NewReader("<html>")); err == nil {
		t.Errorf("%v", s)
	}
	status := http.StatusInternalServerError
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		switch r.URL.Path {
		case "/metrics":
			w.Write([]byte(exposition))
		case "/debug/pprof/heap":
			w.Write([]byte("heap profile: 1: 8\n\n# runtime.MemStats\n# Alloc = 7\n# HeapAlloc = 4711\n# HeapSys = 9\n"))
		}
	}))
	defer server.Close()
	a := newAdmin(server.Listener.Addr().String())
	if s, err := a.scrape(t.Context()); err == nil {
		t.Errorf("with status %d: %v", status, s)
	}
	status = http.StatusOK
	if s, err := a.scrape(t.Context()); err != nil || s["chatd_members"] != 12 {
		t.Errorf("%v %v", s, err)
	}
	if left, err := a.collect(t.Context()); err != nil || left != 4711 {
		t.Errorf("%g left, %v", left, err)
	}
	server.Close()
	if _, err := a.scrape(t.Context()); err == nil {
		t.Error("a server that is gone was scraped")
	}
}

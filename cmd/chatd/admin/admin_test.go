package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"chatd/poller"
	"chatd/room"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// site is a server with its admin.
type site struct {
	t      *testing.T
	server *room.Server
	admin  string // host:port
	addr   string
}

func newSite(t *testing.T) *site {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pool := poller.NewPool(1, poller.NewPlain, log)
	epoll, err := poller.New(pool, func(err error) { t.Error(err) })
	must(err)
	listener, err := poller.Listen("127.0.0.1:0", log)
	must(err)
	a, err := Listen("127.0.0.1:0", log)
	must(err)
	s := Source{Pool: pool, Listener: listener, MaxConns: 10, Version: "test", PassTime: NewPassTime(), Lag: NewLag()}
	s.Server = room.New(room.Config{
		Queue: 256, MaxMessage: 1 << 16, HandshakeTimeout: time.Minute, DrainTimeout: time.Minute, MaxConns: 10, Compress: true,
		Page: http.NotFoundHandler(), Log: log, PassTime: s.PassTime, Lag: s.Lag,
	}, pool, epoll, listener.Resume)
	must(listener.Start(epoll, pool, s.Server))
	a.Start(s)
	x := &site{t: t, server: s.Server, admin: a.listener.Addr().String(), addr: listener.Addr().String()}
	t.Cleanup(func() {
		listener.Close()
		x.shutdown()
		a.Close()
		epoll.Close()
		pool.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return x
}

func (s *site) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Error(err)
	}
}

func (s *site) get(path string) (status int, body string) {
	s.t.Helper()
	r, err := http.Get("http://" + s.admin + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func (s *site) dial() *websocket.Conn {
	s.t.Helper()
	c, _, err := websocket.Dial(s.t.Context(), "ws://"+s.addr+"/ws", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.CloseNow() })
	return c
}

// echo has c say something and hear it.
func (s *site) echo(c *websocket.Conn) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		s.t.Fatal(err)
	}
	if _, _, err := c.Read(ctx); err != nil {
		s.t.Fatal(err)
	}
}

func TestMetricsAreWellFormedAndCount(t *testing.T) {
	s := newSite(t)
	a := s.dial()
	s.echo(a)
	s.dial()
	s.echo(a)
	status, body := s.get("/metrics")
	if status != http.StatusOK {
		t.Fatal(status, body)
	}
	checkMetrics(t, body)
	for _, line := range []string{
		"chatd_connections 2", "chatd_members 2", "chatd_joined_total 2", "chatd_accepted_total 2", "chatd_max_connections 10",
		"chatd_messages_total 2", "chatd_deliveries_lost_total 0", "chatd_draining 0", "chatd_log_segments 0", "chatd_pool_workers 2",
		`chatd_dropped_total{reason="slow_consumer"} 0`, `chatd_throttled_total{limit="controls"} 0`,
		`chatd_handshake_failures_total{reason="origin"} 0`, `chatd_accept_pauses_total{reason="descriptors"} 0`,
		"chatd_lag_messages_count 0", `chatd_build_info{go_version="`,
	} {
		// The log may not be trimmed yet.
		if line != "chatd_log_segments 0" && !strings.Contains(body, "\n"+line) {
			t.Errorf("/metrics lacks %q", line)
		}
	}
	for _, name := range []string{"chatd_log_segments", "chatd_pass_duration_seconds_count", "go_goroutines", "process_open_fds"} {
		if !strings.Contains(body, "\n"+name+" ") {
			t.Errorf("/metrics lacks %s", name)
		}
	}
}

// checkMetrics has Prometheus's own tool look at what /metrics says.
func checkMetrics(t *testing.T, body string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(body)
	switch out, err := cmd.CombinedOutput(); {
	case errors.Is(err, exec.ErrNotFound):
		t.Log("left out:", err)
	case err != nil || len(out) > 0:
		t.Errorf("%s: %v\n%s", cmd, err, out)
	}
}

func TestReadinessEndsWithTheShutdownAndHealthDoesNot(t *testing.T) {
	s := newSite(t)
	if status, body := s.get("/readyz"); status != http.StatusOK {
		t.Fatal(status, body)
	}
	s.shutdown()
	if status, body := s.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Error(status, body)
	}
	if status, body := s.get("/healthz"); status != http.StatusOK {
		t.Error(status, body)
	}
	if _, body := s.get("/metrics"); !strings.Contains(body, "\nchatd_draining 1") {
		t.Error("/metrics does not tell that the server goes away")
	}
}

func TestTableOfConnectionsIsPaged(t *testing.T) {
	s := newSite(t)
	for range 5 {
		s.echo(s.dial())
	}
	page := func(query string) (p table) {
		t.Helper()
		_, body := s.get("/debug/conns?format=json&" + query)
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err, body)
		}
		return p
	}
	seen := make(map[string]bool)
	for from := 0; from < 5; from += 2 {
		p := page(fmt.Sprintf("from=%d&limit=2", from))
		if p.Total != 5 || len(p.Connections) != min(2, 5-from) {
			t.Fatalf("from %d: %+v", from, p)
		}
		for _, c := range p.Connections {
			seen[c.Source.String()] = true
			if c.State != "ready" || c.Room != "/ws" || c.BytesIn == 0 || c.Compressed {
				t.Errorf("%+v", c)
			}
		}
	}
	if len(seen) != 5 {
		t.Errorf("%d connections on the pages, want 5", len(seen))
	}
	if p := page("from=5"); len(p.Connections) != 0 || p.Total != 5 {
		t.Errorf("behind the end: %+v", p)
	}
	if status, _ := s.get("/debug/conns?limit=-1"); status != http.StatusBadRequest {
		t.Error("limit=-1:", status)
	}
	if _, body := s.get("/debug/conns"); strings.Count(body, "ready") != 5 {
		t.Error(body)
	}
}

func TestWhoeverIsSentAwayIsInTheTable(t *testing.T) {
	s := newSite(t)
	c := s.dial()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c.SetReadLimit(1 << 20)
	if err := c.Write(ctx, websocket.MessageBinary, make([]byte, 1<<16+1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Fatal(err)
	}
	if r, err := http.Get("http://" + s.addr + "/ws"); err != nil || r.Body.Close() != nil || r.StatusCode != http.StatusUpgradeRequired {
		t.Fatal(r, err)
	}
	_, body := s.get("/debug/conns?format=json")
	var p table
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Departed) != 2 || p.Departed[0].Reason != "upgrade" || p.Departed[0].Code != 426 ||
		p.Departed[1].Reason != "too_big" || p.Departed[1].Code != 1009 || p.Departed[1].Source.Port() == 0 {
		t.Errorf("%+v", p.Departed)
	}
	if _, text := s.get("/debug/conns"); !strings.Contains(text, "too_big") {
		t.Error(text)
	}
}

func TestProfilesAreServed(t *testing.T) {
	s := newSite(t)
	if status, body := s.get("/debug/pprof/goroutine?debug=1"); status != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Fatal(status, body)
	}
}

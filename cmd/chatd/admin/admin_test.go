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
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"chatd/cmd/chatd/api"
	"chatd/cmd/chatd/upgrade"
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
	operators, err := poller.Open("tcp", "127.0.0.1:0")
	must(err)
	a := New(operators, []string{"metrics.example"}, log)
	s := Source{Pool: pool, Listeners: []*poller.Listener{listener}, API: api.New(nil, 1), MaxConns: 10, Version: "test", PassTime: NewPassTime(), PlaceTime: NewPlaceTime(), Lag: NewLag(), LogLinesLost: func() uint64 { return 3 }, Upgrades: new(upgrade.Counts)}
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

func (s *site) dial(o *websocket.DialOptions) *websocket.Conn {
	s.t.Helper()
	c, _, err := websocket.Dial(s.t.Context(), "ws://"+s.addr+"/ws", o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.CloseNow() })
	return c
}

// tooBig has c say more than it may.
func (s *site) tooBig(c *websocket.Conn) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	c.SetReadLimit(1 << 20)
	if err := c.Write(ctx, websocket.MessageBinary, make([]byte, 1<<16+1)); err != nil {
		s.t.Fatal(err)
	}
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		s.t.Fatal(err)
	}
}

// echo has c say something and hear it.
func (s *site) echo(c *websocket.Conn, what string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(what)); err != nil {
		s.t.Fatal(err)
	}
	if _, _, err := c.Read(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// metrics are the series of /metrics.
func metrics(body string) map[string]float64 {
	all := make(map[string]float64)
	for line := range strings.Lines(body) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			all[line[:i]], _ = strconv.ParseFloat(strings.TrimSpace(line[i:]), 64) // else 0
		}
	}
	return all
}

func TestMetricsAreWellFormedAndCount(t *testing.T) {
	s := newSite(t)
	a := s.dial(&websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	s.echo(a, strings.Repeat("hello ", 100))
	s.dial(nil)
	s.echo(a, "hello")
	c := s.dial(nil)
	s.tooBig(c)
	c.CloseNow()
	if r, err := http.Get("http://" + s.addr + "/ws"); err != nil || r.Body.Close() != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	for s.server.Conns() != 2 {
		runtime.Gosched()
	}
	status, body := s.get("/metrics")
	if status != http.StatusOK {
		t.Fatal(status, body)
	}
	checkMetrics(t, body)
	values := metrics(body)
	for name, want := range map[string]float64{
		"chatd_connections": 2, "chatd_members": 2, "chatd_handshakes_in_flight": 0, "chatd_lagging_members": 0, "chatd_max_connections": 10,
		"chatd_draining": 0, "chatd_pool_workers": 2, "chatd_panics_total": 0, "chatd_log_lines_lost_total": 3, "chatd_lag_messages_count": 0,
		`chatd_accept_paused{reason="max_conns"}`: 0, `chatd_accept_pauses_total{reason="descriptors"}`: 0,
		`chatd_throttled_total{limit="controls"}`: 0,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	st := s.server.Stats()
	if st.Accepted != 4 || st.Joined != 3 || st.Messages != 2 || st.Due != 3 || st.Delivered != 3 || st.Compressed != 1 || st.Inflated != 1 {
		t.Errorf("%+v", st)
	}
	for name, want := range map[string]uint64{
		"chatd_accepted_total": st.Accepted, "chatd_joined_total": st.Joined, "chatd_messages_total": st.Messages,
		"chatd_deliveries_due_total": st.Due, "chatd_deliveries_total": st.Delivered, "chatd_deliveries_lost_total": st.Lost,
		"chatd_received_bytes_total": st.Received, "chatd_sent_bytes_total": st.Sent,
		"chatd_compressed_messages_total": st.Compressed, "chatd_inflated_messages_total": st.Inflated,
		"chatd_compression_input_bytes_total": st.CompressedInput, "chatd_compression_output_bytes_total": st.CompressedOutput,
		`chatd_dropped_total{reason="too_big"}`: 1, `chatd_handshake_failures_total{reason="upgrade"}`: 1,
	} {
		if got, ok := values[name]; !ok || got != float64(want) {
			t.Errorf("%s is %v, want %d", name, got, want)
		}
	}
	if n := values["chatd_pass_duration_seconds_count"]; n == 0 {
		t.Error("no pass was timed")
	}
	for _, name := range []string{"chatd_log_segments", "chatd_log_bytes", "chatd_pool_queue_depth", "go_goroutines", "process_open_fds"} {
		if _, ok := values[name]; !ok {
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
		s.echo(s.dial(nil), "hello")
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
			if c.State != "ready" || !slices.Equal(c.Rooms, []string{"lobby"}) || c.BytesIn == 0 || c.Compressed {
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

func TestTableShowsWhoAChatClientIs(t *testing.T) {
	s := newSite(t)
	c, _, err := websocket.Dial(t.Context(), "ws://"+s.addr+"/ws?name=%1b%5b31mAna%09%22", &websocket.DialOptions{Subprotocols: []string{"chat.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	_, welcome, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var w struct{ ID, Session, Name string }
	if err := json.Unmarshal(welcome, &w); err != nil || w.Name != "" {
		t.Fatalf("%+v, %v", w, err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"name","name":"Ana \"\\\u00e9"}`)); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"say","text":"hi"}`)); err != nil {
		t.Fatal(err)
	}
	if _, said, err := c.Read(t.Context()); err != nil || !strings.Contains(string(said), "hi") {
		t.Fatal(string(said), err)
	}
	_, body := s.get("/debug/conns")
	if !strings.Contains(body, w.ID) || !strings.Contains(body, strconv.Quote(`Ana "\é`)) || strings.Contains(body, w.Session) {
		t.Error(body)
	}
}

func TestWhoeverIsSentAwayIsInTheTable(t *testing.T) {
	s := newSite(t)
	s.tooBig(s.dial(nil))
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

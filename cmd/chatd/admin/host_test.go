package admin

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestAdminAnswersToItsOwnNamesAlone(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 9080} }
	for _, tt := range []struct {
		addr net.Addr
		host string
		want bool
	}{
		{tcp("127.0.0.1"), "127.0.0.1:9080", true},
		{tcp("127.0.0.1"), "127.0.0.1", true},
		{tcp("127.0.0.1"), "localhost:9080", true},
		{tcp("127.0.0.1"), "localhost", true},
		{tcp("127.0.0.1"), "LocalHost.:19080", true}, // led here by ssh -L
		{tcp("127.0.0.1"), "Metrics.Example:9080", true},
		{tcp("127.0.0.1"), "metrics.example.", true},
		{tcp("127.0.0.1"), "", true}, // HTTP/1.0
		{tcp("127.0.0.1"), "evil.example", false},
		{tcp("127.0.0.1"), ":9080", false},
		{tcp("127.0.0.1"), ".", false},
		{tcp("127.0.0.1"), "evil.example:9080", false},
		{tcp("127.0.0.1"), "127.0.0.1.evil.example:9080", false},
		{tcp("127.0.0.1"), "localhost.evil.example", false},
		{tcp("127.0.0.1"), "x.localhost", false},
		{tcp("127.0.0.1"), "127.0.0.2:9080", false},
		{tcp("127.0.0.1"), "192.0.2.1:9080", false},
		{tcp("127.0.0.1"), "[::1]:9080", false},
		{tcp("127.0.0.1"), "[::ffff:127.0.0.1]:9080", true},
		{tcp("::1"), "[::1]:9080", true},
		{tcp("::1"), "[::1]", true},
		{tcp("::1"), "[0:0:0:0:0:0:0:1]:9080", true},
		{tcp("::1"), "127.0.0.1:9080", false},
		{tcp("::"), "192.0.2.1:9080", true},
		{tcp("::"), "[2001:db8::1]:9080", true},
		{tcp("0.0.0.0"), "10.0.0.1", true},
		{tcp("::"), "evil.example:9080", false},
		{tcp("::"), "2130706433", false}, // an address only to some
		{tcp("::"), "127.1", false},
		{&net.UnixAddr{Name: "/run/x.sock", Net: "unix"}, "evil.example", true},
	} {
		n := newNames(tt.addr, []string{"Metrics.example."})
		if n.has(tt.host) != tt.want {
			t.Errorf("on %v, %q: want %v", tt.addr, tt.host, tt.want)
		}
	}
}

func TestPageThatLeadsItsNameToTheAdminReadsNothing(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/debug/conns", "/debug/pprof/", "/nonsense"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.example"
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
}

func TestReadinessEndsWhereTheConnectionsDo(t *testing.T) {
	s := newSite(t)
	last := s.dial(nil)
	for range 9 {
		s.dial(nil)
	}
	if status, body := s.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "-max-conns connections, 10,") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.get("/healthz"); status != http.StatusOK {
		t.Error(status, body)
	}
	last.CloseNow()
	for status := 0; status != http.StatusOK; {
		status, _ = s.get("/readyz")
	}
}

package room

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/room/proxy"
)

// fronted makes the loopback interface the proxies'.
func fronted(c *Config) { trust(c, "127.0.0.0/8") }

func trust(c *Config, list string) {
	if err := c.TrustedProxies.Set(list); err != nil {
		panic(err)
	}
}

// forwarded is a request for the WebSocket with one more field.
func forwarded(field string) string {
	return strings.TrimSuffix(upgradeRequest, "\r\n") + field + "\r\n\r\n"
}

// refusedAs reads an answer that is not the WebSocket's.
func (p *peer) refusedAs(status int) {
	p.t.Helper()
	if r := p.response(); r.StatusCode != status {
		p.t.Fatalf("status %s, want %d", r.Status, status)
	}
}

// turnedAway reads what one is told who gets no further than the PROXY header: nothing
// has been agreed upon, so over TLS it is an alert, access_denied.
func (p *peer) turnedAway(status int) {
	p.t.Helper()
	if !overTLS {
		p.refusedAs(status)
		return
	}
	const alert = "\x15\x03\x03\x00\x02\x02\x31"
	if b, err := io.ReadAll(io.LimitReader(p.tcp(), int64(len(alert)))); err != nil || string(b) != alert {
		p.t.Fatalf("told %x, %v", b, err)
	}
}

// only is the address of the one connection there is.
func (s *testServer) only() netip.AddrPort {
	s.t.Helper()
	rows, total, err := s.Connections(s.t.Context(), 0, 2)
	if err != nil || total != 1 {
		s.t.Fatalf("%d connections, %v", total, err)
	}
	return rows[0].Source
}

func TestLimitsByAddressSeeTheClientsBehindAProxy(t *testing.T) {
	s := startServer(t, fronted, func(c *Config) { c.MaxConnsPerSource = 1 })
	ask := func(field string) *peer {
		p := s.dial()
		p.say(forwarded(field))
		return p
	}
	ana, ben := ask("X-Forwarded-For: 203.0.113.1"), ask(`Forwarded: for="[2001:db8::2]:4711"`)
	ana.joined()
	ben.joined()
	ask("X-Forwarded-For: 198.51.100.9, 203.0.113.1, 127.0.0.9").refusedAs(http.StatusTooManyRequests)
	ask("X-Forwarded-For: 2001:db8::3").refusedAs(http.StatusTooManyRequests) // the same subscriber
	s.until(func() bool { return len(s.Disconnects()) == 2 })
	if d := s.Disconnects()[0]; d.Source.Addr().String() != "2001:db8::3" || d.Reason != "source_limit" {
		t.Errorf("remembered as %+v", d)
	}
	if log := s.log.String(); !strings.Contains(log, "source=203.0.113.1:0") {
		t.Errorf("the log:\n%s", log)
	}
	ana.say(masked(ws.OpClose, true, ""))
	ana.expectClose(0)
	ana.Close()
	s.until(func() bool { return s.Stats().Conns == 3 })
	ask("X-Forwarded-For: 203.0.113.1").joined()
}

func TestConnectionsSayWhoTheirProxySpeaksFor(t *testing.T) {
	s := startServer(t, fronted)
	p := s.dial()
	p.say(forwarded(`Forwarded: for="203.0.113.1:4711"`))
	p.joined()
	if got := s.only().String(); got != "203.0.113.1:4711" {
		t.Errorf("it is %s", got)
	}
}

func TestNobodyElseIsBelieved(t *testing.T) {
	s := startServer(t, func(c *Config) { trust(c, "10.0.0.0/8,unix"); c.MaxConnsPerSource = 1 })
	p := s.dial()
	p.say(forwarded("X-Forwarded-For: 203.0.113.1\r\nForwarded: for=203.0.113.1"))
	p.joined()
	if got, want := s.only().String(), p.LocalAddr().String(); got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	other := s.dial()
	other.say(forwarded("X-Forwarded-For: 203.0.113.2"))
	other.refusedAs(http.StatusTooManyRequests)
}

// A proxy keeps its connections, and each carries the requests of many clients.
func TestConnectionOfAProxyThatAskedForPagesJoinsForWhoAsksThen(t *testing.T) {
	s := startServer(t, fronted, func(c *Config) { c.MaxConnsPerSource = 1 })
	kept := make([]*peer, 3*pagesPerChat) // are not limited
	for i := range kept {
		kept[i] = s.dial()
		kept[i].say("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n")
		kept[i].refusedAs(http.StatusOK)
	}
	kept[0].say(forwarded("X-Forwarded-For: 203.0.113.2\r\nX-Forwarded-For: 127.0.0.9"))
	kept[0].joined()
	if got := s.only().String(); got != "203.0.113.2:0" {
		t.Errorf("it is %s", got)
	}
	kept[1].say(forwarded("X-Forwarded-For: 203.0.113.2"))
	kept[1].refusedAs(http.StatusTooManyRequests)
}

// dialUnix connects to the server through a pair of Unix sockets.
func (s *testServer) dialUnix() *peer {
	s.t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	s.conns.Add(1)
	s.adopt(nil, pair[0], new(client), nil, -1)
	f := os.NewFile(uintptr(pair[1]), "")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.peerOn(c)
}

func TestPeersOnUnixSocketsAreBelievedIfTheyAreNamed(t *testing.T) {
	for list, want := range map[string]string{"unix": "203.0.113.1:0", "10.0.0.0/8": "invalid AddrPort"} {
		s := startServer(t, func(c *Config) { trust(c, list); c.MaxConnsPerSource = 1 })
		p := s.dialUnix()
		p.say(forwarded("X-Forwarded-For: 203.0.113.1"))
		p.joined()
		if got := s.only().String(); got != want {
			t.Errorf("with %s it is %s, want %s", list, got, want)
		}
	}
}

func introduced(c *Config) { fronted(c); c.ProxyProtocol = true }

const introduction = "PROXY TCP4 203.0.113.7 10.0.0.1 55000 80\r\n"

func TestProxyHeaderComesBeforeTheRequestInEverySplit(t *testing.T) {
	const frame = "\x81\x80\x00\x00\x00\x00"
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\xd6\xd8\x00\x50"
	for _, header := range []string{introduction, v2} {
		all := header + upgradeRequest + frame
		splits := len(all)
		if overTLS { // the rest comes in records
			splits = len(header)
		}
		for _, change := range []func(*Config){introduced, func(c *Config) { introduced(c); c.MaxConnsPerSource = 1 }} {
			s := startServer(t, change)
			for i := 1; i < splits; i++ {
				before := s.Stats().Received
				p := s.connect()
				p.say(all[:i])
				s.until(func() bool { return s.Stats().Received == before+uint64(i) }) // the two parts are read apart
				if overTLS {
					p.say(header[i:])
					p.secured().say(upgradeRequest + frame)
				} else {
					p.say(all[i:])
				}
				p.joined()
				p.expect(ws.OpText, "")
				if got := s.only().String(); got != "203.0.113.7:55000" {
					t.Fatalf("after %d bytes: it is %s", i, got)
				}
				p.Close()
				s.until(func() bool { return s.Conns() == 0 })
			}
		}
	}
}

func TestConnectionWithoutAProxyHeaderIsRefused(t *testing.T) {
	s := startServer(t, introduced)
	for _, said := range []string{upgradeRequest, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PROXY TCP4 nonsense\r\n" + upgradeRequest} {
		p := s.connect()
		p.say(said)
		p.turnedAway(http.StatusBadRequest)
		s.departedFor("no_proxy_header", 400, 0)
	}
}

func TestProxyHeaderOfSomebodyElseIsRefused(t *testing.T) {
	s := startServer(t, func(c *Config) { introduced(c); c.TrustedProxies = proxy.Trusted{}; trust(c, "10.0.0.0/8") })
	p := s.connect() // before it says anything
	p.turnedAway(http.StatusForbidden)
	s.departedFor("no_trusted_proxy", 403, 0)
}

func TestProxyHeaderMustComeInTime(t *testing.T) {
	s := startServer(t, introduced, func(c *Config) { c.HandshakeTimeout = time.Second })
	p := s.connect()
	p.say("PROXY TCP4 203.0.113.7")
	s.until(func() bool { s.Tick(); return s.Stats().Refused["handshake_timeout"] == 1 })
	p.turnedAway(http.StatusRequestTimeout)
}

// What a proxy asks for itself is no client's.
func TestHealthChecksOfAProxyAreItsOwn(t *testing.T) {
	s := startServer(t, introduced, func(c *Config) { c.MaxConnsPerSource = 1 })
	local := "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for range 3 * pagesPerChat {
		p := s.dialThrough(local)
		p.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		p.refusedAs(http.StatusOK)
		p.expectEnd()
		s.dial().Close()                           // one that only connects
		s.dialThrough("PROXY UNKNOWN\r\n").Close() // or not even asks
	}
	s.until(func() bool { return s.Conns() == 0 })
	if d := s.Disconnects(); len(d) != 0 {
		t.Errorf("%+v", d)
	}
}

// A connection that a proxy opens for one client is counted as that client's,
// also when it comes back from net/http.
func TestLimitsByAddressSeeTheClientOfAProxyHeader(t *testing.T) {
	s := startServer(t, introduced, func(c *Config) {
		c.MaxConnsPerSource = 1
		c.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })
	})
	p := s.dialThrough(introduction)
	p.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if by, err := io.ReadAll(p.response().Body); err != nil || string(by) != "203.0.113.7:55000" {
		t.Errorf("the page was asked for by %s, %v", by, err)
	}
	p.say(upgradeRequest)
	p.joined()
	if got := s.only().String(); got != "203.0.113.7:55000" {
		t.Errorf("it is %s", got)
	}
	second := s.dialThrough(introduction)
	second.say(upgradeRequest)
	second.refusedAs(http.StatusTooManyRequests)
	second.Close()
	s.until(func() bool { return s.Conns() == 1 })
	pages := make([]*peer, pagesPerChat)
	for i := range pages {
		pages[i] = s.dialThrough(introduction)
		pages[i].say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		pages[i].refusedAs(http.StatusOK)
	}
	beyond := s.connect()
	beyond.say(introduction)
	if !overTLS {
		beyond.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	beyond.turnedAway(http.StatusTooManyRequests)
	// Behind the one that speaks for it, there may be another proxy.
	chain := s.dialThrough("PROXY TCP4 127.0.0.5 127.0.0.1 55000 80\r\n")
	chain.say(forwarded("X-Forwarded-For: 203.0.113.8"))
	chain.joined()
	chain = s.dialThrough("PROXY TCP4 203.0.113.9 127.0.0.1 55000 80\r\n")
	chain.say(forwarded("X-Forwarded-For: 203.0.113.10"))
	chain.joined()
	rows, _, err := s.Connections(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range rows {
		all = append(all, r.Source.Addr().String())
	}
	for _, want := range []string{"203.0.113.7", "203.0.113.8", "203.0.113.9"} {
		if !strings.Contains(strings.Join(all, " "), want) {
			t.Errorf("%s is not among %v", want, all)
		}
	}
}

func TestNothingIsRememberedOfClientsOfProxiesThatAreGone(t *testing.T) {
	s := startServer(t, introduced, func(c *Config) { c.MaxConnsPerSource = 1 })
	for range 3 {
		p, q := s.dialThrough(introduction), s.dialThrough(introduction)
		p.say(upgradeRequest)
		p.joined()
		q.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		q.refusedAs(http.StatusOK)
		p.Close()
		q.Close()
		s.until(func() bool { return s.Conns() == 0 })
	}
	all := &s.sources
	if len(all.of) != 0 || len(all.spare) != len(all.list) || len(all.list) > 4 {
		t.Errorf("%d addresses are counted, %d of %d places are free", len(all.of), len(all.spare), len(all.list))
	}
}

func TestIdlePageConnectionsStayLongerThanProxiesKeepThem(t *testing.T) {
	s := startServer(t)
	if got := s.web.http.IdleTimeout; got <= 2*time.Minute {
		t.Errorf("%s: nginx keeps them for a minute, Caddy for two", got)
	}
}

// Where nobody is trusted, nothing is allocated or asked of the kernel.
func TestClientsThatNoProxySpeaksForCostNothing(t *testing.T) {
	m := newModel()
	c := &client{server: m.server, slot: -1}
	c.source.Store(-1)
	c.Attach(-1, m.pool, c)
	head := []byte(forwarded("X-Forwarded-For: 203.0.113.1"))
	if n := testing.AllocsPerRun(100, func() {
		if !c.arrived() || !c.admitted(head) || c.wantsHeader() {
			t.Error("not admitted")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

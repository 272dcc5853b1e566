package room

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"
)

const pageRequest = "GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n"

// page reads the answer to a request for the page.
func (p *peer) page() {
	p.t.Helper()
	r := p.response()
	if body, err := io.ReadAll(r.Body); err != nil || r.StatusCode != 200 || string(body) != "the page" {
		p.t.Fatalf("%s %q %v", r.Status, body, err)
	}
}

// However the bytes are cut: the second part is sent once the first one was
// read.
func TestPageThenWebSocketOnOneConnectionLosesNoByteInAnySplit(t *testing.T) {
	s := startServer(t)
	all := pageRequest + upgradeRequest + text("early") + text("and whole")
	for cut := range all {
		p := s.dial()
		received := s.Stats().Received
		p.say(all[:cut])
		if cut < len(pageRequest) {
			s.until(func() bool { return s.Stats().Received == received+uint64(cut) })
		} else {
			p.page()
		}
		p.say(all[cut:])
		if cut < len(pageRequest) {
			p.page()
		}
		p.joined()
		p.expect(ws.OpText, "early")
		p.expect(ws.OpText, "and whole")
		p.Close()
		s.until(func() bool { return s.Stats().Members == 0 })
	}
}

func TestPageThenWebSocketMayComeByteByByte(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	for _, b := range []byte(pageRequest + "\r\n" + pageRequest + upgradeRequest + text("slowly")) {
		p.say(string([]byte{b}))
	}
	p.page()
	p.page()
	p.joined()
	p.expect(ws.OpText, "slowly")
}

// More than any buffer on the way holds, in one piece.
func TestFramesBehindAWebSocketThatIsBehindPagesAreNotLost(t *testing.T) {
	for _, pages := range []int{0, 1, 100} {
		for _, size := range []int{1 << 10, 64 << 10, 300 << 10} {
			t.Run(fmt.Sprintf("%d pages, %d bytes", pages, size), func(t *testing.T) {
				s := startServer(t)
				p := s.dial()
				var all strings.Builder
				all.WriteString(strings.Repeat(pageRequest, pages) + upgradeRequest)
				sent := 0
				for ; size > 0; sent++ {
					f := text(fmt.Sprintf("%05d", sent) + strings.Repeat("y", 500))
					all.WriteString(f)
					size -= len(f)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					io.WriteString(p.Conn, all.String()) // what comes back tells
				}()
				for range pages {
					p.page()
				}
				p.joined()
				for i := range sent {
					p.expect(ws.OpText, fmt.Sprintf("%05d", i)+strings.Repeat("y", 500))
				}
				<-done
			})
		}
	}
}

// While net/http works on a request it reads on, for the next one.
func TestWebSocketThatIsAskedForWhileThePageIsMadeIsNotLost(t *testing.T) {
	begun, released, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s := startServer(t, func(c *Config) {
		c.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-released
			left <- r.Context().Err()
			io.WriteString(w, "the page")
		})
	})
	p := s.dial()
	p.say(pageRequest)
	<-begun
	p.say(upgradeRequest + text("early"))
	close(released)
	p.page()
	if err := <-left; err != nil {
		t.Error("the page's request is given up:", err)
	}
	p.joined()
	p.expect(ws.OpText, "early")
}

// Later requests on a connection are judged as the first one is.
func TestEveryRequestOnAConnectionIsJudgedAlike(t *testing.T) {
	s := startServer(t)
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"no HTTP":            {"nonsense\r\n", 400},
		"TLS":                {"\x16\x03\x01\x02\x00\x01", 400},
		"no upgrade":         {"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426},
		"other origin":       {strings.Replace(upgradeRequest, "\r\n\r\n", "\r\nOrigin: http://evil.example\r\n\r\n", 1), 403},
		"head over 8 KiB":    {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 9<<10), 431},
		"head of 7 KiB":      {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 7<<10) + "\r\n\r\n", 200},
		"blank line before":  {"\r\n" + pageRequest, 200},
		"no Host":            {"GET / HTTP/1.1\r\n\r\n", 400},
		"two Hosts":          {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
		"folded field":       {"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400},
		"space before colon": {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
		"bad target":         {"GET /% HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"HTTP/2":             {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		"HTTP/0.9":           {"GET / HTTP/0.9\r\n\r\n", 505},
		"unknown coding":     {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		"bad length":         {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", 400},
		"absolute target":    {"GET http://chat.example/ HTTP/1.1\r\nHost: chat.example\r\n\r\n", 200},
		"bare line feeds":    {"GET / HTTP/1.1\nHost: x\n\n", 200},
	} {
		for _, before := range []string{"", pageRequest} {
			t.Run(fmt.Sprintf("%s, behind %d bytes", name, len(before)), func(t *testing.T) {
				p := s.dial()
				p.t = t
				if before != "" {
					p.say(before)
					p.page()
				}
				p.say(tt.request)
				r := p.response()
				if r.StatusCode != tt.status {
					t.Fatalf("status %s, want %d", r.Status, tt.status)
				}
				if _, err := http.ParseTime(r.Header.Get("Date")); err != nil { // RFC 9110 §6.6.1
					t.Error(err)
				}
				if tt.status == 200 {
					return
				}
				if !r.Close || r.ContentLength <= 0 || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
					t.Errorf("close %v, %d bytes, fields %v", r.Close, r.ContentLength, r.Header)
				}
				p.expectEnd()
			})
		}
	}
}

func TestHeadThatDoesNotEndBehindAPageIsClosedAfterTheHandshakeTimeout(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	p.say(pageRequest)
	p.page()
	p.say("GET / HTTP/1.1\r\nHost:")
	s.until(func() bool { s.Tick(); return s.Stats().Refused["handshake_timeout"] == 1 })
	if r := p.response(); r.StatusCode != http.StatusRequestTimeout {
		t.Error(r.Status)
	}
	p.expectEnd()
}

// Some clients end a body with a line that does not belong to it.
func TestBlankLineBehindAPageIsNoRequestThatIsUnderWay(t *testing.T) { // RFC 9112 §2.2
	s := startServer(t, func(c *Config) { c.HandshakeTimeout = time.Second })
	p := s.dial()
	p.say(strings.Repeat(pageRequest+"\r\n", 2))
	p.page()
	p.page()
	p.say("\r\n")
	ticks := uint32(0)
	s.until(func() bool { s.Tick(); ticks++; return ticks == 10*ticksPerSecond })
	p.say("\n" + pageRequest)
	p.page()
	p.say(upgradeRequest)
	p.joined()
}

func TestEveryAnswerHasADate(t *testing.T) { // RFC 9110 §6.6.1
	s := startServer(t, func(c *Config) { c.MaxConnsPerSource = 1; c.HandshakeTimeout = time.Second })
	slow := s.dial()
	slow.say("GET /ws")
	s.until(func() bool { return s.Stats().Conns == 1 })
	date := func(p *peer, status int) {
		t.Helper()
		r := p.response()
		if got := r.Header.Values("Date"); r.StatusCode != status || len(got) != 1 || got[0] != s.date.get() {
			t.Errorf("%s, want %d; Date %q, want %s", r.Status, status, got, s.date.get())
		}
	}
	one, many := s.join(), s.dial()
	many.say(upgradeRequest)
	date(many, http.StatusTooManyRequests)
	one.Close()
	many.Close()
	s.until(func() bool { s.Tick(); return s.Stats().Refused["handshake_timeout"] == 1 })
	if r := slow.response(); r.StatusCode != http.StatusRequestTimeout || r.Header.Get("Date") == "" {
		t.Errorf("%s, Date %q", r.Status, r.Header.Get("Date"))
	}
	slow.Close()
	s.until(func() bool { return s.Stats().Conns == 0 })
	p := s.dial()
	p.say(upgradeRequest)
	date(p, http.StatusSwitchingProtocols)
}

func TestDateIsMadeAnewWhenTheSecondHasChanged(t *testing.T) {
	var d date
	at := time.Date(1994, 11, 6, 8, 49, 37, 999, time.FixedZone("", 3600))
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "Sun, 06 Nov 1994 07:49:37 GMT"}, {900 * time.Millisecond, "Sun, 06 Nov 1994 07:49:37 GMT"}, {time.Second, "Sun, 06 Nov 1994 07:49:38 GMT"}, {-time.Hour, "Sun, 06 Nov 1994 06:49:37 GMT"}} {
		d.set(at.Add(step.after))
		if got := d.get(); got != step.want {
			t.Errorf("%v later: %s, want %s", step.after, got, step.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { d.set(at); d.get() }); n > 0 {
		t.Errorf("%v allocations within a second", n)
	}
}

// As balancers ask by default, see their manuals.
func TestHealthChecksSucceed(t *testing.T) {
	s := startServer(t)
	for name, tt := range map[string]struct {
		request string
		status  int
		allow   string
	}{
		"HAProxy: option httpchk":                    {"OPTIONS / HTTP/1.0\r\n\r\n", 204, "GET, HEAD, OPTIONS"},
		"HAProxy: option httpchk OPTIONS * HTTP/1.1": {"OPTIONS * HTTP/1.1\r\nHost: www\r\n\r\n", 204, "GET, HEAD, OPTIONS"},
		"HAProxy: http-check send meth HEAD":         {"HEAD / HTTP/1.0\r\n\r\n", 200, ""},
		"AWS, target group":                          {"GET / HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n", 200, ""},
		"Google Cloud":                               {"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nUser-Agent: GoogleHC/1.0\r\nConnection: Keep-alive\r\n\r\n", 200, ""},
		"Kubernetes":                                 {"GET / HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.33\r\nAccept: */*\r\nConnection: close\r\n\r\n", 200, ""},
		"keepalived":                                 {"GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\n\r\n", 200, ""},
		"Varnish":                                    {"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n", 200, ""},
		"OPTIONS of any path":                        {"OPTIONS /nothing/here HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 204, "GET, HEAD, OPTIONS"},
		"OPTIONS of the WebSocket":                   {"OPTIONS /ws HTTP/1.1\r\nHost: x\r\n\r\n", 204, "GET, OPTIONS"},
		"OPTIONS of the WebSocket, HTTP/1.0":         {"OPTIONS /ws HTTP/1.0\r\n\r\n", 204, "GET, OPTIONS"},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.dial()
			defer p.Close()
			p.t = t
			p.say(tt.request)
			method, _, _ := strings.Cut(tt.request, " ")
			r, err := http.ReadResponse(p.r, &http.Request{Method: method})
			if err != nil {
				t.Fatal(err)
			}
			if r.StatusCode != tt.status || r.Header.Get("Allow") != tt.allow || r.Header.Get("Date") == "" {
				t.Errorf("%s, fields %v", r.Status, r.Header)
			}
			if r.StatusCode == 204 && r.Header.Get("Content-Length") != "" { // RFC 9110 §8.6
				t.Error("a length of no content")
			}
		})
	}
	if n := len(s.Disconnects()); n > 0 {
		t.Errorf("%d disconnects are noted", n)
	}
	for range 10 { // a check of the port alone
		s.dial().Close()
	}
	s.until(func() bool { return s.Conns() == 0 })
	if n := len(s.Disconnects()); n > 0 {
		t.Errorf("%d disconnects are noted", n)
	}
}

// What follows a body, if it is one, is nobody's request.
func TestRequestWithABodyIsTheLastOneOfItsConnection(t *testing.T) { // RFC 9112 §6.1
	s := startServer(t)
	for name, request := range map[string]string{
		"both":                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"both, the other way": "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
		"both, OPTIONS":       "OPTIONS /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked":             "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
		"length":              "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.0 that stays": "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab",
	} {
		for _, before := range []string{"", pageRequest} {
			t.Run(fmt.Sprintf("%s, behind %d bytes", name, len(before)), func(t *testing.T) {
				p := s.dial()
				p.t = t
				p.say(before + request + upgradeRequest)
				if before != "" {
					p.page()
				}
				if r := p.response(); !r.Close && r.ProtoMinor > 0 || r.StatusCode/100 != 2 {
					t.Errorf("%s, close %v", r.Status, r.Close)
				}
				p.expectEnd()
			})
		}
	}
	if n := s.Stats().Joined; n != 0 {
		t.Errorf("%d members", n)
	}
}

func TestRefusedOriginIsToldWhatToSet(t *testing.T) {
	s := startServer(t)
	p := s.dial() // as with nginx's own Host
	p.say(strings.NewReplacer("chat.example", "127.0.0.1:8080", "\r\n\r\n", "\r\nOrigin: https://chat.example\r\n\r\n").Replace(upgradeRequest))
	r := p.response()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusForbidden {
		t.Fatal(r.Status, err)
	}
	for _, part := range []string{"proxy_set_header Host $http_host;", "ProxyPreserveHost On", "-allow-origin https://"} {
		if !strings.Contains(string(body), part) {
			t.Errorf("no %q in %q", part, body)
		}
	}
}

func TestClientThatInsistsOnASubprotocolGetsIt(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Subprotocols = []string{"raw", "chat"}; c.Compress = true })
	d := gorilla.Dialer{Subprotocols: []string{"mqtt", "chat", "raw"}, EnableCompression: true, TLSClientConfig: clientTLS()}
	c, _, err := d.Dial(s.url(Path), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.Subprotocol(); got != "chat" {
		t.Errorf("subprotocol %q, want chat", got)
	}
	if err := c.WriteMessage(gorilla.TextMessage, []byte("as it is")); err != nil {
		t.Fatal(err)
	}
	if _, m, err := c.ReadMessage(); err != nil || string(m) != "as it is" {
		t.Errorf("%q %v", m, err)
	}
}

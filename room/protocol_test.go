package room

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"chatd/poller"
)

func TestProtocolViolationsAreAnsweredWithTheirCloseCode(t *testing.T) {
	s := startServer(t)
	witness := s.join()
	cases := []struct {
		name, bytes string
		code        ws.StatusCode
	}{
		{"unmasked frame (RFC 6455 §5.1)", "\x81\x02hi", 1002},
		{"reserved bit 1 without an extension (§5.2)", "\xc1" + text("x")[1:], 1002},
		{"reserved bit 2 (§5.2)", "\xa1" + text("x")[1:], 1002},
		{"reserved bit 3 (§5.2)", "\x91" + text("x")[1:], 1002},
		{"reserved opcode for data (§5.2)", "\x83" + text("x")[1:], 1002},
		{"reserved opcode for control (§5.2)", "\x8b" + text("x")[1:], 1002},
		{"continuation of nothing (§5.4)", masked(ws.OpContinuation, true, "x"), 1002},
		{"new message before the last fragment (§5.4)", masked(ws.OpText, false, "x") + text("y"), 1002},
		{"fragmented control frame (§5.5)", masked(ws.OpPing, false, "x"), 1002},
		{"control frame of 126 bytes (§5.5)", masked(ws.OpPing, true, strings.Repeat("x", 126)), 1002},
		{"close frame of one byte (§5.5.1)", masked(ws.OpClose, true, "x"), 1002},
		{"close code 1005 (§7.4.1)", masked(ws.OpClose, true, "\x03\xed"), 1002},
		{"close code 5000 (§7.4.2)", masked(ws.OpClose, true, "\x13\x88"), 1002},
		{"close reason that is no UTF-8 (§5.5.1)", masked(ws.OpClose, true, "\x03\xe8\xff"), 1007},
		{"text that is no UTF-8 (§8.1)", text("\xc0\xaf"), 1007},
		{"text that is no UTF-8 in its second fragment (§8.1)", masked(ws.OpText, false, "\xe2\x82") + masked(ws.OpContinuation, true, "x"), 1007},
		{"message beyond the limit (§7.4.1)", masked(ws.OpBinary, true, strings.Repeat("x", 64<<10+1)), 1009},
		{"fragments beyond the limit (§7.4.1)", masked(ws.OpBinary, false, strings.Repeat("x", 64<<10)) + masked(ws.OpContinuation, true, "x"), 1009},
		{"announced length beyond the limit (§7.4.1)", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			p := s.join()
			p.t = t
			p.say(tt.bytes)
			p.expectClose(tt.code)
		})
	}
	witness.say(text("fine"))
	witness.expect(ws.OpText, "fine")
}

func TestCloseHandshakeEchoesTheCode(t *testing.T) {
	s := startServer(t)
	for body, code := range map[string]ws.StatusCode{"": 0, "\x03\xe8": 1000, "\x0f\xa0private": 4000} {
		p := s.join()
		p.say(masked(ws.OpClose, true, body))
		p.expectClose(code)
	}
}

func TestBadHandshakesAreRefused(t *testing.T) {
	s := startServer(t, func(c *Config) { c.AllowOrigin = []string{"https://friend.example"} })
	with := func(header, value string) string { // the good request with a header replaced or added
		lines := strings.Split(strings.TrimSuffix(upgradeRequest, "\r\n\r\n"), "\r\n")
		kept := lines[:1]
		for _, l := range lines[1:] {
			if !strings.HasPrefix(l, header+":") {
				kept = append(kept, l)
			}
		}
		if value != "" {
			kept = append(kept, header+": "+value)
		}
		return strings.Join(kept, "\r\n") + "\r\n\r\n"
	}
	cases := []struct {
		name, request string
		status        int
	}{
		{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"broken request line", "GET\r\n\r\n", 400},
		{"head over 8 KiB", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 9<<10), 431},
		{"wrong method", strings.Replace(upgradeRequest, "GET", "POST", 1), 405},
		{"HTTP/1.0", strings.Replace(upgradeRequest, "HTTP/1.1", "HTTP/1.0", 1), 400},
		{"no Host", with("Host", ""), 400},
		{"no Upgrade", with("Upgrade", ""), 426},
		{"no Connection", with("Connection", ""), 426},
		{"no key", with("Sec-WebSocket-Key", ""), 400},
		{"key that is not 16 bytes", with("Sec-WebSocket-Key", "c2hvcnQ="), 400},
		{"no version", with("Sec-WebSocket-Version", ""), 400},
		{"old version", with("Sec-WebSocket-Version", "8"), 426},
		{"origin of another site", with("Origin", "https://evil.example"), 403},
		{"opaque origin", with("Origin", "null"), 403},
		{"same origin", with("Origin", "http://chat.example"), 101},
		{"allowed origin", with("Origin", "https://friend.example"), 101},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			p := s.dial()
			p.t = t
			p.say(tt.request)
			r := p.response()
			if r.StatusCode != tt.status {
				t.Fatalf("status %s, want %d", r.Status, tt.status)
			}
			if v := r.Header.Get("Sec-WebSocket-Version"); tt.name == "old version" && v != "13" {
				t.Fatalf("supported version %q, want 13", v)
			}
			if tt.status != 101 {
				p.expectEnd()
			}
		})
	}
}

func TestHeadThatDoesNotEndIsClosedAfterTheHandshakeTimeout(t *testing.T) {
	s := startServer(t)
	witness := s.join()
	p := s.dial()
	p.say("GET /ws HTTP/1.1\r\nHost:")
	s.until(func() bool { return s.Stats().Conns == 2 })
	s.until(func() bool {
		s.Tick()
		return s.refusedFor["handshake_timeout"].Load() == 1
	})
	if r := p.response(); r.StatusCode != http.StatusRequestTimeout {
		t.Error(r.Status)
	}
	p.expectEnd()
	witness.say(text("noticed nothing"))
	witness.expect(ws.OpText, "noticed nothing")
}

func TestOtherRequestsAreAnsweredByNetHTTPWithKeepAlive(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	for range 3 {
		p.say("GET /page HTTP/1.1\r\nHost: chat.example\r\n\r\n")
		r := p.response()
		if body, _ := io.ReadAll(r.Body); r.StatusCode != 200 || string(body) != "the page" {
			t.Fatalf("%s %q", r.Status, body)
		}
	}
}

func TestConnectionThatAskedForThePageMayBecomeAWebSocket(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	p.say("GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n")
	p.response()
	p.say(upgradeRequest + text("through a proxy"))
	p.joined()
	p.expect(ws.OpText, "through a proxy")

	p = s.dial()
	p.say("GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n")
	p.response()
	p.say(strings.Replace(upgradeRequest, "/ws", "http://chat.example/ws", 1)) // RFC 9112 §3.2.2
	p.joined()
}

func TestPipelinedRequestForThePageIsNotLost(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	p.say(strings.Repeat("GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n", 3))
	for range 3 {
		if r := p.response(); r.StatusCode != 200 {
			t.Fatal(r.Status)
		}
	}
}

func TestPageConnectionsEndWithTheServer(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	p.say("GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n")
	p.response()
	s.shutdown()
	p.expectEnd()
}

// A peer may end its stream with its handshake: no event tells of that again.
func TestStreamThatEndsWithTheHandshakeEndsTheMembership(t *testing.T) {
	s := startServer(t)
	for range 20 {
		p := s.dial()
		p.say(upgradeRequest)
		if err := p.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		p.joined()
		p.expectEnd()
	}
	s.until(func() bool { return s.Stats().Members == 0 })
}

// What it has sent of a message that is larger than a worker's scratch is of no
// use once it is sent away.
func TestClientMayBeDroppedInTheMiddleOfAHugeMessage(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Queue = 4; c.MaxMessage = 1 << 20 })
	stuck, speaker := s.join(), s.join()
	huge := masked(ws.OpBinary, true, strings.Repeat("x", 1<<20))
	stuck.say(huge[:200<<10])
	s.until(func() bool { return s.Stats().Received >= 200<<10 })
	for i := 0; s.dropped(SlowConsumer) == 0; i++ {
		speaker.say(masked(ws.OpBinary, true, number(i, 60<<10)))
		speaker.expect(ws.OpBinary, number(i, 60<<10))
	}
	stuck.say(huge[200<<10:])
	for {
		f, err := stuck.frame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpClose {
			break
		}
	}
	if s.log.count("panic") > 0 {
		t.Error(s.log)
	}
}

// A peer that has been told goes on sending: what is on its way is discarded, but
// not without end.
func TestWhatIsSentAfterTheEndIsDiscardedToALimit(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	p.say("no HTTP at all\r\n\r\n")
	if r := p.response(); r.StatusCode != http.StatusBadRequest {
		t.Fatal(r.Status)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 64<<10); ; {
			if _, err := p.Write(b); err != nil {
				return // at the latest when it is closed
			}
		}
	}()
	const most = discardMost * discardBlock
	s.until(func() bool { return s.Stats().Received > most/2 })
	s.until(func() bool { s.Tick(); return s.Conns() == 0 })
	<-done
	if n := s.Stats().Received; n > most+2*poller.ScratchSize {
		t.Errorf("%d bytes were read, want %d at most", n, most)
	}
}

// A slow consumer that goes on talking, as it has not read yet that it is not
// heard, gets what waited for it all the same.
func TestDroppedClientThatGoesOnTalkingGetsWhatWaited(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Queue = 4 })
	stuck, speaker := s.join(), s.join()
	sent := 0
	for ; s.dropped(SlowConsumer) == 0; sent++ {
		speaker.say(masked(ws.OpBinary, true, number(sent, 60<<10)))
		speaker.expect(ws.OpBinary, number(sent, 60<<10))
	}
	for range 100 { // each is a read of its own
		before := s.Stats().Received
		stuck.say(masked(ws.OpPing, true, "x"))
		s.until(func() bool { return s.Stats().Received > before })
	}
	lingers := func() bool {
		rows, _, err := s.Connections(t.Context(), 0, 10)
		return err == nil && slices.ContainsFunc(rows, func(r ConnInfo) bool { return r.State == "lingering" })
	}
	heard := 0
	for ; !lingers(); heard++ {
		stuck.expect(ws.OpBinary, number(heard, 60<<10))
	}
	s.until(func() bool { s.Tick(); return s.Conns() == 1 })
	for {
		f, err := stuck.frame()
		if err != nil {
			t.Fatalf("after %d messages: %v", heard, err)
		}
		if f.Header.OpCode == ws.OpClose {
			break
		}
		heard++
	}
	if heard < sent-5 {
		t.Errorf("%d messages of %d", heard, sent)
	}
}

func TestHugeMessagesFitWhenAllowed(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxMessage = 8 << 20 })
	p := s.join()
	want := strings.Repeat("large ", 1<<20)
	go p.Conn.Write([]byte(text(want)))
	p.expect(ws.OpText, want)
}

package room

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"chatd/poller/tls13"
)

// refusedBy checks that p, which has said its request or not, is refused: by TLS perhaps
// before it can say anything.
func (p *peer) refusedBy(status int) {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, nil)
	switch {
	case err != nil && !strings.Contains(err.Error(), "access denied"):
		p.t.Fatal(err)
	case err == nil && r.StatusCode != status:
		p.t.Fatal(r.Status)
	}
}

// There are two listeners, and one server.
func TestLimitsAreThoseOfBothListenersTogether(t *testing.T) {
	dialers := map[string]func(s *testServer) *peer{"plain": (*testServer).dialPlain, "by TLS": (*testServer).dial}
	for firstName, first := range dialers {
		for nextName, next := range dialers {
			if firstName == nextName {
				continue
			}
			t.Run(nextName+" after "+firstName, func(t *testing.T) {
				t.Run("connections", func(t *testing.T) {
					s := secureServer(t, func(c *Config) { c.MaxConns = 1 })
					p, q := first(s), next(s)
					p.say(upgradeRequest)
					p.joined()
					said := make(chan struct{})
					go func() { // over TLS nothing can be said yet
						defer close(said)
						q.say(upgradeRequest + text("at last"))
					}()
					p.say(text("one is in"))
					p.expect(ws.OpText, "one is in")
					if n := s.Conns(); n != 1 {
						t.Errorf("%d connections", n)
					}
					p.Close()
					<-said
					q.joined()
					q.expect(ws.OpText, "at last")
				})
				t.Run("of one address", func(t *testing.T) {
					s := secureServer(t, func(c *Config) { c.MaxConnsPerSource = 1 })
					p, q := first(s), next(s)
					p.say(upgradeRequest)
					p.joined()
					q.say(upgradeRequest)
					q.refusedBy(http.StatusTooManyRequests)
					s.departedFor("source_limit", 429, 0)
				})
				t.Run("handshakes", func(t *testing.T) {
					const limit = 5
					s := secureServer(t, func(c *Config) { c.MaxHandshakes = limit })
					for range limit {
						first(s).say("GET /ws HTTP/1.1\r\nHost:")
					}
					s.until(func() bool { return s.Stats().Handshakes == limit })
					s.Tick()
					q := next(s)
					q.say(upgradeRequest)
					q.joined()
					s.until(func() bool { return s.Stats().Refused["handshake_limit"] == 1 })
				})
			})
		}
	}
}

// Everything that TLS is spoken over at the end of the server: members of each dialect, a
// browser that keeps its connection, requests that are not whole, handshakes of TLS that
// are not.
func TestShutdownEndsEachStreamOfTLS(t *testing.T) {
	s := secureServer(t)
	raw, speaker := s.join(), s.chat("/lobby")
	reader := s.listen(eventsRequest("lobby/events"))
	kept, half := s.dial(), s.greeted(s.dial())
	kept.say(pageRequest)
	kept.response()
	half.say("GET /ws HTTP/1.1\r\nHost:")
	h := hello(t, clientTLS())
	nothing, begun, answered := s.raw(), s.raw(), s.raw()
	begun.say(string(h[:100]))
	answered.say(string(h))
	if _, err := answered.r.ReadByte(); err != nil {
		t.Fatal(err)
	}
	s.until(func() bool { return s.Conns() == 8 })
	last := s.plain()
	last.say(text("last words"))
	last.expect(ws.OpText, "last words")
	s.shutdown()
	raw.expect(ws.OpText, "last words")
	raw.expectReason(GoingAway)
	speaker.hearsText("last words")
	speaker.expectCloseAfterEvents(ws.StatusGoingAway)
	reader.hearsText("last words")
	if !reader.ends() {
		t.Error("the answer breaks off")
	}
	for name, p := range map[string]*peer{"kept": kept, "half": half} {
		if b, err := io.ReadAll(p.r); err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for name, p := range map[string]*peer{"nothing": nothing, "begun": begun, "answered": answered} {
		if _, err := io.Copy(io.Discard, p.r); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st := s.Stats(); st.TLSBroken != 0 || st.TLSTruncated != 0 || st.Handshakes != 0 {
		t.Errorf("%d broken, %d truncated, %d handshakes are left", st.TLSBroken, st.TLSTruncated, st.Handshakes)
	}
}

// A client that is told why must not take it for the end of what was said.
func TestRefusalsEndTheStreamOfTLS(t *testing.T) {
	for name, request := range map[string]struct {
		says   string
		status int
	}{
		"the method":  {strings.Replace(upgradeRequest, "GET", "POST", 1), http.StatusMethodNotAllowed},
		"the version": {strings.Replace(upgradeRequest, "Version: 13", "Version: 12", 1), http.StatusUpgradeRequired},
		"the length":  {"GET /ws HTTP/1.1\r\nX: " + strings.Repeat("x", 10<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"no HTTP":     {"\x00\xff\r\n\r\n", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			s := secureServer(t)
			p := s.dial()
			p.say(request.says)
			if r := p.response(); r.StatusCode != request.status {
				t.Error(r.Status)
			}
			p.expectEnd()
		})
	}
	t.Run("the time", func(t *testing.T) {
		s := secureServer(t)
		p := s.greeted(s.dial())
		p.say("GET /ws")
		s.until(func() bool { s.Tick(); return s.Stats().Refused["handshake_timeout"] == 1 })
		if r := p.response(); r.StatusCode != http.StatusRequestTimeout {
			t.Error(r.Status)
		}
		p.expectEnd()
	})
	t.Run("the protocol of the application", func(t *testing.T) {
		s := secureServer(t)
		config := clientTLS()
		config.NextProtos = []string{"h2"}
		if _, err := tls.Dial("tcp", s.secure, config); err == nil || !strings.Contains(err.Error(), "no application protocol") {
			t.Error(err)
		}
		s.until(func() bool { return s.Stats().TLSFailures[tls13.NoCommonALPN.String()] == 1 })
	})
}

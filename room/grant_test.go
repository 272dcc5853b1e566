package room

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"chatd/room/chat"
	"chatd/room/handshake"
	"chatd/room/identity"
	"chatd/room/position"
	"chatd/room/token"
)

// tokenSecret signs the tokens of the tests.
const tokenSecret = "the secret of the tests' tokens, of 32 bytes at least"

// begun is the time at which the clock of tests with tokens stands, in s.
const begun = 1764064800

// claims are those of a token.
type claims = jwt.MapClaims

// signed is a token with the claims, which is valid for a minute unless they say
// otherwise.
func signed(c claims) string { return signedBy(jwt.SigningMethodHS256, []byte(tokenSecret), c) }

func signedBy(method jwt.SigningMethod, key any, c claims) string {
	if _, given := c["exp"]; !given {
		c["exp"] = begun + 60
	}
	s, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		panic(err)
	}
	return s
}

// withKey has the server want tokens that are signed by the key of the content.
func withKey(t *testing.T, content string) func(*Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := token.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Tokens = f }
}

// guarded is a server that wants tokens, whose time of day is the test's.
type guarded struct {
	*testServer
	ms atomic.Int64
}

func startGuarded(t *testing.T, change ...func(*Config)) *guarded {
	t.Helper()
	s := &guarded{testServer: startServer(t, append(change, withKey(t, tokenSecret+"\n"))...)}
	s.ms.Store(begun * 1000)
	s.clock = s.ms.Load
	if err := s.Alive(t.Context()); err != nil { // who works from now on knows
		t.Fatal(err)
	}
	return s
}

// rawRequest is an upgrade request for a target below /ws without a subprotocol.
func rawRequest(target string, lines ...string) string {
	return strings.TrimSuffix(strings.Replace(upgradeRequest, "/ws", "/ws"+target, 1), "\r\n") + strings.Join(append(lines, "", ""), "\r\n")
}

// guest opens a raw connection with the token.
func (s *testServer) guest(target, token string) *peer {
	s.t.Helper()
	p := s.dial()
	p.say(rawRequest(target, "Authorization: Bearer "+token))
	p.joined()
	return p
}

func bearer(c claims) string { return "Authorization: Bearer " + signed(c) }

// answers checks what a request is answered with, and returns the sentence.
func (s *testServer) answers(request string, status int) string {
	s.t.Helper()
	p := s.dial()
	defer p.Close()
	p.say(request)
	r, err := http.ReadResponse(p.r, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	text := ""
	if r.StatusCode != http.StatusSwitchingProtocols {
		b, _ := io.ReadAll(r.Body)
		text = string(b)
	}
	if want := map[int]string{http.StatusUnauthorized: "Bearer"}[r.StatusCode]; r.StatusCode != status || r.Header.Get("WWW-Authenticate") != want {
		s.t.Errorf("%.80q…: %s, WWW-Authenticate %q, %q, want %d", request, r.Status, r.Header.Get("WWW-Authenticate"), text, status)
	}
	return text
}

func TestTokenOfEachAlgorithmLetsIn(t *testing.T) {
	for _, i := range issuers(t) {
		t.Run(i.method.Alg(), func(t *testing.T) {
			s := startServer(t, withKey(t, i.file))
			s.setClock(begun * 1000)
			good := signedBy(i.method, i.key, claims{"sub": "ana"})
			if _, w := s.chatWelcome("?token=" + good); w["id"] != "ana" {
				t.Errorf("%v", w)
			}
			s.guest("", good)
			s.listen(eventsRequest("lobby/events?token=" + good))
		})
	}
}

func TestWithoutAKeyRoomsAreOpen(t *testing.T) {
	s := startServer(t)
	s.answers(rawRequest("?token=nonsense", "Authorization: Bearer nonsense"), 101)
	s.answers(upgradeRequest, 101)
}

func TestWhoHasNoGoodTokenIsToldWhy(t *testing.T) {
	s := startGuarded(t)
	good := signed(claims{})
	for _, tt := range []struct {
		target, line string
		status       int
		says, reason string
	}{
		{"", "", 401, "a token is needed", "no_token"},
		{"?token=", "", 401, "a token is needed", "no_token"},
		{"", "Authorization: Bearer", 401, "a token is needed", "no_token"},
		{"", "Authorization: Basic YTpi", 401, "a token is needed", "no_token"},
		{"?token=x", "", 401, "no JSON Web Token", "token_malformed"},
		{"?token=" + signed(claims{"exp": begun}), "", 401, "has expired", "token_expired"},
		{"?token=" + signed(claims{"nbf": begun + 1}), "", 401, "not valid yet", "token_early"},
		{"?token=" + signed(claims{"exp": "9999999999"}), "", 401, "wrong type", "token_claims"},
		{"?token=" + signed(claims{"exp": nil}), "", 401, "wrong type", "token_claims"},
		{"?token=" + signedBy(jwt.SigningMethodHS256, []byte("another"), claims{}), "", 401, "not by the server's key", "token_signature"},
		{"?token=" + signedBy(jwt.SigningMethodHS384, []byte(tokenSecret), claims{}), "", 401, "another algorithm", "token_algorithm"},
		{"?token=" + strings.Repeat("x", 7000), "", 401, "no JSON Web Token", "token_malformed"},
		{"?token=" + strings.Repeat("x", 64<<10), "", 431, "", "header_too_large"},
		{"?token=" + good, "", 101, "", ""},
		{"", "authorization: bEARER   " + good, 101, "", ""},
		{"?token=" + good, "Authorization: Basic YTpi", 101, "", ""},
		{"?token=x", "Authorization: Bearer " + good, 101, "", ""},
		{"?token=" + good, "Authorization: Bearer x", 401, "no JSON Web Token", "token_malformed"},
		{"?token=" + good, "Authorization: Bearer", 401, "a token is needed", "no_token"},
		{"?token=" + good, "Authorization: Bearer " + good + "\r\nAuthorization: Bearer " + good, 400, "more than one Authorization", "authorization"},
		{"?token=" + good + "&token=x", "", 101, "", ""},
		{"?token=x&token=" + good, "", 401, "no JSON Web Token", "token_malformed"},
	} {
		var lines []string
		if tt.line != "" {
			lines = append(lines, tt.line)
		}
		for _, request := range []string{rawRequest(tt.target, lines...), chatRequest(tt.target, lines...)} {
			if text := s.answers(request, tt.status); !strings.Contains(text, tt.says) {
				t.Errorf("%.60q, %.60q: %q, want %q", tt.target, tt.line, text, tt.says)
			}
			if tt.reason != "" {
				s.until(func() bool { return s.Disconnects()[0].Reason == tt.reason && s.Stats().Refused[tt.reason] > 0 })
			}
		}
	}
}

func TestTokenLetsIntoItsRoomsOnly(t *testing.T) {
	s := startGuarded(t)
	for _, tt := range []struct {
		rooms, target string
		status        int
	}{
		{`["side"]`, "/side", 101}, {`["side"]`, "", 403}, {`["side"]`, "/Side", 403}, {`["lobby"]`, "", 101}, {`[]`, "", 403}, {`["*"]`, "/any", 101},
		{`["team-*","x"]`, "/team-1", 101}, {`["team-*","x"]`, "/teams", 403}, {`["side"]`, "/a%2Fb", 400},
	} {
		var rooms any
		if err := json.Unmarshal([]byte(tt.rooms), &rooms); err != nil {
			t.Fatal(err)
		}
		s.answers(rawRequest(tt.target, bearer(claims{"rooms": rooms})), tt.status)
	}
	s.until(func() bool { return s.Stats().Refused["room_forbidden"] == 4 })
	c := s.chat("/team-1", bearer(claims{"rooms": []string{"team-*"}}))
	c.sends(`{"type":"join","room":"lobby","nonce":"n"}`)
	if e := c.hearsError(chat.NotAllowed); e["nonce"] != "n" {
		t.Errorf("%v", e)
	}
	c.joins("team-2")
	c.sends(`{"type":"say","room":"team-2","text":"hi"}`)
	c.hearsText("hi")
}

func TestTokenSaysWhoItsClientIs(t *testing.T) {
	secrets := identity.New("the secret of the test")
	s := startGuarded(t, func(c *Config) { c.Secrets = secrets })
	session := secrets.Session("an-earlier-id")
	c, w := s.chatWelcome("?name=Eve&session="+session, bearer(claims{"sub": "auth0|ana", "name": " Ana "}))
	if w["id"] != "auth0|ana" || w["name"] != "Ana" {
		t.Errorf("%v", w)
	}
	c.sends(`{"type":"name","name":"Eve","nonce":"n"}`)
	if e := c.hearsError(chat.NotAllowed); e["nonce"] != "n" {
		t.Errorf("%v", e)
	}
	c.says("hi")
	c.hears(event{"type": "say", "id": "auth0|ana", "name": "Ana"})
	if id, _ := secrets.ID(c.session); id == "" || id == c.id {
		t.Errorf("the session proves %q, which the token is to prove", id)
	}
	// What a token does not say is as without one.
	c, w = s.chatWelcome("?name=Eve&session="+session, bearer(claims{}))
	if w["id"] != "an-earlier-id" || w["name"] != "Eve" || c.session != session {
		t.Errorf("%v", w)
	}
	c.sends(`{"type":"name","name":"Ana"}`)
	c.says("hi")
	c.hears(event{"type": "say", "id": "an-earlier-id", "name": "Ana"})
	if _, w := s.chatWelcome("?name=Eve", bearer(claims{"name": ""})); w["name"] != "" {
		t.Errorf("%v", w)
	}
}

func TestRawClientIsKnownToOperatorsAsItsTokenSays(t *testing.T) {
	s := startGuarded(t)
	s.guest("", signed(claims{"sub": "ana", "name": "Ana"}))
	rows, _, err := s.Connections(t.Context(), 0, 10)
	if err != nil || len(rows) != 1 || rows[0].ID != "ana" || rows[0].Name != "Ana" {
		t.Errorf("%+v, %v", rows, err)
	}
}

// Its token names a client whatever its dialect.
func TestRemovedIsWhoeverTheTokenNames(t *testing.T) {
	s := startGuarded(t, func(c *Config) { c.Ban = time.Minute })
	ana, bob := claims{"sub": "ana"}, claims{"sub": "bob"}
	raw, speaker, reader := s.guest("/lobby", signed(ana)), s.chat("/lobby", bearer(ana)), s.listen(eventsRequest("lobby/events", bearer(ana)))
	other, unnamed := s.listen(eventsRequest("lobby/events", bearer(bob))), s.guest("/lobby", signed(claims{}))
	if err := s.Remove(t.Context(), "lobby", "ana"); err != nil {
		t.Fatal(err)
	}
	raw.expectClose(ws.StatusPolicyViolation)
	speaker.expectCloseAfterEvents(ws.StatusPolicyViolation)
	if reader.ends() {
		t.Error("the reader's answer is whole")
	}
	for _, request := range []string{rawRequest("/lobby", bearer(ana)), chatRequest("/lobby", bearer(ana)), eventsRequest("lobby/events", bearer(ana))} {
		if text := s.answers(request, http.StatusForbidden); !strings.Contains(text, "removed from the room") || strings.HasPrefix(request, "GET /rooms") != strings.HasPrefix(text, "{") {
			t.Errorf("%.20q…: %s", request, text)
		}
	}
	s.answers("HEAD"+strings.TrimPrefix(eventsRequest("lobby/events", bearer(ana)), "GET"), http.StatusForbidden)
	s.guest("/side", signed(ana))
	unnamed.say(text("hi"))
	other.hearsText("hi")
	s.guest("/lobby", signed(bob))
}

func TestWhoMayOnlyListenHearsAndIsNotHeard(t *testing.T) {
	s := startGuarded(t)
	speaker, listener, raw := s.chat("", bearer(claims{"say": true})), s.chat("?name=L", bearer(claims{"say": false})), s.guest("", signed(claims{"say": false}))
	listener.sends(`{"type":"say","text":"x","nonce":"n"}`)
	if e := listener.hearsError(chat.NotAllowed); e["nonce"] != "n" {
		t.Errorf("%v", e)
	}
	speaker.says("hi")
	listener.hearsText("hi")
	raw.expect(ws.OpText, "hi")
	listener.joins("side")
	listener.sends(`{"type":"say","room":"side","text":"x"}`)
	listener.hearsError(chat.NotAllowed)
	raw.say(masked(ws.OpPing, true, "?"))
	raw.expect(ws.OpPong, "?")
	raw.say(text("x"))
	raw.expectReason(ListensOnly)
	speaker.says("still here")
	speaker.hearsText("hi", "still here")
	listener.hears(event{"type": "say", "text": "still here"})
}

// expires has the clock go on to the second, and the ticks by n.
func (s *guarded) expires(at int64, ticks int) {
	s.ms.Store(at * 1000)
	for range ticks {
		s.Tick()
	}
}

func TestClientIsSentAwayWhenItsTokenExpires(t *testing.T) {
	s := startGuarded(t)
	early, late := s.chat("", bearer(claims{"exp": begun + 30})), s.chat("", bearer(claims{"exp": begun + 31}))
	raw := s.guest("", signed(claims{"exp": begun + 30}))
	several := s.chat("", bearer(claims{"exp": begun + 30}))
	several.joins("side")
	several.joins("other")
	outside := s.chat("", bearer(claims{"exp": begun + 30}))
	outside.sends(`{"type":"leave"}`)
	outside.hears(event{"type": "left"})
	s.expires(begun+29, 20)
	late.says("before")
	for _, c := range []*chatPeer{early, several, late} {
		c.hearsText("before")
	}
	raw.expect(ws.OpText, "before")
	s.expires(begun+30, 11) // within 2 s
	raw.expectReason(TokenExpired)
	for _, c := range []*chatPeer{early, several, outside} {
		c.expectCloseAfterEvents(4401)
	}
	late.says("after")
	late.hearsText("after")
	s.departedFor("token_expired", 4401, 0)
	s.expires(begun+31, 11)
	late.expectCloseAfterEvents(4401)
	if n := s.Stats().Dropped["token_expired"]; n != 5 {
		t.Errorf("%d were sent away", n)
	}
}

func TestTokenLetsReadEventsUntilItExpires(t *testing.T) {
	s := startGuarded(t)
	good := signed(claims{"rooms": []string{"lobby"}, "exp": begun + 30})
	speaker := s.chat("", bearer(claims{}))
	var readers []*listener
	for _, request := range []string{
		eventsRequest("lobby/events?since=now&token=" + good), eventsRequest("lobby/events?token=x&since=now", "Authorization: Bearer "+good), bareRequest("lobby/events?since=now&token=" + good),
	} {
		readers = append(readers, s.listen(request))
	}
	speaker.says("hi")
	for _, l := range readers {
		l.hearsText("hi")
	}
	for _, tt := range []struct {
		request string
		status  int
		says    string
	}{
		{eventsRequest("lobby/events"), 401, "a token is needed"},
		{eventsRequest("lobby/events?token=x"), 401, "no JSON Web Token"},
		{eventsRequest("side/events?token=" + good), 403, "does not allow this room"},
		{eventsRequest("lobby/events", "Authorization: Bearer "+good, "Authorization: Bearer "+good), 400, "more than one Authorization"},
		{strings.Replace(eventsRequest("lobby/events"), "GET", "HEAD", 1), 401, ""},
		{strings.Replace(eventsRequest("side/events?token="+good), "GET", "HEAD", 1), 403, ""},
		{strings.Replace(eventsRequest("lobby/events?token="+good), "GET", "HEAD", 1), 200, ""},
	} {
		p := s.dial()
		p.say(tt.request)
		method, _, _ := strings.Cut(tt.request, " ")
		r, err := http.ReadResponse(p.r, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != tt.status || !strings.Contains(string(body), tt.says) || (r.StatusCode == 401) != (r.Header.Get("WWW-Authenticate") == "Bearer") ||
			(r.StatusCode != 200) != (r.Header.Get("Content-Type") == "application/problem+json") {
			t.Errorf("%.60q: %s, %v, %q, %v", tt.request, r.Status, r.Header, body, err)
		}
		p.expectEnd()
	}
	s.expires(begun+30, 11)
	for i, l := range readers {
		rest, err := io.ReadAll(l.lines)
		if whole := err == nil; whole != (i == 2) || strings.Contains(string(rest), "4401") { // in chunks it breaks off, so that it comes back
			t.Errorf("%d: %q, %v", i, rest, err)
		}
	}
	s.departedFor("token_expired", 0, 0)
	speaker.says("after")
	speaker.hearsText("hi", "after")
}

// joinUntil has a client come into the lobby with a token that expires at that ms.
func (m *model) joinUntil(n int, x stream, expires int64) *client {
	m.arrive(handshake.DefaultRoom, n, x, position.Since{})
	at := len(m.clients) - 1
	m.grant(at, expires)
	m.settle()
	return m.clients[at]
}

// at sets the model's clock, and has a second go by.
func (m *model) at(ms int64) {
	m.clock = ms
	for range ticksPerSecond {
		m.server.Tick()
		m.settle()
	}
}

// One that takes nothing is told behind what waits for it, and no message more is
// for it.
func TestTokenOfAClientThatIsBehindExpires(t *testing.T) {
	m := timed(func(*Config) {})
	behind, other := m.joinUntil(20, rawStream, 2000), m.joinUntil(1<<20, rawDeflated, 3000)
	m.publishOne("more than it takes")
	if m.at(1999); behind.out == nil || behind.has(statusLeft) {
		t.Fatal("it is not behind")
	}
	if m.at(2000); !behind.has(statusLeft) || other.has(statusLeft) || m.stubs[0].released {
		t.Fatal("it is still a member")
	}
	m.publishOne("too late")
	m.free(0, 1<<20)
	if got := m.net[0].got; !bytes.Contains(got, []byte("more than it takes")) || bytes.Contains(got, []byte("too late")) || !bytes.HasSuffix(got, goodbye[TokenExpired]) || !m.stubs[0].released {
		t.Errorf("%q", got)
	}
	m.at(3000)
	m.at(4000)
	if n := m.server.dropped(TokenExpired); n != 2 {
		t.Errorf("%d were sent away", n)
	}
	for _, s := range m.server.shards.all() {
		if s.expires != never {
			t.Errorf("a shard still waits for %d", s.expires)
		}
	}
}

// At each step of its way into a further room, and out of one.
func TestTokenOfAClientThatChangesRoomsExpires(t *testing.T) {
	for steps := range 12 {
		for name, change := range map[string]func(m *model, c *client){
			"join":  func(m *model, c *client) { c.enter(nil, "side", position.Since{}, []byte("in")) },
			"leave": func(m *model, c *client) { c.exit(nil, m.lobby(), []byte("out")) },
		} {
			m := timed(func(*Config) {})
			m.order = mathrand.New(mathrand.NewPCG(1, uint64(steps)))
			c := m.joinUntil(1<<20, rawStream, 2000)
			change(m, c)
			for range steps {
				m.pool.Step(m.worker)
			}
			m.at(2000)
			if got := m.net[0].got; !m.stubs[0].released || !bytes.HasSuffix(got, goodbye[TokenExpired]) || m.server.members.Load() != 0 || m.server.dropped(TokenExpired) != 1 {
				t.Errorf("%s, after %d steps: %q, %d members", name, steps, got, m.server.members.Load())
			}
		}
	}
}

// A token that has expired on the way into the room is noticed there.
func TestTokenThatExpiresOnTheWayIsNoticed(t *testing.T) {
	m := timed(func(*Config) {})
	m.clock = 2000
	if c := m.joinUntil(1<<20, rawStream, 1500); c.has(statusLeft) {
		t.Fatal("not a member for a moment")
	}
	if m.at(2000); m.server.dropped(TokenExpired) != 1 {
		t.Error("it is still a member")
	}
}

// A clock that is set counts, whatever the ticks say.
func TestTokenExpiresByTheTimeOfDay(t *testing.T) {
	m := timed(func(*Config) {})
	c := m.joinUntil(1<<20, rawStream, 1e12)
	if m.at(1e12 - 1); c.has(statusLeft) {
		t.Fatal("too early")
	}
	if m.at(1e12); !c.has(statusLeft) {
		t.Error("too late")
	}
}

func TestNothingOfATokenIsTold(t *testing.T) {
	s := startGuarded(t)
	var said strings.Builder
	secret := signed(claims{"sub": "ana", "x": "the-secret-claim"})
	broken := secret[:len(secret)-3] + "xyz"
	for _, token := range []string{secret, broken, signed(claims{"exp": begun - 1, "sub": "ana"}), signed(claims{"rooms": []string{"side"}, "sub": "ana"}), signed(claims{"name": 7})} {
		for _, request := range []string{
			rawRequest("?token=" + token), chatRequest("?token=" + token), rawRequest("", "Authorization: Bearer "+token), rawRequest("/a%20?token=" + token),
			"GET /?token=" + token + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			"GET /r/a%20b?token=" + token + ";x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer " + token + "\r\n\r\n",
			"OPTIONS /ws?token=" + token + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			"POST /ws?token=" + token + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
			"GET /ws?token=" + token + " HTTP/1.1\r\nHost a\r\n\r\n",
			"GET /?token=" + token + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + token + "\r\n\r\n",
		} {
			p := s.dial()
			p.say(request)
			if r, err := http.ReadResponse(p.r, nil); err == nil {
				fmt.Fprintln(&said, r.Status, r.Header)
				if r.StatusCode != http.StatusSwitchingProtocols {
					_, _ = io.Copy(&said, r.Body)
				} else {
					p.say(masked(ws.OpText, true, "\xff")) // and is thrown out
					_, _ = io.Copy(&said, p.r)
				}
			}
			p.Close()
		}
	}
	member := s.chat("?token=" + secret)
	rows, _, err := s.Connections(t.Context(), 0, 100)
	if err != nil || member.id != "ana" {
		t.Fatal(member.id, err)
	}
	s.expires(begun+60, 11)
	member.expectCloseAfterEvents(4401)
	for range ticksPerSecond {
		s.Tick()
	}
	for name, what := range map[string]any{"connections": rows, "disconnects": s.Disconnects(), "stats": s.Stats()} {
		b, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&said, name, string(b))
	}
	said.WriteString(s.log.String())
	for _, part := range append(strings.Split(secret, "."), "the-secret-claim", "xyz", "eyJ", "token=") {
		if strings.Contains(said.String(), part) {
			t.Errorf("%q is told", part)
		}
	}
	if !strings.Contains(said.String(), "token_signature") {
		t.Error("the log does not say why")
	}
}

func TestChangedKeyLetsInByTheNewOneAndSendsNobodyAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(tokenSecret)
	f, err := token.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, func(c *Config) { c.Tokens = f })
	s.setClock(begun * 1000)
	before := s.chat("?token=" + signed(claims{"sub": "ana"}))
	write("another secret of the tests, of 32 bytes at least")
	for range 2 {
		if _, err := f.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	s.answers(rawRequest("?token="+signed(claims{})), 401)
	s.answers(rawRequest("?token="+signedBy(jwt.SigningMethodHS256, []byte("another secret of the tests, of 32 bytes at least"), claims{})), 101)
	before.says("still here")
	before.hearsText("still here")
}

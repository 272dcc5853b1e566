package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
)

const (
	aTokenSecret       = "a secret of the test's, for tokens"
	anotherTokenSecret = "another of the test's, for tokens"
)

// signToken is a token by the secret that is valid for so long.
func signToken(t testing.TB, secret string, valid time.Duration, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"exp": float64(time.Now().Add(valid).UnixMilli()) / 1000}
	for name, value := range claims {
		all[name] = value
	}
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writeFile writes a file of the test's and returns its path.
func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// answersToken is the status with which chatd answers a handshake.
func (p *process) answersToken(token string) int {
	p.t.Helper()
	conn, answer, err := websocket.Dial(p.t.Context(), "ws://"+p.Addr+"/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if answer == nil {
		p.t.Fatal(err)
	}
	if conn != nil {
		conn.CloseNow()
	}
	return answer.StatusCode
}

func TestTokensByTheKeyOfAFileWhichMayChange(t *testing.T) {
	file := writeFile(t, "key", aTokenSecret+"\n")
	p := startChatd(t, "-jwt-key-file", file, "-admin", "127.0.0.1:0", "-log-level", "debug")
	old, fresh := signToken(t, aTokenSecret, time.Hour, nil), signToken(t, anotherTokenSecret, time.Hour, nil)
	if one, two, none := p.answersToken(old), p.answersToken(fresh), p.answersToken(""); one != 101 || two != 401 || none != 401 {
		t.Fatalf("%d, %d, %d", one, two, none)
	}
	metric := func(outcome string) string { return p.reloads("chatd_token_key_reloads_total", outcome) }
	for _, bad := range []string{"hunter2", ""} {
		before := metric("failed")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		soon(t, func() bool { return metric("failed") != before })
		if status := p.answersToken(old); status != 101 {
			t.Fatalf("%q: the old key does not stay: %d", bad, status)
		}
	}
	if err := os.WriteFile(file, []byte(anotherTokenSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, func() bool { return p.answersToken(fresh) == 101 })
	if status := p.answersToken(old); status != 401 || metric("replaced") != "1" || metric("failed") != "2" {
		t.Errorf("%d, replaced %s, failed %s", status, metric("replaced"), metric("failed"))
	}
	p.Stop()
	log := p.log.String()
	for _, line := range []string{`msg="the new token key is of no use, the old one stays"`, `msg="tokens are verified by a new key" algorithm=HS256`, "reason=token_signature"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %s", line)
		}
	}
	for _, secret := range []string{"hunter2", aTokenSecret, anotherTokenSecret, old, fresh, "eyJ"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// get reads what operators see.
func (p *process) get(path string) string {
	p.t.Helper()
	r, err := http.Get("http://" + p.Admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// reloads is the number of a file's reloads that came out so.
func (p *process) reloads(metric, outcome string) string {
	p.t.Helper()
	_, rest, _ := strings.Cut(p.get("/metrics"), fmt.Sprintf("%s{outcome=%q} ", metric, outcome))
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func TestTokensOfProgramsAreThoseOfAFileWhichMayChange(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	const old, fresh, bad = "an-old-token-of-a-program", "a-fresh-token-of-a-program", "hunter2 hunter3"
	file := writeFile(t, "tokens", old+"\n")
	p := startChatd(t, "-api-token-file", file, "-admin", "127.0.0.1:0", "-log-level", "debug")
	answers := func(token string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+p.Addr+"/rooms/lobby/messages?token="+token, strings.NewReader("hi"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"text/plain"}}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if b, err := io.ReadAll(answer.Body); err != nil || strings.Contains(string(b), token) {
			t.Errorf("%s, %v", b, err)
		}
		return answer.StatusCode
	}
	if one, two := answers(old), answers(fresh); one != 201 || two != 401 {
		t.Fatalf("%d, %d", one, two)
	}
	outcome := func(outcome string) string { return p.reloads("chatd_api_token_reloads_total", outcome) }
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(bad)
	soon(t, func() bool { return outcome("failed") == "1" })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	soon(t, func() bool { return outcome("failed") == "2" })
	if status := answers(old); status != 201 {
		t.Fatalf("the old token does not stay: %d", status)
	}
	write(fresh + "\n")
	soon(t, func() bool { return answers(fresh) == 201 })
	if status := answers(old); status != 401 || outcome("replaced") != "1" {
		t.Errorf("%d, replaced %s", status, outcome("replaced"))
	}
	said := p.get("/metrics") + p.get("/debug/conns") + p.get("/debug/pprof/goroutine?debug=2") + p.get("/debug/pprof/cmdline")
	p.Stop()
	said += p.log.String()
	for _, line := range []string{`msg="the new API tokens are of no use, the old ones stay"`, `msg="there are new API tokens" tokens=1`} {
		if !strings.Contains(said, line) {
			t.Errorf("the log has no %s", line)
		}
	}
	for _, token := range []string{old, fresh, "hunter"} {
		if strings.Contains(said, token) {
			t.Errorf("%q is told", token)
		}
	}
}

func TestTokenKeyThatIsNoneIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ file, says string }{
		"no file": {"", "-jwt-key-file is empty: name a file"},
		"missing": {filepath.Join(t.TempDir(), "nonsense"), "no such file"},
		"short":   {writeFile(t, "short", "hunter2\n"), "a secret of 7 bytes is too short for HS256: must be at least 32"},
		"private": {writeFile(t, "private", "-----BEGIN PRIVATE KEY-----\nMAoGCCqGSM49BAMC\n-----END PRIVATE KEY-----\n"), "this is a private key, which stays with who makes the tokens"},
	} {
		_, stderr, status := runChatd(t, nil, "-jwt-key-file", tt.file, "-addr", "127.0.0.1:0")
		if status != exitUsage || !strings.Contains(stderr, tt.says) || !strings.Contains(stderr, "-jwt-key-file") || strings.Contains(stderr, "hunter2") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, %q", name, status, stderr)
		}
	}
}

func TestChatGivesATokenThatNobodySees(t *testing.T) {
	p := startChatd(t, "-jwt-key-file", writeFile(t, "key", aTokenSecret), "-log-level", "debug")
	good := signToken(t, aTokenSecret, time.Hour, jwt.MapClaims{"sub": "ana", "name": "Ana"})
	for name, c := range map[string]*piped{
		"file": newPiped(t, "-token-file", writeFile(t, "token", good+"\n"), p.Addr),
		"URL":  newPiped(t, "ws://"+p.Addr+"/ws/lobby?token="+good),
		"environment": func() *piped {
			c := newPiped(t, p.Addr)
			c.Env = append(c.Env, "CHATD_TOKEN="+good)
			return c
		}(),
	} {
		c.Stdin = strings.NewReader("by " + name + "\n")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for c.out.Scan() && c.out.Text() != "Ana: by "+name {
		}
		said := c.ends(0)
		if warned := strings.Contains(said, "a token in the URL is seen by others"); warned != (name == "URL") || strings.Contains(said, "eyJ") {
			t.Errorf("%s: %q", name, said)
		}
	}
	for name, tt := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"none":    {[]string{p.Addr}, 1, "the server answers 401 Unauthorized: a token is needed: as ?token=… or as Authorization: Bearer …"},
		"bad":     {[]string{"-token-file", writeFile(t, "bad", "eyJ.x.y"), p.Addr}, 1, "the server answers 401 Unauthorized: the token is no JSON Web Token"},
		"empty":   {[]string{"-token-file", writeFile(t, "empty", "\n"), p.Addr}, 2, "empty is empty"},
		"missing": {[]string{"-token-file", filepath.Join(t.TempDir(), "nonsense"), p.Addr}, 2, "no such file"},
	} {
		c := newPiped(t, tt.args...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if said := c.ends(tt.status); !strings.Contains(said, tt.says) || strings.Contains(said, "eyJ") || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: %q", name, said)
		}
	}
	p.Stop()
	if strings.Contains(p.log.String(), "eyJ") {
		t.Error("a token is in the log")
	}
}

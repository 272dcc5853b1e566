package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"chatd/room"
)

// startBoth starts a chatd for chat.example with a plain port, one that speaks TLS and
// one that leads there, and returns the file of whom its clients are to trust.
func startBoth(t *testing.T, args ...string) (p *process, trusted string) {
	t.Helper()
	certificate, _, _ := certified(t, "chat.example")
	p = startChatd(t, append(append(certificate, "-tls-addr", "127.0.0.1:0", "-tls-redirect", "127.0.0.1:0", "-admin", "127.0.0.1:0"), args...)...)
	return p, writeFile(t, "ca.pem", string(theCA().PEM))
}

func TestPageOverTLSInABrowser(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	p, _ := startBoth(t)
	net := newNetwork(t, &process{Addr: p.TLS})
	a := openURL(t, browser, "http://chat.example:"+port(t, p.Redirect)+"/r/tea", "open")
	a.expect(fmt.Sprintf(`location.href === 'https://chat.example:%s/r/tea' && isSecureContext`, port(t, p.TLS)))
	b := openURL(t, browser, "https://chat.example:"+port(t, net.Addr)+"/r/tea", "open")
	b.offline = true
	ben := p.witness(t, "tea")
	ben.say("without TLS")
	a.waitForLast("without TLS")
	a.say("over TLS")
	b.waitForLast("over TLS")
	ben.waitFor("over TLS")
	var table struct{ Connections []room.ConnInfo }
	if err := json.Unmarshal([]byte(p.get("/debug/conns?format=json")), &table); err != nil {
		t.Fatal(err)
	}
	over := 0
	for _, c := range table.Connections {
		if c.TLS && c.Dialect == "chat.v1" && c.Compressed {
			over++
		}
	}
	if over != 2 || len(table.Connections) != 3 {
		t.Errorf("over TLS are %d of %+v", over, table.Connections)
	}

	net.become(swallows, swallows)
	net.reset()
	b.waitForState("retrying")
	a.say("missed")
	b.say("typed while away")
	net.become(passes, passes)
	b.do(`now.click()`)
	b.waitForLast("typed while away")
	a.waitForLast("typed while away")
	b.expectLog("without TLS", "over TLS", "Connection closed: it broke (1006).", "While you were away", "missed", "typed while away")
	late := openURL(t, browser, "https://chat.example:"+port(t, p.TLS)+"/r/tea", "open")
	late.waitForLast("typed while away")
	late.expectLog("without TLS", "over TLS", "missed", "typed while away")
}

func TestOperatorsSeeWhatComesOfTLS(t *testing.T) {
	t.Parallel()
	args, _, _ := certified(t)
	p := startChatd(t, append(args, "-admin", "127.0.0.1:0")...)
	hearItself(t, p.dialTLS(t, p.Addr))
	if r, _ := readPage(t, browser(t, nil), "http://"+p.Addr+"/"); r.StatusCode != http.StatusBadRequest {
		t.Error(r.Status)
	}
	metrics, rows := p.get("/metrics"), strings.Split(p.get("/debug/conns"), "\n")
	for _, want := range []string{
		`chatd_tls_handshakes_total{kind="full"} 1`, `chatd_tls_handshakes_total{kind="resumed"} 0`,
		`chatd_tls_handshake_failures_total{reason="not_tls"} 1`, `chatd_tls_handshake_failures_total{reason="protocol_version"} 0`,
		`chatd_tls_broken_streams_total{kind="broken"} 0`, `chatd_tls_broken_streams_total{kind="truncated"} 0`,
	} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if len(rows) < 4 || strings.Fields(rows[2])[10] != "TLS" || strings.Fields(rows[3])[10] != "true" {
		t.Errorf("%q", rows)
	}
	if !strings.Contains(strings.Join(rows, "\n"), " tls_not_tls ") {
		t.Errorf("who spoke no TLS is not among those who left: %q", rows)
	}
}

// An origin is the page's with the port that it was got by, or https's.
func TestOriginOfAPageOverTLS(t *testing.T) {
	t.Parallel()
	args, _, _ := certified(t)
	p := startChatd(t, args...)
	for origin, want := range map[string]int{
		"https://" + p.Addr:                             http.StatusSwitchingProtocols,
		"https://127.0.0.1":                             http.StatusForbidden,
		"https://evil.example:" + port(t, p.Addr):       http.StatusForbidden,
		"https://evil.example/https://" + p.Addr + "/r": http.StatusForbidden,
	} {
		if got := p.upgrade(t, "", origin); got != want {
			t.Errorf("%s: status %d, want %d", origin, got, want)
		}
	}
	if got := p.upgrade(t, "chat.example", "https://chat.example"); got != http.StatusSwitchingProtocols {
		t.Errorf("port 443, which is mapped to this one: status %d", got)
	}
}

// upgrade is the status with which a page's WebSocket over TLS is answered.
func (p *process) upgrade(t *testing.T, host, origin string) int {
	t.Helper()
	conn, r, err := websocket.Dial(t.Context(), "wss://"+p.Addr+"/ws", &websocket.DialOptions{
		HTTPClient: browser(t, theCA().Pool), Host: host, HTTPHeader: http.Header{"Origin": {origin}},
	})
	if r == nil {
		t.Fatal(err)
	}
	if err == nil {
		conn.CloseNow()
	}
	return r.StatusCode
}

func TestCurlOverTLS(t *testing.T) {
	t.Parallel()
	const token = "a-token-of-a-program"
	p, trusted := startBoth(t, "-api-token-file", writeFile(t, "tokens", token))
	curl := func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "--cacert", trusted}, args...)...)
	}
	url := "https://chat.example:" + port(t, p.TLS)
	here := []string{"--resolve", "chat.example:" + port(t, p.TLS) + ":127.0.0.1"}

	reader := curl(append(here, "-N", url+"/rooms/lobby/events")...)
	var trouble strings.Builder
	reader.Stderr = &trouble
	out, err := reader.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Start(); err != nil {
		t.Fatalf("%v: make tools installs it", err)
	}
	s := readStream(t, out)
	s.talk(p.dial(t))

	for version, want := range map[string]string{ // new connections of each of two requests
		"--http2":             "10", // it is offered, and is not here
		"--http1.1":           "10",
		"--http1.0 --no-alpn": "11",
	} {
		said, err := curl(slices.Concat(here, strings.Fields(version), []string{"-w", "\nnew: %{num_connects}\n", url + "/", url + "/status.json"})...).CombinedOutput()
		conns := ""
		for line := range strings.Lines(string(said)) {
			if n, ok := strings.CutPrefix(line, "new: "); ok {
				conns += strings.TrimSpace(n)
			}
		}
		if err != nil || conns != want || !strings.Contains(string(said), "<title>") {
			t.Errorf("%s: %v, new connections %s, %s", version, err, conns, said)
		}
	}
	said, err := curl(append(here, "-H", "Authorization: Bearer "+token, "--json", `{"text":"by curl"}`, url+"/rooms/lobby/messages")...).CombinedOutput()
	if err != nil || !strings.Contains(string(said), `"seq":`) {
		t.Errorf("%v, %s", err, said)
	}
	s.expect("by curl")
	if said, err := curl(append(here, "--tls-max", "1.2", url+"/")...).CombinedOutput(); err == nil || !strings.Contains(string(said), "alert protocol version") {
		t.Errorf("TLS 1.2: %v, %s", err, said)
	}
	redirect := "chat.example:" + port(t, p.Redirect)
	if said, err := curl(append(here, "--resolve", redirect+":127.0.0.1", "-L", "-w", "%{url_effective}", "http://"+redirect+"/r/tea")...).CombinedOutput(); err != nil || !strings.HasSuffix(string(said), url+"/r/tea") {
		t.Errorf("%v, %s", err, said)
	}
	p.Stop()
	for range s.events { // up to the end
	}
	if err := reader.Wait(); err != nil { // also if the end is not said
		t.Errorf("%v: %s", err, &trouble)
	}
}

func TestOpenSSLReadsThePageAndComesBack(t *testing.T) {
	t.Parallel()
	p, trusted := startBoth(t)
	session := filepath.Join(t.TempDir(), "session")
	read := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "openssl", append([]string{
			"s_client", "-connect", p.TLS, "-servername", "chat.example", "-CAfile", trusted, "-verify_return_error", "-verify_hostname", "chat.example", "-alpn", "h2,http/1.1", "-ign_eof",
		}, args...)...)
		cmd.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n")
		cmd.WaitDelay = patience
		defer time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }).Stop()
		said, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(said), "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(strings.TrimSpace(string(said)), "closed") {
			t.Fatalf("%s: %v\n%s", cmd, err, said)
		}
		return string(said)
	}
	if said := read("-sess_out", session); !strings.Contains(said, "\nNew, TLSv1.3,") || !strings.Contains(said, "ALPN protocol: http/1.1") || !strings.Contains(said, "Verification: OK") {
		t.Errorf("%s", said)
	}
	if said := read("-sess_in", session); !strings.Contains(said, "\nReused, TLSv1.3,") {
		t.Errorf("%s", said)
	}
	if metrics := p.get("/metrics"); !strings.Contains(metrics, "\nchatd_tls_handshakes_total{kind=\"resumed\"} 1\n") {
		t.Error("it is not counted")
	}
}

// The PROXY header is before all of TLS.
func TestClientsWhoseTLSAProxyPassesOnHaveTheirAddresses(t *testing.T) {
	t.Parallel()
	certificate, _, _ := certified(t)
	f := startPassing(t, startBehind(t, append(certificate, "-proxy-protocol")...))
	b := openURL(t, startBrowser(t), "https://"+f.Addr+"/", "open")
	other, status := f.dial(t, "127.0.0.2", "/", nil)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", status)
	}
	b.say("said on the page")
	other.expect("said on the page")
	if got, want := f.chatd.sources(t), []string{"127.0.0.1", "127.0.0.2"}; !slices.Equal(got, want) {
		t.Errorf("/debug/conns has %v, want %v", got, want)
	}
}

func TestTerminalOverTLS(t *testing.T) {
	t.Parallel()
	p, trusted := startBoth(t)
	chat := chatCommand(t, "-json", "https://127.0.0.1:"+port(t, p.TLS)+"/r/tea")
	chat.Env = append(chat.Env, "SSL_CERT_FILE="+trusted)
	chat.Stdin = strings.NewReader("said in a pipe\n")
	ben := p.witness(t, "tea")
	if said, err := chat.CombinedOutput(); err != nil || !strings.Contains(string(said), "said in a pipe") {
		t.Errorf("%v, %s", err, said)
	}
	ben.waitFor("said in a pipe")
	strange := chatCommand(t, "https://127.0.0.1:"+port(t, p.TLS)+"/r/tea")
	if said, err := strange.CombinedOutput(); err == nil || !strings.Contains(string(said), "certificate") {
		t.Errorf("a certificate that nobody vouches for: %v, %s", err, said)
	}
}

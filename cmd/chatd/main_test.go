package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// runChatd runs chatd to its end and returns what it printed and its exit status.
func runChatd(t *testing.T, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(append(os.Environ(), asChatd+"=1"), env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestBadInputIsOneClearLineAndAnExitStatus(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	unix := "unix:" + path.Join(t.TempDir(), "chatd.sock")
	foreign := t.TempDir()
	if err := os.WriteFile(path.Join(foreign, "rooms.db"), bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	locked := t.TempDir()
	startChatd(t, "-data", locked)
	cases := []struct {
		name   string
		env    []string
		args   []string
		status int
		says   string
	}{
		{"port taken", nil, []string{"-addr", taken.Addr().String()}, 1, "address already in use"},
		{"assets without the page", nil, []string{"-assets", t.TempDir()}, 2, "index.html"},
		{"assets that are not there", nil, []string{"-assets", "/nonsense"}, 2, "-assets"},
		{"assets that are a file", nil, []string{"-assets", "main_test.go"}, 2, "-assets"},
		{"more connections than descriptors", nil, []string{"-addr", "127.0.0.1:0", "-max-conns", "1000000000"}, 1, "ulimit -n"},
		{"directory of another process", nil, []string{"-data", locked}, 2, "is another process's"},
		{"file that is another program's", nil, []string{"-data", foreign}, 2, "-data: " + path.Join(foreign, "rooms.db") + " is damaged, or no file of chatd's"},
		{"directory that is a file", nil, []string{"-data", "main_test.go"}, 2, "-data: main_test.go is no directory"},
		{"directory that can't be made", nil, []string{"-data", "/proc/nonsense"}, 2, "-data: mkdir /proc/nonsense"},
		{"directory without a name", nil, []string{"-data", ""}, 2, "-data is empty"},
		{"NATS and data", nil, []string{"-nats", "a", "-data", "x"}, 2, "-nats and -data are both given"},
		{"NATS of another scheme", nil, []string{"-nats", "http://a"}, 2, "http:// is not known here"},
		{"NATS without a host", nil, []string{"-nats", ""}, 2, "must be one or more of nats://host:port"},
		{"partitions of nothing", nil, []string{"-nats-partitions", "3"}, 2, "-nats-partitions is without effect"},
		{"no partitions", nil, []string{"-nats", "a", "-nats-partitions", "0"}, 2, "-nats-partitions is 0: must be 1 to 1024"},
		{"too many replicas", nil, []string{"-nats", "a", "-nats-replicas", "6"}, 2, "-nats-replicas is 6: must be 0 to 5"},
		{"credentials that are not there", nil, []string{"-nats", "a", "-nats-creds", "/nowhere"}, 2, "-nats-creds: open /nowhere"},
		{"certificates that are none", nil, []string{"-nats", "a", "-nats-ca", "main_test.go"}, 2, "-nats-ca: main_test.go has no certificate"},
		{"sync of nothing", nil, []string{"-sync", "1s"}, 2, "-sync is without effect"},
		{"sync that no disk can do", nil, []string{"-data", "x", "-sync", "1ms"}, 2, "-sync: must be always, or a time"},
		{"sync that is no time", nil, []string{"-data", "x", "-sync", "often"}, 2, "-sync: must be always, or a time"},
		{"unknown flag", nil, []string{"-nonsense"}, 2, "-nonsense"},
		{"argument", nil, []string{"nonsense"}, 2, "nonsense"},
		{"queue of none", nil, []string{"-queue", "0"}, 2, "-queue is 0"},
		{"no workers", nil, []string{"-workers", "0"}, 2, "-workers is 0"},
		{"no number", nil, []string{"-queue", "many"}, 2, "many"},
		{"no message may pass", nil, []string{"-max-message", "0"}, 2, "-max-message is 0"},
		{"no time for the handshake", nil, []string{"-handshake-timeout", "0s"}, 2, "-handshake-timeout"},
		{"handshake beyond what the clock can count", nil, []string{"-handshake-timeout", "119304h"}, 2, "-handshake-timeout"},
		{"negative drain timeout", nil, []string{"-drain-timeout", "-1s"}, 2, "-drain-timeout"},
		{"endless drain", nil, []string{"-drain-spread", "9000h"}, 2, "-drain-spread"},
		{"negative idle timeout", nil, []string{"-idle-timeout", "-1s"}, 2, "-idle-timeout"},
		{"negative write timeout", nil, []string{"-write-timeout", "-1s"}, 2, "-write-timeout"},
		{"negative rate", nil, []string{"-rate-messages", "-1"}, 2, "-rate-messages"},
		{"negative number of fragments", nil, []string{"-max-fragments", "-1"}, 2, "-max-fragments"},
		{"negative number of connections per address", nil, []string{"-max-conns-per-ip", "-1"}, 2, "-max-conns-per-ip"},
		{"head too small for any request", nil, []string{"-max-header", "10"}, 2, "-max-header is 10"},
		{"admin port taken", nil, []string{"-addr", "127.0.0.1:0", "-admin", taken.Addr().String()}, 1, "-admin"},
		{"admin address of the server itself", nil, []string{"-addr", "127.0.0.1:1", "-admin", "127.0.0.1:1"}, 2, "-admin"},
		{"compression of no kind", nil, []string{"-compress=maybe"}, 2, "maybe"},
		{"ping interval below the clock's grain", nil, []string{"-ping-interval", "50ms"}, 2, "-ping-interval is 50ms: must be 0"},
		{"negative ping interval", nil, []string{"-ping-interval", "-1s"}, 2, "-ping-interval"},
		{"negative number of connections", nil, []string{"-max-conns", "-1"}, 2, "-max-conns"},
		{"address that is none", nil, []string{"-addr", "nonsense"}, 2, "-addr: must be host:port"},
		{"no address", nil, []string{"-addr", ""}, 2, "-addr is empty: write host:port"},
		{"address without a port", nil, []string{"-addr", "127.0.0.1"}, 2, "write 127.0.0.1:8080"},
		{"port alone", nil, []string{"-addr", "8080"}, 2, "write :8080"},
		{"admin address without a port", nil, []string{"-admin", "localhost"}, 2, "-admin: must be host:port"},
		{"several addresses in the environment", []string{"CHATD_ADDR=127.0.0.1:1,127.0.0.1:2"}, nil, 2, "must be one address"},
		{"several numbers in the environment", []string{"CHATD_QUEUE=1,2"}, nil, 2, "CHATD_QUEUE"},
		{"address of another host", nil, []string{"-addr", "192.0.2.1:0"}, 1, "-addr: listen"},
		{"admin address among the server's own", nil, []string{"-addr", ":1", "-admin", "127.0.0.1:1"}, 2, "-admin"},
		{"unix socket in no directory", nil, []string{"-addr", "unix:/nonsense/chatd.sock"}, 2, "/nonsense"},
		{"unix socket that is a file", nil, []string{"-addr", "unix:main_test.go"}, 2, "is no socket"},
		{"unix socket of the admin, too", nil, []string{"-addr", "unix:x.sock", "-admin", "unix:./x.sock"}, 2, "-admin"},
		{"mode without a unix socket", nil, []string{"-unix-mode", "0600"}, 2, "-unix-mode is for unix sockets"},
		{"mode that is none", nil, []string{"-addr", "unix:x.sock", "-unix-mode", "rw-rw----"}, 2, "-unix-mode: must be octal"},
		{"mode with which nobody can connect", nil, []string{"-addr", "unix:x.sock", "-unix-mode", "0444"}, 2, "lets nobody connect"},
		{"name of the admin, which there is not", nil, []string{"-admin-host", "a.example"}, 2, "-admin-host"},
		{"name of the admin on a unix socket", nil, []string{"-addr", "127.0.0.1:0", "-admin", unix, "-admin-host", "a.example"}, 2, "-admin-host is without effect: -admin is a unix socket"},
		{"no name of the admin", nil, []string{"-admin", "127.0.0.1:0", "-admin-host", ""}, 2, "must be a host's name"},
		{"pattern of the admin's names", nil, []string{"-admin", "127.0.0.1:0", "-admin-host", "*.example"}, 2, "without a scheme, a port or a pattern, as chat.example"},
		{"name of the admin with a port", nil, []string{"-admin", "127.0.0.1:0", "-admin-host", "a.example:9080"}, 2, "without a scheme, a port"},
		{"rates that close, and none", nil, []string{"-rate-close", "-rate-controls", "0"}, 2, "-rate-close is without effect"},
		{"time without a unit", nil, []string{"-ping-interval", "54"}, 2, "as 54s"},
		{"time without a unit in the environment", []string{"CHATD_PING_INTERVAL=54"}, nil, 2, "as 54s"},
		{"level of no kind", nil, []string{"-log-level", "loud"}, 2, "debug, info, warn or error"},
		{"value of a switch that stands alone", nil, []string{"-compress", "false"}, 2, "-compress=false"},
		{"more workers than any host has", nil, []string{"-workers", "100000"}, 2, "-workers is 100000"},
		{"history of less than none", nil, []string{"-history", "-1"}, 2, "-history is -1: must be"},
		{"endless history", nil, []string{"-history", "100001"}, 2, "-history is 100001: must be"},
		{"age of no second", nil, []string{"-history-age", "1ms"}, 2, "-history-age is 1ms: must be at least 1s"},
		{"age of less than none", nil, []string{"-history-age", "-1s"}, 2, "-history-age is -1s: must be"},
		{"memory for no room", nil, []string{"-history-memory", "1"}, 2, "-history-memory is 1: must be at least"},
		{"memory of less than none", nil, []string{"-history-memory", "-1"}, 2, "-history-memory is -1: must be"},
		{"less than no time between writes", nil, []string{"-flush-interval", "-1ms"}, 2, "-flush-interval is -1ms: must be 0"},
		{"writes that nobody waits for", []string{"CHATD_FLUSH_INTERVAL=1001ms"}, nil, 2, "-flush-interval is 1.001s: must be 0, for at once, to 1s"},
		{"endless queue", nil, []string{"-queue", "9223372036854775807"}, 2, "-queue is"},
		{"origin with a slash at its end", nil, []string{"-allow-origin", "https://a.example/"}, 2, "write https://a.example"},
		{"origins in one value", nil, []string{"-allow-origin", "https://a.example,https://b.example"}, 2, "is a list"},
		{"pattern of origins", []string{"CHATD_ALLOW_ORIGIN=https://a.example, https://*.b.example"}, nil, 2, "is a pattern"},
		{"misspelt variable", []string{"CHATD_MAX_CONN=5"}, nil, 2, "CHATD_MAX_CONNS is meant"},
		{"io_uring of no kind", nil, []string{"-io-uring", "maybe"}, 2, "auto or off"},
		{"log of no kind", nil, []string{"-log-format", "xml"}, 2, "text or json"},
		{"empty origin", nil, []string{"-allow-origin", ""}, 2, "-allow-origin"},
		{"empty subprotocol", nil, []string{"-subprotocol", ""}, 2, "-subprotocol"},
		{"list of subprotocols", nil, []string{"-subprotocol", "a,b"}, 2, "repeat the flag"},
		{"tokens of no file", nil, []string{"-api-token-file", "none/here"}, 2, "-api-token-file: open none/here"},
		{"tokens of an empty name", nil, []string{"-api-token-file", ""}, 2, "-api-token-file is empty"},
		{"certificate without a key", nil, []string{"-tls-cert", "main_test.go"}, 2, "-tls-cert has no -tls-key"},
		{"certificate that is none", nil, []string{"-tls-cert", "main_test.go", "-tls-key", "main_test.go"}, 2, "-tls-cert, -tls-key: main_test.go, main_test.go: the certificate is not PEM"},
		{"redirect to nothing", nil, []string{"-tls-redirect", ":1"}, 2, "-tls-redirect is without effect"},
		{"TLS at the server's own address", []string{"CHATD_TLS_CERT=a,b", "CHATD_TLS_KEY=a, b"}, []string{"-addr", ":1", "-tls-addr", "127.0.0.1:1"}, 2, "-tls-addr is 127.0.0.1:1: must not be the same as -addr"},
		{"redirect at the address of TLS", nil, []string{"-tls-cert", "a", "-tls-key", "a", "-tls-addr", ":1", "-tls-redirect", ":1"}, 2, "-tls-redirect is :1: must not be the same as -tls-addr"},
		{"domain that is none", nil, []string{"-acme-domain", "localhost", "-acme-cache", "x"}, 2, "-acme-domain: must be a public name"},
		{"ban for less than nothing", nil, []string{"-ban", "-1s"}, 2, "-ban is -1s"},
		{"subprotocol that is no token", []string{"CHATD_SUBPROTOCOL=a,b c"}, nil, 2, "must be one name"},
		{"trusted proxy that is a name", nil, []string{"-trusted-proxies", "proxy.example"}, 2, "-trusted-proxies: \"proxy.example\" is neither"},
		{"trusted proxies, one of them missing", nil, []string{"-trusted-proxies", "10.0.0.0/8,"}, 2, "empty"},
		{"trusted network with an address's bits", nil, []string{"-trusted-proxies", "10.1.2.3/8"}, 2, "write 10.0.0.0/8"},
		{"trusted network that matches nobody", nil, []string{"-trusted-proxies", "::ffff:10.0.0.0/104"}, 2, "write 10.0.0.0/8"},
		{"trusted proxy with a zone", nil, []string{"-trusted-proxies", "fe80::1%eth0"}, 2, "write fe80::1"},
		{"trusted proxy with a port", nil, []string{"-trusted-proxies", "10.0.0.1:80"}, 2, "neither"},
		{"room that has no name", nil, []string{"-rooms", "a,,b"}, 2, "-rooms"},
		{"room with a name that none can have", nil, []string{"-rooms", "a b"}, 2, "A-Z a-z"},
		{"negative number of rooms", nil, []string{"-max-rooms", "-1"}, 2, "-max-rooms"},
		{"limit by address where there are none", nil, []string{"-addr", unix, "-max-conns-per-ip", "5"}, 2, "-trusted-proxies unix"},
		{"proxies by address where peers have none", nil, []string{"-addr", unix, "-trusted-proxies", "10.0.0.0/8", "-proxy-protocol"}, 2, "are called unix"},
		{"proxies without an address where peers have one", nil, []string{"-addr", "127.0.0.1:0", "-trusted-proxies", "unix", "-proxy-protocol"}, 2, "unix is for the peers of a unix socket"},
		{"PROXY headers of nobody", nil, []string{"-proxy-protocol"}, 2, "-trusted-proxies 10.0.0.0/8"},
		{"bad value in the environment", []string{"CHATD_QUEUE=0"}, nil, 2, "-queue is 0"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			_, stderr, status := runChatd(t, tt.env, tt.args...)
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			last := lines[len(lines)-1] // before it, perhaps, the log
			if status != tt.status || !strings.HasPrefix(last, "chatd: ") || !strings.Contains(last, tt.says) {
				t.Fatalf("exit status %d, want %d, and a line with %q:\n%s", status, tt.status, tt.says, stderr)
			}
		})
	}
}

func TestHelpListsEveryFlagInItsSection(t *testing.T) {
	_, stderr, status := runChatd(t, nil, "-help")
	if status != 0 {
		t.Fatalf("exit status %d", status)
	}
	fs := new(options).flags()
	fs.fill()
	for _, section := range fs.sections {
		if !strings.Contains(stderr, "\n"+section.title+":\n") {
			t.Errorf("-help has no section %q", section.title)
		}
		for _, f := range section.flags {
			if !strings.Contains(stderr, "\n  -"+f.Name) {
				t.Errorf("-help says nothing of -%s", f.Name)
			}
		}
	}
	if len(fs.sections) < 8 {
		t.Errorf("-help has only %d sections", len(fs.sections))
	}
}

func TestVersionIsPrinted(t *testing.T) {
	stdout, _, status := runChatd(t, nil, "-version")
	if status != 0 || !strings.HasPrefix(stdout, "chatd ") {
		t.Fatalf("exit status %d, %q", status, stdout)
	}
}

func TestFlagWinsOverTheEnvironment(t *testing.T) {
	t.Setenv("CHATD_MAX_CONNS", "77")
	t.Setenv("CHATD_WORKERS", "3")
	p := startChatd(t, "-workers", "1")
	p.Stop()
	if log := p.log.String(); !strings.Contains(log, "max_conns=77") || !strings.Contains(log, "workers=1") {
		t.Fatalf("log:\n%s", log)
	}
}

func TestIOUringCanBeTurnedOff(t *testing.T) {
	p := startChatd(t, "-io-uring", "off")
	p.Stop()
	if log := p.log.String(); !strings.Contains(log, "io_uring is off") {
		t.Fatalf("log:\n%s", log)
	}
}

func TestPageIsServedAsNetHTTPServesFiles(t *testing.T) {
	p := startChatd(t)
	get := func(method, path, etag string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("If-None-Match", etag)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		return response
	}
	defer http.DefaultClient.CloseIdleConnections()
	page := get("GET", "/", "")
	if page.StatusCode != http.StatusOK || page.Header.Get("ETag") == "" {
		t.Fatalf("%s %v", page.Status, page.Header)
	}
	for _, tt := range []struct {
		method, path, etag string
		status             int
	}{
		{"GET", "/", page.Header.Get("ETag"), http.StatusNotModified},
		{"HEAD", "/", "", http.StatusOK},
		{"POST", "/", "", http.StatusMethodNotAllowed},
		{"GET", "/chat.js", "", http.StatusOK},
		{"GET", "/nonsense", "", http.StatusNotFound},
		{"GET", "/ws", "", http.StatusUpgradeRequired},
	} {
		if r := get(tt.method, tt.path, tt.etag); r.StatusCode != tt.status {
			t.Errorf("%s %s: %s, want %d", tt.method, tt.path, r.Status, tt.status)
		}
	}
}

func TestEachConnectionTakesOneDescriptorAndNoThread(t *testing.T) {
	p := startChatd(t)
	count := func(what string) int {
		entries, err := os.ReadDir("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/" + what)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	warm := p.dial(t)
	warm.send(websocket.MessageText, "warm")
	files, threads := count("fd"), count("task")
	const n = 300
	for range n {
		p.dial(t)
	}
	if got := count("fd") - files; got != n {
		t.Errorf("%d connections take %d descriptors", n, got)
	}
	if got := count("task") - threads; got > 5 {
		t.Errorf("%d connections take %d threads", n, got)
	}
}

func TestInterruptEndsTheServerWell(t *testing.T) {
	p := startChatd(t)
	p.dial(t)
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-p.done // and Stop, at the end, checks the exit status
}

func TestSecondSignalEndsTheServerAtOnce(t *testing.T) {
	p := startChatd(t, "-drain-spread", "1h")
	p.dial(t)
	p.ending = true // by this test
	for again := time.NewTicker(10 * time.Millisecond); ; {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // that it has ended already, Wait tells
		select {
		case <-again.C:
			continue
		case <-p.done:
		case <-time.After(patience):
			t.Fatal("it goes on")
		}
		break
	}
	if err := p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("ended with %v", err)
	}
	if log := p.log.String(); !strings.Contains(log, "second signal") {
		t.Errorf("log:\n%s", log)
	}
}

func TestStartTellsWhatTheHostCanHold(t *testing.T) {
	p := startChatd(t)
	p.Stop()
	if log := p.log.String(); !strings.Contains(log, "msg=capacity") || !strings.Contains(log, "first_wall=") {
		t.Fatalf("log:\n%s", log)
	}
}

func TestCheckTellsWhatTheHostCanHold(t *testing.T) {
	if stdout, _, status := runChatd(t, nil, "check"); status != 0 || !strings.Contains(stdout, "This host holds about") {
		t.Errorf("exit status %d: %s", status, stdout)
	}
	if _, stderr, status := runChatd(t, nil, "check", "-conns", "1000000000"); status != 1 || !strings.Contains(stderr, "too many") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}

// The page's browser asks for permessage-deflate; so does a client here, and
// the operators see it.
func TestAdminShowsWhatTheServerDoes(t *testing.T) {
	p := startChatd(t, "-admin", "127.0.0.1:0", "-workers", "1")
	conn, r, err := websocket.Dial(t.Context(), "ws://"+p.Addr+"/ws", &websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if e := r.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(e, "permessage-deflate") {
		t.Errorf("extensions %q", e)
	}
	get := func(path string) string {
		response, err := http.Get("http://" + p.Admin + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response.Status, err)
		}
		return string(body)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if body := get("/metrics"); !strings.Contains(body, "\nchatd_members 1\n") {
		t.Errorf("/metrics:\n%s", body)
	}
	get("/readyz")
}

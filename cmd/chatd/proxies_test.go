package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"chatd/room"
)

// where a front's chatd is found: the path, and the changes to each front's
// configuration that leave only that.
var where = []struct {
	name, path string
	changes    map[string][]string
}{
	{"at the root", "/", map[string][]string{
		"nginx":   {"location /chat/ {", "location /unused/ {"},
		"HAProxy": {"    default_backend", "    http-request deny if { path /chat } || { path_beg /chat/ }\n    default_backend", "    http-request re", "    #"},
		"Caddy":   {"/chat/*", "/unused/*", "redir /chat /chat/", ""},
	}},
	{"below a path", "/chat/", map[string][]string{
		"nginx":   {"location / {", "location /unused/ {"},
		"HAProxy": {"    http-request redirect", "    http-request deny unless { path /chat } || { path_beg /chat/ }\n    http-request redirect"},
		"Caddy":   {"handle {", "handle /unused/* {"},
	}},
}

// startBehind starts a chatd that trusts the loopback interface's first address.
func startBehind(t *testing.T, args ...string) *process {
	t.Helper()
	return startChatd(t, append([]string{"-admin", "127.0.0.1:0", "-trusted-proxies", "127.0.0.1"}, args...)...)
}

// client is a client of HTTP and WebSockets with the address from.
func (f *front) client(t *testing.T, from string) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext:     (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// dial opens a WebSocket as a page of the front does, and returns the status.
func (f *front) dial(t *testing.T, from, path string, header http.Header) (*client, int) {
	t.Helper()
	if header == nil {
		header = make(http.Header)
	}
	if header.Get("Origin") == "" {
		header.Set("Origin", "https://"+f.Addr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, r, err := websocket.Dial(ctx, "wss://"+f.Addr+path+"ws", &websocket.DialOptions{HTTPClient: f.client(t, from), HTTPHeader: header})
	if r == nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil, r.StatusCode
	}
	t.Cleanup(func() { conn.CloseNow() })
	return &client{t, conn}, r.StatusCode
}

// expect reads a message.
func (c *client) expect(want string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if _, b, err := c.conn.Read(ctx); err != nil || string(b) != want {
		c.t.Fatalf("got %q, %v, want %q", b, err, want)
	}
}

func TestPageBehindProxiesThatEndTLS(t *testing.T) {
	browser := startBrowser(t)
	for name, start := range fronts {
		for _, at := range where {
			t.Run(name+" "+at.name, func(t *testing.T) {
				f := start(t, startBehind(t), at.changes[name]...)
				b := openURL(t, browser, "https://"+f.Addr+at.path, "open")
				other, status := f.dial(t, "127.0.0.2", at.path, nil)
				if status != http.StatusSwitchingProtocols {
					t.Fatalf("status %d", status)
				}
				b.say("said on the page")
				other.expect("said on the page")
				b.waitForLast("said on the page")
				other.send(websocket.MessageText, "and beside it")
				b.waitForLast("and beside it")
			})
		}
	}
}

// PROXY headers of both versions are HAProxy's.
func TestLimitsByAddressBehindProxiesSeeTheClients(t *testing.T) {
	type setup struct {
		start   func(*testing.T, *process, ...string) *front
		changes []string
		args    []string
	}
	setups := map[string]setup{}
	for name, start := range fronts {
		setups[name] = setup{start: start}
	}
	for _, option := range []string{"send-proxy", "send-proxy-v2"} {
		setups["HAProxy "+option] = setup{startHAProxy, []string{" inter 2s", " inter 2s " + option, "    option forwardfor\n", ""}, []string{"-proxy-protocol"}}
	}
	for name, s := range setups {
		t.Run(name, func(t *testing.T) {
			f := s.start(t, startBehind(t, append(s.args, "-max-conns-per-ip", "1")...), s.changes...)
			dial := func(from string, header http.Header, want int) {
				t.Helper()
				if _, status := f.dial(t, from, "/", header); status != want {
					t.Fatalf("%s: status %d, want %d", from, status, want)
				}
			}
			invented := func(field, value string) http.Header { return http.Header{field: {value}} }
			for range 5 { // over connections that the proxy may keep
				r, err := f.client(t, "127.0.0.2").Get("https://" + f.Addr + "/")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != http.StatusOK {
					t.Fatal(r.Status, err)
				}
				r.Body.Close()
			}
			dial("127.0.0.2", nil, http.StatusSwitchingProtocols)
			dial("127.0.0.2", nil, http.StatusTooManyRequests)
			dial("127.0.0.2", invented("X-Forwarded-For", "127.0.0.9"), http.StatusTooManyRequests)
			dial("127.0.0.2", invented("Forwarded", "for=127.0.0.9"), http.StatusTooManyRequests)
			dial("127.0.0.3", invented("X-Forwarded-For", "127.0.0.2, 127.0.0.1"), http.StatusSwitchingProtocols)
			dial("127.0.0.4", invented("Forwarded", "for=127.0.0.2"), http.StatusSwitchingProtocols)

			got := f.chatd.sources(t)
			if want := []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}; !slices.Equal(got, want) {
				t.Errorf("/debug/conns has %v, want %v", got, want)
			}
		})
	}
}

// sources are the addresses of those in the room, as /debug/conns has them.
func (p *process) sources(t *testing.T) (all []string) {
	t.Helper()
	r, err := http.Get("http://" + p.Admin + "/debug/conns?format=json")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer r.Body.Close()
	var table struct{ Connections []room.ConnInfo }
	if err := json.NewDecoder(r.Body).Decode(&table); err != nil {
		t.Fatal(err)
	}
	for _, c := range table.Connections {
		if len(c.Rooms) > 0 {
			all = append(all, c.Source.Addr().String())
		}
	}
	slices.Sort(all)
	return all
}

func TestHealthChecksOfHAProxyFindTheServerReady(t *testing.T) {
	for name, option := range map[string]string{"plain": "", "with PROXY headers": " send-proxy-v2 check-send-proxy"} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			changes := []string{"defaults\n", "global\n    stats socket " + socket + "\ndefaults\n", " inter 2s", " inter 50ms" + option}
			if option == "" {
				startHAProxy(t, startBehind(t), changes...)
			} else { // the checks, too, go to the port of the clients
				chatd := startBehind(t, "-proxy-protocol")
				startHAProxy(t, &process{Addr: chatd.Addr, Admin: chatd.Addr}, append(changes, "uri /readyz ", "uri / ")...)
			}
			overdue := time.After(patience)
			for again := time.NewTicker(10 * time.Millisecond); ; {
				if state := serverState(t, socket, "chatd"); strings.Contains(state, ",UP,") && strings.Contains(state, ",L7OK,") {
					return
				}
				select {
				case <-again.C:
				case <-overdue:
					t.Fatalf("HAProxy says %s", serverState(t, socket, "chatd"))
				}
			}
		})
	}
}

// serverState is what HAProxy says of a server, nothing before it can be asked.
func serverState(t *testing.T, socket, name string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		return ""
	}
	defer c.Close()
	if _, err := io.WriteString(c, "show stat\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "chatd,"+name+",") {
			return line
		}
	}
	return ""
}

// nginx sends the upstream's name for Host by default.
func TestHostThatAProxyReplacedIsRefusedUnlessTheOriginIsNamed(t *testing.T) {
	const line = "    proxy_set_header Host       $http_host;\n"
	f := startNginx(t, startBehind(t), line, "")
	if _, status := f.dial(t, "127.0.0.1", "/", nil); status != http.StatusForbidden {
		t.Errorf("status %d", status)
	}
	f = startNginx(t, startBehind(t, "-allow-origin", "https://chat.example"), line, "")
	if _, status := f.dial(t, "127.0.0.1", "/", http.Header{"Origin": {"https://chat.example"}}); status != http.StatusSwitchingProtocols {
		t.Errorf("status %d", status)
	}
}

// An opt-in, for it takes its time: CHATD_IDLE=3m, see make idle.
func TestSilentClientsStayConnectedBehindProxies(t *testing.T) {
	silence, err := time.ParseDuration(os.Getenv("CHATD_IDLE"))
	if err != nil {
		t.Skip("CHATD_IDLE says for how long: make idle")
	}
	browser := startBrowser(t)
	type pair struct {
		page *tab
		raw  *client
	}
	pairs := map[string]pair{}
	for name, start := range fronts {
		f := start(t, startBehind(t))
		raw, status := f.dial(t, "127.0.0.2", "/", nil)
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("%s: status %d", name, status)
		}
		pairs[name] = pair{openURL(t, browser, "https://"+f.Addr+"/", "open"), raw}
	}
	got := map[string]chan string{} // whoever does not read answers no ping
	for name, p := range pairs {
		first := make(chan string, 1)
		got[name] = first
		go func() {
			_, b, err := p.raw.conn.Read(t.Context())
			if err != nil {
				b = []byte(err.Error())
			}
			first <- string(b)
		}()
	}
	<-time.After(silence)
	for name, p := range pairs {
		p.page.say("still here")
		p.page.waitForLast("still here")
		p.page.expectLog("still here")
		if text := <-got[name]; text != "still here" {
			t.Errorf("%s: %s", name, text)
		}
	}
}

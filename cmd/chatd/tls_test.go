package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/creack/pty"

	"chatd/cmd/chatd/certs/certstest"
)

// theCA certifies what the tests' clients trust.
var theCA = sync.OnceValue(certstest.New)

// certified are the flags of a certificate for 127.0.0.1 and names, whose files are these.
func certified(t *testing.T, names ...string) (args []string, cert, key string) {
	t.Helper()
	cert, key = theCA().Pair(append([]string{"127.0.0.1"}, names...)...).Write(t.TempDir(), "cert")
	return []string{"-tls-cert", cert, "-tls-key", key}, cert, key
}

// browser is a client of https that trusts roots.
func browser(t *testing.T, roots *x509.CertPool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// readPage reads a page.
func readPage(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// serial is the number of the certificate that is shown at addr.
func serial(t *testing.T, addr, name string) string {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, &tls.Config{ServerName: name, RootCAs: theCA().Pool})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// dialTLS connects a raw client of the lobby.
func (p *process) dialTLS(t *testing.T, addr string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "wss://"+addr+"/ws", &websocket.DialOptions{HTTPClient: browser(t, theCA().Pool)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func TestPageAndChatByTLS(t *testing.T) {
	t.Parallel()
	args, _, _ := certified(t)
	p := startChatd(t, args...)
	r, page := readPage(t, browser(t, theCA().Pool), "https://"+p.Addr+"/r/tea")
	if r.StatusCode != 200 || !strings.Contains(page, "<title>") || r.TLS.Version != tls.VersionTLS13 || r.TLS.NegotiatedProtocol != "http/1.1" || r.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%s, TLS %x, %q, %v", r.Status, r.TLS.Version, r.TLS.NegotiatedProtocol, r.Header)
	}
	hearItself(t, p.dialTLS(t, p.Addr))
	if _, err := tls.Dial("tcp", p.Addr, &tls.Config{RootCAs: theCA().Pool, MaxVersion: tls.VersionTLS12}); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.2: %v", err)
	}
	if r, said := readPage(t, browser(t, nil), "http://"+p.Addr+"/"); r.StatusCode != 400 || !strings.Contains(said, "https") {
		t.Errorf("without TLS: %s, %q", r.Status, said)
	}
}

func TestPlainAndTLSAreOneServer(t *testing.T) {
	t.Parallel()
	args, _, _ := certified(t)
	p := startChatd(t, append(args, "-tls-addr", "127.0.0.1:0", "-tls-redirect", "127.0.0.1:0")...)
	there := p.dialTLS(t, p.TLS)
	p.dial(t).send(websocket.MessageText, "from plain to TLS")
	if _, b, err := there.Read(t.Context()); err != nil || string(b) != "from plain to TLS" {
		t.Errorf("%q, %v", b, err)
	}
	client := browser(t, theCA().Pool)
	_, port, _ := net.SplitHostPort(p.TLS)
	r, _ := readPage(t, client, "http://"+p.Redirect+"/r/tea?a=b")
	if want := "https://127.0.0.1:" + port + "/r/tea?a=b"; r.StatusCode != 308 || r.Header.Get("Location") != want {
		t.Errorf("%s, to %s, want %s", r.Status, r.Header.Get("Location"), want)
	}
	if r, _ = readPage(t, client, r.Header.Get("Location")); r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Strict-Transport-Security"), "max-age=") {
		t.Errorf("%s, %v", r.Status, r.Header)
	}
	if r, _ = readPage(t, client, "http://"+p.Addr+"/"); r.StatusCode != 200 || r.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("plain: %s, %v", r.Status, r.Header)
	}
}

func TestCertificateThatIsReplacedUnderLoadLosesNobody(t *testing.T) {
	t.Parallel()
	const members, messages = 20, 400
	args, cert, key := certified(t)
	p := startChatd(t, append(args, "-admin", "127.0.0.1:0")...)
	var heard sync.WaitGroup
	said := make(chan error, members)
	for range members {
		conn := p.dialTLS(t, p.Addr)
		heard.Go(func() {
			for i := range messages {
				_, b, err := conn.Read(t.Context())
				if err == nil && string(b) != fmt.Sprintf("message %d", i+1) {
					err = fmt.Errorf("%q is no. %d", b, i+1)
				}
				if err != nil {
					said <- err
					return
				}
			}
		})
	}
	speaker := p.dialTLS(t, p.Addr)
	old := serial(t, p.Addr, "")
	outcome := func(outcome string) string { return p.reloads("chatd_tls_certificate_reloads_total", outcome) }

	send := func(from, to int) {
		for i := from; i < to; i++ {
			(&client{t, speaker}).send(websocket.MessageText, fmt.Sprintf("message %d", i+1))
			if _, _, err := speaker.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, messages/4)
	next := theCA().Pair("127.0.0.1")
	if err := os.WriteFile(cert, next.Cert, 0o600); err != nil { // its key is the old one's
		t.Fatal(err)
	}
	soon(t, func() bool { return outcome("failed") == "1" })
	if serial(t, p.Addr, "") != old {
		t.Error("the old one does not stay")
	}
	send(messages/4, messages/2)
	next.Over(cert, key)
	soon(t, func() bool { return serial(t, p.Addr, "") != old })
	send(messages/2, messages)
	heard.Wait()
	close(said)
	for err := range said {
		t.Error(err)
	}
	if outcome("replaced") != "1" || !strings.Contains(p.get("/metrics"), `chatd_tls_certificate_expiry_seconds{name="127.0.0.1"} 1.`) {
		t.Errorf("replaced %s", outcome("replaced"))
	}
}

func TestHangupReadsCertificatesAgain(t *testing.T) {
	t.Parallel()
	args, cert, key := certified(t)
	p := startChatd(t, args...)
	conn := p.dialTLS(t, p.Addr)
	old := serial(t, p.Addr, "")
	theCA().Pair("127.0.0.1").Over(cert, key)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	soon(t, func() bool { return serial(t, p.Addr, "") != old })
	hearItself(t, conn)
	p.Stop()
	if !strings.Contains(p.log.String(), "the certificates' files were read again") {
		t.Errorf("the log says:\n%s", &p.log)
	}
}

// The terminal that it was started in is closed.
func TestHangupOfATerminalDrainsAlsoWithCertificates(t *testing.T) {
	t.Parallel()
	args, cert, key := certified(t)
	terminal, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	p := startChatdIn(t, func(cmd *exec.Cmd) {
		cmd.Stdin = tty
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}, append(args, "-admin", "127.0.0.1:0")...)
	tty.Close()
	theCA().Pair("127.0.0.1").Over(cert, key)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil { // somebody's wish, and the terminal is there
		t.Fatal(err)
	}
	soon(t, func() bool { return p.reloads("chatd_tls_certificate_reloads_total", "replaced") == "1" })
	terminal.Close()
	<-p.done
	p.Stop()
	if !strings.Contains(p.log.String(), "signal=hangup") {
		t.Errorf("the log says:\n%s", &p.log)
	}
}

func TestOnlyCertifiedClientsChat(t *testing.T) {
	t.Parallel()
	args, _, _ := certified(t)
	file := writeFile(t, "ca.pem", string(theCA().PEM))
	p := startChatd(t, append(args, "-tls-client-ca", file)...)
	client := browser(t, theCA().Pool)
	if r, err := client.Get("https://" + p.Addr + "/"); err == nil {
		r.Body.Close()
		t.Errorf("without a certificate: %s", r.Status)
	}
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{theCA().Pair("client").TLS()}
	if r, _ := readPage(t, client, "https://"+p.Addr+"/"); r.StatusCode != 200 {
		t.Error(r.Status)
	}
}

func TestPageWithACertificateOfAnAuthority(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr)
	ln.Close()
	pebble := theCA().StartPebble(t, addr.Port, 90*24*time.Hour)
	trusted, chromium := writeFile(t, "ca.pem", string(theCA().PEM)), startBrowser(t)
	args := []string{"-addr", addr.String(), "-acme-domain", "chat.example", "-acme-cache", t.TempDir(), "-acme-directory", pebble.Directory}
	for _, again := range []bool{false, true} { // then it is in the cache
		p := startChatdIn(t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+trusted) }, args...)
		client := browser(t, pebble.Pool(t))
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, p.Addr)
		}
		soon(t, func() bool {
			r, err := client.Get("https://chat.example/")
			if err != nil {
				return false
			}
			r.Body.Close()
			return r.StatusCode == 200
		})
		if again {
			p.Stop()
			return
		}
		url := "https://chat.example:" + port(t, p.Addr) + "/r/tea"
		one, other := openURL(t, chromium, url, "open"), openURL(t, chromium, url, "open")
		one.offline, other.offline = true, true // at the end
		one.say("hello")
		other.waitForLast("hello")
		p.Stop()
	}
}

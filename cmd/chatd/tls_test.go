package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"chatd/cmd/chatd/certs/certstest"
)

// httpsClient is a client that believes ca alone, and follows no redirect.
func httpsClient(ca *certstest.CA) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
}

// wss opens a WebSocket over TLS, or without.
func wss(t *testing.T, client *http.Client, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// shown is the number of the certificate that is shown at addr.
func shown(t *testing.T, client *http.Client, addr string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, client.Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestTLSIsSpokenOnTheOnlyAddress(t *testing.T) {
	ca := certstest.New()
	cert, key := ca.Pair("127.0.0.1").Write(t.TempDir(), "site")
	p := startChatd(t, "-tls-cert", cert, "-tls-key", key)
	client := httpsClient(ca)
	hearItself(t, wss(t, client, "wss://"+p.Addr+"/ws"))
	if p.TLS != p.Addr {
		t.Errorf("TLS at %q, the address is %q", p.TLS, p.Addr)
	}
	r, err := client.Get("https://" + p.Addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(body), "<html") || r.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%s %v %.100q %v", r.Status, r.Header, body, err)
	}
}

func TestTLSBesideThePlainAddressAndARedirect(t *testing.T) {
	ca := certstest.New()
	cert, key := ca.Pair("127.0.0.1").Write(t.TempDir(), "site")
	p := startChatd(t, "-tls-cert", cert, "-tls-key", key, "-tls-addr", "127.0.0.1:0", "-tls-redirect", "127.0.0.1:0", "-admin", "127.0.0.1:0")
	client := httpsClient(ca)
	plain, secure := wss(t, http.DefaultClient, "ws://"+p.Addr+"/ws"), wss(t, client, "wss://"+p.TLS+"/ws")
	for _, from := range []*websocket.Conn{plain, secure} {
		if err := from.Write(t.Context(), websocket.MessageText, []byte("to both")); err != nil {
			t.Fatal(err)
		}
		for _, to := range []*websocket.Conn{plain, secure} {
			if _, m, err := to.Read(t.Context()); err != nil || string(m) != "to both" {
				t.Fatalf("%q %v", m, err)
			}
		}
	}
	for url, hsts := range map[string]bool{"https://" + p.TLS: true, "http://" + p.Addr: false} {
		r, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if got := r.Header.Get("Strict-Transport-Security") != ""; got != hsts {
			t.Errorf("%s: HSTS %v", url, got)
		}
	}
	r, err := client.Get("http://" + p.Redirect + "/r/side?x=1")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if want := "https://" + p.TLS + "/r/side?x=1"; r.StatusCode != http.StatusPermanentRedirect || r.Header.Get("Location") != want {
		t.Errorf("%s to %s, want %s", r.Status, r.Header.Get("Location"), want)
	}
	for _, name := range []string{`chatd_tls_handshakes_total{kind="full"}`, `chatd_tls_handshakes_total{kind="resumed"}`} {
		metric(t, p.Admin, name)
	}
}

// Nobody who is there is lost, and the process goes on.
func TestHangupReadsTheCertificateAgain(t *testing.T) {
	ca := certstest.New()
	cert, key := ca.Pair("127.0.0.1").Write(t.TempDir(), "site")
	p := startChatd(t, "-tls-cert", cert, "-tls-key", key)
	client := httpsClient(ca)
	conn := wss(t, client, "wss://"+p.Addr+"/ws")
	before := shown(t, client, p.Addr)
	ca.Pair("127.0.0.1").Over(cert, key)
	for deadline := time.Now().Add(patience); shown(t, client, p.Addr) == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the old certificate is shown for ever")
		}
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	hearItself(t, conn)
}

func TestTLSFlagsThatContradictAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-tls-addr", ":8443"}, {"-tls-cert", "x"},
		{"-tls-cert", "x", "-tls-key", "y", "-addr", ":8080", "-tls-addr", ":8080"},
		{"-tls-cert", "/nowhere/cert.pem", "-tls-key", "/nowhere/key.pem"},
	} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			_, stderr, status := runChatd(t, nil, args...)
			if status != exitUsage || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "-tls-") {
				t.Errorf("status %d, %q", status, stderr)
			}
		})
	}
}

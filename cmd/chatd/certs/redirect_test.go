package certs

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startRedirect is a Redirect to port 8443, until the test ends, and its port.
func startRedirect(t *testing.T) (addr string, port int) {
	t.Helper()
	ln := freePort(t)
	r := NewRedirect(ln, &net.TCPAddr{Port: 8443}, slog.New(slog.DiscardHandler))
	t.Cleanup(r.Close)
	return ln.Addr().String(), ln.Addr().(*net.TCPAddr).Port
}

// ask sends a request as it is, and reads the answer, behind which the connection ends.
func ask(t *testing.T, addr, request string) *http.Response {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%.100q: %v", request, err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	if b, err := r.ReadByte(); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) { // of what was not read
		t.Errorf("%.100q: the connection goes on: %q, %v", request, b, err)
	}
	return answer
}

func TestRedirectKeepsPathAndQuery(t *testing.T) {
	addr, port := startRedirect(t)
	for request, location := range map[string]string{
		fmt.Sprintf("GET / HTTP/1.1\r\nHost: a.example:%d\r\n\r\n", port):                          "https://a.example:8443/",
		fmt.Sprintf("GET /r/tea?a=%%2F&b=%%20c HTTP/1.1\r\nHost: A.example:%d\r\n\r\n", port):      "https://a.example:8443/r/tea?a=%2F&b=%20c",
		fmt.Sprintf("GET /a%%2Fb//c/../d? HTTP/1.1\r\nHost: [::1]:%d\r\n\r\n", port):               "https://[::1]:8443/a%2Fb//c/../d?",
		fmt.Sprintf("GET //evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", port):            "https://127.0.0.1:8443//evil.example/",
		"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n":                                               "https://a.example/x", // by way of port 80
		"GET /x HTTP/1.1\r\nHost: a.example:1\r\n\r\n":                                             "https://a.example/x",
		"HEAD /x HTTP/1.1\r\nHost: a.example\r\n\r\n":                                              "https://a.example/x",
		"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi":                       "https://a.example/x",
		"GET http://b.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n":                             "https://b.example/x?y",
		"GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n": "https://a.example/ws",
	} {
		answer := ask(t, addr, request)
		if got := answer.Header.Get("Location"); answer.StatusCode != http.StatusPermanentRedirect || got != location || answer.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%.50q: %d, to %s, want %s", request, answer.StatusCode, got, location)
		}
	}
}

func TestRedirectAnswersNothingElse(t *testing.T) {
	addr, _ := startRedirect(t)
	for request, status := range map[string]int{
		"GET / HTTP/1.1\r\n\r\n":                                                                400,
		"GET / HTTP/1.0\r\n\r\n":                                                                400,
		"GET / HTTP/1.1\r\nHost: \r\n\r\n":                                                      400,
		"GET / HTTP/1.1\r\nHost: *\r\n\r\n":                                                     400,
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n":                                                   400,
		"GET / HTTP/1.1\r\nHost: a@evil.example\r\n\r\n":                                        400,
		"GET / HTTP/1.1\r\nHost: a.example/evil\r\n\r\n":                                        400,
		"GET / HTTP/1.1\r\nHost: a.example:99999\r\n\r\n":                                       400,
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                                          400,
		"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n":                                                  400,
		"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n":                                         400,
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n":                         400,
		"\x16\x03\x01\x00\x05hello\r\n\r\n":                                                     400,
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 2*redirectHeader) + "\r\n\r\n": 431,
	} {
		if answer := ask(t, addr, request); answer.StatusCode != status || answer.Header.Get("Location") != "" {
			t.Errorf("%.50q: %d, want %d", request, answer.StatusCode, status)
		}
	}
}

func TestRedirectWaitsForNobody(t *testing.T) {
	t.Parallel()
	addr, _ := startRedirect(t)
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HT"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("who does not go on is not sent away: %v", err)
	}
}

func TestPortsOfARedirect(t *testing.T) {
	for _, tt := range []struct {
		from, to int
		host     string
		location string
	}{
		{80, 443, "a", "https://a/"},
		{80, 443, "a:80", "https://a/"},
		{80, 8443, "a", "https://a:8443/"},
		{8080, 8443, "a:8080", "https://a:8443/"},
		{8080, 443, "a:8080", "https://a/"},
		{8080, 8443, "a", "https://a/"},      // 80 and 443 are mapped to them
		{8080, 8443, "a:8000", "https://a/"}, // … somehow
		{8080, 0, "a:8080", "https://a/"},    // to a unix socket
	} {
		w := httptest.NewRecorder()
		redirect(tt.from, tt.to).ServeHTTP(w, httptest.NewRequest("GET", "http://"+tt.host+"/", nil))
		if got := w.Header().Get("Location"); got != tt.location {
			t.Errorf("from %d to %d, Host %s: %s, want %s", tt.from, tt.to, tt.host, got, tt.location)
		}
	}
}

func TestHSTSIsSaidByTLSAlone(t *testing.T) {
	h := HSTS(http.NotFoundHandler())
	for _, state := range []*tls.ConnectionState{nil, {}} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.TLS = state
		h.ServeHTTP(w, r)
		if said := w.Header().Get("Strict-Transport-Security"); (said != "") != (state != nil) || said != "" && said != "max-age=31536000" {
			t.Errorf("TLS %v: %q", state != nil, said)
		}
	}
}

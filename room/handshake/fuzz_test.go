package handshake

import (
	"bufio"
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var body = regexp.MustCompile(`(?i)\n(transfer-encoding|content-length|trailer):`)

func FuzzLook(f *testing.F) {
	for _, seed := range []string{good, add("Origin: https://friend.example"), padded(300), with("Connection", "a, b,upgrade"),
		"GET / HTTP/1.1\r\n\r\n", "\x16\x03", good + "\x81\x80", strings.ReplaceAll(good, "\r\n", "\n"), "GET /ws HTTP/1.1\nX:\r\n\n",
		"CONNECT a/ws HTTP/1.1\r\nHost: a\r\n\r\n", strings.Replace(good, "/ws", "/%77s", 1), strings.Replace(good, "/ws", "http://x/ws?y", 1),
		strings.Replace(good, "GET", "HEAD", 1), add("X: a\rb"), add("Connection: keep-alive"), padded(DefaultMaxHead + 1),
		add("Sec-WebSocket-Protocol: a, b c"), add("Sec-WebSocket-Extensions: , ,")} {
		f.Add([]byte(seed), uint16(20))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		input := string(b)
		r := server.Look(b)
		if string(b) != input {
			t.Fatal("the input was changed")
		}
		if part := server.Look(b[:min(len(b), int(cut))]); part.Verdict != Incomplete && (part.Verdict != r.Verdict || part.Reason != r.Reason) {
			t.Fatalf("%v %s on a part, %v %s on the whole", part.Verdict, part.Reason, r.Verdict, r.Reason)
		}
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		switch r.Verdict {
		case Upgrade:
			if r.N > len(b) || r.N > DefaultMaxHead || !strings.HasSuffix(input[:r.N], "\n") {
				t.Fatalf("head of %d bytes", r.N)
			}
			res := response(t, input, r.Response)
			if res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(res.Status)
			}
			if err != nil && body.MatchString(input) {
				t.Skip("net/http cares for what a head says of a body; here frames follow:", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := res.Header.Get("Sec-WebSocket-Accept"), accept(input); got != want || request.URL.Path != server.Path {
				t.Fatalf("accept %q, want %q, path %s", got, want, request.URL.Path)
			}
		case HTTP:
			if err == nil && request.URL.Path == server.Path {
				t.Fatal("net/http will say that it is for the WebSocket")
			}
		case Refuse:
			if res := response(t, input, r.Response); res.StatusCode < 400 || res.StatusCode > 499 || !res.Close {
				t.Fatalf("%q", r.Response)
			}
		}
	})
}

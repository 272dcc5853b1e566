package handshake

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
)

const key = "dGhlIHNhbXBsZSBub25jZQ=="

// good is a valid opening handshake; with replaces or adds a header of it, or
// removes it (value "").
const good = "GET /ws HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n\r\n"

func with(name, value string) string {
	var kept []string
	for _, line := range strings.Split(strings.TrimSuffix(good, "\r\n\r\n"), "\r\n") {
		if !strings.HasPrefix(line, name+":") {
			kept = append(kept, line)
		}
	}
	if value != "" {
		kept = append(kept, name+": "+value)
	}
	return strings.Join(kept, "\r\n") + "\r\n\r\n"
}

func add(lines string) string {
	return strings.TrimSuffix(good, "\r\n") + lines + "\r\n\r\n"
}

var server = &Handshake{Path: "/ws", AllowOrigin: []string{"https://Friend.example", "host.example:8443"}}

// response parses the answer, which must be whole and nothing more.
func response(t testing.TB, b []byte) *http.Response {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(b))
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("answer %q: %v", b, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("answer %q: %v", b, err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols && len(body) == 0 {
		t.Fatalf("answer without a word: %q", b)
	}
	if n := r.Buffered(); n > 0 {
		t.Fatalf("%d bytes behind the answer %q", n, b)
	}
	return res
}

func TestRules(t *testing.T) {
	cases := []struct {
		name, request string
		verdict       Verdict
		status        int
	}{
		{"RFC 6455 §4.2.1 valid", good, Upgrade, 101},
		{"§4.2.1 with a query", strings.Replace(good, "/ws", "/ws?room=1", 1), Upgrade, 101},
		{"§4.2.1 any case", strings.NewReplacer("websocket", "WebSocket", "Upgrade\r", "uPGRADE\r", "Host", "hOST").Replace(good), Upgrade, 101},
		{"§4.2.1 among other options", with("Connection", "keep-alive, Upgrade"), Upgrade, 101},
		{"§4.2.1 method", strings.Replace(good, "GET", "PUT", 1), Refuse, 405},
		{"§4.2.1 HTTP/1.0", strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), Refuse, 400},
		{"§4.2.1 no host", with("Host", ""), Refuse, 400},
		{"§4.2.1 two hosts", add("Host: other.example"), Refuse, 400},
		{"§4.2.1 no upgrade", with("Upgrade", ""), Refuse, 426},
		{"§4.2.1 other upgrade", with("Upgrade", "h2c"), Refuse, 426},
		{"§4.2.1 no connection", with("Connection", ""), Refuse, 426},
		{"§4.2.1 other connection", with("Connection", "keep-alive"), Refuse, 426},
		{"§4.2.1 no key", with("Sec-WebSocket-Key", ""), Refuse, 400},
		{"§4.2.1 two keys", add("Sec-WebSocket-Key: " + key), Refuse, 400},
		{"§4.2.1 short key", with("Sec-WebSocket-Key", "c2hvcnQ="), Refuse, 400},
		{"§4.2.1 long key", with("Sec-WebSocket-Key", key+key), Refuse, 400},
		{"§4.2.1 key that is no base64", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ!=="), Refuse, 400},
		{"§4.2.1 no version", with("Sec-WebSocket-Version", ""), Refuse, 400},
		{"§4.4 version 8", with("Sec-WebSocket-Version", "8"), Refuse, 426},
		{"§4.4 version 14", with("Sec-WebSocket-Version", "14"), Refuse, 426},
		{"§4.4 two versions", add("Sec-WebSocket-Version: 13"), Refuse, 400},
		{"§9.1 unknown extensions are declined", add("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other"), Upgrade, 101},
		{"§11.3.4 unknown subprotocols are declined", add("Sec-WebSocket-Protocol: soap, wamp"), Upgrade, 101},

		{"§10.2 no origin", good, Upgrade, 101},
		{"§10.2 own origin", add("Origin: http://chat.example"), Upgrade, 101},
		{"§10.2 own origin, TLS ended before", add("Origin: https://chat.example"), Upgrade, 101},
		{"§10.2 own origin, default port", add("Origin: https://CHAT.example:443"), Upgrade, 101},
		{"§10.2 own host, other port", add("Origin: http://chat.example:8080"), Refuse, 403},
		{"§10.2 other origin", add("Origin: https://evil.example"), Refuse, 403},
		{"§10.2 own host as a prefix", add("Origin: https://chat.example.evil.example"), Refuse, 403},
		{"§10.2 opaque origin", add("Origin: null"), Refuse, 403},
		{"§10.2 nonsense for an origin", add("Origin: ://%"), Refuse, 403},
		{"§10.2 allowed origin", add("Origin: https://friend.example"), Upgrade, 101},
		{"§10.2 allowed origin, other scheme", add("Origin: http://friend.example"), Refuse, 403},
		{"§10.2 allowed host", add("Origin: https://host.example:8443"), Upgrade, 101},
		{"§10.2 allowed host, other port", add("Origin: https://host.example"), Refuse, 403},

		{"other path", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", HTTP, 0},
		{"other path, any method", "DELETE /x HTTP/1.0\r\n\r\n", HTTP, 0},
		{"path that begins the same", strings.Replace(good, "/ws", "/wsx", 1), HTTP, 0},
		{"other path, malformed header", "GET / HTTP/1.1\r\nno colon\r\n\r\n", HTTP, 0},
		{"bare line feeds", strings.ReplaceAll(good, "\r\n", "\n"), Upgrade, 101},

		{"nothing yet", "", Incomplete, 0},
		{"no end of the head", strings.TrimSuffix(good, "\r\n"), Incomplete, 0},
		{"TLS", "\x16\x03\x01\x02\x00", Refuse, 400},
		{"no method", " / HTTP/1.1\r\n", Refuse, 400},
		{"no target", "GET\r\n", Refuse, 400},
		{"no protocol", "GET /ws\r\n", Refuse, 400},
		{"other protocol", "GET /ws SPDY/1\r\n", Refuse, 400},
		{"control character in the target", "GET /w\x01s HTTP/1.1\r\n", Refuse, 400},
		{"header without a colon", add("nonsense"), Refuse, 400},
		{"header without a name", add(": x"), Refuse, 400},
		{"space before the colon", add("Host : x"), Refuse, 400},
		{"folded header", add("X: a\r\n b: c"), Refuse, 400},
		{"NUL in a header", add("X: a\x00b"), Refuse, 400},
		{"head of 8 KiB", padded(MaxHead), Upgrade, 101},
		{"head over 8 KiB", padded(MaxHead + 1), Refuse, 431},
		{"8 KiB without an end", "GET /ws HTTP/1.1\r\nX: " + strings.Repeat("x", MaxHead), Refuse, 431},
		{"8 KiB without a line", strings.Repeat("G", MaxHead+1), Refuse, 431},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			r := server.Look([]byte(tt.request))
			if r.Verdict != tt.verdict {
				t.Fatalf("verdict %v, want %v (%s)", r.Verdict, tt.verdict, r.Response)
			}
			if tt.status == 0 {
				return
			}
			res := response(t, r.Response)
			if res.StatusCode != tt.status {
				t.Fatalf("status %s, want %d", res.Status, tt.status)
			}
			switch tt.status {
			case http.StatusMethodNotAllowed:
				wantHeader(t, res, "Allow", "GET")
			case http.StatusUpgradeRequired:
				wantHeader(t, res, "Sec-WebSocket-Version", "13")
				wantHeader(t, res, "Upgrade", "websocket")
			case http.StatusSwitchingProtocols:
				wantHeader(t, res, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
				wantHeader(t, res, "Sec-WebSocket-Extensions", "")
				wantHeader(t, res, "Sec-WebSocket-Protocol", "")
				if r.N != len(tt.request) {
					t.Fatalf("head of %d bytes, want %d", r.N, len(tt.request))
				}
			}
			if tt.verdict == Refuse && r.Reason == "" {
				t.Fatal("no reason")
			}
		})
	}
}

// padded is a valid handshake of size bytes.
func padded(size int) string {
	return add("X: " + strings.Repeat("x", size-len(add("X: "))))
}

func wantHeader(t *testing.T, r *http.Response, name, want string) {
	t.Helper()
	if got := r.Header.Get(name); got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func TestAnyOriginMayBeAllowed(t *testing.T) {
	open := &Handshake{Path: "/ws", AllowOrigin: []string{"*"}}
	for _, origin := range []string{"https://evil.example", "null"} {
		if r := open.Look([]byte(add("Origin: " + origin))); r.Verdict != Upgrade {
			t.Errorf("origin %s: %s", origin, r.Reason)
		}
	}
}

func TestWhatFollowsTheHeadIsLeft(t *testing.T) {
	r := server.Look([]byte(good + "\x81\x80frames"))
	if r.Verdict != Upgrade || r.N != len(good) {
		t.Fatalf("%v, head of %d bytes, want %d", r.Verdict, r.N, len(good))
	}
}

func TestHeadThatComesByteByByteIsJudgedAtItsEnd(t *testing.T) {
	for i := range len(good) {
		if r := server.Look([]byte(good[:i])); r.Verdict != Incomplete {
			t.Fatalf("verdict %v after %q", r.Verdict, good[:i])
		}
	}
}

func FuzzLook(f *testing.F) {
	for _, seed := range []string{good, add("Origin: https://friend.example"), padded(300), with("Connection", "a, b,upgrade"),
		"GET / HTTP/1.1\r\n\r\n", "\x16\x03", good + "\x81\x80", strings.ReplaceAll(good, "\r\n", "\n"), "GET /ws HTTP/1.1\nX:\r\n\n"} {
		f.Add([]byte(seed), uint16(20))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		input := append([]byte(nil), b...)
		r := server.Look(b)
		if !bytes.Equal(b, input) {
			t.Fatal("the input was changed")
		}
		if part := server.Look(b[:min(len(b), int(cut))]); part.Verdict != Incomplete && part.Verdict != r.Verdict {
			t.Fatalf("verdict %v on a part, %v on the whole", part.Verdict, r.Verdict)
		}
		switch r.Verdict {
		case Upgrade:
			request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
			if err != nil {
				t.Skip("net/http is stricter in what concerns nobody here:", err)
			}
			sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			res := response(t, r.Response)
			if got, want := res.Header.Get("Sec-WebSocket-Accept"), base64.StdEncoding.EncodeToString(sum[:]); got != want || res.StatusCode != 101 {
				t.Fatalf("%s, accept %q, want %q", res.Status, got, want)
			}
		case Refuse:
			if res := response(t, r.Response); res.StatusCode < 400 || res.StatusCode > 499 {
				t.Fatal(res.Status)
			}
		}
	})
}

func BenchmarkLook(b *testing.B) {
	request := []byte(add("Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
		"Origin: http://chat.example\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
	b.ReportAllocs()
	for b.Loop() {
		if r := server.Look(request); r.Verdict != Upgrade {
			b.Fatal(r.Reason)
		}
	}
}

package handshake

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
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

// sentTo is a handshake with that line, sent to another host.
func sentTo(line, host string) string {
	return strings.Replace(add(line), "Host: chat.example", "Host: "+host, 1)
}

func add(lines string) string {
	return strings.TrimSuffix(good, "\r\n") + lines + "\r\n\r\n"
}

var server = &Handshake{Path: "/ws", RoomsPath: "/rooms/", MaxHead: DefaultMaxHead, Compress: true, AllowOrigin: []string{"https://Friend.example", "host.example:8443"}}

// response parses the answer to the request, which must be whole and nothing
// more.
func response(t testing.TB, request string, b []byte) *http.Response {
	t.Helper()
	method, _, _ := strings.Cut(strings.TrimLeft(request, "\r\n"), " ")
	r := bufio.NewReader(bytes.NewReader(b))
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("answer %q: %v", b, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("answer %q: %v", b, err)
	}
	if said := len(body) > 0; said != (res.StatusCode != http.StatusSwitchingProtocols && method != http.MethodHead) {
		t.Fatalf("answer with a body of %q", body)
	}
	if n := r.Buffered(); n > 0 {
		t.Fatalf("%d bytes behind the answer %q", n, b)
	}
	return res
}

// accept is the key that answers the request's (RFC 6455 §4.2.2), "" if it has
// none.
func accept(request string) string {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimLeft(request, "\r\n"))))
	if err != nil {
		return ""
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// comesInPieces checks that a request which comes byte by byte is Incomplete
// until it gets the verdict that it has as a whole, and keeps that.
func comesInPieces(t testing.TB, request string) {
	t.Helper()
	whole := server.Look([]byte(request))
	step := 1 + len(request)/600
	for i := 0; i < len(request); i += step {
		part := server.Look([]byte(request[:i]))
		if part.Verdict != Incomplete && !reflect.DeepEqual(part, whole) {
			t.Fatalf("the first %d bytes are %v %q, the whole is %v %q", i, part.Verdict, part.Reason, whole.Verdict, whole.Reason)
		}
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
	anyone := &Handshake{Path: "/ws", RoomsPath: "/rooms/", MaxHead: DefaultMaxHead, AllowOrigin: []string{"*"}}
	for _, origin := range []string{"https://evil.example", "null"} {
		if r := anyone.Look([]byte(add("Origin: " + origin))); r.Verdict != Upgrade {
			t.Errorf("origin %s: %s", origin, r.Reason)
		}
	}
}

// What -allow-origin takes is what is then held against a request.
func TestOriginsThatParseOriginTakesAreAllowed(t *testing.T) {
	for _, tt := range []struct {
		allowed, origin string
		want            bool
	}{
		{"https://Friend.example:443", "https://friend.example", true},
		{"http://friend.example", "https://friend.example", false},
		{"friend.example", "capacitor://friend.example", true},
		{"friend.example", "https://friend.example:8443", false},
		{"friend.example:8443", "https://friend.example:8443", true},
		{"friend.example:443", "https://friend.example", true},
		{"capacitor://localhost", "capacitor://localhost", true},
		{"https://[2001:db8:0::1]", "https://[2001:db8::1]/", true},
		{"https://[::ffff:1.2.3.4]:8443", "https://[::ffff:102:304]:8443", true},
		{"null", "null", true},
		{"friend.example", "null", false},
		{"file://", "file://", true},
		{"*", "null", true},
	} {
		allowed, err := ParseOrigin(tt.allowed)
		if err != nil {
			t.Fatal(err)
		}
		h := &Handshake{Path: "/ws", RoomsPath: "/rooms/", MaxHead: DefaultMaxHead, AllowOrigin: []string{allowed.String()}}
		if r := h.Look([]byte(add("Origin: " + tt.origin))); (r.Verdict == Upgrade) != tt.want {
			t.Errorf("%s with %s allowed: verdict %v %s", tt.origin, allowed, r.Verdict, r.Reason)
		}
	}
}

func TestWhatFollowsTheHeadIsLeft(t *testing.T) {
	r := server.Look([]byte(good + "\x81\x80frames"))
	if r.Verdict != Upgrade || r.N != len(good) {
		t.Fatalf("%v, head of %d bytes, want %d", r.Verdict, r.N, len(good))
	}
	const blank, page = "\r\n\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
	r = server.Look([]byte(blank + page + "ab"))
	if r.Verdict != HTTP || r.Begin != len(blank) || r.N != len(blank+page) || !r.Body {
		t.Fatalf("%+v, want a head of %d bytes behind %d", r, len(page), len(blank))
	}
}

func TestAnswerHasItsDateBehindTheStatusLine(t *testing.T) { // RFC 9110 §6.6.1
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, request := range []string{good, "nonsense\r\n", strings.Replace(good, "GET", "HEAD", 1)} {
		r := server.Look([]byte(request))
		before := string(r.Response)
		got := string(r.AppendAnswer([]byte("> "), date))
		line, rest, _ := strings.Cut(before, "\r\n")
		if want := "> " + line + "\r\nDate: " + date + "\r\n" + rest; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if string(r.Response) != before {
			t.Error("the answer itself was changed")
		}
	}
}

func TestFirstSubprotocolOfTheClientsThatIsKnownIsAgreedTo(t *testing.T) { // RFC 6455 §4.2.2
	known := &Handshake{Path: "/ws", RoomsPath: "/rooms/", MaxHead: DefaultMaxHead, Compress: true, Subprotocols: []string{"chat", "raw.v1", strings.Repeat("x", 300)}}
	for offered, want := range map[string]string{
		"": "", "chat": "chat", "raw.v1, chat": "raw.v1", "mqtt,chat , raw.v1": "chat", "Chat": "", "chat2, cha": "", "mqtt": "",
		"mqtt\r\nSec-WebSocket-Protocol: raw.v1": "raw.v1", ", chat": "chat", strings.Repeat("x", 300): strings.Repeat("x", 300),
		"chat\r\nSec-WebSocket-Extensions: permessage-deflate": "chat",
	} {
		request := good
		if offered != "" {
			request = add("Sec-WebSocket-Protocol: " + offered)
		}
		r := known.Look([]byte(request))
		if r.Verdict != Upgrade || r.Deflate != strings.Contains(offered, "deflate") {
			t.Fatalf("%q: verdict %v %s, deflate %v", offered, r.Verdict, r.Reason, r.Deflate)
		}
		res := response(t, request, r.Response)
		if got := res.Header.Values("Sec-WebSocket-Protocol"); strings.Join(got, "|") != want || len(got) > 1 {
			t.Errorf("%q: answered %q, want %q", offered, got, want)
		}
	}
}

func TestNameOfASubprotocolIsAToken(t *testing.T) {
	for name, want := range map[string]bool{"chat": true, "a.b-c_1!#$%&'*+^`|~": true, "": false, "a b": false, " a": false, "a,b": false, "a/b": false, "\xe4": false, "a\r\nb": false} {
		if IsToken(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestHeadThatComesByteByByteIsJudgedAtItsEnd(t *testing.T) {
	for i := range len(good) {
		if r := server.Look([]byte(good[:i])); r.Verdict != Incomplete {
			t.Fatalf("verdict %v after %q", r.Verdict, good[:i])
		}
	}
}

func TestTheAnswerOfTheRFCsExample(t *testing.T) { // RFC 6455 §1.3
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	if r := server.Look([]byte(good)); string(r.Response) != want {
		t.Fatalf("%q", r.Response)
	}
}

func TestAnswersToManyAtOnceAreEachTheirOwn(t *testing.T) {
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			for n := range 200 {
				request := with("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%04d%012d", i, n)))
				r := server.Look([]byte(request))
				if want := accept(request); !strings.Contains(string(r.Response), ": "+want+"\r\n") {
					t.Errorf("%q, want %s", r.Response, want)
				}
			}
		})
	}
	g.Wait()
}

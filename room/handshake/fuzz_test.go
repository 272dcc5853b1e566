package handshake

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatd/room/fuzzcorpus"
	"chatd/room/position"
)

func FuzzLook(f *testing.F) {
	fuzzcorpus.Add(f)
	for _, seed := range []string{good, add("Origin: https://friend.example"), padded(300), with("Connection", "a, b,upgrade"),
		"GET / HTTP/1.1\r\n\r\n", "\x16\x03", good + "\x81\x80", strings.ReplaceAll(good, "\r\n", "\n"), "GET /ws HTTP/1.1\nX:\r\n\n",
		strings.Replace(good, "/ws", "/ws?name=A%20na&name=b&since=9f3c21aa.7.8&session=1.a&token=%zz&;x", 1), strings.Replace(good, "/ws", "/ws/a?n%61me=a+b&since=%zz", 1),
		add("Authorization: bearer  a.b.c"), strings.Replace(add("Authorization: Basic x"), "/ws", "/ws?token=q", 1), add("Authorization: Bearer"), add("Authorization: Bearer a\r\nAuthorization: Bearer b"),
		"CONNECT a/ws HTTP/1.1\r\nHost: a\r\n\r\n", strings.Replace(good, "/ws", "/%77s", 1), strings.Replace(good, "/ws", "http://x/ws?y", 1),
		strings.Replace(good, "GET", "HEAD", 1), add("X: a\rb"), add("Connection: keep-alive"), padded(DefaultMaxHead + 1),
		add("Sec-WebSocket-Protocol: a, b c"), add("Sec-WebSocket-Extensions: , ,"), "\r\n\r" + good, "OPTIONS * HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", add("Content-Length: 0"),
		"GET / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET %/ HTTP/1.1\r\nHost: a\r\n\r\n",
		readsEvents("/rooms/a/events?since=9f3c21aa.7&since=now&token=b", "Last-Event-ID: 9f3c21aa.8.9"), "HEAD /rooms/a/events HTTP/1.0\r\nLast-Event-ID: \r\n\r\n",
		readsEvents("/rooms/a%2fb/events", "Origin: https://friend.example"), readsEvents("//rooms/a/events"), "POST /rooms/a/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb"} {
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
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(b, "\r\n"))))
		switch r.Verdict {
		case Upgrade:
			if r.N > len(b) || r.N > DefaultMaxHead || !strings.HasSuffix(input[:r.N], "\n") {
				t.Fatalf("head of %d bytes", r.N)
			}
			res := response(t, input, r.Response)
			if res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(res.Status)
			}
			if err != nil {
				t.Fatal(err)
			}
			if request.ContentLength != 0 {
				t.Fatalf("a body of %d bytes, whose place is that of frames", request.ContentLength)
			}
			asked := request.URL.Query()
			since, ok := position.ParseSince(asked.Get("since"))
			if want := (Query{asked.Get("name"), asked.Get("session"), asked.Get("token"), since}); !ok || r.Query != want {
				t.Fatalf("query %+v, want %+v, %v", r.Query, want, ok)
			}
			if got, want := r.Token, tokenOf(request); got != want {
				t.Fatalf("token %q, want %q", got, want)
			}
			if got, want := res.Header.Get("Sec-WebSocket-Accept"), accept(input); got != want {
				t.Fatalf("accept %q, want %q", got, want)
			}
			if path := request.URL.Path; path != server.Path && path != server.Path+"/"+r.Room || path == server.Path && r.Room != DefaultRoom {
				t.Fatalf("room %q, path %s", r.Room, path)
			}
		case Events, EventsHead:
			if r.N > len(b) || !strings.HasSuffix(input[:r.N], "\n") || err != nil {
				t.Fatalf("head of %d bytes, %v", r.N, err)
			}
			checkEvents(t, r, request)
		case HTTP:
			request, answer := serve(t, b[r.Begin:r.N])
			switch {
			case request == nil && !strings.Contains(answer, "\r\nDate: "):
				t.Fatalf("net/http refuses it: %s", answer)
			case request == nil: // what it expects (RFC 9110 §10.1.1)
			case request.URL.Path == server.Path && request.Method != http.MethodOptions:
				t.Fatal("net/http will say that it is for the WebSocket")
			case r.Body != (request.ContentLength != 0):
				t.Fatalf("body %v, of %d bytes", r.Body, request.ContentLength)
			}
		case Refuse:
			if res := response(t, input, r.Response); res.StatusCode < 400 || res.StatusCode > 505 || !res.Close {
				t.Fatalf("%q", r.Response)
			}
		}
	})
}

// tokenOf is what a request gives to be let in, as net/http reads it.
func tokenOf(r *http.Request) string {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(bearer)
	}
	return r.URL.Query().Get("token")
}

// serve is what net/http's server makes of a request: the one that its handler
// gets, if it gets one, and the answer.
func serve(t *testing.T, head []byte) (request *http.Request, answer string) {
	c := &recorded{unread: head, closed: make(chan struct{})}
	s := &http.Server{
		Handler:                      http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { request = r }),
		ErrorLog:                     log.New(io.Discard, "", 0),
		DisableGeneralOptionsHandler: true,
	}
	_ = s.Serve(&once{c}) // ends with EOF, always
	<-c.closed
	return request, c.answer.String()
}

// once is the listener of one connection.
type once struct{ c net.Conn }

func (l *once) Accept() (net.Conn, error) {
	if c := l.c; c != nil {
		l.c = nil
		return c, nil
	}
	return nil, io.EOF
}

func (l *once) Close() error   { return nil }
func (l *once) Addr() net.Addr { return &net.TCPAddr{} }

// recorded is a connection whose peer has said all it will.
type recorded struct {
	net.Conn
	unread []byte
	answer bytes.Buffer
	closed chan struct{} // once, at its end
}

func (c *recorded) Read(p []byte) (int, error) {
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (c *recorded) Write(p []byte) (int, error)      { return c.answer.Write(p) }
func (c *recorded) Close() error                     { close(c.closed); return nil }
func (c *recorded) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *recorded) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *recorded) SetDeadline(time.Time) error      { return nil }
func (c *recorded) SetReadDeadline(time.Time) error  { return nil }
func (c *recorded) SetWriteDeadline(time.Time) error { return nil }

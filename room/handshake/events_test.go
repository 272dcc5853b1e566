package handshake

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"chatd/room/fuzzcorpus"
	"chatd/room/position"
)

// readsEvents is a valid request for a room's events, with more lines.
func readsEvents(target string, lines ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: chat.example\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func TestRequestsForEvents(t *testing.T) {
	good := readsEvents("/rooms/lobby/events")
	longest := strings.Repeat("a", 64)
	for _, c := range []struct {
		name, request string
		verdict       Verdict
		status        int
		reason        string
	}{
		{"valid", good, Events, 200, ""},
		{"valid, with a query", readsEvents("/rooms/lobby/events?since=now"), Events, 200, ""},
		{"valid, HTTP/1.0 without a host", "GET /rooms/lobby/events HTTP/1.0\r\n\r\n", Events, 200, ""},
		{"valid, absolute target", readsEvents("http://chat.example/rooms/lobby/events"), Events, 200, ""},
		{"valid, no body", readsEvents("/rooms/lobby/events", "Content-Length: 0"), Events, 200, ""},
		{"valid, and more behind it", good + "GET / HTTP/1.1\r\n", Events, 200, ""},
		{"HEAD", strings.Replace(good, "GET", "HEAD", 1), EventsHead, 200, ""},
		{"OPTIONS", strings.Replace(good, "GET", "OPTIONS", 1), HTTP, 0, ""},
		{"POST", strings.Replace(good, "GET", "POST", 1), Refuse, 405, "method"},
		{"DELETE", strings.Replace(good, "GET", "DELETE", 1), Refuse, 405, "method"},
		{"a body", readsEvents("/rooms/lobby/events", "Content-Length: 1"), Refuse, 400, "body"},
		{"a body in chunks", readsEvents("/rooms/lobby/events", "Transfer-Encoding: chunked"), Refuse, 400, "body"},
		{"two hosts", readsEvents("/rooms/lobby/events", "Host: b"), Refuse, 400, "host"},
		{"part of it", good[:len(good)-2], Incomplete, 0, ""},

		{"longest name", readsEvents("/rooms/" + longest + "/events"), Events, 200, ""},
		{"name of all characters", readsEvents("/rooms/Az09._~-/events"), Events, 200, ""},
		{"a room called events", readsEvents("/rooms/events/events"), Events, 200, ""},
		{"name that is too long", readsEvents("/rooms/" + longest + "a/events"), Refuse, 400, "bad_room"},
		{"no name", readsEvents("/rooms//events"), Refuse, 400, "bad_room"},
		{"dot", readsEvents("/rooms/./events"), Refuse, 400, "bad_room"},
		{"two dots", readsEvents("/rooms/../events"), Refuse, 400, "bad_room"},
		{"name that is encoded", readsEvents("/rooms/l%6fbby/events"), Refuse, 400, "bad_room"},
		{"encoded slash", readsEvents("/rooms/a%2fb/events"), HTTP, 0, ""}, // which answers 400, too
		{"encoded slash before events", readsEvents("/rooms/lobby%2fevents"), Refuse, 400, "bad_room"},
		{"slash at the end", readsEvents("/rooms/lobby/events/"), HTTP, 0, ""},
		{"two segments", readsEvents("/rooms/a/b/events"), HTTP, 0, ""},
		{"a member called events", readsEvents("/rooms/lobby/members/events"), HTTP, 0, ""},
		{"a member whose id ends so", readsEvents("/rooms/lobby/members/a%2fevents"), HTTP, 0, ""},
		{"the room", readsEvents("/rooms/lobby"), HTTP, 0, ""},
		{"a room called events, itself", readsEvents("/rooms/events"), HTTP, 0, ""},
		{"its messages", readsEvents("/rooms/lobby/messages"), HTTP, 0, ""},
		{"other path that ends so", readsEvents("/lobby/events"), HTTP, 0, ""},

		{"no place", readsEvents("/rooms/lobby/events?since=1"), Refuse, 400, "bad_since"},
		{"no place, but a last event", readsEvents("/rooms/lobby/events?since=1", "Last-Event-ID: 9f3c21aa.7"), Refuse, 400, "bad_since"},
		{"own origin", readsEvents("/rooms/lobby/events", "Origin: http://chat.example"), Events, 200, ""},
		{"allowed origin", readsEvents("/rooms/lobby/events", "Origin: https://friend.example"), Events, 200, ""},
		{"other origin", readsEvents("/rooms/lobby/events", "Origin: https://evil.example"), Refuse, 403, "origin"},
		{"two origins", readsEvents("/rooms/lobby/events", "Origin: http://chat.example", "Origin: http://chat.example"), Refuse, 403, "origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := server.Look([]byte(c.request))
			if r.Verdict != c.verdict || r.Reason != c.reason {
				t.Fatalf("%v %s, want %v %s", r.Verdict, r.Reason, c.verdict, c.reason)
			}
			if c.status == 0 {
				return
			}
			res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(r.Response)), &http.Request{Method: strings.Fields(c.request)[0]})
			if err != nil || res.StatusCode != c.status {
				t.Fatalf("%v, %v", res, err)
			}
			if allow := res.Header.Get("Allow"); c.status == 405 && allow != EventsMethods {
				t.Errorf("allows %q", allow)
			}
			if c.status == 200 || c.reason == "host" { // of which the path was not looked at
				return
			}
			var problem struct {
				Title, Detail string
				Status        int
			}
			if err := json.NewDecoder(res.Body).Decode(&problem); err != nil || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatal(res.Header, err)
			}
			if problem.Status != c.status || problem.Title != http.StatusText(c.status) || problem.Detail == "" {
				t.Errorf("%+v", problem)
			}
		})
	}
}

func TestOnlyTheRoomsThatThereAreHaveEvents(t *testing.T) {
	h := &Handshake{Path: "/ws", RoomsPath: "/rooms/", MaxHead: DefaultMaxHead, Rooms: map[string]bool{"a": true}}
	for name, want := range map[string]Verdict{"a": Events, "lobby": Refuse} {
		if r := h.Look([]byte(readsEvents("/rooms/" + name + "/events"))); r.Verdict != want || want == Refuse && r.Status != 404 {
			t.Errorf("%s: %v %d", name, r.Verdict, r.Status)
		}
	}
}

func TestHeadOfEventsSaysThatNobodyMayKeepThem(t *testing.T) {
	for request, want := range map[string]struct{ coding, origin string }{
		readsEvents("/rooms/a/events"):                                           {"chunked", ""},
		"GET /rooms/a/events HTTP/1.0\r\n\r\n":                                   {"", ""},
		readsEvents("/rooms/a/events", "Origin: https://friend.example"):         {"chunked", "https://friend.example"},
		"GET /rooms/a/events HTTP/1.0\r\nOrigin: https://friend.example\r\n\r\n": {"", "https://friend.example"},
	} {
		r := server.Look([]byte(request))
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(r.AppendAnswer(nil, "now"))), nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Date": "now", "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Origin",
			"Access-Control-Allow-Origin": want.origin, "Content-Encoding": "",
		} {
			if got := res.Header.Get(name); got != value {
				t.Errorf("%q: %s is %q, want %q", request, name, got, value)
			}
		}
		if coding := strings.Join(res.TransferEncoding, ","); coding != want.coding || r.Chunked != (coding != "") || !res.Close || res.ContentLength >= 0 {
			t.Errorf("%q: coding %q, chunks %v, close %v, length %d", request, coding, r.Chunked, res.Close, res.ContentLength)
		}
	}
}

func TestLastEventWinsOverSinceUnlessItIsNone(t *testing.T) {
	since := position.Since{Kind: position.At, Position: position.Position{Epoch: 1, Seq: 2, At: -1}}
	last := position.Since{Kind: position.At, Position: position.Position{Epoch: 3, Seq: 4, At: 5}}
	for _, c := range []struct {
		query string
		lines []string
		want  position.Since
	}{
		{"", nil, position.Since{}},
		{"", []string{"Last-Event-ID: 00000003.4.5"}, last},
		{"?since=00000001.2", []string{"last-event-id:00000003.4.5"}, last},
		{"?since=now", []string{"Last-Event-ID: 00000003.4.5 "}, last},
		{"?since=00000001.2", nil, since},
		{"?since=00000001.2", []string{"Last-Event-ID:"}, since},
		{"?since=00000001.2", []string{"Last-Event-ID: now"}, since},
		{"?since=00000001.2", []string{"Last-Event-ID: 3.4.5"}, since},
		{"?since=00000001.2", []string{"Last-Event-ID: 00000003.4.5", "Last-Event-ID: 00000003.4.5"}, since},
		{"", []string{"Last-Event-ID: \xff"}, position.Since{}},
	} {
		r := server.Look([]byte(readsEvents("/rooms/a/events"+c.query, c.lines...)))
		if r.Verdict != Events || r.Query.Since != c.want || r.Room != "a" {
			t.Errorf("%s %q: %v %+v, want %+v", c.query, c.lines, r.Verdict, r.Query.Since, c.want)
		}
	}
}

// checkEvents says what is wrong with the verdict on a request for events.
func checkEvents(t *testing.T, r Result, request *http.Request) {
	t.Helper()
	rest, below := strings.CutPrefix(request.URL.Path, server.RoomsPath)
	room, ours := strings.CutSuffix(rest, "/"+eventsSegment)
	if !below || !ours || room != r.Room || !RoomName(room) || request.ContentLength != 0 {
		t.Fatalf("room %q of %s, a body of %d bytes", r.Room, request.URL.Path, request.ContentLength)
	}
	asked := request.URL.Query()
	want, ok := position.ParseSince(asked.Get("since"))
	if last := request.Header.Values("Last-Event-ID"); len(last) == 1 {
		if p, ok := position.Parse(last[0]); ok {
			want = position.Since{Kind: position.At, Position: p}
		}
	}
	if !ok || r.Query.Since != want || r.Query.Token != asked.Get("token") {
		t.Fatalf("query %+v, want since %+v, %v", r.Query, want, ok)
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(r.AppendAnswer(nil, "now"))), request)
	if err != nil || res.StatusCode != http.StatusOK || request.Method == http.MethodHead != (r.Verdict == EventsHead) {
		t.Fatalf("%v, %v for %s", r.Verdict, err, request.Method)
	}
	if got, origin := res.Header.Get("Access-Control-Allow-Origin"), request.Header.Get("Origin"); got != origin {
		t.Fatalf("allows %q, of %q", got, origin)
	}
	if n, err := io.Copy(io.Discard, res.Body); n > 0 {
		t.Fatalf("%d bytes behind the head, %v", n, err)
	}
}

func FuzzLastEventID(f *testing.F) {
	fuzzcorpus.Add(f)
	for _, s := range []string{"", "now", "9f3c21aa.1041", " 9f3c21aa.1041.1764064800123\t", "9f3c21aa.1\x00", "9f3c21aa.01", "é", "a\r\nLast-Event-ID: 9f3c21aa.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := server.Look([]byte(readsEvents("/rooms/lobby/events", "Last-Event-ID: "+value)))
		if strings.ContainsAny(value, "\r\n") {
			return // other lines
		}
		p, ok := position.Parse(strings.Trim(value, " \t"))
		want := position.Since{Kind: position.At, Position: p}
		if !ok {
			want = position.Since{}
		}
		switch {
		case r.Verdict == Events && r.Query.Since == want:
		case r.Verdict == Refuse && r.Reason == badRequest.reason && !ok: // characters that no field has
		case r.Verdict == Refuse && r.Reason == headTooLarge.reason && len(value) > DefaultMaxHead/2:
		case r.Verdict == Incomplete && len(value) > DefaultMaxHead/2:
		default:
			t.Fatalf("%q: %v %s, %+v, want %+v", value, r.Verdict, r.Reason, r.Query.Since, want)
		}
	})
}

package load

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestReaderOfEventsComesBackByItsLastOne(t *testing.T) {
	for url, room := range map[string]string{"ws://127.0.0.1:9000/ws": "lobby", "ws://127.0.0.1:9000/ws/side": "side"} {
		target, err := NewTarget(url, Events, http.Header{"X-Test": {"1"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			place      place
			name, want string
		}{
			{place{}, "", room + "/events?since=now HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nX-Test: 1\r\n\r\n"},
			{place{epoch: "9f3c21aa", seq: 7, at: 99}, "r1", "r1/events?since=now HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nX-Test: 1\r\nLast-Event-ID: 9f3c21aa.7.99\r\n\r\n"},
		} {
			if got, want := string(events{}.request(target, tt.name, &tt.place)), "GET /rooms/"+tt.want; got != want {
				t.Errorf("%q, not %q", got, want)
			}
		}
	}
}

func TestEventsAreTakenOutOfTheirChunks(t *testing.T) {
	const retry, comment, members = "retry: 500\n\n", ":\n\n", "event: members\ndata: {\"type\":\"members\",\"count\":2}\n\n"
	said := func(id, seq int) string {
		return fmt.Sprintf("id: 9f3c21aa.%d.5\nevent: say\ndata: %s\n\n", id, say(seq))
	}
	for name, tt := range map[string]struct {
		events []string
		heard  uint64
		wrong  bool
	}{
		"as they should be":             {[]string{retry, said(1, 0), comment, members, said(2, 1)}, 2, false},
		"an id that is not the message": {[]string{retry, said(2, 0)}, 0, true},
		"no id":                         {[]string{strings.TrimPrefix(said(1, 0), "id: 9f3c21aa.1.5\n")}, 0, true},
		"members with an id":            {[]string{"id: 9f3c21aa.1.5\n" + members}, 0, true},
		"a gap":                         {[]string{"event: gap\ndata: {}\n\n", said(1, 0)}, 1, true},
		"no blank line":                 {[]string{strings.TrimSuffix(said(1, 0), "\n")}, 0, true},
		"a number that is left out":     {[]string{said(1, 0), said(3, 2)}, 2, false}, // the checker tells of it
	} {
		_, clients := twoMembers(events{})
		for i, c := range clients { // the second one only compares
			heard := uint64(0)
			for _, e := range tt.events {
				b := fmt.Appendf(nil, "%x\r\n%s\r\n", len(e), e)
				for part := range b {
					if _, _, n, err := (events{}).next(b[:part]); n != 0 || err != nil {
						t.Fatalf("%q: %d, %v", b[:part], n, err)
					}
				}
				_, payload, n, err := events{}.next(append(b, "more"...))
				if err != nil || n != len(b) || string(payload) != e {
					t.Fatalf("%q: %q, %d, %v", b, payload, n, err)
				}
				heard += events{}.hear(nil, c, payload, 0)
			}
			if wrong := c.check.faults.Any(); heard != tt.heard || wrong != tt.wrong {
				t.Errorf("%s, client %d: %d messages, %+v", name, i, heard, c.check.faults)
			}
		}
	}
	for _, b := range []string{"0\r\n\r\n", "x\r\n", "-1\r\nabc\r\n"} {
		if _, _, _, err := (events{}).next([]byte(b)); err == nil {
			t.Errorf("%q is a chunk", b)
		}
	}
}

func TestEventsAreTakenOutOfChunksThatEndAnywhere(t *testing.T) {
	const all = "\r\n:\ndata: one\n\nid: 2\ndata: two\n\n"
	for first := 1; first < len(all); first++ {
		for second := 1; second < len(all)-first; second++ {
			var b []byte
			for _, chunk := range []string{all[:first], all[first : first+second], all[first+second:]} {
				b = fmt.Appendf(b, "%x\r\n%s\r\n", len(chunk), chunk)
			}
			var heard []string
			taken := 0
			for end := range len(b) + 1 { // as it comes
				_, payload, n, err := stream{}.next(b[taken:end])
				if err != nil {
					t.Fatal(err)
				}
				taken += n
				eachData(payload, func(data []byte) { heard = append(heard, string(data)) })
			}
			if got := strings.Join(heard, " "); got != "one two" || taken != len(b) {
				t.Errorf("%q: %q", b, got)
			}
		}
	}
}

func TestMercureIsPublishedToByForms(t *testing.T) {
	target, err := NewTarget("ws://127.0.0.1:9000/ws", Mercure, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := message{seq: 7}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(mercure{}.say(nil, target, "r1", m, 40))))
	if err != nil || r.ParseForm() != nil || r.Host != "127.0.0.1:9000" || r.URL.Path != mercurePath || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") {
		t.Fatalf("%+v, %v", r, err)
	}
	if got, err := decodeText(r.PostForm.Get("data"), 40); got != m || err != nil || r.PostForm.Get("topic") != "r1" {
		t.Errorf("%v: %+v, %v", r.PostForm, got, err)
	}
}

func TestAnswersToWhatIsPostedAreTakenAsTheyCome(t *testing.T) {
	const good, bad = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 6\r\n\r\nlater\n"
	const all = good + bad + good
	f, _ := members(mercure{}, 0)
	p := &post{fleet: f}
	tail := ""
	for i := range len(all) {
		rest, err := p.answers([]byte(tail + all[i:i+1]))
		if err != nil {
			t.Fatal(err)
		}
		tail = string(rest)
	}
	if tail != "" || len(f.causes) != 1 || f.causes["a message refused: 429 Too Many Requests: later"] != 1 {
		t.Errorf("%q is left, %v", tail, f.causes)
	}
	if _, err := p.answers([]byte("what?\r\n\r\n")); err == nil {
		t.Error("an answer that is none")
	}
}

// twoMembers is two members that have heard nothing.
func twoMembers(d dialect) (*Fleet, []*client) {
	f, clients := members(d, 2)
	for _, c := range clients {
		c.phase = open
	}
	return f, clients
}

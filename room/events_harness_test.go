package room

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// listener is a client that reads a room's events, through net/http's own parser.
type listener struct {
	*peer
	head  *http.Response
	lines *bufio.Reader
	retry int // ms
	last  string
}

// heard is a server-sent event; a comment has no kind.
type heard struct {
	id, kind string
	data     event
}

// eventsRequest is a request for a room's events. Target is what follows /rooms/.
func eventsRequest(target string, lines ...string) string {
	return "GET /rooms/" + target + " HTTP/1.1\r\nHost: chat.example\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

// bareRequest is the same over HTTP/1.0.
func bareRequest(target string, lines ...string) string {
	return strings.Replace(eventsRequest(target, lines...), "HTTP/1.1", "HTTP/1.0", 1)
}

// listen opens a connection that reads events, up to what comes first.
func (s *testServer) listen(request string) *listener {
	s.t.Helper()
	p := s.dial()
	p.say(request)
	return p.listens()
}

// listens reads the answer's head, and when to come back.
func (p *peer) listens() *listener {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		p.t.Fatal(r.Status)
	}
	l := &listener{peer: p, head: r, lines: bufio.NewReader(r.Body)}
	if l.retry, err = strconv.Atoi(strings.TrimPrefix(l.line(), "retry: ")); err != nil || l.line() != "" {
		p.t.Fatalf("retry does not come first: %v", err)
	}
	return l
}

// line is the next one.
func (l *listener) line() string {
	l.t.Helper()
	s, err := l.lines.ReadString('\n')
	if err != nil {
		l.t.Fatalf("%q, %v", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

// any is the next event, or comment.
func (l *listener) any() (e heard) {
	l.t.Helper()
	for line := l.line(); line != ""; line = l.line() {
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "id":
			e.id, l.last = value, value
		case "event":
			e.kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil || e.data["type"] != e.kind {
				l.t.Fatalf("%q: %v", value, err)
			}
		case ":":
		default:
			l.t.Fatalf("%q", line)
		}
	}
	return e
}

// next is the next event that is not about how many members there are, nor a comment.
func (l *listener) next() heard {
	l.t.Helper()
	for {
		if e := l.any(); e.kind != "members" && e.kind != "" {
			return e
		}
	}
}

// hears reads the next event and compares it.
func (l *listener) hears(want event) heard {
	l.t.Helper()
	e := l.next()
	if !e.data.has(want) {
		l.t.Fatalf("got %v, want %v", e, want)
	}
	return e
}

// hearsText reads what is said, one after the other.
func (l *listener) hearsText(texts ...string) {
	l.t.Helper()
	for _, words := range texts {
		l.hears(event{"type": "say", "text": words})
	}
}

// hearsMembers reads up to a count of the members.
func (l *listener) hearsMembers(count int) {
	l.t.Helper()
	for {
		if e := l.any(); e.kind == "members" && e.data["count"] == float64(count) {
			return
		}
	}
}

// ends reads up to the end, and reports whether the answer was whole.
func (l *listener) ends() (whole bool) {
	l.t.Helper()
	switch _, err := io.Copy(io.Discard, l.lines); {
	case err == nil:
		return true
	case errors.Is(err, io.ErrUnexpectedEOF):
		return false
	default:
		l.t.Fatal(err)
		return false
	}
}

// allAcknowledged reports whether the peers' kernels have all that was written to those
// members that are caught up.
func (s *testServer) allAcknowledged() (all bool) {
	s.t.Helper()
	all = true
	for _, sh := range s.shards.all() {
		if err := s.ask(s.t.Context(), &sh.Task, func() {
			for _, r := range sh.list {
				for _, c := range r.ready {
					all = all && c.hasAll()
				}
			}
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

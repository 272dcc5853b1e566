package room

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/frame"
	"chatd/room/handshake"
	"chatd/room/position"
)

// newFlushed is a model with one client in the lobby, of an interval that only its flusher
// ends.
func newFlushed(t *testing.T) *model {
	withoutSockets(t)
	m := newModel()
	m.server.config.FlushInterval = time.Hour
	m.arrive(handshake.DefaultRoom, 1<<20, rawStream, position.Since{})
	m.settle()
	return m
}

// said has texts said in the lobby, one after the other, and all be done that does not wait
// for the flusher.
func (m *model) said(texts ...string) {
	for _, text := range texts {
		p := newPost(false)
		p.add(m.server.counters.of(nil), ws.OpText, []byte(text))
		m.lobby().publish(nil, p)
		m.steps()
	}
}

func (m *model) ring() {
	m.server.flusher.Schedule()
	m.steps()
}

// takeHeard are the texts that client i was sent since it was last asked.
func (m *model) takeHeard(i int) string {
	got := m.net[i].got
	m.net[i].got = nil
	if at := strings.Index(string(got), "\r\n\r\n"); at >= 0 {
		got = got[at+4:]
	}
	var texts []string
	for len(got) > 0 {
		n := 2 + int(got[1])
		texts = append(texts, string(got[2:n]))
		got = got[n:]
	}
	return strings.Join(texts, " ")
}

func (m *model) wantHeard(t *testing.T, i int, want string) {
	t.Helper()
	if got := m.takeHeard(i); got != want {
		t.Errorf("client %d has heard %q, want %q", i, got, want)
	}
}

func TestQuietRoomIsWrittenToAtOnceAndAHotOneWithTheRing(t *testing.T) {
	m := newFlushed(t)
	m.takeHeard(0)
	m.said("a")
	m.wantHeard(t, 0, "a")
	m.said("b")
	m.wantHeard(t, 0, "")
	m.ring()
	m.wantHeard(t, 0, "b")
	m.said("c")
	m.wantHeard(t, 0, "")
	m.ring()
	m.wantHeard(t, 0, "c")
	m.ring() // nothing waits
	m.said("d")
	m.wantHeard(t, 0, "d")
}

func TestHalfAQueueDoesNotWaitForTheRing(t *testing.T) {
	m := newFlushed(t)
	m.takeHeard(0)
	m.said("a", "b")
	m.wantHeard(t, 0, "a")
	m.said("c") // modelQueue/2
	m.wantHeard(t, 0, "b c")
	m.said("d")
	m.wantHeard(t, 0, "")
	m.said("e")
	m.wantHeard(t, 0, "d e")
}

func TestOneThatComesMeanwhileHearsWhatWaits(t *testing.T) {
	m := newFlushed(t)
	m.said("a", "b")
	m.takeHeard(0)
	m.arrive(handshake.DefaultRoom, 1<<20, rawStream, position.Since{})
	m.steps()
	m.ring()
	m.wantHeard(t, 0, "b")
	m.wantHeard(t, 1, "b")
}

func TestOneThatLeavesHasHeardWhatWaits(t *testing.T) {
	m := newFlushed(t)
	m.said("a", "b")
	m.takeHeard(0)
	m.leave(0, &mail{bytes: frame.AppendClose(nil, ws.StatusNormalClosure, "")})
	m.steps()
	m.wantHeard(t, 0, "b \x03\xe8")
}

func TestNothingWaitsInAServerThatGoesAwayOrIsFrozen(t *testing.T) {
	for name, begin := range map[string]func(*Server){
		"away":   func(s *Server) { s.stage.Store(draining) },
		"frozen": func(s *Server) { s.still.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newFlushed(t)
			m.said("a", "b")
			m.takeHeard(0)
			if m.server.unsettled() == "" {
				t.Error("a server in which something waits could be frozen")
			}
			begin(m.server)
			m.ring()
			m.wantHeard(t, 0, "b")
			m.said("c")
			m.wantHeard(t, 0, "c")
			m.said("d")
			m.wantHeard(t, 0, "d")
			if why := m.server.unsettled(); why != "" {
				t.Error(why)
			}
		})
	}
}

func TestWithoutAnIntervalNoRoomIsHot(t *testing.T) {
	m := newFlushed(t)
	m.server.config.FlushInterval = 0
	m.said("a", "b")
	if m.lobby().has(hubHot|hubWaits) || m.server.flusher.set.Load() {
		t.Error("it is")
	}
}

func TestFlusherRingsByItself(t *testing.T) {
	s := startServer(t, func(c *Config) { c.FlushInterval = time.Millisecond })
	p, q := s.join(), s.join()
	for range 20 {
		p.say(text("a"))
		p.say(text("b"))
		p.say(text("c"))
		q.expect(ws.OpText, "a")
		q.expect(ws.OpText, "b")
		q.expect(ws.OpText, "c")
	}
}

func TestFreezeDoesNotWaitForTheRing(t *testing.T) {
	s := startServer(t, func(c *Config) { c.FlushInterval = time.Hour })
	p, q := s.join(), s.join()
	p.say(text("a"))
	q.expect(ws.OpText, "a")
	p.say(text("b"))
	s.until(func() bool { return s.room().messages.Load() == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	q.expect(ws.OpText, "b")
	s.Thaw()
}

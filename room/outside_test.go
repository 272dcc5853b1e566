package room

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/chat"
)

func TestHubThatIsBehindTakesNothingFromOutside(t *testing.T) {
	s := startServer(t)
	p := s.join()
	h := s.room()
	outside := s.NewPublisher("a token")
	h.backlog.Add(maxBacklog + 1)
	if _, err := outside.Publish(t.Context(), "lobby", chat.Publication{Text: []byte("too early")}); !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	h.backlog.Add(-maxBacklog - 1)
	r, err := outside.Publish(t.Context(), "lobby", chat.Publication{Text: []byte("hi")})
	if err != nil || r.Seq != 1 || r.Epoch != h.epoch.Load() {
		t.Fatal(r, err)
	}
	p.expect(ws.OpText, "hi")
}

func TestErrandWhoseHubPanicsIsToldSo(t *testing.T) {
	s := startServer(t, withHistory(10))
	p := s.join()
	s.clock = func() int64 { panic("planted") }
	outside := s.NewPublisher("a token")
	if _, err := outside.Publish(t.Context(), "lobby", chat.Publication{Text: []byte("lost")}); !errors.Is(err, ErrLost) {
		t.Fatal(err)
	}
	s.setClock(2)
	if r, err := outside.Publish(t.Context(), "lobby", chat.Publication{Text: []byte("hi")}); err != nil || r.At != 2 {
		t.Fatal(r, err)
	}
	p.expect(ws.OpText, "hi")
	visit := &errand{room: "lobby", post: newPost(false), visit: func(*hub) { panic("planted") }}
	if err := s.run(t.Context(), visit); !errors.Is(err, ErrLost) {
		t.Fatal(err)
	}
	p.say(text("still here"))
	p.expect(ws.OpText, "still here")
}

func TestNobodyIsRemovedWhoHasNoID(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Ban = time.Minute })
	p, l := s.join(), s.listen(eventsRequest("lobby/events"))
	if err := s.Remove(t.Context(), "lobby", ""); err != nil {
		t.Fatal(err)
	}
	s.join().say(text("hi"))
	p.expect(ws.OpText, "hi")
	l.hearsText("hi")
}

// One whose handshake was done when it was banned comes in, and is sent away.
func TestWhoIsOnTheWayWhenItIsBannedIsSentAway(t *testing.T) {
	s := startServer(t)
	c := &chatPeer{peer: s.greeted(s.dial())}
	held, release := make(chan struct{}), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo()
	asked := make(chan error, 1)
	go func() {
		for polls := true; polls; {
			if err := s.ask(t.Context(), &s.directory.Task, func() {
				// The poller's goroutine works, too: if it stood still, nobody would be read from.
				if polls = bytes.Contains(debug.Stack(), []byte("netpoll.")); !polls {
					close(held)
					<-release
				}
			}); err != nil {
				asked <- err
				return
			}
		}
		asked <- nil
	}()
	<-held
	s.until(func() bool { return s.Stats().Handshakes == 1 })
	c.peer.say(chatRequest("?session=" + s.config.Secrets.Session("ana")))
	s.until(func() bool { return s.Stats().Handshakes == 0 })
	s.bans.add("lobby", "ana", s.now.Load(), s.now.Load()+100)
	letGo()
	if err := <-asked; err != nil {
		t.Fatal(err)
	}
	c.joined()
	c.expectCloseAfterEvents(ws.StatusPolicyViolation)
	s.departedFor("removed", 1008, 0)
}

func TestBansEndAndAreBounded(t *testing.T) {
	var b bans
	has := func(id string, now uint32, want bool) {
		t.Helper()
		if got := b.has("lobby", id, now); got != want {
			t.Errorf("%s at %d: %v", id, now, got)
		}
	}
	has("ana", 0, false)
	b.add("lobby", "ana", 0, 10)
	b.add("lobby", "bob", 5, 15)
	b.add("lobby", "ana", 6, 16) // again
	has("ana", 10, true)
	has("bob", 14, true)
	has("bob", 15, false)
	has("ana", 15, true)
	has("", 15, false)
	if b.has("side", "ana", 15) {
		t.Error("in another room")
	}
	has("ana", 16, false)
	if b.some.Load() || b.until != nil || b.order != nil {
		t.Errorf("%+v is left", &b)
	}
	b.add("lobby", "ana", 16, 40)
	b.add("lobby", "bob", 17, 30) // another server's
	b.add("lobby", "ana", 18, 20) // to be no shorter for it
	has("bob", 29, true)
	has("bob", 30, false)
	has("ana", 39, true)
	has("ana", 40, false)
	for i := range 3 * maxBans {
		b.add("lobby", fmt.Sprint(i), 50, 60)
	}
	if len(b.until) != maxBans || cap(b.order) > 3*maxBans {
		t.Errorf("%d bans, memory for %d", len(b.until), cap(b.order))
	}
	has(fmt.Sprint(2*maxBans-1), 50, false)
	has(fmt.Sprint(2*maxBans), 50, true)
}

func TestFiguresAreListedUpToALimit(t *testing.T) {
	s := startServer(t)
	for _, name := range []string{"b", "a", "c"} {
		s.joinRoom(name)
	}
	rooms, more := s.Rooms("", 2)
	if len(rooms) != 2 || rooms[0].Name != "a" || rooms[1].Members != 1 || !more {
		t.Error(rooms, more)
	}
	if rooms, more = s.Rooms("b", 2); len(rooms) != 1 || rooms[0].Name != "c" || more {
		t.Error(rooms, more)
	}
	if _, err := s.Figures(t.Context(), "d"); !errors.Is(err, ErrNoRoom) {
		t.Error(err)
	}
}

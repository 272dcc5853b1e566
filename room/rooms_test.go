package room

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// requestFor is an upgrade request for a room.
func requestFor(room string) string { return strings.Replace(upgradeRequest, "/ws", "/ws/"+room, 1) }

// lifeOf tells the present life of a room from others, and how many messages there
// were in it; of a room that is not there, zeros.
func (s *testServer) lifeOf(name string) (epoch uint32, messages uint64) {
	if h := s.directory.room(name); h != nil {
		return h.epoch.Load(), h.messages.Load()
	}
	return 0, 0
}

// joinRoom makes a connection a member of a room.
func (s *testServer) joinRoom(room string) *peer {
	s.t.Helper()
	p := s.dial()
	p.say(requestFor(room))
	p.joined()
	return p
}

func TestRoomsHearNothingOfEachOther(t *testing.T) {
	s := startServer(t)
	lobby, side, other := s.join(), s.joinRoom("side"), s.joinRoom("other")
	more := s.joinRoom("side")
	named := s.joinRoom("lobby")
	lobby.say(text("in the lobby"))
	side.say(text("aside"))
	other.say(text("elsewhere"))
	for p, want := range map[*peer]string{lobby: "in the lobby", named: "in the lobby", side: "aside", more: "aside", other: "elsewhere"} {
		p.expect(ws.OpText, want)
	}
	for _, p := range []*peer{lobby, side, other} { // nothing but their own came between
		p.say(text("and again"))
		p.expect(ws.OpText, "and again")
	}
	if st := s.Stats(); st.Rooms != 3 || st.Members != 5 {
		t.Errorf("%d rooms, %d members", st.Rooms, st.Members)
	}
	if _, messages := s.lifeOf("side"); messages != 2 {
		t.Errorf("%d messages in the room, want 2", messages)
	}
}

func TestRoomIsGoneWithItsLastMember(t *testing.T) {
	s := startServer(t)
	p := s.joinRoom("side")
	epoch, _ := s.lifeOf("side")
	p.say(masked(ws.OpClose, true, ""))
	p.expectClose(0)
	s.until(func() bool { return s.Stats().Rooms == 0 })
	if epoch, _ := s.lifeOf("side"); epoch != 0 {
		t.Error("it is still there")
	}
	s.joinRoom("side")
	if again, messages := s.lifeOf("side"); again == epoch || messages != 0 {
		t.Error("it is the one that was there before")
	}
}

// What is queued for a client that left does not keep its room.
func TestRoomIsGoneThoughOneThatLeftHasNotReadAll(t *testing.T) {
	m := newModel()
	m.join(16, false) // takes the handshake's answer and no more
	m.publishOne("unread")
	m.leave(0, &mail{bytes: goodbye[GoingAway]})
	m.settle()
	if n := m.server.Stats().Rooms; n != 0 || m.stubs[0].released {
		t.Errorf("%d rooms; released %v", n, m.stubs[0].released)
	}
}

func TestStormOfJoinsAndLeavesCountsRoomsExactly(t *testing.T) {
	s := startServer(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 100 {
				p := s.joinRoom(fmt.Sprint("room-", (i+k)%3))
				if k%2 == 0 {
					p.say(masked(ws.OpClose, true, ""))
					p.expectClose(0)
				}
				p.Close()
			}
		})
	}
	wg.Wait()
	s.until(func() bool { return s.Stats().Conns == 0 })
	s.until(func() bool { return s.Stats().Rooms == 0 })
	if st := s.Stats(); st.Born != st.Removed || st.Joined != 800 {
		t.Errorf("%d born, %d removed, %d joined", st.Born, st.Removed, st.Joined)
	}
}

func TestOneRoomTooManyIsRefused(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxRooms = 2 })
	p := s.joinRoom("a")
	s.joinRoom("b")
	s.joinRoom("a")
	late := s.dial()
	late.say(requestFor("c"))
	if r := late.response(); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("%s, %v", r.Status, r.Header)
	}
	late.expectEnd()
	p.say(text("unharmed"))
	p.expect(ws.OpText, "unharmed")
	if st := s.Stats(); st.Refused["room_limit"] != 1 || st.Rooms != 2 {
		t.Errorf("%+v", st)
	}
}

func TestOnlyRoomsThatAreNamedAreThere(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Rooms = []string{"a"} })
	s.joinRoom("a")
	for path, status := range map[string]int{"/ws/b": 404, "/ws": 404, "/r/a": 200, "/r/b": 404, "/r/": 400, "/r/%61": 400, "/r/a/": 404} {
		p := s.dial()
		p.say(strings.Replace(upgradeRequest, "/ws", path, 1))
		r := p.response()
		if reason, _ := io.ReadAll(r.Body); r.StatusCode != status || len(reason) == 0 {
			t.Errorf("%s: %s, %q, want %d", path, r.Status, reason, status)
		}
		p.Close()
	}
}

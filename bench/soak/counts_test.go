package soak

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
)

// counting is a life whose server says what it counts: made is how many rooms it
// has made after so many questions.
func counting(t *testing.T, members int, made func(question int) int) *life {
	t.Helper()
	var questions atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := made(int(questions.Add(1)))
		fmt.Fprintf(w, "# TYPE chatd_members gauge\nchatd_members %d\n# TYPE chatd_rooms gauge\nchatd_rooms %d\n# TYPE chatd_rooms_created_total counter\nchatd_rooms_created_total %d\n# TYPE chatd_rooms_removed_total counter\nchatd_rooms_removed_total 0\n", members, n, n)
	}))
	t.Cleanup(server.Close)
	return &life{admin: newAdmin(server.Listener.Addr().String())}
}

func TestCountsOfRoomsMustAgreeSoonAfterThoseOfMembers(t *testing.T) {
	want := counts{members: exactly(5), rooms: exactly(2), created: exactly(2), removed: exactly(0)}
	if _, err := counting(t, 5, func(int) int { return 2 }).agree(want); err != nil {
		t.Error(err)
	}
	if _, err := counting(t, 5, func(question int) int { return min(question-1, 2) }).agree(want); err != nil {
		t.Errorf("a room is made a little later: %v", err)
	}
	for what, made := range map[string]int{"a room was not made": 1, "one was made twice": 3} {
		if _, err := counting(t, 5, func(int) int { return made }).agree(want); !errors.Is(err, errCounts) || !strings.Contains(err.Error(), fmt.Sprintf("rooms %d (2)", made)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestClientsThatMayHaveBeenDroppedMayBeCounted(t *testing.T) {
	c, _ := newTalk(t)
	reads, sleeps := &client{crowd: c, room: c.rooms[1], full: true}, &client{crowd: c, room: c.rooms[2]}
	var want counts
	c.do(func() { c.clients = []*client{reads, sleeps} })
	want = c.online()
	c.do(func() { c.clients = nil })
	if want.members != (span{1, 2}) || want.rooms != (span{1, 2}) {
		t.Errorf("members %v, rooms %v", want.members, want.rooms)
	}
}

// newTalk is a crowd without connections, and what a publisher of room 1 says.
func newTalk(t *testing.T) (c *crowd, payload []byte) {
	t.Helper()
	c, err := newCrowd(Addr{Plain: netip.MustParseAddrPort("127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	c.do(func() {
		c.publisher(c.rooms[0])
		m := message{id: identity{publisher: c.publisher(c.rooms[1])}, size: 20, op: ws.OpBinary}
		c.rooms[1].ledger.send(&m)
		payload = m.encode(nil)
	})
	return c, payload
}

func TestMessageOfAnotherRoomIsFoundAsOne(t *testing.T) {
	c, payload := newTalk(t)
	c.do(func() {
		if err := c.belongs(c.rooms[1], payload); err != nil {
			t.Error(err)
		}
		if err := c.rooms[1].ledger.hear(&place{known: true}, ws.OpBinary, payload); err != nil {
			t.Error(err)
		}
		if err := c.belongs(c.rooms[2], payload); !errors.Is(err, errForeign) || !strings.Contains(err.Error(), "of /ws/soak-1 in /ws/soak-2") {
			t.Error(err)
		}
	})
}

func TestRoomsAreOrderedApart(t *testing.T) {
	c, payload := newTalk(t)
	c.do(func() {
		lobby := place{known: true}
		m := message{id: identity{publisher: 0}, size: 20, op: ws.OpBinary}
		c.rooms[0].ledger.send(&m)
		if err := c.rooms[0].ledger.hear(&lobby, ws.OpBinary, m.encode(nil)); err != nil {
			t.Error(err)
		}
		if err := c.rooms[1].ledger.hear(&place{known: true}, ws.OpBinary, payload); err != nil {
			t.Error(err)
		}
		if c.rooms[0].ledger.end() != 1 || c.rooms[1].ledger.end() != 1 {
			t.Errorf("%d and %d messages", c.rooms[0].ledger.end(), c.rooms[1].ledger.end())
		}
	})
}

func TestPublishersThatAreGoneAreForgottenWithTheirLastMessage(t *testing.T) {
	r := newConversation()
	var p place
	if err := r.hears(&p, 0, 1, 2, 3, 4, 5); err != nil {
		t.Fatal(err)
	}
	r.retire(0)
	r.retire(1)
	if len(r.pending) != 2 {
		t.Errorf("%d publishers while messages are under way", len(r.pending))
	}
	if err := r.hears(&p, 6, 7); err != nil || len(r.pending) != 0 {
		t.Errorf("%d publishers, %v", len(r.pending), err)
	}
	if err := r.hears(&p, 7); !errors.Is(err, errNovel) {
		t.Error(err)
	}
}

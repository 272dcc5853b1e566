package room

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/order"
	"chatd/room/position"
)

// heldNodes are other servers that say what a test has them say.
type heldNodes struct {
	s       *testServer
	counted func(string)
	remove  func(room, id string, ban time.Duration)

	mu        sync.Mutex
	here      map[string]int // as they were told
	elsewhere map[string]int
	removed   []string
}

func (n *heldNodes) Count(room string, members int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.here[room] = members
}

func (n *heldNodes) Elsewhere(room string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.elsewhere[room]
}

func (n *heldNodes) Remove(room, id string, ban time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.removed = append(n.removed, fmt.Sprint(room, " ", id, " ", ban))
}

func (n *heldNodes) Tell(counted func(string), removed func(room, id string, ban time.Duration)) {
	n.counted, n.remove = counted, removed
}

// has says how many members a room has elsewhere.
func (n *heldNodes) has(room string, members int) {
	n.mu.Lock()
	n.elsewhere[room] = members
	n.mu.Unlock()
	n.counted(room)
}

// untilTold waits until they are told how many members a room has here.
func (n *heldNodes) untilTold(room string, members int) {
	n.s.t.Helper()
	n.s.until(func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		told, ok := n.here[room]
		return ok && told == members
	})
}

// startShared starts a server whose rooms others have, too.
func startShared(t *testing.T, change ...func(*Config)) (*testServer, *heldOrder, *heldNodes) {
	n := &heldNodes{here: make(map[string]int), elsewhere: make(map[string]int)}
	s, o := startOrdered(t, append(change, withHistory(10), func(c *Config) { c.Nodes, c.OrderGrace, c.Ban = n, time.Second, time.Minute })...)
	n.s = s
	return s, o, n
}

// hearsMembersInTime is hearsMembers while time passes.
func (c *chatPeer) hearsMembersInTime(s *testServer, count int) {
	c.t.Helper()
	done := make(chan bool, 1)
	go func() { c.hearsMembers(count); done <- true }()
	s.until(func() bool { s.Tick(); return len(done) == 1 })
	<-done
}

func TestMembersAreCountedOnAllServers(t *testing.T) {
	s, o, n := startShared(t)
	n.has("a", 3) // before it is here
	ana := s.asks("/a?since=now")
	o.room("a").inside.Begin(1, order.Point{}, nil)
	ana.welcomed(event{"members": 4})
	n.untilTold("a", 1)
	n.has("a", 10)
	ana.hearsMembersInTime(s, 11)
	raw := s.dial()
	raw.say(strings.Replace(upgradeRequest, "/ws", "/ws/a", 1))
	raw.joined()
	n.untilTold("a", 2)
	ana.hearsMembersInTime(s, 12)
	ana.sends(`{"type":"who","room":"a"}`)
	if e := ana.hears(event{"type": "who", "count": 12}); len(e["members"].([]any)) != 1 {
		t.Error(e)
	}
	if f, err := s.Figures(t.Context(), "a"); err != nil || f.Members != 12 {
		t.Error(f, err)
	}
	ana.leaves()
	n.untilTold("a", 1) // nobody is left here who would be told
	raw.Close()
	n.untilTold("a", 0)
	n.has("a", 0)
	s.until(func() bool { s.Tick(); return s.Stats().Rooms == 0 })
	n.has("a", 1) // it is not here
	before := o.room("a")
	again := s.asks("/a")
	s.until(func() bool { return o.room("a") != before })
	o.room("a").inside.Begin(1, order.Point{}, nil)
	again.welcomed(event{"members": 2})
	n.untilTold("a", 1)
}

func TestWhoIsRemovedElsewhereIsRemovedHere(t *testing.T) {
	s, o, n := startShared(t)
	request := "/a?session=" + s.config.Secrets.Session("ana")
	ana := s.asks(request)
	o.room("a").inside.Begin(1, order.Point{}, nil)
	ana.welcomed(event{"id": "ana"})
	s.asks("/a").welcomed(nil)        // who stays
	n.remove("b", "ana", time.Minute) // it is not here
	n.remove("a", "ana", 30*time.Second)
	ana.expectCloseAfterEvents(ws.StatusPolicyViolation)
	refused := func() bool {
		c := &chatPeer{peer: s.dial()}
		defer c.Close()
		c.peer.say(chatRequest(request))
		return c.response().StatusCode == 403
	}
	if !refused() {
		t.Error("it may come back")
	}
	for range 31 * ticksPerSecond {
		s.Tick()
	}
	if refused() {
		t.Error("it may not come back when the ban is over")
	}
	bob := s.asks("/a?session=" + s.config.Secrets.Session("ana"))
	bob.welcomed(event{"id": "ana"})
	bob.sends(`{"type":"join","room":"b"}`)
	bob.hearsError("not_allowed")

	// Others are told, of rooms that are not here, too.
	for _, room := range []string{"a", "nowhere"} {
		if err := s.Remove(t.Context(), room, "eve"); err != nil {
			t.Error(room, err)
		}
	}
	if want := []string{"a eve 1m0s", "nowhere eve 1m0s"}; !slices.Equal(n.removed, want) {
		t.Error(n.removed)
	}
	if !s.bans.has("nowhere", "eve", s.now.Load()) {
		t.Error("it may come in here")
	}
}

func TestRoomThatOthersHaveIsFetchedForWhoLooks(t *testing.T) {
	s, o, n := startShared(t)
	type answer struct {
		seq uint64
		err error
	}
	answers := make(chan answer)
	look := func(room string, kept ...order.Message) answer {
		t.Helper()
		go func() {
			x, err := s.Messages(t.Context(), room, position.Since{}, 10)
			a := answer{err: err}
			if err == nil {
				for m := range x.All() {
					a.seq = m.Seq
				}
			}
			answers <- a
		}()
		o.room(room).inside.Begin(1, order.Point{}, kept)
		return <-answers
	}
	if a := look("a", elsewhere(7, "seven")); a.seq != 7 || a.err != nil {
		t.Error(a)
	}
	if f, err := s.Figures(t.Context(), "a"); err != nil || f.Seq != 7 || f.Members != 0 {
		t.Error(f, err)
	}
	n.has("b", 2) // nothing was said there
	if a := look("b"); a != (answer{}) {
		t.Error(a)
	}
	if a := look("c"); !errors.Is(a.err, ErrNoRoom) {
		t.Error(a)
	}
	if _, err := s.Figures(t.Context(), "c"); !errors.Is(err, ErrNoRoom) {
		t.Error(err)
	}
	if rooms, _ := s.Rooms("", 10); len(rooms) != 2 || rooms[1].Name != "b" || rooms[1].Members != 2 {
		t.Error(rooms)
	}
	s.until(func() bool { s.Tick(); return s.Stats().Rooms == 0 })
}

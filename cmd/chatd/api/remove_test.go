package api

import (
	"errors"
	"testing"
	"time"

	"github.com/coder/websocket"

	"chatd/room"
)

// removed reads up to the end, which must be that of one who was removed.
func (m *member) removed() {
	m.t.Helper()
	for {
		_, err := m.message()
		if err == nil {
			continue
		}
		var e websocket.CloseError
		if !errors.As(err, &e) || e.Code != websocket.StatusPolicyViolation || e.Reason != "removed" {
			m.t.Errorf("%v, want a close with 1008 removed", err)
		}
		return
	}
}

func TestRemovedIsEveryConnectionOfTheIDInThatRoom(t *testing.T) {
	f := start(t)
	ana, welcome := f.chat("/lobby")
	same := "?session=" + welcome.Session
	again, _ := f.chat("/lobby" + same)
	further, _ := f.chat("/side" + same)
	further.say(`{"type":"join","room":"lobby"}`)
	if e := further.event(); e.Type != "joined" {
		t.Fatalf("%+v", e)
	}
	elsewhere, _ := f.chat("/side" + same)
	bob, _ := f.chat("/lobby")
	f.status(f.ask("DELETE", "/rooms/lobby/members/"+welcome.ID, ""), 204)
	ana.removed()
	again.removed()
	further.removed()
	f.publish("lobby", "bob stays")
	f.publish("side", "elsewhere stays")
	if a, b := bob.event().Text, elsewhere.event().Text; a != "bob stays" || b != "elsewhere stays" {
		t.Errorf("%q, %q", a, b)
	}
	if n := f.server.Stats().Dropped["removed"]; n != 3 {
		t.Errorf("%d are counted", n)
	}
}

func TestWhoWasRemovedMayNotComeBackForAWhile(t *testing.T) {
	f := start(t, func(c *room.Config) { c.Ban = time.Minute })
	ana, welcome := f.chat("/lobby")
	f.status(f.ask("DELETE", "/rooms/lobby/members/"+welcome.ID, ""), 204)
	ana.removed()
	same := "?session=" + welcome.Session
	refused := func() {
		t.Helper()
		if _, res, err := f.join("/lobby"+same, "chat.v1"); err == nil || res.StatusCode != 403 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	refused()
	side, _ := f.chat("/side" + same)
	join := `{"type":"join","room":"lobby"}`
	side.say(join)
	if e := side.event(); e.Type != "error" || e.Code != "not_allowed" {
		t.Errorf("%+v", e)
	}
	f.chat("/lobby") // as somebody else
	f.pass(59 * time.Second)
	refused()
	f.pass(1200 * time.Millisecond)
	side.say(join)
	if e := side.event(); e.Type != "joined" {
		t.Errorf("%+v", e)
	}
	if _, w := f.chat("/lobby" + same); w.ID != welcome.ID {
		t.Errorf("%+v", w)
	}
}

func TestBanOutlivesTheRoom(t *testing.T) {
	f := start(t, func(c *room.Config) { c.History = 0 })
	ana, welcome := f.chat("/lobby")
	f.status(f.ask("DELETE", "/rooms/lobby/members/"+welcome.ID, ""), 204)
	ana.removed()
	for deadline := time.Now().Add(wait); f.ask("GET", "/rooms/lobby", "").StatusCode != 404; {
		if time.Now().After(deadline) {
			t.Fatal("the room is still there")
		}
	}
	if _, res, err := f.join("/lobby?session="+welcome.Session, "chat.v1"); err == nil || res.StatusCode != 403 {
		t.Fatalf("%+v, %v", res, err)
	}
}

func TestWithoutABanOneMayComeBackAtOnce(t *testing.T) {
	f := start(t, func(c *room.Config) { c.Ban = 0 })
	ana, welcome := f.chat("/lobby")
	f.status(f.ask("DELETE", "/rooms/lobby/members/"+welcome.ID, ""), 204)
	ana.removed()
	f.chat("/lobby?session=" + welcome.Session)
}

func TestWhoIsNotThereMayBeKeptOut(t *testing.T) {
	f := start(t)
	ana, welcome := f.chat("/side")
	f.chat("/lobby")
	f.status(f.ask("DELETE", "/rooms/lobby/members/"+welcome.ID, ""), 204)
	ana.say(`{"type":"join","room":"lobby"}`)
	if e := ana.event(); e.Code != "not_allowed" {
		t.Errorf("%+v", e)
	}
}

// An id may be like any other part of a path.
func TestWhoeverIsRemovedIsTheMember(t *testing.T) {
	f := start(t)
	f.chat("/lobby")
	for _, id := range []string{"events", "messages", "members", "a%2Fevents", "%2e%2e", "a%2F..%2Fb", "%3F", "%25", "*"} {
		f.status(f.ask("DELETE", "/rooms/lobby/members/"+id, ""), 204)
	}
}

package main

import (
	"fmt"
	"testing"
	"time"

	"chatd/room/chattest"
)

func join(room string) event { return event{"type": "join", "room": room} }

func TestSeveralRoomsOnOneConnection(t *testing.T) {
	addr := startChat(t)
	a := dialChat(t, addr, chattest.Options{Name: "Ana"})
	if a.Welcome.Room != "lobby" || a.Welcome.Members.Count != 1 || a.Welcome.Retry.Min <= 0 || a.Welcome.Retry.Max < a.Welcome.Retry.Min {
		t.Errorf("%+v", a.Welcome)
	}
	side := dialChat(t, addr, chattest.Options{Room: "side"})
	if side.Welcome.Room != "side" {
		t.Errorf("%+v", side.Welcome)
	}
	side.says("before")
	a.tell(join("side"))
	joined := a.hear("joined")
	if joined.Room != "side" || joined.Members.Count != 2 || joined.Seq != 0 || joined.Resumed || joined.Epoch != side.Welcome.Epoch {
		t.Errorf("%+v", joined)
	}
	a.hears(1, "before")
	a.refused("no_room", say("where?"))
	a.refused("no_room", event{"type": "who"})
	a.refused("no_room", event{"type": "leave"})
	a.tell(event{"type": "say", "text": "here", "room": "side"})
	for _, c := range []*talker{a, side} {
		if e := c.hear("say"); e.Room != "side" || e.Seq != 2 || e.Said() != "text here" {
			t.Errorf("%+v", e)
		}
	}
	a.tell(event{"type": "leave", "room": "lobby"})
	if e := a.hear("left"); e.Room != "lobby" {
		t.Errorf("%+v", e)
	}
	if e := a.says("the only one"); e.Room != "side" || e.Seq != 3 {
		t.Errorf("%+v", e)
	}
	a.refused("not_member", event{"type": "say", "text": "x", "room": "lobby"})
	a.tell(event{"type": "leave"})
	if e := a.hear("left"); e.Room != "side" {
		t.Errorf("%+v", e)
	}
	side.hears(3, "the only one")
	side.says("unheard")
	a.tell(join("side")) // in none, it is still there
	if e := a.hear("joined"); e.Members.Count != 2 {
		t.Errorf("%+v", e)
	}
	a.hears(1, "before", "here", "the only one", "unheard")
}

func TestNobodySpeaksInARoomThatHeIsNotIn(t *testing.T) {
	addr := startChat(t)
	dialChat(t, addr, chattest.Options{Room: "side"})
	a := dialChat(t, addr, chattest.Options{})
	a.tell(event{"type": "leave"})
	a.hear("left")
	for _, kind := range []string{"say", "who", "leave"} {
		a.refused("no_room", event{"type": kind, "text": "x"})
		a.refused("not_member", event{"type": kind, "text": "x", "room": "side"})
		a.refused("not_member", event{"type": kind, "text": "x", "room": "never-there"})
	}
}

func TestAtMostSixteenRooms(t *testing.T) {
	addr := startChat(t)
	a := dialChat(t, addr, chattest.Options{})
	slowly := newRate()
	for i := range 15 {
		slowly.next()
		a.tell(join(fmt.Sprint("room", i)))
		a.hear("joined")
	}
	slowly.next()
	a.refused("too_many_rooms", join("one-more"))
	for i := range 15 {
		a.tell(event{"type": "say", "text": "x", "room": fmt.Sprint("room", i)})
		if e := a.hear("say"); e.Room != fmt.Sprint("room", i) || e.Seq != 1 {
			t.Errorf("%+v", e)
		}
	}
	slowly.next()
	a.tell(event{"type": "leave", "room": "lobby"})
	a.hear("left")
	slowly.next()
	a.tell(join("one-more"))
	a.hear("joined")
}

// rate lets at most 10 pass in a second, as the server counts it.
type rate struct{ at [10]time.Time }

func newRate() *rate { return new(rate) }

// next waits until one more may pass.
func (r *rate) next() {
	time.Sleep(time.Until(r.at[0].Add(1100 * time.Millisecond)))
	copy(r.at[:], r.at[1:])
	r.at[9] = time.Now()
}

func TestJoiningTwiceIsAnError(t *testing.T) {
	addr := startChat(t)
	a := dialChat(t, addr, chattest.Options{})
	a.refused("bad_event", join("lobby"))
	a.tell(join("side"))
	a.hear("joined")
	a.refused("bad_event", join("side"))
	a.tell(event{"type": "who", "room": "side"})
	if e := a.hear("who"); e.Count != 1 {
		t.Errorf("%+v", e)
	}
}

func TestWhoTellsTheMembersOfChat(t *testing.T) {
	addr := startChat(t)
	a := dialChat(t, addr, chattest.Options{Name: "Ana"})
	b := dialChat(t, addr, chattest.Options{})
	raw := listenRaw(t, addr, chattest.Options{Name: "not told"})
	ask := func() map[string]string {
		t.Helper()
		a.tell(event{"type": "who", "room": "lobby"})
		e := a.hear("who")
		if e.Count != 3 || e.Room != "lobby" {
			t.Errorf("%+v", e)
		}
		got := map[string]string{}
		for _, m := range e.Members.List {
			got[m.ID] = m.Name
		}
		return got
	}
	if got := ask(); len(got) != 2 || got[a.Welcome.ID] != "Ana" || got[b.Welcome.ID] != "" {
		t.Errorf("%v", got)
	}
	b.tell(event{"type": "name", "name": "Bea"})
	b.says("x")
	a.hear("say")
	if got := ask(); got[b.Welcome.ID] != "Bea" {
		t.Errorf("%v", got)
	}
	raw.says("y")
}

func TestWhoTellsAtMostAHundred(t *testing.T) {
	addr := startChat(t)
	a := dialChat(t, addr, chattest.Options{})
	for range 120 {
		dialChat(t, addr, chattest.Options{})
	}
	a.tell(event{"type": "who"})
	if e := a.hear("who"); e.Count != 121 || len(e.Members.List) != 100 {
		t.Errorf("%d members, of %d", len(e.Members.List), e.Count)
	}
}

// Ten thousand who come back are one event a second: here two hundred.
func TestMembersAreToldAtMostOnceASecondAndOnlyWhenTheyChange(t *testing.T) {
	t.Parallel()
	addr := startChat(t)
	a := dialChat(t, addr, chattest.Options{})
	const others = 200
	came := make(chan error)
	began := time.Now()
	go func() {
		for range others {
			c, err := chattest.Dial(addr, chattest.Options{Since: "now"})
			if err != nil {
				came <- err
				return
			}
			defer c.Close() // all at once, when the last has come
		}
		came <- nil
	}()
	told, last := 0, 1
	tell := func(want int) {
		t.Helper()
		for last != want {
			e, err := a.Next()
			if err != nil || e.Type != "members" {
				t.Fatalf("%+v, %v", e, err)
			}
			if e.Count == last && told > 0 {
				t.Errorf("%d are told twice", e.Count)
			}
			told, last = told+1, e.Count
		}
	}
	tell(others + 1)
	if err := <-came; err != nil {
		t.Fatal(err)
	}
	tell(1)
	if most := int(time.Since(began)/time.Second) + 2; told > most {
		t.Errorf("told %d times in %v", told, time.Since(began))
	}
}

func TestRoomsThatThereCanNotBe(t *testing.T) {
	addr := startChat(t)
	a := dialChat(t, addr, chattest.Options{})
	longest := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
	for _, room := range []string{longest, "~-", "...", "a"} {
		c := dialChat(t, addr, chattest.Options{Room: room})
		if c.Welcome.Room != room {
			t.Errorf("%+v", c.Welcome)
		}
		a.tell(join(room))
		if e := a.hear("joined"); e.Room != room || e.Members.Count != 2 {
			t.Errorf("%+v", e)
		}
	}
	for _, room := range []string{longest + "x", ".", "..", "", " ", "a b", "é", "a/b", "a%20b", "a+b", "a?b", "a\x00b"} {
		c := dialChat(t, addr, chattest.Options{Since: "now"})
		c.refused("bad_room", join(room))
		c.refused("bad_room", event{"type": "leave", "room": room})
		c.refused("bad_room", event{"type": "say", "text": "x", "room": room})
		c.Close()
	}
	for path, want := range map[string]int{
		longest + "x": 400, "a%20b": 400, "%61": 400, "a+b": 400, "a:b": 400, "side/": 404, "side/more": 404,
	} {
		if _, err := chattest.Dial(addr, chattest.Options{Room: path}); err != chattest.Refused(want) {
			t.Errorf("/ws/%s: %v, want %d", path, err, want)
		}
	}
	for _, room := range []any{nil, 7, []string{"side"}} {
		c := dialChat(t, addr, chattest.Options{Since: "now"})
		c.refused("bad_event", event{"type": "join", "room": room})
		c.refused("bad_event", event{"type": "say", "text": "x", "room": room})
		c.Close()
	}
}

package room

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/chat"
)

// rooms is the names of the rooms that the client's connection is in; it must be
// the only one.
func (c *chatPeer) rooms(s *testServer) []string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rows, _, err := s.Connections(ctx, 0, 1)
	if err != nil || len(rows) != 1 {
		c.t.Fatalf("%d connections, %v", len(rows), err)
	}
	return rows[0].Rooms
}

func TestOneConnectionIsInSeveralRooms(t *testing.T) {
	s := startServer(t, withHistory(10))
	c, lobby, side := s.chat("?name=Ana"), s.join(), s.joinRoom("side")
	side.say(text("earlier"))
	side.expect(ws.OpText, "earlier")
	c.sends(`{"type":"join","room":"side"}`)
	e := c.hears(event{"type": "joined", "room": "side", "seq": 0, "resumed": false, "members": 2})
	if epoch, _ := e["epoch"].(string); len(e) != 6 || len(epoch) != 8 || epoch == c.epoch {
		t.Errorf("%v", e)
	}
	c.hears(event{"type": "say", "room": "side", "seq": 1, "text": "earlier"})
	c.sends(`{"type":"say","room":"lobby","text":"in the lobby","nonce":"1"}`)
	c.sends(`{"type":"say","room":"side","text":"aside","nonce":"1"}`) // a nonce is a room's
	lobby.expect(ws.OpText, "in the lobby")
	side.expect(ws.OpText, "aside")
	heard := map[any]event{}
	for range 2 {
		e := c.next()
		heard[e["room"]] = e
	}
	if !heard["lobby"].has(event{"text": "in the lobby", "seq": 1, "nonce": "1"}) || !heard["side"].has(event{"text": "aside", "seq": 2, "nonce": "1"}) {
		t.Errorf("%v", heard)
	}
	c.sends(`{"type":"say","text":"where?","nonce":"2"}`)
	if e := c.hearsError(chat.NoRoom); e["nonce"] != "2" {
		t.Error(e)
	}
	for _, command := range []string{"leave", "who"} {
		c.sends(`{"type":%q}`, command)
		c.hearsError(chat.NoRoom)
	}
	c.sends(`{"type":"join","room":"side"}`)
	c.hearsError(chat.BadEvent)
	c.sends(`{"type":"leave","room":"lobby"}`)
	c.hears(event{"type": "left", "room": "lobby"})
	c.says("the only one is meant") // again
	c.hears(event{"type": "say", "room": "side", "text": "the only one is meant"})
	side.expect(ws.OpText, "the only one is meant")
	lobby.say(text("not heard"))
	lobby.expect(ws.OpText, "not heard")
	side.say(text("heard"))
	c.hears(event{"room": "side", "text": "heard"})
}

func TestClientInNoRoomStaysAndMayComeBack(t *testing.T) {
	s := startServer(t, withHistory(10))
	c := s.chat("?name=Ana")
	c.says("1")
	c.hearsText("1")
	c.sends(`{"type":"leave"}`)
	c.hears(event{"type": "left", "room": "lobby"})
	for _, command := range []string{`{"type":"say","text":"hi"}`, `{"type":"leave"}`, `{"type":"who"}`} {
		c.sends("%s", command)
		c.hearsError(chat.NoRoom)
	}
	c.sends(`{"type":"say","text":"hi","room":"lobby"}`)
	c.hearsError(chat.NotMember)
	if rooms := c.rooms(s); len(rooms) != 0 {
		t.Errorf("in %q", rooms)
	}
	c.peer.say(masked(ws.OpPing, true, "?"))
	c.expect(ws.OpPong, "?")
	other := s.join()
	other.say(text("2"))
	other.expect(ws.OpText, "2")
	c.sends(`{"type":"join","room":"lobby","since":%q}`, c.position())
	c.hears(event{"type": "joined", "room": "lobby", "epoch": c.epoch, "seq": 1, "resumed": true, "members": 2})
	c.says("3")
	c.hearsText("2", "3")
	other.expect(ws.OpText, "3")
	c.leaves()
}

func TestClientInNoRoomGoesInGoodOrder(t *testing.T) {
	s := startServer(t)
	leave := func() *chatPeer {
		c := s.chat("")
		c.sends(`{"type":"leave"}`)
		c.hears(event{"type": "left"})
		return c
	}
	leave().leaves()
	leave().Close() // without a word
	c := leave()
	for range 10 {
		c.says("nowhere")
		c.hearsError(chat.NoRoom)
	}
	c.expectClose(1008)
	c.Close()
	s.until(func() bool { return s.Stats().Conns == 0 })
}

func TestWhatWasSaidBeforeALeaveIsHeardAndTheAnswerComesBehindIt(t *testing.T) {
	s := startServer(t)
	c, other := s.chat(""), s.join()
	c.joins("side")
	var all strings.Builder
	for i := range 100 {
		all.WriteString(text(fmt.Sprintf(`{"type":"say","room":"lobby","text":"%d"}`, i)))
	}
	c.peer.say(all.String() + text(`{"type":"leave","room":"lobby"}`) + text(`{"type":"say","room":"lobby","text":"too late","nonce":"n"}`) + text(`{"type":"say","text":"in the other"}`))
	for i := range 100 {
		other.expect(ws.OpText, fmt.Sprint(i))
		c.hears(event{"room": "lobby", "text": fmt.Sprint(i)})
	}
	c.hears(event{"type": "left", "room": "lobby"})
	if e := c.hearsError(chat.NotMember); e["nonce"] != "n" {
		t.Error(e)
	}
	c.hears(event{"room": "side", "text": "in the other"})
}

func TestCommandsThatComeAtOnceAreDoneInTheirOrder(t *testing.T) {
	s := startServer(t)
	c := s.dial()
	c.say(chatRequest("?name=Ana") + text(`{"type":"say","text":"1"}`) + text(`{"type":"join","room":"a"}`) + text("no") +
		text(`{"type":"say","room":"a","text":"2"}`) + text(`{"type":"join","room":"b"}`) + text(`{"type":"who","room":"a"}`) + text(`{"type":"leave","room":"a"}`) + text(`{"type":"say","room":"b","text":"3"}`))
	c.joined()
	p := &chatPeer{peer: c}
	p.hears(event{"type": "welcome"})
	// Each room has an order of its own: what is said is heard behind its join, and before its leave.
	answers, said := []string{}, map[string]int{}
	for len(answers)+len(said) < 8 {
		switch e := p.next(); e["type"] {
		case "say":
			said[fmt.Sprint(e["room"], " ", e["text"])] = len(answers)
		default:
			answers = append(answers, fmt.Sprint(e["type"], " ", e["room"]))
		}
	}
	if len(said) != 3 {
		t.Errorf("said %v", said)
	}
	for what, between := range map[string][2]int{"lobby 1": {0, 5}, "a 2": {1, 4}, "b 3": {3, 5}} {
		if at, ok := said[what]; !ok || at < between[0] || at > between[1] {
			t.Errorf("%q is heard behind %d answers (%t), want %d to %d", what, at, ok, between[0], between[1])
		}
	}
	if got := fmt.Sprint(answers); got != "[joined a error <nil> joined b who a left a]" {
		t.Errorf("answers %s", got)
	}
}

func TestSixteenRoomsAreAllThatOneMayBeIn(t *testing.T) {
	s := startServer(t)
	c := s.chat("")
	for i := 2; i <= chat.MaxRooms; i++ {
		c.joins(fmt.Sprint("room-", i))
		s.Tick()
	}
	c.sends(`{"type":"join","room":"one-too-many","nonce":"n"}`)
	if e := c.hearsError(chat.TooManyRooms); e["nonce"] != "n" {
		t.Error(e)
	}
	c.sends(`{"type":"join","room":"room-2"}`)
	c.hearsError(chat.BadEvent)
	for range ticksPerSecond {
		s.Tick()
	}
	c.sends(`{"type":"leave","room":"lobby"}`)
	c.hears(event{"type": "left"})
	c.joins("one-too-many")
	for i := 2; i <= chat.MaxRooms; i++ {
		c.sends(`{"type":"say","room":"room-%d","text":"%d"}`, i, i)
		c.hears(event{"room": fmt.Sprint("room-", i), "text": fmt.Sprint(i)})
	}
	c.leaves() // all at once
	s.until(func() bool { return s.Stats().Members == 0 })
}

func TestRoomsThatThereCanNotBeAreNotJoined(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Rooms = []string{"lobby", "a"} })
	c := s.chat("")
	c.sends(`{"type":"join","room":"b","nonce":"n"}`)
	if e := c.hearsError(chat.BadRoom); e["nonce"] != "n" {
		t.Error(e)
	}
	c.joins("a")
}

func TestJoinOfOneRoomTooManyIsNotAllowed(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxRooms = 2 })
	c, other := s.chat(""), s.joinRoom("a")
	for range 9 {
		c.sends(`{"type":"join","room":"b","nonce":"n"}`)
		if e := c.hearsError(chat.NotAllowed); e["nonce"] != "n" {
			t.Error(e)
		}
	}
	c.joins("a") // that is there; and any good event begins anew
	for range ticksPerSecond {
		s.Tick()
	}
	c.sends(`{"type":"say","room":"a","text":"hi"}`)
	c.hearsText("hi")
	other.expect(ws.OpText, "hi")
	for range 9 {
		c.sends(`{"type":"join","room":"b"}`)
		c.hearsError(chat.NotAllowed)
	}
	c.peer.say(text(`{"type":"join","room":"b"}`) + text(`{"type":"say","room":"a","text":"never"}`))
	c.hearsError(chat.NotAllowed)
	c.expectClose(1008)
}

func TestWhoListsChatClientsAndCountsAll(t *testing.T) {
	s := startServer(t, withDeflate)
	ana, raw := s.chat("?name=Ana"), s.join()
	bob := s.chat("", "Sec-WebSocket-Extensions: permessage-deflate")
	side := s.chat("/side?name=Cyd")
	side.joins("lobby")
	bob.sends(`{"type":"name","name":"Bob"}`)
	bob.sends(`{"type":"who"}`)
	e := bob.hears(event{"type": "who", "room": "lobby", "count": 4})
	names := map[any]any{}
	for _, m := range e["members"].([]any) {
		m := m.(map[string]any)
		names[m["id"]] = m["name"]
	}
	if len(e) != 4 || len(names) != 3 || names[ana.id] != "Ana" || names[bob.id] != "Bob" || names[side.id] != "Cyd" {
		t.Errorf("%v", e)
	}
	raw.Close()
	s.until(func() bool { return s.Stats().Members == 4 })
	ana.sends(`{"type":"who","room":"lobby"}`)
	ana.hears(event{"type": "who", "count": 3})
}

func TestWhoNamesAHundredAtMost(t *testing.T) {
	s := startServer(t)
	c := s.chat("")
	for range 104 {
		s.chat("")
	}
	c.sends(`{"type":"who"}`)
	if e := c.hears(event{"type": "who", "count": 105}); len(e["members"].([]any)) != 100 {
		t.Errorf("%d members", len(e["members"].([]any)))
	}
}

func TestMembersAreToldAtMostOnceASecondAndOnlyWhenTheyChanged(t *testing.T) {
	s := startServer(t)
	c := s.chat("")
	others := []*peer{s.join(), s.join(), s.join()}
	c.hearsMembers(2) // or more, if they were faster
	for range 2 * ticksPerSecond {
		s.Tick()
		s.Alive(t.Context())
	}
	c.says("now")
	for {
		e := c.event()
		if e["type"] == "say" {
			break
		}
		if e["type"] != "members" || e["count"].(float64) > 4 {
			t.Fatal(e)
		}
	}
	for _, p := range others {
		p.Close()
	}
	s.until(func() bool { return s.Stats().Members == 1 })
	told := 0
	for e := (event{}); e["count"] != 1.0; told++ {
		for range past(time.Second) {
			s.Tick()
		}
		if e = c.event(); e["type"] != "members" || len(e) != 3 || e["room"] != "lobby" {
			t.Fatal(e)
		}
	}
	for range 3 * ticksPerSecond {
		s.Tick()
	}
	c.says("nothing came between")
	if e := c.event(); e["text"] != "nothing came between" {
		t.Errorf("%v", e)
	}
}

func TestServerSendsChatClientsOfSeveralRoomsAwayWithAllThatIsQueued(t *testing.T) {
	s := startServer(t)
	c, none := s.chat(""), s.chat("/x")
	c.joins("a")
	c.joins("b")
	none.sends(`{"type":"leave"}`)
	none.hears(event{"type": "left"})
	c.sends(`{"type":"say","room":"b","text":"last"}`)
	c.hearsText("last")
	s.shutdown()
	for _, p := range []*chatPeer{c, none} {
		p.expectCloseAfterEvents(1001)
	}
}

func TestWhatIsSaidInSeveralRoomsAtOnceKeepsItsOrderInEach(t *testing.T) {
	s := startServer(t, withDeflate)
	c := s.chat("/a", "Sec-WebSocket-Extensions: permessage-deflate")
	c.joins("b")
	c.joins("c")
	rooms := []string{"a", "b", "c"}
	listeners := []*peer{s.joinRoom("a"), s.joinRoom("b"), s.joinRoom("c")}
	var all strings.Builder
	for i := range 120 {
		event := fmt.Sprintf(`{"type":"say","room":%q,"text":"%d %s"}`, rooms[i*i%7%3], i, long)
		if i%2 == 0 {
			all.WriteString(packed(ws.OpText, event))
		} else {
			all.WriteString(text(event))
		}
	}
	c.peer.say(all.String() + masked(ws.OpClose, true, "\x03\xe8")) // and is gone
	for i := range 120 {
		listeners[i*i%7%3].expect(ws.OpText, fmt.Sprint(i, " ", long))
	}
	c.expectCloseAfterEvents(1000)
	if st := s.Stats(); st.Messages != 120 {
		t.Errorf("%d messages", st.Messages)
	}
	s.until(func() bool { return s.Stats().Members == 3 })
}

// Else who says a little in another room at the end of all that it sends could pile
// up any amount for one that is behind.
func TestSessionWaitsForEachRoomInWhichItHasSpoken(t *testing.T) {
	s := startServer(t)
	a, b, other := &hub{server: s.Server, name: "a"}, &hub{server: s.Server, name: "b"}, &hub{server: s.Server, name: "other"}
	for _, h := range []*hub{a, b, other} {
		h.Task.Init(s.pool, h)
	}
	c := &client{server: s.Server}
	y := &stays{hubs: []*hub{a, b, other}}
	a.backlog.Store(maxBacklog + 1)
	other.backlog.Store(maxBacklog + 1)
	y.say(b)
	if y.congested(c) {
		t.Error("it waits for a room to which it only listens")
	}
	y.say(a)
	y.say(b)
	for range 2 {
		if !y.congested(c) {
			t.Error("it does not wait for a room in which it has spoken")
		}
	}
	a.backlog.Store(0)
	if y.congested(c) || y.last != b {
		t.Error("it waits for rooms that have caught up")
	}
}

package room

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"chatd/room/chat"
	"chatd/room/identity"
)

func withHistory(n int) func(*Config) {
	return func(c *Config) { c.History, c.HistoryAge = n, 24*time.Hour }
}

func TestIdleChatSessionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(chatSession{}); n > 80 {
		t.Errorf("a chat session has %d bytes, want at most 80", n)
	}
}

func TestWelcomeComesFirstAndSaysAll(t *testing.T) {
	s := startServer(t, withHistory(10))
	first := s.join()
	first.say(text("1") + text("2"))
	first.expect(ws.OpText, "1")
	first.expect(ws.OpText, "2")
	c, w := s.chatWelcome("/lobby?name=Ana&since=now")
	if !w.has(event{
		"type": "welcome", "room": "lobby", "name": "Ana", "seq": 2, "resumed": false, "members": 2,
		"retry":  map[string]any{"min_ms": 500.0, "max_ms": 15000.0},
		"limits": map[string]any{"message": 65536.0, "name": 32.0, "rooms": 16.0},
	}) || len(w) != 11 {
		t.Errorf("welcome %v", w)
	}
	if len(c.id) < 12 || strings.Trim(c.id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || len(c.session) < 40 || strings.Trim(c.epoch, "0123456789abcdef") != "" || len(c.epoch) != 8 {
		t.Errorf("id %q, session %q, epoch %q", c.id, c.session, c.epoch)
	}
}

func TestChatV1IsAgreedToWhenItComesFirstAmongThoseThatAreKnown(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Subprotocols = []string{"other"} })
	for offer, want := range map[string]string{"chat.v1": "chat.v1", "unknown, chat.v1": "chat.v1", "chat.v1, other": "chat.v1", "other, chat.v1": "other", "chat.v2": "", "Chat.v1": ""} {
		p := s.dial()
		p.say(strings.TrimSuffix(upgradeRequest, "\r\n") + "Sec-WebSocket-Protocol: " + offer + "\r\n\r\n")
		r := p.response()
		if got := r.Header.Get("Sec-WebSocket-Protocol"); r.StatusCode != http.StatusSwitchingProtocols || got != want {
			t.Errorf("%s: %s, %q", offer, r.Status, got)
		}
		if p.say(text(`{"type":"say","text":"hi"}`)); want == "chat.v1" {
			c := &chatPeer{peer: p}
			c.hears(event{"type": "welcome"})
			c.hearsText("hi")
		} else {
			f, err := p.frame()
			if err != nil || !strings.Contains(string(f.Payload), "hi") {
				t.Errorf("%s: %q, %v", offer, f.Payload, err)
			}
		}
		p.Close()
		s.until(func() bool { return s.Stats().Conns == 0 })
	}
}

func TestSayIsHeardByAllAndConfirmedByItsNonce(t *testing.T) {
	s := startServer(t, withHistory(10))
	s.setClock(1764064800123)
	ana, bob, raw := s.chat("?name=Ana"), s.chat(""), s.join()
	ana.sends(`{"type":"say","text":"hi","nonce":"n1","room":"lobby"}`)
	said := event{"room": "lobby", "type": "say", "seq": 1, "at": 1764064800123, "id": ana.id, "name": "Ana", "text": "hi", "nonce": "n1"}
	for _, c := range []*chatPeer{ana, bob} {
		if e := c.hears(said); len(e) != len(said) {
			t.Errorf("%v, want %v", e, said)
		}
	}
	raw.expect(ws.OpText, "hi")
	bob.sends(`{"text":"<b>\u2028\ud800é😀\n","x":[{}],"type":"say"}`)
	said = event{"type": "say", "room": "lobby", "seq": 2, "at": 1764064800123, "id": bob.id, "name": "", "text": "<b>\u2028\ufffdé😀\n"}
	for _, c := range []*chatPeer{ana, bob} {
		if e := c.hears(said); len(e) != len(said) {
			t.Errorf("%v, want %v", e, said)
		}
	}
	raw.expect(ws.OpText, "<b>\u2028\ufffdé😀\n")
}

func TestRawMessagesAreSaidWithoutANameBinaryAsData(t *testing.T) {
	s := startServer(t)
	c, raw := s.chat(""), s.joinRoom("lobby?name=Ana")
	raw.say(text("hé \"") + text("") + masked(ws.OpBinary, true, "\x00\xff\"") + masked(ws.OpBinary, true, ""))
	for i, want := range []event{{"text": "hé \""}, {"text": ""}, {"data": "AP8i"}, {"data": ""}} {
		want["type"], want["room"], want["seq"] = "say", "lobby", i+1
		if e := c.hears(want); len(e) != 5 || e["at"].(float64) <= 0 {
			t.Errorf("%v", e)
		}
	}
}

func TestSayThatIsRepeatedIsNotPublishedAgain(t *testing.T) {
	s := startServer(t, withHistory(3))
	ana, bob := s.chat("?name=Ana"), s.chat("")
	again, _ := s.chatWelcome("?name=other&since=now&session=" + ana.session)
	if again.id != ana.id {
		t.Fatalf("one session, the ids %s and %s", ana.id, again.id)
	}
	ana.sends(`{"type":"say","text":"first","nonce":"n"}`)
	want := event{"type": "say", "seq": 1, "id": ana.id, "name": "Ana", "text": "first", "nonce": "n"}
	for _, c := range []*chatPeer{ana, bob, again} {
		c.hears(want)
	}
	again.sends(`{"type":"say","text":"second","nonce":"n"}`)
	again.hears(want)
	ana.sends(`{"type":"name","name":"Other"}`)
	ana.sends(`{"type":"say","text":"third","nonce":"n"}`)
	ana.hears(want)
	bob.sends(`{"type":"say","text":"of another","nonce":"n"}`) // which is another's nonce
	for _, c := range []*chatPeer{ana, bob, again} {
		c.hears(event{"seq": 2, "text": "of another", "nonce": "n"})
	}
	for i := range 3 { // then it is beyond the history
		bob.says(fmt.Sprint(i))
	}
	for _, c := range []*chatPeer{ana, bob, again} {
		c.hearsText("0", "1", "2")
	}
	ana.sends(`{"type":"say","text":"anew","nonce":"n"}`)
	for _, c := range []*chatPeer{ana, bob, again} {
		c.hears(event{"seq": 6, "text": "anew", "name": "Other"})
	}
}

func TestSayWithoutANonceIsNeverRepeated(t *testing.T) {
	s := startServer(t, withHistory(3))
	c := s.chat("")
	c.sends(`{"type":"say","text":"a","nonce":""}`)
	c.sends(`{"type":"say","text":"b","nonce":""}`)
	c.says("c")
	c.hearsText("a", "b", "c")
}

func TestSessionKeepsTheIDAndNothingElseDoes(t *testing.T) {
	secrets := identity.New("the new secret of the test", "the old secret of the test")
	s := startServer(t, func(c *Config) { c.Secrets = secrets })
	c := s.chat("?name=Ana")
	c.leaves()
	back, w := s.chatWelcome("/side?session=" + c.session)
	if back.id != c.id || back.session != c.session || w["name"] != "" {
		t.Errorf("%v, want the id %s", w, c.id)
	}
	old := identity.New("the old secret of the test").Session("old-id")
	if back, _ := s.chatWelcome("?session=" + old); back.id != "old-id" || back.session == old {
		t.Errorf("with a session of the old secret: %s, %s", back.id, back.session)
	}
	for _, session := range []string{"", c.id, c.session + "x", c.session[:len(c.session)-1], strings.ToUpper(c.session), identity.New("another secret, of others").Session(c.id)} {
		if other := s.chat("?session=" + session); other.id == c.id || len(other.id) < 12 {
			t.Errorf("session %q proves %q", session, other.id)
		}
	}
	if log := s.log.String(); strings.Contains(log, c.session) || strings.Contains(log, old) {
		t.Error("a session is in the log")
	}
}

func TestNameIsNormalisedAndABadOneIsNone(t *testing.T) {
	s := startServer(t)
	for query, want := range map[string]string{
		"?name=%20Zoe%CC%88%20": "Zoë", "?name=": "", "?name=a%00b": "", "?name=%E2%80%AEevil": "", "?name=" + strings.Repeat("x", 33): "",
		"?name=" + strings.Repeat("x", 32): strings.Repeat("x", 32), "?name=a&name=b": "a", "": "",
	} {
		if _, w := s.chatWelcome(query); w["name"] != want {
			t.Errorf("%s: %v", query, w)
		}
	}
}

func TestNameIsThatOfWhatIsSaidAfterIt(t *testing.T) {
	s := startServer(t)
	c, other := s.chat("?name=Ana"), s.chat("")
	for _, name := range []string{"Bea", "", " Zoe\u0308\t"} {
		c.sends(`{"type":"say","text":"before"}`)
		c.sends(`{"type":"name","name":%q}`, name)
		c.sends(`{"type":"say","text":"after"}`)
	}
	names := []string{"Ana", "Bea", "Bea", "", "", "Zoë"} // and it has no answer
	for i, name := range names {
		for _, c := range []*chatPeer{c, other} {
			c.hears(event{"type": "say", "seq": i + 1, "name": name})
		}
	}
	c.sends(`{"type":"name","name":"a\u202eb","nonce":"x"}`)
	if e := c.hearsError(chat.BadName); e["nonce"] != "x" {
		t.Error(e)
	}
	c.says("as before")
	c.hears(event{"name": "Zoë", "text": "as before"})
}

func TestEachErrorLeavesTheConnection(t *testing.T) {
	s := startServer(t)
	c := s.chat("?name=Ana")
	for _, tt := range []struct {
		event string
		code  chat.Code
	}{
		{`{"type":"shout","nonce":"n"}`, chat.BadEvent},
		{`{"type":"say","text":"","nonce":"n"}`, chat.BadEvent},
		{`{"type":"say","nonce":"n"}`, chat.BadEvent},
		{`{"type":"say","text":5,"nonce":"n"}`, chat.BadEvent},
		{`{"type":"join","room":"lobby","nonce":"n"}`, chat.BadEvent},
		{`{"type":"join","room":"side","since":"x","nonce":"n"}`, chat.BadEvent},
		{`{"type":"join","room":"side","since":"00000001.9007199254740992","nonce":"n"}`, chat.BadEvent},
		{`[{"nonce":"n"}]`, chat.BadJSON},
		{`hi`, chat.BadJSON},
		{``, chat.BadJSON},
		{`{"nonce":"n"`, chat.BadJSON},
		{`{"type":"say","text":"` + strings.Repeat("x", 65537) + `","nonce":"n"}`, chat.TooLong},
		{`{"type":"name","name":"` + strings.Repeat("x", 33) + `","nonce":"n"}`, chat.BadName},
		{`{"type":"join","room":"a b","nonce":"n"}`, chat.BadRoom},
		{`{"type":"join","room":"..","nonce":"n"}`, chat.BadRoom},
		{`{"type":"say","text":"hi","room":"a/b","nonce":"n"}`, chat.BadRoom},
		{`{"type":"say","text":"hi","room":"side","nonce":"n"}`, chat.NotMember},
		{`{"type":"leave","room":"side","nonce":"n"}`, chat.NotMember},
		{`{"type":"who","room":"side","nonce":"n"}`, chat.NotMember},
	} {
		c.sends("%s", tt.event)
		e := c.hearsError(tt.code)
		if nonce, _ := e["nonce"].(string); (nonce == "n") != (strings.HasPrefix(tt.event, `{`)) {
			t.Errorf("%.60s: %v", tt.event, e)
		}
		c.says("still here")
		c.hearsText("still here")
		for range ticksPerSecond { // or there were too many commands
			s.Tick()
		}
	}
	if rejected := s.Stats().Rejected; rejected["bad_json"] != 4 || rejected["not_member"] != 3 || rejected["rate"] != 0 {
		t.Errorf("%v", rejected)
	}
}

func TestTextOfExactlyTheLimitIsSaidHoweverItIsWritten(t *testing.T) {
	s := startServer(t)
	c, raw := s.chat(""), s.join()
	longest := strings.Repeat("é", 32<<10)
	c.says(longest)
	c.hearsText(longest)
	raw.expect(ws.OpText, longest)
	c.sends(`{"type":"say","text":"%s"}`, strings.Repeat(`\u0001`, 64<<10))
	c.hearsText(strings.Repeat("\x01", 64<<10))
	raw.expect(ws.OpText, strings.Repeat("\x01", 64<<10))
	c.sends(`{"type":"say","text":"%s"}`, strings.Repeat(`\u0001`, 64<<10+1))
	c.hearsError(chat.TooLong)
	c.says(longest + "é")
	c.hearsError(chat.TooLong)
}

func TestFrameBeyondWhatATextMayNeedIsTooBig(t *testing.T) {
	s := startServer(t)
	c := s.chat("")
	c.sends(`{"type":"who"%s}`, strings.Repeat(" ", chat.MaxFrame(64<<10)-14))
	c.hears(event{"type": "who"})
	c.sends(`{"type":"who"%s}`, strings.Repeat(" ", chat.MaxFrame(64<<10)-13))
	c.expectClose(1009)
}

func TestTenthErrorInARowIsToldAndTheLast(t *testing.T) {
	s := startServer(t)
	other := s.chat("")
	c := s.chat("")
	for range 3 {
		for range 9 {
			c.sends(`{}`)
			c.hearsError(chat.BadEvent)
		}
		c.says("good") // begins anew
		c.hearsText("good")
		other.hearsText("good")
	}
	c.peer.say(strings.Repeat(text("no"), 20) + text(`{"type":"say","text":"never heard"}`))
	for range 10 {
		c.hearsError(chat.BadJSON)
	}
	c.expectClose(1008)
	other.says("all well")
	other.hearsText("all well")
	if st := s.Stats(); st.Dropped["bad_events"] != 1 || st.Rejected["bad_json"] != 10 {
		t.Errorf("%v, %v", st.Dropped, st.Rejected)
	}
	if d := s.Disconnects(); len(d) != 1 || d[0].Reason != "bad_events" || d[0].Code != 1008 {
		t.Errorf("%+v", d)
	}
}

func TestBinaryFrameIsUnsupported(t *testing.T) {
	s := startServer(t)
	c := s.chat("")
	c.says("before")
	c.peer.say(masked(ws.OpBinary, true, `{"type":"say","text":"hi"}`))
	c.hearsText("before")
	c.expectClose(1003)
	if n := s.Stats().Dropped["unsupported"]; n != 1 {
		t.Errorf("%d", n)
	}
}

func TestTextThatIsNoUTF8EndsTheConnection(t *testing.T) {
	s := startServer(t, withDeflate)
	for _, frame := range []string{text("{\"type\":\"say\",\"text\":\"\xff\"}"), packed(ws.OpText, "{\"type\":\"say\",\"text\":\""+strings.Repeat("\xc3", 99)+"\"}")} {
		c := s.chat("", "Sec-WebSocket-Extensions: permessage-deflate")
		c.peer.say(frame)
		c.expectClose(1007)
	}
}

func TestCommandsAreRatedAndWhatIsSaidIsNot(t *testing.T) {
	s := startServer(t)
	c := s.chat("")
	for range 30 {
		c.says("hi")
		c.hearsText("hi")
	}
	for range 2 {
		for i := range 10 {
			switch i % 4 {
			case 0:
				c.sends(`{"type":"name","name":"Ana"}`)
			case 1:
				c.joins("side")
			case 2:
				c.sends(`{"type":"who","room":"lobby"}`)
				c.hears(event{"type": "who"})
			case 3:
				c.sends(`{"type":"leave","room":"side"}`)
				c.hears(event{"type": "left"})
			}
		}
		if len(c.rooms(s)) != 2 { // the last was a join
			t.Fatal("not in two rooms")
		}
		for _, one := range []string{`{"type":"who","room":"lobby","nonce":"n"}`, `{"type":"name","name":"Eve","nonce":"n"}`, `{"type":"leave","room":"side","nonce":"n"}`, `{"type":"join","room":"x","nonce":"n"}`} {
			c.sends("%s", one)
			if e := c.hearsError(chat.Rate); e["nonce"] != "n" {
				t.Error(e)
			}
		}
		c.sends(`{"type":"say","text":"hi","room":"side"}`)
		c.hears(event{"type": "say", "name": "Ana", "room": "side"})
		for range ticksPerSecond {
			s.Tick()
		}
		c.sends(`{"type":"leave","room":"side"}`)
		c.hears(event{"type": "left"})
		for range ticksPerSecond {
			s.Tick()
		}
	}
}

func TestSaysTooManySlowReadingAsRaw(t *testing.T) {
	s := startServer(t, func(c *Config) { c.RateMessages = 5 })
	c := s.chat("")
	c.peer.say(strings.Repeat(text(`{"type":"say","text":"hi"}`), 8))
	for range 6 {
		c.hearsText("hi")
	}
	s.until(func() bool { return s.Stats().Throttled["messages"] == 1 })
	if n := s.Stats().Messages; n != 6 {
		t.Errorf("%d messages before the pause is over", n)
	}
	for range 10 {
		s.Tick()
	}
	c.hearsText("hi", "hi")
}

func TestSaysTooManyMayCloseAsRaw(t *testing.T) {
	s := startServer(t, func(c *Config) { c.RateMessages, c.RateClose = 5, true })
	c := s.chat("")
	c.peer.say(strings.Repeat(text(`{"type":"say","text":"hi"}`), 8))
	for range 6 {
		c.hearsText("hi")
	}
	c.expectClose(1008)
}

func TestChatIsCompressedBothWays(t *testing.T) {
	s := startServer(t, withDeflate, withHistory(10))
	plain, packs, raw := s.chat(""), s.chat("", "Sec-WebSocket-Extensions: permessage-deflate"), s.join()
	packs.peer.say(packed(ws.OpText, `{"type":"say","text":"`+long+`"}`))
	for _, c := range []*chatPeer{plain, packs} {
		c.hearsText(long)
	}
	raw.expect(ws.OpText, long)
	plain.says(long)
	f, err := packs.frame()
	for ; err == nil && strings.Contains(string(f.Payload), "members"); f, err = packs.frame() {
	}
	if err != nil || !f.Header.Rsv1() {
		t.Errorf("not compressed: %+v, %v", f.Header, err)
	}
	late := s.chat("", "Sec-WebSocket-Extensions: permessage-deflate")
	late.hearsText(long, long)
	packs.peer.say(packed(ws.OpText, `{"type":"who"`+strings.Repeat(" ", chat.MaxFrame(64<<10))+`}`))
	packs.expectCloseAfterEvents(1009)
}

func TestConnectionsAreShownWithIDAndNameAndNoSession(t *testing.T) {
	s := startServer(t)
	c := s.chat("?name=%22Ana%0A")
	rows, total, err := s.Connections(t.Context(), 0, 10)
	if err != nil || total != 1 || rows[0].ID != c.id || rows[0].Name != `"Ana` {
		t.Fatalf("%+v, %d, %v", rows, total, err)
	}
	if strings.Contains(fmt.Sprintf("%+v", rows), c.session) {
		t.Error("the session is shown")
	}
}

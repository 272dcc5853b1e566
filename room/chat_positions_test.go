package room

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// talk has n numbered messages said in the default room.
func (s *testServer) talk(from, to int) {
	s.t.Helper()
	p := s.join()
	for i := from; i <= to; i++ {
		p.say(text(fmt.Sprint(i)))
		p.expect(ws.OpText, fmt.Sprint(i))
	}
	p.Close()
}

// numbers is the texts from one to another.
func numbers(from, to int) (texts []string) {
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

func TestJoinBeginsWhereItIsAskedTo(t *testing.T) {
	s := startServer(t, withHistory(5))
	s.setClock(1000)
	witness := s.chat("")
	s.talk(1, 10)
	witness.hearsText(numbers(1, 10)...)
	epoch, other := witness.epoch, "00000001"
	gap := func(from, to int, why string) event {
		return event{"type": "gap", "room": "lobby", "from": from, "to": to, "why": why}
	}
	for _, tt := range []struct {
		since   string
		seq     int // of the last message before what follows
		resumed bool
		gap     event
	}{
		{"", 5, false, nil}, // absent: the history
		{"?since=", 5, false, nil},
		{"?since=now", 10, false, nil},
		{"?since=" + epoch + ".10", 10, true, nil},
		{"?since=" + epoch + ".10.1000", 10, true, nil},
		{"?since=" + epoch + ".7", 7, true, nil},
		{"?since=" + epoch + ".7.1000", 7, true, nil},
		{"?since=" + epoch + ".5", 5, true, nil}, // what comes after it is all there
		{"?since=" + epoch + ".4", 5, false, gap(5, 5, "history")},
		{"?since=" + epoch + ".0", 5, false, gap(1, 5, "history")},
		{"?since=" + epoch + ".11", 5, false, gap(1, 5, "future")},
		{"?since=" + epoch + ".9007199254740991", 5, false, gap(1, 5, "future")},
		{"?since=" + epoch + ".7.1001", 5, false, gap(1, 5, "mismatch")},
		{"?since=" + other + ".7", 5, false, gap(1, 5, "epoch")},
		{"?since=" + other + ".11", 5, false, gap(1, 5, "epoch")},
		{"?since=" + epoch + ".7&since=now", 7, true, nil},
	} {
		c, w := s.chatWelcome("/lobby" + tt.since)
		if !w.has(event{"seq": tt.seq, "resumed": tt.resumed, "epoch": epoch}) {
			t.Errorf("%s: %v", tt.since, w)
		}
		if tt.gap != nil {
			if e := c.event(); !e.has(tt.gap) || len(e) != 5 { // right behind the welcome
				t.Errorf("%s: %v, want %v", tt.since, e, tt.gap)
			}
		}
		for i := tt.seq + 1; i <= 10; i++ {
			c.hears(event{"type": "say", "seq": i, "text": fmt.Sprint(i), "at": 1000})
		}
		c.leaves()
	}
	witness.says("live")
	witness.hearsText("live")
}

func TestJoinOfAFurtherRoomBeginsWhereItIsAskedTo(t *testing.T) {
	s := startServer(t, withHistory(5))
	s.setClock(1000)
	s.talk(1, 10)
	c := s.chat("/side")
	epoch := c.joins("lobby")["epoch"]
	c.hearsText(numbers(6, 10)...)
	for _, tt := range []struct {
		since   string
		seq     int
		resumed bool
		gap     event
	}{
		{"now", 10, false, nil},
		{fmt.Sprint(epoch, ".8"), 8, true, nil},
		{fmt.Sprint(epoch, ".2"), 5, false, event{"from": 3, "to": 5, "why": "history"}},
		{fmt.Sprint(epoch, ".12"), 5, false, event{"from": 1, "to": 5, "why": "future"}},
		{fmt.Sprint(epoch, ".8.999"), 5, false, event{"from": 1, "to": 5, "why": "mismatch"}},
		{"00000001.8", 5, false, event{"from": 1, "to": 5, "why": "epoch"}},
	} {
		for range ticksPerSecond {
			s.Tick()
		}
		c.sends(`{"type":"leave","room":"lobby"}`)
		c.hears(event{"type": "left", "room": "lobby"})
		c.sends(`{"type":"join","room":"lobby","since":%q}`, tt.since)
		c.hears(event{"type": "joined", "room": "lobby", "epoch": epoch, "seq": tt.seq, "resumed": tt.resumed, "members": 1})
		if tt.gap != nil {
			tt.gap["type"], tt.gap["room"] = "gap", "lobby"
			c.hears(tt.gap)
		}
		c.hearsText(numbers(tt.seq+1, 10)...)
	}
}

func TestSinceThatIsMalformedIsRefusedInAnyDialect(t *testing.T) {
	s := startServer(t, withHistory(5))
	for _, since := range []string{"x", "00000001", "00000001.-1", "00000001.01", "0000000G.1", "00000001.9007199254740992", "00000001.1.9007199254740992", "00000001.1.x", "%zz"} {
		for _, request := range []string{requestFor("lobby?since=" + since), chatRequest("/lobby?since=" + since)} {
			p := s.dial()
			p.say(request)
			r := p.response()
			body := make([]byte, 200)
			n, _ := r.Body.Read(body)
			if r.StatusCode != http.StatusBadRequest || !strings.Contains(string(body[:n]), "since") {
				t.Errorf("%s: %s %q", since, r.Status, body[:n])
			}
			p.expectEnd()
		}
	}
	if st := s.Stats(); st.Joined != 0 || st.Refused["bad_since"] != 18 {
		t.Errorf("%d joined, %v", st.Joined, st.Refused)
	}
}

func TestRawGetsWhatItMissedSinceAPositionAndElseNothing(t *testing.T) {
	s := startServer(t, withHistory(5))
	epoch := s.chat("").epoch
	s.talk(1, 10)
	for since, first := range map[string]int{
		"": 11, "?since=": 11, "?since=now": 11, "?since=" + epoch + ".8": 9, "?since=" + epoch + ".10": 11,
		"?since=" + epoch + ".2": 6, "?since=" + epoch + ".99": 6, "?since=00000001.8": 6, // what there is
	} {
		p := s.joinRoom("lobby" + since)
		for i := first; i <= 10; i++ {
			p.expect(ws.OpText, fmt.Sprint(i))
		}
		p.say(masked(ws.OpPing, true, "that was all"))
		p.expect(ws.OpPong, "that was all")
	}
}

func TestWithoutHistoryTheLastPositionIsStillKnown(t *testing.T) {
	s := startServer(t) // which keeps none
	c := s.chat("")
	s.talk(1, 3)
	c.hearsText(numbers(1, 3)...)
	for since, want := range map[string]event{
		"":                         {"seq": 3, "resumed": false},
		"?since=" + c.epoch + ".3": {"seq": 3, "resumed": true},
		"?since=" + c.epoch + ".2": {"seq": 3, "resumed": false},
		"?since=" + c.epoch + ".4": {"seq": 3, "resumed": false},
		"?since=00000001.3":        {"seq": 3, "resumed": false},
	} {
		back, w := s.chatWelcome("/lobby" + since)
		if !w.has(want) {
			t.Errorf("%s: %v", since, w)
		}
		for gap, reason := range map[string]event{".2": {"from": 3, "to": 3, "why": "history"}, ".4": {"from": 1, "to": 3, "why": "future"}, "00000001.3": {"from": 1, "to": 3, "why": "epoch"}} {
			if strings.HasSuffix(since, gap) {
				reason["type"] = "gap"
				back.hears(reason)
			}
		}
	}
}

func TestGapInWhichNothingIsLost(t *testing.T) {
	s := startServer(t, withHistory(5))
	s.talk(1, 2)
	c, w := s.chatWelcome("/lobby?since=00000001.7")
	if !w.has(event{"seq": 0, "resumed": false}) {
		t.Errorf("%v", w)
	}
	c.hears(event{"type": "gap", "from": 1, "to": 0, "why": "epoch"})
	c.hearsText("1", "2")
}

func TestHistoryHasWhoSaidItAndWhen(t *testing.T) {
	s := startServer(t, withHistory(10))
	s.setClock(5)
	ana := s.chat("?name=Ana")
	ana.sends(`{"type":"say","text":"as Ana","nonce":"1"}`)
	ana.sends(`{"type":"name","name":"Bea"}`)
	ana.sends(`{"type":"say","text":"as Bea"}`)
	raw := s.join()
	ana.hearsText("as Ana", "as Bea")
	raw.say(text("raw") + masked(ws.OpBinary, true, "\x00"))
	ana.hearsText("raw")
	ana.leaves()
	late := s.chat("")
	late.hears(event{"type": "say", "seq": 1, "at": 5, "id": ana.id, "name": "Ana", "text": "as Ana", "nonce": "1"})
	if e := late.hears(event{"type": "say", "seq": 2, "at": 5, "id": ana.id, "name": "Bea", "text": "as Bea"}); len(e) != 7 {
		t.Errorf("%v", e)
	}
	if e := late.hears(event{"type": "say", "seq": 3, "at": 5, "text": "raw"}); len(e) != 5 {
		t.Errorf("%v", e)
	}
	if e := late.hears(event{"type": "say", "seq": 4, "at": 5, "data": "AA=="}); len(e) != 5 {
		t.Errorf("%v", e)
	}
}

func TestReturningClientMissesNothingAndHearsNothingTwice(t *testing.T) {
	s := startServer(t, withHistory(1000), withDeflate)
	for _, form := range []string{"", "Sec-WebSocket-Extensions: permessage-deflate"} {
		var lines []string
		if form != "" {
			lines = []string{form}
		}
		talker := s.chat("/"+fmt.Sprint("room", len(lines)), lines...)
		c := s.chat("/"+fmt.Sprint("room", len(lines)), lines...)
		said := 0
		for range 20 {
			for range 7 {
				said++
				talker.sends(`{"type":"say","text":"%d %s"}`, said, long)
			}
			for range 3 { // some of what is on its way is lost with the connection
				c.next()
			}
			c.Close()
			at := c.position()
			seq := c.seq
			back, w := s.chatWelcome("/"+fmt.Sprint("room", len(lines))+"?since="+at, lines...)
			if !w.has(event{"seq": seq, "resumed": true}) {
				t.Fatalf("%v, from %s", w, at)
			}
			c = back
		}
		for c.seq < said {
			before := c.seq
			if e := c.next(); c.seq != before+1 || !strings.HasPrefix(e["text"].(string), fmt.Sprint(c.seq, " ")) {
				t.Fatalf("%v behind %d", e, before)
			}
		}
	}
}

package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"chatd/room"
)

// part is an answer with messages.
type part struct {
	Room, Epoch string
	Gap         *event
	Messages    []event
}

// texts are those of the messages.
func (p part) texts() (all []string) {
	for _, m := range p.Messages {
		all = append(all, m.Text)
	}
	return all
}

func (f *fixture) read(query string) (p part) {
	f.t.Helper()
	f.status(f.ask("GET", "/rooms/lobby/messages"+query, ""), 200).json(f.t, &p)
	return p
}

func TestHistoryIsReadFromAPositionOrFromItsEnd(t *testing.T) {
	f := start(t, func(c *room.Config) { c.History = 60 })
	var last placed
	for i := 1; i <= 70; i++ {
		last = f.publish("lobby", fmt.Sprint(i))
	}
	numbers := func(first, last int) (all []string) {
		for i := first; i <= last; i++ {
			all = append(all, fmt.Sprint(i))
		}
		return all
	}
	at := func(seq int) string { return fmt.Sprintf("?since=%s.%d", last.Epoch, seq) }
	for _, tt := range []struct {
		query       string
		first, last int
		gap         string
	}{
		{"", 21, 70, ""},
		{"?limit=3", 68, 70, ""},
		{"?limit=1000", 11, 70, ""},
		{"?since=", 21, 70, ""},
		{"?since=now", 1, 0, ""},
		{at(70), 1, 0, ""},
		{at(67), 68, 70, ""},
		{at(10), 11, 60, ""},
		{at(20) + "&limit=2", 21, 22, ""},
		{at(70) + fmt.Sprintf(".%d", last.At), 1, 0, ""},
		{at(70) + fmt.Sprintf(".%d", last.At+1), 11, 60, "1-10 mismatch"},
		{at(9), 11, 60, "10-10 history"},
		{at(0) + "&limit=1", 11, 11, "1-10 history"},
		{at(71), 11, 60, "1-10 future"},
		{"?since=00000001.70", 11, 60, "1-10 epoch"},
	} {
		p := f.read(tt.query)
		gap := ""
		if g := p.Gap; g != nil {
			gap = fmt.Sprintf("%d-%d %s", g.From, g.To, g.Why)
		}
		if p.Room != "lobby" || p.Epoch != last.Epoch || gap != tt.gap || !slices.Equal(p.texts(), numbers(tt.first, tt.last)) {
			t.Errorf("%s: %+v", tt.query, p)
		}
		for i, m := range p.Messages {
			if int(m.Seq) != tt.first+i || m.At == 0 || m.Type != "say" || m.ID == "" {
				t.Errorf("%s: %+v", tt.query, m)
			}
		}
	}
}

func TestHistoryHasWhatMembersSaid(t *testing.T) {
	f := start(t, func(c *room.Config) { c.MaxMessage = 64 << 10 })
	c, welcome := f.chat("/lobby?name=Ana")
	c.say(`{"type":"say","text":"\"\u2028","nonce":"n"}`)
	raw, _, err := f.join("/lobby")
	if err != nil {
		t.Fatal(err)
	}
	c.event()
	if err := raw.Write(t.Context(), websocket.MessageBinary, []byte{0xff, 0}); err != nil {
		t.Fatal(err)
	}
	c.event()
	large := strings.Repeat("\x01", 60<<10) // which is written in many chunks
	for range 5 {
		f.publish("lobby", large)
	}
	p := f.read("")
	want := event{Type: "say", Room: "lobby", ID: welcome.ID, Name: "Ana", Text: "\"\u2028", Nonce: "n", Seq: 1, At: p.Messages[0].At}
	if p.Messages[0] != want || p.Messages[1].ID != "" || p.Messages[1].Seq != 2 || len(p.Messages) != 7 || p.Messages[6].Text != large {
		t.Errorf("%+v", p.Messages[:2])
	}
	if a := f.ask("GET", "/rooms/lobby/messages", ""); !strings.Contains(string(a.body), `"data":"/wA="`) {
		t.Errorf("%.300s", a.body)
	}
}

func TestRoomWithoutHistoryHasNoMessages(t *testing.T) {
	f := start(t, func(c *room.Config) { c.History = 0 })
	f.chat("/lobby")
	p := f.publish("lobby", "hi")
	if got := f.read(""); len(got.Messages) > 0 || got.Gap != nil || got.Epoch != p.Epoch {
		t.Errorf("%+v", got)
	}
	if got := f.read("?since=" + p.Epoch + ".0"); len(got.Messages) > 0 || got.Gap == nil || got.Gap.From != 1 || got.Gap.To != 1 {
		t.Errorf("%+v", got)
	}
}

func TestRoomsAreListedByNameInPages(t *testing.T) {
	f := start(t)
	names := []string{"b", "B", "a", "~", "0", "a.b", "a-b", "aa", "_"}
	for _, name := range names {
		f.publish(name, "hi")
	}
	f.publish("b", "more")
	f.chat("/b")
	slices.Sort(names)
	var list struct {
		Rooms []figures
		Next  string
	}
	page := func(query string) {
		t.Helper()
		list.Rooms, list.Next = nil, ""
		f.status(f.ask("GET", "/rooms"+query, ""), 200).json(t, &list)
	}
	for limit := 1; limit <= len(names)+1; limit++ {
		var got []string
		for after := ""; ; after = list.Next {
			page(fmt.Sprintf("?limit=%d&after=%s", limit, url.QueryEscape(after)))
			for _, r := range list.Rooms {
				got = append(got, r.Name)
			}
			if list.Next == "" {
				break
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("in pages of %d: %q, want %q", limit, got, names)
		}
	}
	if page("?after=a%2F"); list.Rooms[0].Name != "aa" { // no room's name, but somewhere
		t.Errorf("%+v", list)
	}
	if page("?after=~"); len(list.Rooms) != 0 || list.Next != "" {
		t.Errorf("%+v", list)
	}
	var b figures
	f.status(f.ask("GET", "/rooms/b", ""), 200).json(t, &b)
	if b.Members != 1 || b.Seq != 2 || b.Rate != 0.2 {
		t.Errorf("%+v", b)
	}
}

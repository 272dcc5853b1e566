package main

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatd/room/chattest"
)

func TestSayIsHeardByAllInEveryDialect(t *testing.T) {
	addr := startChat(t)
	var chats []*talker
	var raws []*listener
	for _, compress := range []bool{false, true} {
		chats = append(chats, dialChat(t, addr, chattest.Options{Name: "Ana", Compress: compress}))
		raws = append(raws, listenRaw(t, addr, chattest.Options{Compress: compress, Name: "not used"}))
	}
	began := time.Now().UnixMilli()
	texts := []string{
		"hi", "a", `quotes " and \ and / and <b>`, "\n\t\r\x00\x7f\u2028\u2029\ufeff", "é ü 漢 😀 \U0010ffff", strings.Repeat("long ", 3000), "  as it is  ",
	}
	for i, text := range texts {
		chats[0].tell(event{"type": "say", "text": text, "nonce": strconv.Itoa(i)})
	}
	for i, text := range texts {
		for _, c := range chats {
			e := c.hear("say")
			if e.Text == nil || *e.Text != text || e.Seq != uint64(i+1) || e.ID != chats[0].Welcome.ID || e.Name != "Ana" || e.Nonce != strconv.Itoa(i) {
				t.Errorf("said %.50q, heard %+v", text, e)
			}
			if e.At < began-1000 || e.At > time.Now().UnixMilli()+1000 {
				t.Errorf("it was said at %d", e.At)
			}
		}
		for _, r := range raws {
			r.hears(text)
		}
	}
	raws[0].says("from raw")
	raws[0].says("\x00binary\xff")
	raws[0].says("\x00")
	raws[0].says("")
	raws[0].says(`{"type":"say","text":"is only text here"}`)
	for _, r := range raws {
		r.hears("from raw", "\x00binary\xff", "\x00", "", `{"type":"say","text":"is only text here"}`)
	}
	for _, c := range chats {
		for _, want := range []string{
			"text from raw", "data " + base64.StdEncoding.EncodeToString([]byte("\x00binary\xff")), "data AA==", "text ",
			`text {"type":"say","text":"is only text here"}`,
		} {
			if e := c.hear("say"); e.Said() != want || e.ID != "" || e.Name != "" || e.Nonce != "" {
				t.Errorf("heard %+v, want %q", e, want)
			}
		}
	}
	again := dialChat(t, addr, chattest.Options{}) // all of it is in the history, too
	again.hears(1, texts...)
}

func TestRepeatedNonceIsNotPublishedAgain(t *testing.T) {
	addr := startChat(t, "-history", "3")
	a := dialChat(t, addr, chattest.Options{Name: "Ana"})
	b := dialChat(t, addr, chattest.Options{})
	same := dialChat(t, addr, chattest.Options{Session: a.Welcome.Session}) // of the same id
	said := func(c *talker, text string, nonce any, others ...*talker) *chattest.Event {
		t.Helper()
		e := say(text)
		if nonce != nil {
			e["nonce"] = nonce
		}
		c.tell(e)
		got := c.hear("say")
		for _, o := range others {
			if e := o.hear("say"); e != got { // the same bytes
				t.Errorf("%+v is heard as %+v by others", got, e)
			}
		}
		return got
	}
	first := said(a, "one", "1", b, same)
	if again := said(a, "another text", "1"); again != first {
		t.Errorf("again: %+v, first %+v", again, first)
	}
	a.tell(event{"type": "name", "name": "Bea"})
	if again := said(a, "one", "1"); again != first {
		t.Errorf("under another name: %+v, first %+v", again, first)
	}
	if again := said(same, "one", "1"); again != first {
		t.Errorf("by another connection: %+v, first %+v", again, first)
	}
	if e := said(b, "one", "1", a, same); e.Seq != 2 {
		t.Errorf("of another id: %+v", e)
	}
	a.tell(event{"type": "join", "room": "side"})
	a.hear("joined")
	a.tell(event{"type": "say", "text": "side", "nonce": "1", "room": "side"})
	if e := a.hear("say"); e.Room != "side" || e.Seq != 1 {
		t.Errorf("in another room: %+v", e)
	}
	a.tell(event{"type": "leave", "room": "side"})
	a.hear("left")
	if e := said(a, "two", "2", b, same); e.Seq != 3 || e.Name != "Bea" {
		t.Errorf("another nonce: %+v", e)
	}
	for range 2 { // none is none
		said(a, "without", nil, b, same)
	}
	// Of three messages kept none is the first one now.
	if e := said(a, "one", "1", b, same); e.Seq != 6 {
		t.Errorf("out of the history: %+v", e)
	}
	longest := strings.Repeat("é", 32)
	if e := said(a, "x", longest, b, same); e.Nonce != longest {
		t.Errorf("longest: %+v", e)
	}
	if e := said(a, "x", longest); e.Seq != 7 {
		t.Errorf("longest again: %+v", e)
	}
	for _, nonce := range []any{longest + "x", 7, nil, true, []string{}, event{}} {
		a.refused("bad_event", event{"type": "say", "text": "x", "nonce": nonce})
	}
	end := said(a, "the end", nil, b, same)
	if end.Seq != 8 {
		t.Errorf("the end is number %d", end.Seq)
	}
}

func TestNonceIsKnownAfterAReconnect(t *testing.T) {
	addr := startChat(t)
	var ledger chattest.Ledger
	a := dialChat(t, addr, chattest.Options{})
	for i := range 20 {
		a.tell(event{"type": "say", "text": "once", "nonce": strconv.Itoa(i)})
		a.Cut() // whether it came is not known
		a = dialChat(t, addr, chattest.Options{Since: ledger.Position(), Session: a.Welcome.Session})
		a.tell(event{"type": "say", "text": "once", "nonce": strconv.Itoa(i)})
		if ledger.Position() == "" {
			if err := ledger.Take(a.Welcome); err != nil {
				t.Fatal(err)
			}
		}
		for {
			e := a.hear("say")
			if e.Seq > ledger.Seq() { // not the first one's event again
				if err := ledger.Take(e); err != nil {
					t.Fatal(err)
				}
			}
			if e.Nonce == strconv.Itoa(i) {
				break
			}
		}
	}
	said := map[string]int{}
	for _, e := range ledger.Heard {
		said[e.Nonce]++
	}
	for nonce, n := range said {
		if n != 1 {
			t.Errorf("%s was published %d times", nonce, n)
		}
	}
	if last := dialChat(t, addr, chattest.Options{Since: "now"}).Welcome.Seq; last != 20 {
		t.Errorf("%d messages", last)
	}
}

func TestLimitOfATextIsInBytes(t *testing.T) {
	addr := startChat(t, "-max-message", "100")
	c := dialChat(t, addr, chattest.Options{})
	raw := listenRaw(t, addr, chattest.Options{})
	if c.Welcome.Limits != (struct{ Message, Name, Rooms int }{100, 32, 16}) {
		t.Errorf("%+v", c.Welcome.Limits)
	}
	for _, text := range []string{strings.Repeat("x", 100), strings.Repeat("€", 33) + "x", strings.Repeat("\x01", 100)} {
		c.says(text)
		raw.hears(text)
	}
	escaped := `{"type":"say","text":"` + strings.Repeat(`\u20ac`, 33) + `"}` // 198 bytes for 99
	if err := c.Write(false, []byte(escaped)); err != nil {
		t.Fatal(err)
	}
	if e := c.hear("say"); e.Said() != "text "+strings.Repeat("€", 33) {
		t.Errorf("%+v", e)
	}
	for _, text := range []string{strings.Repeat("x", 101), strings.Repeat("€", 34), strings.Repeat("x", 500)} {
		e := c.refused("too_long", event{"type": "say", "text": text, "nonce": "a nonce"})
		if e.Nonce != "a nonce" {
			t.Errorf("%+v", e)
		}
	}
	c.says("still here")
}

func TestFrameThatNoTextMayNeedClosesWith1009(t *testing.T) {
	addr := startChat(t, "-max-message", "100")
	c := dialChat(t, addr, chattest.Options{})
	c.tell(say(strings.Repeat("x", 100_000)))
	c.closed(1009)
}

func TestLoneSurrogatesBecomeReplacementCharacters(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	for escaped, want := range map[string]string{
		`\ud83d`: "\ufffd", `\ude00`: "\ufffd", `a\ud83db`: "a\ufffdb", `\ud83d\ud83d\ude00`: "\ufffd😀", `\ud83d\ude00`: "😀", `\ude00\ud83d`: "\ufffd\ufffd",
	} {
		if err := c.Write(false, []byte(`{"type":"say","text":"`+escaped+`"}`)); err != nil {
			t.Fatal(err)
		}
		if e := c.hear("say"); e.Said() != "text "+want {
			t.Errorf("%s is heard as %q", escaped, e.Said())
		}
	}
}

func TestMembersOfAnEventMayBeInAnyOrderAndUnknownOnesAreIgnored(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	for _, b := range []string{
		`{"text":"x","room":"lobby","type":"say"}`,
		" \t\r\n{ \"type\" : \"say\" , \"text\" : \"x\" } \n",
		`{"type":"say","text":"x","more":{"deep":[1,2,{"type":"leave"}]},"seq":7,"at":"never","id":null}`,
		`{"type":"\u0073ay","te\u0078t":"x"}`,
		`{"type":"say","text":"x","Type":"leave","TEXT":"y"}`,
		`{"type":"say","text":"x","since":7,"name":false}`,
	} {
		if err := c.Write(false, []byte(b)); err != nil {
			t.Fatal(err)
		}
		if e := c.hear("say"); e.Said() != "text x" || e.ID != c.Welcome.ID {
			t.Errorf("%s is heard as %+v", b, e)
		}
	}
}

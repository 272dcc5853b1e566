package main

import (
	"testing"

	"chatd/room/chattest"
)

func TestWhatIsNoEventIsAnErrorAndTheConnectionStays(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	for b, code := range map[string]string{
		``: "bad_json", ` `: "bad_json", `{`: "bad_json", `}`: "bad_json", `[]`: "bad_json", `"say"`: "bad_json", `7`: "bad_json",
		`null`: "bad_json", `true`: "bad_json", `hi`: "bad_json", `{"type":"say","text":"x"`: "bad_json", `{"type":"say","text":"x"}}`: "bad_json",
		`{"type":"say","text":"x"}{}`: "bad_json", `{"type":"say","text":"x",}`: "bad_json", `{'type':'say'}`: "bad_json",
		`{"type":"say","text":"a` + "\n" + `b"}`: "bad_json", `{"type":"say","text":"\x"}`: "bad_json", "\ufeff" + `{"type":"say","text":"x"}`: "bad_json",
		`[{"type":"say","text":"x"}]`: "bad_json",
		`{}`:                          "bad_event", `{"type":null}`: "bad_event", `{"type":7}`: "bad_event", `{"type":"Say","text":"x"}`: "bad_event", `{"type":""}`: "bad_event",
		`{"type":"welcome"}`: "bad_event", `{"type":"unknown"}`: "bad_event", `{"text":"x"}`: "bad_event",
		`{"type":"say"}`: "bad_event", `{"type":"say","text":""}`: "bad_event", `{"type":"say","text":null}`: "bad_event", `{"type":"say","text":7}`: "bad_event",
		`{"type":"say","text":["x"]}`: "bad_event", `{"type":"say","data":"AA=="}`: "bad_event", `{"type":"join"}`: "bad_event",
	} {
		if err := c.Write(false, []byte(b)); err != nil {
			t.Fatal(err)
		}
		if e := c.hear("error"); e.Code != code {
			t.Errorf("%q is %s (%s), want %s", b, e.Code, e.Message, code)
		}
		c.says("x") // any good event begins anew
	}
}

func TestErrorRepeatsTheNonce(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	for _, e := range []event{
		{"type": "say", "text": "", "nonce": "a"},
		{"type": "say", "text": "x", "nonce": "a", "room": "side"},
		{"type": "say", "text": "x", "nonce": "a", "room": ".."},
		{"type": "say", "nonce": "a"},
	} {
		if err := c.Send(e); err != nil {
			t.Fatal(err)
		}
		if got := c.hear("error"); got.Nonce != "a" {
			t.Errorf("%v: %+v", e, got)
		}
	}
}

func TestTenthErrorInARowIsToldAndCloses(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	for range 3 {
		for range 9 {
			c.refused("bad_json", []int{})
		}
		c.tell(event{"type": "name", "name": "Ana"}) // good ones have no answer, either
	}
	for range 9 {
		c.refused("bad_event", event{"type": "unknown"})
	}
	c.says("x")
	for range 10 {
		c.refused("not_member", event{"type": "say", "text": "x", "room": "side"})
	}
	c.closed(1008)
}

func TestTenErrorsAtOnceAreAllTold(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	for range 30 {
		if c.Send([]int{}) != nil {
			break // it is closed already
		}
	}
	for range 10 {
		c.hear("error")
	}
	c.closed(1008)
}

func TestBinaryFrameClosesWith1003(t *testing.T) {
	addr := startChat(t)
	for _, payload := range []string{"", "x", `{"type":"say","text":"x"}`} {
		c := dialChat(t, addr, chattest.Options{})
		if err := c.Write(true, []byte(payload)); err != nil {
			t.Fatal(err)
		}
		c.closed(1003)
	}
}

func TestMoreThanTenOfTheseASecondAreRefused(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	for range 10 {
		c.tell(event{"type": "who"})
		c.hear("who")
	}
	limited := 0
	for range 5 {
		for _, e := range []event{{"type": "who"}, {"type": "join", "room": "lobby"}, {"type": "leave"}, {"type": "name", "name": "x"}} {
			c.tell(e)
		}
		c.tell(say("behind"))
		for {
			e, err := c.Next()
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == "error" && e.Code == "rate" {
				limited++
			}
			if e.Type == "say" {
				break
			}
		}
	}
	if limited == 0 {
		t.Error("nothing is refused")
	}
}

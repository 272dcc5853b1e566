package main

import (
	"strconv"
	"strings"
	"testing"

	"chatd/room/chattest"
)

// large are so many messages of which the sockets between two processes hold only a
// part.
const large = 300

func largeText(i int) string { return strconv.Itoa(i) + strings.Repeat(" large", 10_000) }

// takes reads events into the ledger up to message seq.
func (c *talker) takes(ledger *chattest.Ledger, seq uint64) {
	c.t.Helper()
	for ledger.Seq() < seq {
		e, err := c.Next()
		if err == nil {
			err = ledger.Take(e)
		}
		if err != nil {
			c.t.Fatalf("at %s: %v", ledger.Position(), err)
		}
	}
}

func TestWhatIsCaughtUpWithDoesNotCountTowardsTheQueue(t *testing.T) {
	const queue = 10
	addr := startChat(t, "-queue", strconv.Itoa(queue), "-history", "1000")
	author := dialChat(t, addr, chattest.Options{})
	for i := range large {
		author.says(largeText(i))
	}
	for _, since := range []string{"", author.Welcome.Epoch + ".0"} {
		for _, compress := range []bool{false, true} {
			behind := dialChat(t, addr, chattest.Options{Since: since, Compress: compress})
			var ledger chattest.Ledger
			behind.Welcome.Resumed = false // the ledger did not ask
			if err := ledger.Take(behind.Welcome); err != nil {
				t.Fatal(err)
			}
			var last *chattest.Event
			for i := range queue {
				last = author.says(strconv.Itoa(i))
			}
			behind.takes(&ledger, last.Seq)
			behind.says("caught up")
			author.hear("say")
			behind.Close()
		}
	}
}

func TestClientThatIsDroppedMissesNothingWhenItReturns(t *testing.T) {
	addr := startChat(t, "-queue", "20", "-history", "1000")
	author := dialChat(t, addr, chattest.Options{})
	behind := dialChat(t, addr, chattest.Options{})
	var ledger chattest.Ledger
	if err := ledger.Take(behind.Welcome); err != nil {
		t.Fatal(err)
	}
	for i := range large {
		author.says(largeText(i))
	}
	for {
		e, err := behind.Next()
		if code := chattest.Closed(err); code == 1013 {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := ledger.Take(e); err != nil {
			t.Fatal(err)
		}
	}
	if ledger.Seq() == 0 || ledger.Seq() == large {
		t.Errorf("it was dropped at %s", ledger.Position())
	}
	behind = dialChat(t, addr, chattest.Options{Since: ledger.Position(), Session: behind.Welcome.Session})
	if err := ledger.Take(behind.Welcome); err != nil || ledger.Resumed != 1 {
		t.Fatal(err)
	}
	behind.takes(&ledger, large)
}

// What one is told alone comes between whole frames, and the rooms go on behind it.
func TestWhoIsBehindIsAnsweredAndStillHearsAll(t *testing.T) {
	t.Parallel()
	addr := startChat(t, "-queue", "1000")
	author := dialChat(t, addr, chattest.Options{})
	behind := dialChat(t, addr, chattest.Options{})
	var lobby, side chattest.Ledger
	if err := lobby.Take(behind.Welcome); err != nil {
		t.Fatal(err)
	}
	other := dialChat(t, addr, chattest.Options{Room: "side"})
	other.says("before")
	for i := range large {
		author.says(largeText(i))
	}
	for _, e := range []event{
		{"type": "who"}, {"type": "unknown"}, join("side"), {"type": "who", "room": "side"}, {"type": "leave", "room": "side"}, join("side"),
	} {
		behind.tell(e)
	}
	var answers []string
	for lobby.Seq() < large || len(answers) < 6 {
		e, err := behind.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch ledger := &lobby; e.Type {
		case "who", "error", "left":
			answers = append(answers, e.Type)
		case "joined":
			answers = append(answers, e.Type)
			side = chattest.Ledger{}
			fallthrough
		default:
			if e.Room == "side" {
				ledger = &side
			}
			if err := ledger.Take(e); err != nil {
				t.Fatalf("%s: %v", e.Room, err)
			}
		}
	}
	if got := strings.Join(answers, " "); got != "who error joined who left joined" {
		t.Errorf("answered with %s", got)
	}
}

package main

import (
	"fmt"
	"strconv"
	"testing"

	"chatd/room/chattest"
)

// numbered are the texts m<from> … m<to>.
func numbered(from, to int) (texts []string) {
	for i := from; i <= to; i++ {
		texts = append(texts, "m"+strconv.Itoa(i))
	}
	return texts
}

// In a room that keeps 5 messages, and had 12.
func TestWhatAJoinGetsFollowsFromSince(t *testing.T) {
	const other = "00000000" // nearly never the room's epoch
	for _, compress := range []bool{false, true} {
		addr := startChat(t, "-history", "5")
		author := dialChat(t, addr, chattest.Options{Compress: compress})
		listening := listenRaw(t, addr, chattest.Options{Compress: !compress})
		epoch := author.Welcome.Epoch
		at := make(map[int]int64)
		for i, text := range numbered(1, 12) {
			at[i+1] = author.says(text).At
		}
		listening.hears(numbered(1, 12)...)
		known := func(seq int) string { return fmt.Sprintf("%s.%d.%d", epoch, seq, at[seq]) }
		bare := func(seq uint64) string { return fmt.Sprintf("%s.%d", epoch, seq) }
		type gap struct {
			from, to uint64
			why      string
		}
		for name, tt := range map[string]struct {
			since   string
			seq     uint64
			resumed bool
			gap     *gap
		}{
			"absent":                                {"", 7, false, nil},
			"now":                                   {"now", 12, false, nil},
			"the newest":                            {bare(12), 12, true, nil},
			"the newest, with its time":             {known(12), 12, true, nil},
			"the last but one":                      {bare(11), 11, true, nil},
			"the second that is kept":               {known(9), 9, true, nil},
			"the first that is kept":                {known(8), 8, true, nil},
			"the one before the first":              {bare(7), 7, true, nil},
			"one that is one too old":               {bare(6), 7, false, &gap{7, 7, "history"}},
			"the first of all":                      {bare(1), 7, false, &gap{2, 7, "history"}},
			"before the first of all":               {bare(0), 7, false, &gap{1, 7, "history"}},
			"the next one":                          {bare(13), 7, false, &gap{1, 7, "future"}},
			"far in the future":                     {bare(1<<53 - 1), 7, false, &gap{1, 7, "future"}},
			"the future, with a time":               {bare(13) + ".9", 7, false, &gap{1, 7, "future"}},
			"another epoch":                         {other + ".12", 7, false, &gap{1, 7, "epoch"}},
			"another epoch, in the future":          {other + ".99", 7, false, &gap{1, 7, "epoch"}},
			"another epoch, at its beginning":       {other + ".0", 7, false, &gap{1, 7, "epoch"}},
			"the time of the newest does not match": {fmt.Sprintf("%s.12.%d", epoch, at[12]+1), 7, false, &gap{1, 7, "mismatch"}},
			"the time of the first does not match":  {fmt.Sprintf("%s.8.%d", epoch, at[8]-1), 7, false, &gap{1, 7, "mismatch"}},
			"the time is 0":                         {bare(9) + ".0", 7, false, &gap{1, 7, "mismatch"}},
		} {
			t.Run(fmt.Sprintf("%s, compressed: %t", name, compress), func(t *testing.T) {
				check := func(place *chattest.Event, c *talker) {
					t.Helper()
					if place.Epoch != epoch || place.Seq != tt.seq || place.Resumed != tt.resumed {
						t.Errorf("%s is at %s.%d, resumed: %t; want %d, %t", place.Type, place.Epoch, place.Seq, place.Resumed, tt.seq, tt.resumed)
					}
					if tt.gap != nil {
						if e := c.hear("gap"); (gap{e.From, e.To, e.Why}) != *tt.gap {
							t.Errorf("got %+v, want %+v", e, tt.gap)
						}
					}
					c.hears(tt.seq+1, numbered(int(tt.seq)+1, 12)...)
				}
				c := dialChat(t, addr, chattest.Options{Since: tt.since, Compress: compress})
				check(c.Welcome, c)
				c.Close()
				c = dialChat(t, addr, chattest.Options{Room: "side", Compress: !compress})
				c.tell(event{"type": "join", "room": "lobby", "since": tt.since})
				check(c.hear("joined"), c)
				c.Close()
				raw := listenRaw(t, addr, chattest.Options{Since: tt.since, Compress: compress})
				heard := numbered(int(tt.seq)+1, 12)
				if tt.since == "" {
					heard = nil
				}
				raw.hears(heard...)
				raw.Close()
			})
		}
		end := author.says("the end") // nobody hears anything else before it
		for _, since := range []string{known(12), bare(12)} {
			c := dialChat(t, addr, chattest.Options{Since: since})
			c.hears(13, "the end")
		}
		if end.Seq != 13 {
			t.Errorf("the end is number %d", end.Seq)
		}
		listening.hears("the end")
	}
}

func TestRawClientThatAsksForNothingHearsOnlyWhatComes(t *testing.T) {
	addr := startChat(t)
	author := dialChat(t, addr, chattest.Options{})
	author.says("before")
	for _, since := range []string{"", "now"} {
		raw := listenRaw(t, addr, chattest.Options{Since: since})
		raw.says("from " + since)
		author.hear("say")
		raw.hears("from " + since)
		raw.Close()
	}
}

func TestMalformedSinceIsRefused(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	c.says("x")
	epoch := c.Welcome.Epoch
	for _, since := range []string{
		"x", "Now", "now ", " ", epoch, epoch + ".", epoch + ".x", epoch + ".1.", epoch + ".1.x", epoch + ".1.1.1", "." + epoch + ".1",
		epoch[1:] + ".1", epoch + "0.1", "ABCDEF00.1", epoch + ".-1", epoch + ".+1", epoch + ".01", epoch + ".1.01", epoch + ".1.-1",
		epoch + ".9007199254740992", epoch + ".1.9007199254740992", epoch + ".18446744073709551617", epoch + ". 1", "0x" + epoch[2:] + ".1",
		epoch + ".1e1", epoch + ".1,1", "gggggggg.1", epoch + ".١",
	} {
		for _, raw := range []bool{false, true} {
			if _, err := chattest.Dial(addr, chattest.Options{Since: since, Raw: raw}); err != chattest.Refused(400) {
				t.Errorf("since %q, raw: %t: %v", since, raw, err)
			}
		}
		c := dialChat(t, addr, chattest.Options{Since: "now"})
		c.refused("bad_event", event{"type": "join", "room": "side", "since": since})
		c.Close()
	}
}

func TestWithoutHistoryTheLastMessageIsStillKnown(t *testing.T) {
	addr := startChat(t, "-history", "0")
	author := dialChat(t, addr, chattest.Options{})
	epoch, at := author.Welcome.Epoch, author.says("m1", "m2", "m3").At
	for name, tt := range map[string]struct {
		since   string
		resumed bool
		gap     string
	}{
		"absent":                        {"", false, ""},
		"now":                           {"now", false, ""},
		"the last":                      {epoch + ".3", true, ""},
		"the last, with its time":       {fmt.Sprintf("%s.3.%d", epoch, at), true, ""},
		"the last, with another time":   {fmt.Sprintf("%s.3.%d", epoch, at+1), false, "1 3 mismatch"},
		"the last but one":              {epoch + ".2", false, "3 3 history"},
		"the last but one, with a time": {epoch + ".2.5", false, "3 3 history"},
		"the next":                      {epoch + ".4", false, "1 3 future"},
		"of another epoch":              {"00000000.3", false, "1 3 epoch"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialChat(t, addr, chattest.Options{Since: tt.since})
			if c.Welcome.Seq != 3 || c.Welcome.Resumed != tt.resumed {
				t.Errorf("%+v", c.Welcome)
			}
			if tt.gap != "" {
				if e := c.hear("gap"); fmt.Sprint(e.From, e.To, " ", e.Why) != tt.gap {
					t.Errorf("%+v, want %s", e, tt.gap)
				}
			}
			c.tell(event{"type": "who"})
			c.hear("who") // and nothing before it
		})
	}
}

func TestRoomThatIsThereForTheFirstTimeHasLostNothing(t *testing.T) {
	addr := startChat(t)
	for i, since := range []string{"", "now", "00000000.0", "00000000.7.9"} {
		c := dialChat(t, addr, chattest.Options{Room: "room" + strconv.Itoa(i), Since: since})
		if c.Welcome.Seq != 0 || c.Welcome.Resumed {
			t.Errorf("since %q: %+v", since, c.Welcome)
		}
		if since != "" && since != "now" {
			if e := c.hear("gap"); e.From != 1 || e.To != 0 || e.Why != "epoch" {
				t.Errorf("since %q: %+v", since, e)
			}
		}
		if e := c.says("first"); e.Seq != 1 {
			t.Errorf("since %q: the first message is number %d", since, e.Seq)
		}
	}
}

func TestRoomOutlivesItsMembersWithItsHistory(t *testing.T) {
	addr := startChat(t, "-history", "2")
	var ledger chattest.Ledger
	for i := range 4 {
		c := dialChat(t, addr, chattest.Options{Room: "side", Since: ledger.Position()})
		if err := ledger.Take(c.Welcome); err != nil {
			t.Fatal(err)
		}
		if err := ledger.Take(c.says("m" + strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
		c.Cut()
	}
	if ledger.Resumed != 3 || ledger.Seq() != 4 {
		t.Errorf("%+v", ledger)
	}
}

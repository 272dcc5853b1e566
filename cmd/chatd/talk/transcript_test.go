package talk

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"chatd/cmd/chatd/talk/client"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// reader is a transcript, and what it tells of events, without colours.
type reader struct {
	*transcript
	t *testing.T
}

func newReader(t *testing.T) reader {
	return reader{&transcript{now: func() time.Time { return noon }, zone: time.UTC}, t}
}

func (r reader) tells(e client.Event, want ...string) {
	r.t.Helper()
	var got []string
	for _, line := range r.add(e) {
		got = append(got, ansi.Strip(line))
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("%+v:\n\t%q\nand not\n\t%q", e, got, want)
	}
}

func said(after time.Duration, name, text string) client.Event {
	return client.Event{Type: client.Say, At: noon.Add(after).UnixMilli(), ID: "c7k2abcdefgh", Name: name, Text: text}
}

func TestATranscriptSaysWhoAndWhenAndWhichDay(t *testing.T) {
	r := newReader(t)
	r.tells(client.Event{Type: client.Welcome})
	r.tells(said(0, "Ana", "hi"), "── Sunday, 29 November 2026 ──", "12:00 Ana: hi")
	r.tells(said(time.Minute, "", "me, too"), "12:01 c7k2ab: me, too")
	r.tells(client.Event{Type: client.Say, At: noon.UnixMilli(), Text: "raw"}, "12:00 raw")
	r.tells(client.Event{Type: client.Say, At: noon.UnixMilli(), Data: []byte{1, 2}}, "12:00 [2 bytes that are no text]")
	r.tells(said(12*time.Hour, "Ana", "late"), "── Monday, 30 November 2026 ──", "00:00 Ana: late")
	r.tells(client.Event{Type: client.Members, Count: 3})
	again := said(0, "Ana", "hi")
	again.Mine, again.Again = true, true
	r.tells(again)
}

func TestATranscriptCannotBeForged(t *testing.T) {
	r := newReader(t)
	r.tells(said(0, "Ana\n", "hi\n12:00 Bob: I quit\r\n\x1b[2J\tend\n"),
		"── Sunday, 29 November 2026 ──", "12:00 Ana␊: hi", "      12:00 Bob: I quit", "      ␛[2J    end")
	for _, row := range wrap("12:00 Ana: "+strings.Repeat(" ", 19)+"12:00 Bob: I quit "+strings.Repeat("x", 80), 30)[1:] {
		if !strings.HasPrefix(row, indent) || ansi.StringWidth(row) > 29 {
			t.Errorf("%q", row)
		}
	}
}

func TestATranscriptMarksWhatWasMissed(t *testing.T) {
	r := newReader(t)
	r.tells(said(-time.Hour, "Ana", "hi"), "── Sunday, 29 November 2026 ──", "11:00 Ana: hi")
	r.tells(client.Event{Type: client.Welcome, Away: 90 * time.Second}, "      * back after 1m30s")
	r.tells(client.Event{Type: client.Gap, From: 4, To: 13, Why: "history"}, "      * messages 4 to 13 are missing: the server has them no more")
	r.tells(said(-time.Minute, "Ana", "missed"), "── missed while you were away ──", "11:59 Ana: missed")
	r.tells(said(-time.Second, "Ana", "too"), "11:59 Ana: too")
	r.tells(client.Event{Type: client.Welcome, Away: time.Millisecond}, "      * back after 1s")
	r.tells(said(time.Minute, "Ana", "nothing was missed"), "12:01 Ana: nothing was missed")
}

func TestGapsAreToldInWords(t *testing.T) {
	for _, c := range []struct {
		gap  client.Event
		says string
	}{
		{client.Event{From: 7, To: 7, Why: "history"}, "message 7 is missing"},
		{client.Event{From: 1, To: 0, Why: "epoch"}, "begun anew"},
		{client.Event{From: 1, To: 9, Why: "future"}, "may be missing"},
		{client.Event{From: 1, To: 9, Why: "mismatch"}, "may be missing"},
	} {
		if got := lost(c.gap); !strings.Contains(got, c.says) {
			t.Errorf("%+v: %s", c.gap, got)
		}
	}
}

func TestWhoIsHere(t *testing.T) {
	r := newReader(t)
	r.tells(client.Event{Type: client.Who, Count: 1}, "      * 1 here")
	r.tells(client.Event{Type: client.Who, Count: 5, Members: []client.Member{{ID: "a", Name: "Ana"}, {ID: "b"}, {ID: "c", Name: "B\x1bob"}}},
		"      * 5 here: Ana, B␛ob and 3 more")
}

func TestAnIDHasAColourOfItsOwn(t *testing.T) {
	r := newReader(t)
	r.colour = true
	seen := map[string]bool{}
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		line := r.add(client.Event{Type: client.Say, At: noon.UnixMilli(), ID: id, Name: "Ana"})
		again := r.add(client.Event{Type: client.Say, At: noon.UnixMilli(), ID: id, Name: "Ana"})
		seen[again[0]] = true
		if line[len(line)-1] != again[0] {
			t.Errorf("%q is not %q", line, again)
		}
	}
	if len(seen) < 3 {
		t.Errorf("%d colours", len(seen))
	}
}

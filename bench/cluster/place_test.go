package cluster

import (
	"fmt"
	"strings"
	"testing"

	"chatd/room/chattest"
)

// hearing is clients of one room, that are told what a test says.
type hearing struct {
	t      *testing.T
	room   *room
	places map[byte]*place
}

func newHearing(t *testing.T) *hearing {
	c := new(court)
	c.harm.Store(new(harm))
	return &hearing{t, newRoom("lobby", c), make(map[byte]*place)}
}

// tell tells a client, as "a", an event: w or r is a welcome without or with what it asked
// for, at epoch.seq; g a gap, from.to.why.epoch; i a message, seq.text.at.
func (h *hearing) tell(word string) {
	h.t.Helper()
	p := h.places[word[0]]
	if p == nil {
		p = &place{room: h.room, who: word[:1]}
		h.places[word[0]] = p
	}
	fields := strings.Split(word[2:], ".")
	field := func(i int) string {
		if i < len(fields) {
			return fields[i]
		}
		return ""
	}
	number := func(i int) (n uint64) { fmt.Sscan(field(i), &n); return n }
	switch word[1] {
	case 'w', 'r':
		p.join(&chattest.Event{Epoch: field(0), Seq: number(1), Resumed: word[1] == 'r'})
	case 'g':
		p.miss(&chattest.Event{From: number(0), To: number(1), Why: field(2), Epoch: field(3)})
	case 'i', 'x':
		text := field(1)
		p.hear(&chattest.Event{Seq: number(0), At: int64(number(0) + number(2)), Text: &text}, word[1] == 'x')
	case 'p':
		h.room.take(field(0), said{seq: number(1), at: int64(number(1)), text: field(2)})
	default:
		h.t.Fatalf("%s?", word)
	}
}

func TestWhatIsHeardIsHeldAgainstWhatIsThere(t *testing.T) {
	for name, tt := range map[string]struct {
		told string
		want string // "": nothing is wrong; else a part of what is
	}{
		"all":                                  {"aw1.0 bw1.0 ai3.x bi3.x ai7.y bi7.y pp1.7.y", ""},
		"from what is kept":                    {"aw1.0 bw1.4 ai3.x ai7.y bi7.y", ""},
		"resumed":                              {"aw1.0 bw1.0 ai3.x bi3.x ai7.y br1.3 bi7.y", ""},
		"a gap at the welcome":                 {"aw1.0 bw1.0 bi3.x ai3.x ai5.y ai7.z bw1.6 bg4.6.history bi7.z", ""},
		"a gap between":                        {"aw1.0 bw1.0 ai3.x bi3.x ai5.y ai7.z bg4.6.history bi7.z", ""},
		"cut before the gap":                   {"aw1.0 bw1.0 ai3.x bw1.3 bw1.5 bg1.5.history ai7.z bi7.z", ""},
		"told again":                           {"aw1.0 ai3.x ax3.x ai5.y ax3.x", ""},
		"not there, though it is acknowledged": {"aw1.0 pp1.3.x ai5.y", "has heard all from 0 to 5 of the epoch 1, but not message 3"},
		"not there, though another hears it":   {"aw1.0 bw1.0 ai3.x ai5.y bi5.y", "b in room lobby: has heard all from 0 to 5"},
		"missing at the seam":                  {"aw1.0 bw1.0 ai3.x bi3.x ai5.y ai7.z br1.3 bi7.z", "but not message 5"},
		"missing beside a gap":                 {"aw1.0 bw1.0 ai3.x bi3.x ai5.y ai7.z bg5.6.history bi7.z", ""},
		"missing in front of a gap":            {"aw1.0 bw1.0 bi3.x ai3.x ai4.v ai5.y ai7.z bg5.6.history bi7.z", "but not message 4"},
		"missing behind a gap":                 {"aw1.0 bw1.0 bi3.x ai3.x ai5.y ai7.z bg4.4.history bi7.z", "b in room lobby: has heard all from 4 to 7 of the epoch 1, but not message 5"},
		"another order":                        {"aw1.0 bw1.0 ai3.x ai5.y bi3.y bi5.x", "under one number there are message 3"},
		"reordered":                            {"aw1.0 ai5.y ai3.x", `message 3, "x", behind 5`},
		"doubled":                              {"aw1.0 ai3.x ai3.x", `message 3, "x", behind 3`},
		"doubled under another number":         {"aw1.0 ai3.x ai5.x", "has the place of 3, too"},
		"doubled elsewhere":                    {"aw1.0 bw1.0 ai3.x bi5.x", "has the place of 3, too"},
		"another time":                         {"aw1.0 bw1.0 ai3.x bi3.x.1", "under one number"},
		"acknowledged under another number":    {"aw1.0 ai3.x pp1.4.x", "has the place of 3, too"},
		"a gap that is not told":               {"aw1.0 ai3.x aw1.5 ai7.y", "message 7 before a gap"},
		"resumed elsewhere":                    {"aw1.0 ai3.x ar1.4 ai5.y", "resumed at 1.4, and was at 1.3"},
		"resumed in another epoch":             {"aw1.0 ai3.x ar2.3", "resumed at 2.3"},
		"a gap with another end":               {"aw1.0 ai3.x aw1.7 ag4.6.history", "a gap up to 6, and the place is 7"},
		"a gap with another beginning":         {"aw1.0 ai3.x aw1.7 ag5.7.history", "a gap from 5 to 7 at 1.3"},
		"a gap that goes back":                 {"aw1.0 ai3.x ag2.2.history", "a gap from 2 to 2"},
		"memory that was not lost":             {"aw1.0 ai3.x aw2.3 ag1.3.epoch", "though NATS has lost nothing"},
		"a message of the future":              {"aw1.0 ai3.x aw1.2 ag1.2.future", "though NATS has lost nothing"},
		"an epoch for history":                 {"aw1.0 ai3.x aw2.3 ag4.3.history", "a gap from 4 to 3"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHearing(t)
			for _, word := range strings.Fields(tt.told) {
				h.tell(word)
			}
			h.judge(tt.want)
		})
	}
}

// judge fails if not just that is wrong.
func (h *hearing) judge(want string) {
	h.t.Helper()
	for _, p := range h.places {
		p.judge()
	}
	violations, _ := h.room.court.found()
	found := want == ""
	for _, v := range violations {
		if want == "" || !strings.Contains(v.What, want) {
			h.t.Logf("%s", v.What)
		} else {
			found = true
		}
	}
	if !found || want == "" && len(violations) > 0 {
		h.t.Errorf("%d violations, want %q", len(violations), want)
	}
}

func TestWhatIsSetBackMayBeLostIfThatIsTold(t *testing.T) {
	for told, want := range map[string]string{
		// Number 5 is given out again before all know of it.
		"aw1.0 bw1.0 ai3.x bi3.x ai5.y cw1.3 ci5.z.9 ag1.3.epoch.2 bg1.3.epoch.2 cg1.3.epoch.2 ai4.z bi4.z ci4.z": "",
		"aw1.0 ai3.x ai5.y aw1.3 ag1.3.future ai5.z.9":                                                            "",
		"aw1.0 ai3.x ai5.y ai4.z": "behind 5",
		"aw1.0 bw1.0 ai3.x bi3.x ag1.3.epoch.2 bg1.3.epoch.2 ai4.y ai5.z bi5.z": "but not message 4",
	} {
		t.Run(told, func(t *testing.T) {
			h := newHearing(t)
			h.room.court.harm.Load().kept.Store(1000)
			for _, word := range strings.Fields(told) {
				h.tell(word)
			}
			h.judge(want)
		})
	}
}

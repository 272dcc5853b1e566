package jetstream

import (
	"fmt"
	"testing"
)

func TestThousandRoomsBegin(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	few := func(c *Config) { c.History = 3 }
	a, b := open(t, url, few), open(t, url, few)
	const rooms, messages = 1000, 8
	name := func(i int) string { return fmt.Sprint("room-", i) }
	said := make([]*recorder, rooms)
	for i := range rooms {
		said[i] = newRecorder()
		a.Enter(name(i), said[i])
	}
	for i, r := range said {
		r.untilBegun(t)
		if i%2 == 0 {
			say(a, name(i), "a", 1, messages)
		}
	}
	for i, r := range said {
		if i%2 == 0 {
			r.untilSaid(t, messages)
			r.untilPlaced(t, messages)
		}
		a.Leave(name(i))
	}
	for i := range rooms {
		r := newRecorder()
		b.Enter(name(i), r)
		said[i] = r
	}
	for i, r := range said {
		r.untilBegun(t)
		want := 0
		if i%2 == 0 {
			want = 6 // twice as many: see perRoom
		}
		if r.kept != want {
			t.Errorf("%s: %d messages", name(i), r.kept)
		}
		say(b, name(i), "b", 1, 1)
	}
	for i, r := range said {
		r.untilPlaced(t, 1)
		r.check(t)
		if len(r.failed) > 0 || len(r.misses) > 0 {
			t.Errorf("%s: failed %v, missed %v", name(i), r.failed, r.misses)
		}
	}
	if s := b.Stats(); s.Scans == 0 {
		t.Errorf("%+v", s)
	}
}

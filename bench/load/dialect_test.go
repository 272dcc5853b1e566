package load

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"chatd/bench/result"
	"chatd/poller"
)

func TestMessageIsTheSameAsText(t *testing.T) {
	m := message{room: 513, sender: 7, seq: 300, due: 1 << 40}
	for _, size := range []int{headLength + 1, 128} {
		text := string(m.appendText([]byte("x"), size))[1:]
		if got, err := decodeText(text, size); got != m || err != nil || len(text) != size {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
		for _, wrong := range []struct {
			text string
			err  error
		}{
			{text + "o", errSize},
			{text[:len(text)-1] + "z", errFiller},
			{"?" + text[1:], errUnknown},
			{"hello", errUnknown},
		} {
			if _, err := decodeText(wrong.text, size); err != wrong.err {
				t.Errorf("%q: %v, not %v", wrong.text, err, wrong.err)
			}
		}
	}
}

func TestChatComesBackToItsPlace(t *testing.T) {
	target, err := NewTarget("ws://127.0.0.1:9000/ws?a=b", Chat, http.Header{"X-Test": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		place place
		query string
	}{
		{place{}, "since=now"},
		{place{epoch: "9f3c21aa", seq: 7, session: "x/y"}, "since=9f3c21aa.7&session=x%2Fy"},
		{place{epoch: "9f3c21aa", seq: 7, at: 99, session: "z"}, "since=9f3c21aa.7.99&session=z"},
	} {
		request := string(chat{}.request(target, "r1", &tt.place))
		if !strings.HasPrefix(request, "GET /ws/r1?a=b&"+tt.query+" HTTP/1.1\r\n") || !strings.HasSuffix(request, "\r\nX-Test: 1\r\nSec-WebSocket-Protocol: chat.v1\r\n\r\n") {
			t.Errorf("%+v:\n%s", tt.place, request)
		}
	}
}

// members is a fleet with n clients of a dialect, without sockets, that have been
// greeted.
func members(d dialect, n int) (*Fleet, []*client) {
	f := &Fleet{target: &Target{dialect: d}, size: 40, newest: []*event{{}}, permits: make(chan struct{}, n), causes: make(map[string]int)}
	f.window.init(f.rooms)
	for range n {
		f.permits <- struct{}{}
		c := &client{fleet: f, phase: greeting}
		c.place.last = f.newest[0]
		f.clients = append(f.clients, c)
	}
	return f, f.clients
}

func text(seq uint64) string { return string(message{seq: seq}.appendText(nil, 40)) }

func say(seq int) string {
	return fmt.Sprintf(`{"at":5,"text":%q,"seq":%d,"type":"say","room":"lobby"}`, text(uint64(seq)), seq+1)
}

func TestWhoHearsAnEventAfterOthersOnlyCompares(t *testing.T) {
	_, clients := members(chat{}, 2)
	hear := func(c *client, event string) (heard uint64) { return chat{}.hear(nil, c, []byte(event), 0) }
	for _, c := range clients {
		hear(c, `{"type":"welcome","epoch":"9f3c21aa","seq":0}`)
	}
	var events []*event
	for i := range 5 {
		if n := hear(clients[0], say(i)); n != 1 {
			t.Fatalf("event %d: %d messages", i, n)
		}
		events = append(events, clients[0].place.last)
	}
	// What is not the same for all comes in between.
	for i := range 5 {
		hear(clients[1], `{"type":"members","room":"lobby","count":2}`)
		if n := hear(clients[1], say(i)); n != 1 || clients[1].place.last != events[i] {
			t.Errorf("event %d: %d messages, and was not known", i, n)
		}
	}
	const runs = 10
	var more [][]byte
	for i := range runs + 1 { // and one to warm up
		more = append(more, []byte(say(5+i)))
		hear(clients[0], say(5+i))
	}
	next := 0
	if allocs := testing.AllocsPerRun(runs, func() { chat{}.hear(nil, clients[1], more[next], 0); next++ }); allocs > 0 {
		t.Errorf("%g allocations for an event that is known", allocs)
	}
}

func TestWhatIsWrongIsFoundThoughOthersHeardItRight(t *testing.T) {
	for what, tt := range map[string]struct {
		heard []int // after 0 to 2, of 0 to 5
		want  result.Faults
	}{
		"all":        {[]int{3, 4, 5}, result.Faults{}},
		"lost":       {[]int{3, 5}, result.Faults{Lost: 1}},
		"repeated":   {[]int{2, 3, 3, 4, 5}, result.Faults{Duplicated: 2}},
		"swapped":    {[]int{4, 3, 5}, result.Faults{Disordered: 1}},
		"lost first": {[]int{4, 5}, result.Faults{Lost: 1}},
	} {
		_, clients := members(chat{}, 2)
		for i, c := range clients {
			chat{}.hear(nil, c, []byte(`{"type":"welcome","epoch":"9f3c21aa","seq":0}`), 0)
			all := []int{0, 1, 2, 3, 4, 5}
			if i == 1 {
				all = append(all[:3:3], tt.heard...)
			}
			for _, seq := range all {
				chat{}.hear(nil, c, []byte(say(seq)), 0)
			}
		}
		got := clients[1].check.faults
		if got.Lost = clients[1].check.lost([]uint64{6}); got != tt.want {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestRecoveredPublicationsAreTakenOffAsFarAsTheyAreKnown(t *testing.T) {
	pub := func(i int) string { return fmt.Sprintf(`{"data":%q,"offset":%d}`, text(uint64(i)), i+1) }
	reply := func(from, to int) string {
		var pubs []string
		for i := from; i < to; i++ {
			pubs = append(pubs, pub(i))
		}
		return `{"id":2,"subscribe":{"recoverable":true,"epoch":"abcd","publications":[` + strings.Join(pubs, ",") + `],"recovered":true,"offset":0}}`
	}
	for known := range 7 {
		f, clients := members(centrifuge{}, 2)
		d := centrifuge{}
		w := &poller.Worker{}
		first, back := clients[0], clients[1]
		for _, c := range clients {
			d.hear(w, c, []byte(`{"id":1,"connect":{"client":"x"}}`+"\n"+`{"id":2,"subscribe":{"epoch":"abcd"}}`), 0)
		}
		for i := range known {
			d.hear(w, first, []byte(`{"push":{"channel":"lobby","pub":`+pub(i)+`}}`), 0)
		}
		back.phase = greeting // again
		f.permits <- struct{}{}
		if n := d.hear(w, back, []byte(reply(0, 5)+"\n"+`{"push":{"channel":"lobby","pub":`+pub(5)+`}}`), 0); n != 6 {
			t.Errorf("%d known: %d messages", known, n)
		}
		if back.check.faults.Any() || back.check.lost([]uint64{6}) > 0 || back.place.seq != 6 {
			t.Errorf("%d known: %+v, at %d; %v", known, back.check.faults, back.place.seq, f.causes)
		}
	}
}

package jetstream

import (
	"fmt"
	"strings"
	"testing"

	"chatd/room/order"
)

func TestThreeNodesHaveOneOrder(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	const nodes, rooms, messages = 3, 5, 30
	var sources []*Source
	recorders := make([][]*recorder, nodes)
	for i := range nodes {
		s := open(t, url)
		sources = append(sources, s)
		for room := range rooms {
			recorders[i] = append(recorders[i], enter(t, s, fmt.Sprint("room.", room)))
		}
	}
	for i, s := range sources {
		go func() {
			for room := range rooms {
				say(s, fmt.Sprint("room.", room), fmt.Sprint("node", i), 1, messages)
			}
		}()
	}
	for room := range rooms {
		for i := range nodes {
			r := recorders[i][room]
			r.untilSaid(t, nodes*messages)
			r.untilPlaced(t, messages)
			r.check(t)
			equal(t, r, recorders[0][room])
			if r.epoch != recorders[0][room].epoch {
				t.Errorf("epochs %x and %x", r.epoch, recorders[0][room].epoch)
			}
		}
	}
	if r := recorders[0][0]; r.epoch == recorders[0][1].epoch || r.epoch == 0 {
		t.Error("rooms have one epoch, or none")
	}
}

func TestMessageComesAsItWasPublished(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url), open(t, url)
	from, to := enter(t, a, "x.y~z-_"), enter(t, b, "x.y~z-_")
	for i, m := range []order.Message{
		{ID: "id", Name: "Zoë %41", Nonce: " a\r\nb\x00c ", Payload: []byte("text")},
		{Binary: true, Payload: []byte{0, 255, '\r', '\n'}},
		{Payload: []byte{}},
		{ID: "id", Nonce: strings.Repeat("\"", 64), Payload: []byte(strings.Repeat("x", 64<<10))},
	} {
		a.Publish("x.y~z-_", uint64(i+1), m)
		for _, r := range []*recorder{from, to} {
			r.untilSaid(t, i+1)
			got := r.said[i]
			if got.ID != m.ID || got.Name != m.Name || got.Nonce != m.Nonce || got.Binary != m.Binary || string(got.Payload) != string(m.Payload) || got.At == 0 || got.Seq == 0 {
				t.Errorf("published %+v, got %+v", m, got)
			}
		}
	}
}

func TestHistoryComesFromTheStreamAndThenFromAPeer(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	history := func(c *Config) { c.History = 10 }
	a := open(t, url, history)
	first := enter(t, a, "lobby")
	if first.behind != (order.Point{}) || first.kept != 0 {
		t.Errorf("a new room begins behind %+v with %d messages", first.behind, first.kept)
	}
	say(a, "lobby", "a", 1, 4)
	first.untilSaid(t, 4)
	a.Leave("lobby")

	b := open(t, url, history)
	fromStream := enter(t, b, "lobby")
	if fromStream.kept != 4 || fromStream.behind != (order.Point{}) {
		t.Errorf("%d messages behind %+v", fromStream.kept, fromStream.behind)
	}
	equal(t, first, fromStream)
	say(b, "lobby", "b", 1, 8)
	fromStream.untilSaid(t, 12)

	c := open(t, url, history)
	cut := enter(t, c, "lobby") // it may be asked before b answers others
	if s := c.Stats(); s.PeersAsked+s.Read != 1 {
		t.Errorf("%+v", s)
	}
	eventually(t, "a peer's history", func() bool {
		c.Leave("lobby")
		enter(t, c, "lobby")
		return c.Stats().PeersAsked > 0 && b.Stats().PeersAnswered > 0
	})
	_ = cut
}

func TestHistoryIsTheLastMessages(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a := open(t, url, func(c *Config) { c.History = 10 })
	r := enter(t, a, "lobby")
	say(a, "lobby", "a", 1, 25)
	r.untilSaid(t, 25)
	b := open(t, url, func(c *Config) { c.History = 10 })
	b.config.Log.Info("reading")
	kept := newRecorder()
	a.Leave("lobby")
	b.Enter("lobby", kept)
	kept.untilBegun(t)
	if kept.kept > 25 || kept.said[kept.kept-1].Seq != 25 || kept.said[0].Seq != kept.behind.Seq+1 {
		t.Errorf("%d messages behind %+v", kept.kept, kept.behind)
	}
}

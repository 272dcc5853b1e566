package jetstream

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"chatd/room/order/natstest"
)

func TestMembersAreCountedOnAllNodes(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url, single), open(t, url, single)
	told := make(chan string, 100)
	a.Tell(func(room string) { told <- room }, func(string, string, time.Duration) {})
	b.Count("lobby", 3)
	if got := <-told; got != "lobby" || a.Elsewhere("lobby") != 3 {
		t.Error(got, a.Elsewhere("lobby"))
	}
	b.Count("lobby", 2)
	if got := <-told; got != "lobby" || a.Elsewhere("lobby") != 2 {
		t.Error(got, a.Elsewhere("lobby"))
	}
	a.Count("lobby", 7)
	c := open(t, url, single) // it comes later, and is told
	eventually(t, "the others' members", func() bool { return c.Elsewhere("lobby") == 9 })
	b.Close()
	if got := <-told; got != "lobby" || a.Elsewhere("lobby") != 0 {
		t.Error(got, a.Elsewhere("lobby"))
	}
}

func TestCountsThatWereLostAreToldAgain(t *testing.T) {
	c := newCounts(&Source{node: "here"})
	now := time.Now()
	hear := func(lost bool, b beat) {
		t.Helper()
		b.Node = "there"
		if _, l := c.hear(b, now); l != lost {
			t.Errorf("%+v: %t", b, !lost)
		}
	}
	hear(true, beat{Number: 5, Rooms: map[string]int{"a": 1}}) // what was before is not known
	hear(false, beat{Number: 6, All: true, Rooms: map[string]int{"a": 2, "b": 1}})
	hear(false, beat{Number: 7, Rooms: map[string]int{"a": 0, "c": 1}})
	hear(true, beat{Number: 9, Rooms: map[string]int{"c": 2}})
	hear(true, beat{Number: 10})
	if a, b, c := c.sum["a"], c.sum["b"], c.sum["c"]; a != 0 || b != 1 || c != 2 {
		t.Error(a, b, c)
	}
	hear(false, beat{Number: 11, All: true, More: true, Rooms: map[string]int{"c": 5}})
	if b, c := c.sum["b"], c.sum["c"]; b != 1 || c != 5 {
		t.Error(b, c)
	}
	hear(true, beat{Number: 13, Rooms: map[string]int{"d": 1}}) // what is missing may be of b
	if b, d := c.sum["b"], c.sum["d"]; b != 1 || d != 1 {
		t.Error(b, d)
	}
	hear(false, beat{Number: 14, All: true, More: true, Rooms: map[string]int{"c": 5}})
	hear(false, beat{Number: 15, Rooms: map[string]int{"d": 2}})
	if b, c, d := c.sum["b"], c.sum["c"], c.sum["d"]; b != 0 || c != 5 || d != 2 {
		t.Error(b, c, d)
	}
	hear(false, beat{Number: 16, Rooms: map[string]int{"e": 1}})
	if c, e := c.sum["c"], c.sum["e"]; c != 5 || e != 1 {
		t.Error(c, e)
	}
	c.expire(now.Add(nodeSilence + 1))
	if len(c.sum) != 0 || len(c.nodes) != 0 {
		t.Errorf("%v", c.sum)
	}
}

func TestBeatsOfManyRoomsAreSeveral(t *testing.T) {
	s := &Source{node: "here"}
	s.counts = newCounts(s)
	c := s.counts
	for i := range 2*roomsABeat + 1 {
		s.Count(fmt.Sprint(i), 1)
	}
	if n := len(c.beats("")); n != 3 {
		t.Errorf("%d messages", n)
	}
	if n := len(c.beats("")); n != 1 || len(c.here) != 2*roomsABeat+1 {
		t.Errorf("%d messages, %d rooms", n, len(c.here))
	}
}

func TestCountsThatAreToldAgainInPartsDoNotFlicker(t *testing.T) {
	here := &Source{node: "here"}
	from, to := newCounts(&Source{node: "there"}), newCounts(here)
	here.counts = to
	const rooms = 2*roomsABeat + 1
	for i := range rooms {
		from.here[fmt.Sprint(i)] = 1
	}
	from.here["left"] = 1
	hear := func() (changed []string) {
		for _, body := range from.beats("") {
			var b beat
			if err := json.Unmarshal(body, &b); err != nil {
				t.Fatal(err)
			}
			more, lost := to.hear(b, time.Now())
			if lost {
				t.Errorf("something of %d is missed", b.Number)
			}
			changed = append(changed, more...)
		}
		return changed
	}
	if n := len(hear()); n != rooms+1 {
		t.Errorf("%d rooms", n)
	}
	delete(from.here, "left") // and that was not heard
	from.tellAll()
	if changed := hear(); len(changed) != 1 || changed[0] != "left" || here.Elsewhere("7") != 1 || here.Elsewhere("left") != 0 {
		t.Error(changed)
	}
}

func TestCountsThatCanNotBeAreNotHeard(t *testing.T) {
	c := newCounts(&Source{node: "here"})
	for _, b := range []beat{
		{All: true, Rooms: map[string]int{"a": 1}},
		{Node: strings.Repeat("x", 100), All: true, Rooms: map[string]int{"a": 1}},
		{Node: "there", All: true, Rooms: map[string]int{"a": -1}},
		{Node: "there", All: true, Rooms: map[string]int{"a": 1 << 40}},
		{Node: "there", All: true, Rooms: map[string]int{strings.Repeat("x", 100): 1}},
	} {
		if _, lost := c.hear(b, time.Now()); lost || len(c.nodes) > 0 {
			t.Errorf("%+v is heard", b)
		}
	}
}

func TestRemovalsReachAllNodes(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url, single), open(t, url, single)
	told := make(chan string, 10)
	tell := func(room, id string, ban time.Duration) { told <- fmt.Sprint(room, " ", id, " ", ban > time.Minute) }
	b.Tell(func(string) {}, tell)
	a.Tell(func(string) {}, func(room, id string, _ time.Duration) { t.Error("it is told what it said:", room, id) })
	a.Remove("lobby", "gone", 0)
	a.Remove("lobby", "someone", 10*time.Minute)
	for _, want := range []string{"lobby gone false", "lobby someone true"} {
		if got := <-told; got != want {
			t.Error(got)
		}
	}
	a.Close()
	c := open(t, url, single) // it comes later, and is told of those that last
	c.Tell(func(string) {}, tell)
	if got := <-told; got != "lobby someone true" {
		t.Error(got)
	}
}

func TestRemovalsThatAreToldAgainAreKnown(t *testing.T) {
	r := newRemovals(&Source{node: "here"})
	var told []string
	r.begin(func(room, id string, ban time.Duration) { told = append(told, fmt.Sprint(room, id, ban)) })
	now := time.Now()
	hear := func(again bool, after, ban time.Duration) {
		r.hear(removalsTold{Again: again, All: []removal{{"a", "x", ban.Milliseconds()}, {"a", "x", -1}, {"a", "x", math.MaxInt64}}}, now.Add(after))
	}
	hear(false, 0, time.Minute)
	hear(true, 30*time.Second, 30*time.Second+time.Millisecond)
	hear(true, 30*time.Second, 10*time.Second)
	hear(false, 30*time.Second, 0)
	hear(true, 30*time.Second, time.Hour)
	if got, want := fmt.Sprint(told), "[ax1m0s ax0s ax1h0m0s]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if m := r.messages(now); len(m) != 0 {
		t.Errorf("%s: nobody has asked", m)
	}
	r.until[ban{strings.Repeat("b", 64), strings.Repeat("y", removalBytes)}] = now.Add(time.Second)
	r.tellAll()
	if m := r.messages(now); len(m) == 0 || len(m) > 2 {
		t.Errorf("%d messages", len(m))
	}
	r.tellAll()
	for i := range maxLasting + 1 {
		r.hear(removalsTold{All: []removal{{"a", fmt.Sprint(i), 1}}}, now)
	}
	if len(r.until) != maxLasting || told[len(told)-1] != fmt.Sprintf("a%d1ms", maxLasting) {
		t.Errorf("%d are known, the last one told is %s", len(r.until), told[len(told)-1])
	}
	if m := r.messages(now.Add(2 * time.Hour)); len(m) != 0 || len(r.until) != 0 {
		t.Errorf("%d messages, %d are known that are over", len(m), len(r.until))
	}
}

func TestNodesOfAClusterSpreadOverItsServers(t *testing.T) {
	t.Parallel()
	servers := natstest.Cluster(t, 3)
	two := func(c *Config) { c.Partitions, c.patience = 2, duplicateWindow-5*time.Second } // an election takes a while
	var sources []*Source
	var rooms []*recorder
	for range 3 {
		s := open(t, servers[0].URL, two)
		sources, rooms = append(sources, s), append(rooms, enter(t, s, "lobby"))
	}
	eventually(t, "a node on each server", func() bool {
		at := make(map[string]bool)
		for _, s := range sources {
			s.moveIfCrowded()
			at[s.nc.ConnectedServerId()] = true
		}
		return len(at) == 3
	})
	// The messages come to all, also when the leader is killed.
	say(sources[0], "lobby", "a", 1, 50)
	for _, r := range rooms {
		r.untilSaid(t, 50)
	}
	stream, err := sources[0].js.Stream(t.Context(), streamName(sources[0].partitionFor("lobby").number))
	if err != nil {
		t.Fatal(err)
	}
	leader := stream.CachedInfo().Cluster.Leader
	for i, srv := range servers {
		if fmt.Sprint("server-", i) == leader {
			srv.Kill()
		}
	}
	for i, s := range sources {
		say(s, "lobby", fmt.Sprint("b", i), 100, 20)
	}
	for i, r := range rooms {
		r.untilSaid(t, 110)
		r.untilPlaced(t, 20)
		r.check(t)
		inOrder(t, r)
		equal(t, r, rooms[0])
		if r.begins != 1 || len(r.failed) > 0 {
			t.Errorf("node %d: %d begins, failed %v", i, r.begins, r.failed)
		}
	}
}

package jetstream

import (
	"fmt"
	"testing"
	"time"

	"chatd/room/order/natstest"
)

func TestMembersAreCountedOnAllNodes(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url, single), open(t, url, single)
	told := make(chan string, 100)
	a.Counts().Tell(func(room string, n int) { told <- fmt.Sprint(room, " ", n) })
	b.Counts().Set("lobby", 3)
	if got := <-told; got != "lobby 3" {
		t.Error(got)
	}
	b.Counts().Set("lobby", 2)
	if got := <-told; got != "lobby 2" {
		t.Error(got)
	}
	a.Counts().Set("lobby", 7)
	c := open(t, url, single) // it comes later, and is told
	eventually(t, "the others' members", func() bool { return c.Counts().Elsewhere("lobby") == 9 })
	b.Close()
	if got := <-told; got != "lobby 0" {
		t.Error(got)
	}
}

func TestCountsThatWereLostAreToldAgain(t *testing.T) {
	c := newCounts(&Source{node: "here"})
	now := time.Now()
	hear := func(lost bool, b beat) {
		t.Helper()
		b.Node = "there"
		if c.hear(b, now) != lost {
			t.Errorf("%+v: %t", b, !lost)
		}
	}
	hear(true, beat{Number: 5, Rooms: map[string]int{"a": 1}}) // what was before is not known
	hear(false, beat{Number: 6, All: true, Rooms: map[string]int{"a": 2, "b": 1}})
	hear(false, beat{Number: 7, Rooms: map[string]int{"a": 0, "c": 1}})
	hear(true, beat{Number: 9, Rooms: map[string]int{"c": 2}})
	hear(true, beat{Number: 10})
	if a, b, c := c.Elsewhere("a"), c.Elsewhere("b"), c.Elsewhere("c"); a != 0 || b != 1 || c != 2 {
		t.Error(a, b, c)
	}
	hear(false, beat{Number: 11, All: true, Rooms: map[string]int{"c": 5}})
	if b, c := c.Elsewhere("b"), c.Elsewhere("c"); b != 0 || c != 5 {
		t.Error(b, c)
	}
	c.expire(now.Add(nodeSilence + 1))
	if len(c.sum) != 0 || len(c.nodes) != 0 {
		t.Errorf("%v", c.sum)
	}
}

func TestBeatsOfManyRoomsAreSeveral(t *testing.T) {
	c := newCounts(&Source{node: "here"})
	for i := range 2*roomsABeat + 1 {
		c.Set(fmt.Sprint(i), 1)
	}
	if n := len(c.beats("")); n != 3 {
		t.Errorf("%d messages", n)
	}
	if n := len(c.beats("")); n != 1 || len(c.here) != 2*roomsABeat+1 {
		t.Errorf("%d messages, %d rooms", n, len(c.here))
	}
}

func TestRemovalsReachAllNodes(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url, single), open(t, url, single)
	told := make(chan string, 10)
	tell := func(room, id string, ban time.Duration) { told <- fmt.Sprint(room, " ", id, " ", ban > time.Minute) }
	b.Removals().Tell(tell)
	a.Removals().Tell(func(room, id string, _ time.Duration) { t.Error("it is told what it said:", room, id) })
	a.Removals().Remove("lobby", "someone", 10*time.Minute)
	if got := <-told; got != "lobby someone true" {
		t.Error(got)
	}
	c := open(t, url, single) // it comes later, and is told
	c.Removals().Tell(tell)
	if got := <-told; got != "lobby someone true" {
		t.Error(got)
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

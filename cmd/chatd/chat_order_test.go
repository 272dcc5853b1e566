package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chatd/room/chattest"
)

// Whoever says something again while he is behind is told of it where it belongs:
// what he hears is in order, and nothing is left out.
func TestRepeatedNonceDoesNotOvertakeWhatWasSaidBefore(t *testing.T) {
	t.Parallel()
	addr := startChat(t)
	author := dialChat(t, addr, chattest.Options{})
	behind := dialChat(t, addr, chattest.Options{})
	var ledger chattest.Ledger
	if err := ledger.Take(behind.Welcome); err != nil {
		t.Fatal(err)
	}
	const large = 200 // messages, more than sockets hold
	for i := range large {
		author.says(strconv.Itoa(i) + strings.Repeat("x", 60_000))
	}
	for range 2 {
		behind.tell(event{"type": "say", "text": "again", "nonce": "a"})
	}
	if e := author.hear("say"); e.Nonce != "a" {
		t.Fatalf("%+v", e)
	}
	author.says("the end")
	told := 0
	for ledger.Seq() < large+2 || told < 1 {
		e := behind.hear("say")
		if e.Nonce == "a" {
			told++
		}
		if e.Nonce == "a" && told > 1 {
			if e.Seq > ledger.Seq() {
				t.Errorf("message %d is told again after message %d", e.Seq, ledger.Seq())
			}
		} else if err := ledger.Take(e); err != nil {
			t.Fatal(err)
		}
	}
}

// Twenty clients join and leave rooms at random, are cut and return, while others
// publish in all of them.
func TestRoomsThatAreJoinedAndLeftAtRandomAreHeardInOrder(t *testing.T) {
	t.Parallel()
	const (
		clients, lives = 20, 15
		rooms          = 5
	)
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("seed", seed)
		}
	})
	addr := startChat(t, "-history", "200")
	name := func(i int) string { return "room" + strconv.Itoa(i) }
	var ended atomic.Bool
	var writing, moving sync.WaitGroup
	for i := range rooms {
		writing.Go(func() {
			c, err := chattest.Dial(addr, chattest.Options{Room: name(i)})
			for n := 0; err == nil && !ended.Load(); n++ {
				if err = c.Send(say(strconv.Itoa(n))); err == nil {
					var e *chattest.Event
					for e, err = c.Next(); err == nil && e.Said() != "text "+strconv.Itoa(n); e, err = c.Next() {
					}
				}
			}
			if err != nil {
				t.Error("writer:", err)
				return
			}
			c.Close()
		})
	}
	for i := range clients {
		moving.Go(func() {
			m := &mover{addr: addr, rng: rand.New(rand.NewPCG(seed, uint64(i)))}
			m.ledgers = make([]chattest.Ledger, rooms)
			for range lives {
				if err := m.live(name); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	moving.Wait()
	ended.Store(true)
	writing.Wait()
}

// mover is a client that goes in and out of rooms.
type mover struct {
	addr    string
	rng     *rand.Rand
	ledgers []chattest.Ledger // of the rooms
}

// live is one connection, which changes rooms ten times.
func (m *mover) live(name func(int) string) error {
	of := map[string]int{}
	for i := range m.ledgers {
		of[name(i)] = i
	}
	first := m.rng.IntN(len(m.ledgers))
	c, err := chattest.Dial(m.addr, chattest.Options{
		Room: name(first), Since: m.ledgers[first].Position(), Compress: m.rng.IntN(2) == 0,
	})
	if err != nil {
		return err
	}
	defer c.Cut()
	in := map[int]bool{first: true}
	if err := m.ledgers[first].Take(c.Welcome); err != nil {
		return err
	}
	for range 10 {
		room := m.rng.IntN(len(m.ledgers))
		leaves := in[room]
		command := event{"type": "join", "room": name(room), "since": m.ledgers[room].Position()}
		if leaves {
			command = event{"type": "leave", "room": name(room)}
		}
		if err := c.Send(command); err != nil {
			return err
		}
		for answered := false; !answered || m.rng.IntN(8) > 0 && len(in) > 0; {
			e, err := c.Next()
			if err != nil {
				return err
			}
			of, known := of[e.Room]
			switch {
			case !known:
				return fmt.Errorf("%+v", e)
			case e.Type == "left" && leaves && of == room:
				delete(in, room)
				answered = true
				continue
			case e.Type == "joined" && !leaves && of == room && !answered:
				in[room] = true
				answered = true
			case !in[of] || e.Type != "say" && e.Type != "gap" && e.Type != "members":
				return fmt.Errorf("in %v, after %v: %+v", in, command, e)
			}
			if err := m.ledgers[of].Take(e); err != nil {
				return fmt.Errorf("%s: %w", e.Room, err)
			}
		}
	}
	return nil
}

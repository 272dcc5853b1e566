package api

import (
	"errors"
	"sync"
	"testing"
	"time"

	"chatd/room"
	"chatd/room/order"
)

// unreached is an order that can't be reached, and other servers of which nothing is heard.
type unreached struct {
	mu      sync.Mutex
	removed []string
}

func (*unreached) Enter(string, order.Room)              {}
func (*unreached) Publish(string, uint64, order.Message) {}
func (*unreached) Forget(string, uint64)                 {}
func (*unreached) Leave(string)                          {}
func (*unreached) Ready() error                          { return errors.New("nobody is there") }
func (*unreached) Close() error                          { return nil }

func (*unreached) Count(string, int)                                           {}
func (*unreached) Elsewhere(string) int                                        { return 0 }
func (*unreached) Tell(func(string), func(room, id string, ban time.Duration)) {}
func (u *unreached) Remove(room, id string, _ time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.removed = append(u.removed, room+" "+id)
}

func TestRoomsThatOnlyOthersHaveAreAskedFor(t *testing.T) {
	others := new(unreached)
	f := start(t, func(c *room.Config) { c.Order, c.Nodes, c.OrderGrace = others, others, time.Second })
	for _, method := range []string{"GET", "HEAD"} {
		f.hurry(method, "/rooms/lobby")
		f.hurry(method, "/rooms/lobby/messages")
	}
	var all struct{ Rooms []figures }
	f.status(f.ask("GET", "/rooms", ""), 200).json(t, &all)
	if len(all.Rooms) != 0 {
		t.Error("rooms of which nothing is known:", all.Rooms)
	}
	f.status(f.ask("DELETE", "/rooms/elsewhere/members/x", ""), 204)
	others.mu.Lock()
	defer others.mu.Unlock()
	if len(others.removed) != 1 || others.removed[0] != "elsewhere x" {
		t.Error("the others were told", others.removed)
	}
}

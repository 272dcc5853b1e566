package soak

import (
	"errors"
	"fmt"
)

// mostRooms is how many rooms there are at most.
const mostRooms = 300

// errForeign says that a room was not kept to itself.
var errForeign = errors.New("a message of another room")

// room is one of the server's, as its clients know it. It belongs to the crowd's
// worker, but for what is static.
type room struct {
	number  int // static
	ledger  ledger
	slowest int  // the message that a healthy client must hear next
	oldest  int  // the message that anybody may hear next
	joined  bool // by somebody, since the baseline
}

// path is that of its WebSocket: the first is the server's lobby.
func (r *room) path() string {
	if r.number == 0 {
		return "/ws"
	}
	return fmt.Sprintf("/ws/soak-%d", r.number)
}

// allows reports whether another message may be under way.
func (c *crowd) allows(r *room) bool {
	l := &r.ledger
	if l.sent == uint64(r.slowest) {
		return true
	}
	return l.sent-uint64(r.slowest) < underWay && (l.volume-l.upTo(r.slowest))*uint64(len(c.clients)) < bytesUnderWay
}

// publisher makes a new one in a room and returns its number, by which its
// messages are known to be the room's.
func (c *crowd) publisher(r *room) uint32 {
	id := uint32(len(c.homes))
	c.homes = append(c.homes, r)
	r.ledger.publisher(id)
	return id
}

// belongs finds a message that came to a client of r, but is another room's.
// What nobody sent is for the ledger to find.
func (c *crowd) belongs(r *room, payload []byte) error {
	if len(payload) < minMessage {
		return nil
	}
	id := int(identify(payload).publisher)
	if id < len(c.homes) && c.homes[id] != r {
		return fmt.Errorf("%w: of %s in %s", errForeign, c.homes[id].path(), r.path())
	}
	return nil
}

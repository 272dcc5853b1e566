package room

import (
	"bytes"
	"fmt"
)

// reference is what the original does for one client, in every room that it is
// in: a slice of messages for each. Which room comes first when there is
// something to write of several is left open; that whole frames are written, and
// everything else, is not.
type reference struct {
	deflate bool // it reads compressed messages

	free     int             // bytes the kernel takes now
	seen     int             // bytes that were written and have been looked at
	writing  []byte          // the rest of what is partly written
	rest     [][]byte        // for this client alone, and of rooms that it left
	urgent   []byte          // for this client alone, not begun
	rooms    map[string]bool // that it is in
	queues   map[string][][]byte
	farewell []byte
	gone     bool // in no room any more, for good
	reset    bool
	dropped  bool
}

// waits reports whether anything is left to be written.
func (c *reference) waits() bool {
	n := len(c.writing) + len(c.rest) + len(c.urgent) + len(c.farewell)
	for _, q := range c.queues {
		n += len(q)
	}
	return n > 0
}

// wrote takes what the server has written to the client, and returns what is
// wrong with it, or "". More must have been written only if the kernel took it,
// and less only if it took no more. The first bytes of two frames may be the
// same: then what is said to come tells which it is, and has to come.
func (c *reference) wrote(got, coming []byte) string {
	if c.reset {
		return ""
	}
	fresh := got[c.seen:]
	c.seen = len(got)
	if len(fresh) > c.free {
		return fmt.Sprintf("wrote %d bytes, the kernel takes %d", len(fresh), c.free)
	}
	c.free -= len(fresh)
	for len(fresh) > 0 {
		if len(c.writing) == 0 {
			if c.writing = c.next(append(fresh[:len(fresh):len(fresh)], coming...)); c.writing == nil {
				return fmt.Sprintf("wrote %q, which is nothing that waits: %v", fresh, c)
			}
		}
		n := min(len(fresh), len(c.writing))
		if !bytes.Equal(fresh[:n], c.writing[:n]) {
			return fmt.Sprintf("wrote %q, want %q", fresh[:n], c.writing[:n])
		}
		c.writing, fresh = c.writing[n:], fresh[n:]
	}
	if c.free > 0 && c.waits() {
		return fmt.Sprintf("did not write what waits, though the kernel takes %d bytes: %v", c.free, c)
	}
	return ""
}

// next takes out what may be written next and begins as fresh does, or nil.
func (c *reference) next(fresh []byte) (frame []byte) {
	begins := func(f []byte) bool {
		n := min(len(f), len(fresh))
		return n > 0 && bytes.Equal(f[:n], fresh[:n])
	}
	switch {
	case len(c.rest) > 0:
		if begins(c.rest[0]) {
			frame, c.rest = c.rest[0], c.rest[1:]
		}
		return frame
	case begins(c.urgent):
		frame, c.urgent = c.urgent, nil
		return frame
	case len(c.urgent) > 0:
		return nil
	}
	waiting := false
	for _, name := range modelRooms {
		if q := c.queues[name]; len(q) > 0 {
			waiting = true
			if begins(q[0]) {
				c.queues[name] = q[1:]
				return q[0]
			}
		}
	}
	if !waiting && begins(c.farewell) {
		frame, c.farewell = c.farewell, nil
	}
	return frame
}

func (c *reference) enter(room string, answer []byte) {
	if c.gone {
		return
	}
	c.loosen()
	c.rest = append(c.rest, answer)
	c.rooms[room] = true
}

func (c *reference) exit(room string, answer []byte) {
	if c.gone {
		return
	}
	c.loosen()
	c.rest = append(append(c.rest, c.queues[room]...), answer)
	delete(c.queues, room)
	delete(c.rooms, room)
}

func (c *reference) leave(farewell []byte) {
	if c.gone {
		return
	}
	c.loosen()
	c.gone, c.farewell = true, farewell
}

// loosen makes what is urgent wait with the rest.
func (c *reference) loosen() {
	if len(c.urgent) > 0 {
		c.rest = append(c.rest, c.urgent)
		c.urgent = nil
	}
}

// publish has a message come to the room, after what the kernel takes was
// written.
func (c *reference) publish(room string, message, compressed []byte) {
	if c.gone || !c.rooms[room] {
		return
	}
	if c.deflate {
		message = compressed
	}
	if len(c.queues[room])-c.taken(room) == modelQueue {
		c.dropped = true
		c.leave(goodbye[SlowConsumer])
		return
	}
	c.queues[room] = append(c.queues[room], message)
}

// taken is how many of room's frames, of those that are counted as waiting, the
// kernel takes already, the last perhaps in part. It takes any only if there is
// nothing else: what it took before has been looked at.
func (c *reference) taken(room string) (n int) {
	free := c.free
	if free == 0 {
		return 0
	}
	free -= len(c.writing) + len(c.urgent)
	for _, f := range c.rest {
		free -= len(f)
	}
	for _, f := range c.queues[room] {
		if free <= 0 {
			break
		}
		free -= len(f)
		n++
	}
	return n
}

package room

import (
	"bytes"
	"fmt"
	"slices"

	"chatd/room/chat"
)

// reference is what the original does for one client, in every room that it is
// in: a slice of messages for each. Which room comes first when there is
// something to write of several is left open; that whole frames are written, and
// everything else, is not.
type reference struct {
	stream  stream // that it reads
	id      string // "": none
	expires int64  // the time at which its token does, in ms; 0: it has none

	free     int             // bytes the kernel takes now
	seen     int             // bytes that were written and have been looked at
	writing  []byte          // the rest of what is partly written
	message  bool            // that is a message of a room
	rest     []item          // for this client alone, and of rooms that it left
	urgent   []byte          // for this client alone, not begun
	rooms    map[string]bool // that it is in
	queues   map[string][][]byte
	fresh    map[string]int // how many of a queue came in this step
	past     map[string]int // how many of a queue were there before it came: they don't count
	counts   map[string]int // the members of a room that it was told last
	notices  int            // how often it was told, but for its first moment in a room
	welcomed bool
	farewell []byte
	gone     bool // in no room any more, for good
	parting  bool // it left in this step
	reset    bool
	dropped  bool
	got      uint64 // messages of rooms, whole
}

// item is a frame that waits apart from the queues.
type item struct {
	frame   []byte
	message bool // of a room

	// The frame says how many members a room has; how many that is when it is
	// written is left open.
	event func(members int) []byte
	room  string
}

// mostMembers is more than a room of the model ever has.
const mostMembers = 60

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
	defer func() { clear(c.fresh); c.parting = false }()
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
		if c.writing, fresh = c.writing[n:], fresh[n:]; len(c.writing) == 0 && c.message {
			c.got++
		}
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
	counted := func(room string, event func(int) []byte) []byte {
		for n := 1; n < mostMembers; n++ {
			if f := event(n); begins(f) {
				c.counts[room] = n
				return f
			}
		}
		return nil
	}
	c.message = false
	switch {
	case len(c.rest) > 0:
		first := c.rest[0]
		if first.event != nil {
			first.frame = counted(first.room, first.event)
		}
		if begins(first.frame) {
			frame, c.message, c.rest = first.frame, first.message, c.rest[1:]
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
				c.past[name] = max(0, c.past[name]-1)
				c.message = true
				return q[0]
			}
		}
		// Behind its messages it may be told how many are there, but for those that
		// came in this step.
		if len(c.queues[name]) <= c.fresh[name] && c.stream.told() && c.rooms[name] && (!c.gone || len(c.farewell) > 0 || c.parting) {
			notice := counted(name, func(n int) []byte { return c.stream.frame("members", chat.AppendMembers(nil, name, n)) })
			if notice != nil {
				c.notices++
				return notice
			}
		}
	}
	if !waiting && begins(c.farewell) {
		frame, c.farewell = c.farewell, nil
	}
	return frame
}

func (c *reference) exit(room string, answer []byte) {
	if c.gone {
		return
	}
	c.loosen()
	for _, f := range c.queues[room] {
		c.rest = append(c.rest, item{frame: f, message: true})
	}
	c.rest = append(c.rest, item{frame: answer})
	delete(c.queues, room)
	delete(c.rooms, room)
	delete(c.past, room)
	delete(c.counts, room)
}

func (c *reference) leave(farewell []byte) {
	if c.gone {
		return
	}
	c.loosen()
	c.gone, c.parting, c.farewell = true, true, farewell
}

// tell has the client get a frame of its own.
func (c *reference) tell(f []byte) {
	if c.gone {
		return
	}
	c.loosen()
	c.rest = append(c.rest, item{frame: f})
}

// repeat has the client get a message of the room again, unless it is still to get
// it.
func (c *reference) repeat(room string, f []byte) {
	if c.gone {
		return
	}
	c.loosen()
	if !slices.ContainsFunc(c.queues[room], func(q []byte) bool { return bytes.Equal(q, f) }) {
		c.rest = append(c.rest, item{frame: f})
	}
}

// loosen makes what is urgent wait with the rest.
func (c *reference) loosen() {
	if len(c.urgent) > 0 {
		c.rest = append(c.rest, item{frame: c.urgent})
		c.urgent = nil
	}
}

// publish has a message come to the room, after what the kernel takes was
// written.
func (c *reference) publish(room string, message *refMessage) {
	if c.gone || !c.rooms[room] {
		return
	}
	if len(c.queues[room])-max(c.taken(room), c.past[room]) == modelQueue {
		c.dropped = true
		c.leave(c.stream.dialect().goodbye(SlowConsumer))
		return
	}
	c.queues[room] = append(c.queues[room], message.frames[c.stream])
	c.fresh[room]++
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
		free -= len(f.frame)
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

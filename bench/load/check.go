package load

import "chatd/bench/result"

// checker follows what one client hears: every message of every sender in its
// room, once, in the sender's order. It belongs to the fleet's worker.
type checker struct {
	next    []uint64 // by sender: the message that should come next
	missing map[gap]struct{}
	order   uint64 // rolling hash of all that came, in the order in which it came
	heard   uint64
	faults  result.Faults // without Lost, which is known at the end
}

// gap is a message that was passed over.
type gap struct {
	sender uint16
	seq    uint64
}

// hear takes in a message and reports whether it came for the first time.
func (c *checker) hear(m message) bool {
	for int(m.sender) >= len(c.next) {
		c.next = append(c.next, 0)
	}
	want := c.next[m.sender]
	switch {
	case m.seq == want:
		c.next[m.sender]++
	case m.seq > want:
		if c.missing == nil {
			c.missing = make(map[gap]struct{})
		}
		for s := want; s < m.seq; s++ {
			c.missing[gap{m.sender, s}] = struct{}{}
		}
		c.next[m.sender] = m.seq + 1
	default:
		g := gap{m.sender, m.seq}
		if _, ok := c.missing[g]; !ok {
			c.faults.Duplicated++
			return false
		}
		delete(c.missing, g)
		c.faults.Disordered++
	}
	c.heard++
	c.order = (c.order ^ (uint64(m.sender)<<40 + m.seq)) * 1099511628211
	return true
}

// lost is how many of the messages sent never came; sent is by sender.
func (c *checker) lost(sent []uint64) uint64 {
	lost := uint64(len(c.missing))
	for sender, n := range sent {
		if sender >= len(c.next) {
			lost += n
		} else if n > c.next[sender] {
			lost += n - c.next[sender]
		}
	}
	return lost
}

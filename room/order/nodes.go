package order

import "time"

// Nodes are the other servers that have the same rooms, and what they tell each other
// besides messages. Its methods may be called by anybody at any time, and never wait.
type Nodes interface {
	// Count tells the others how many members a room has here.
	Count(room string, members int)
	// Elsewhere is how many it has on all of them, as far as they have told.
	Elsewhere(room string) int
	// Remove has a client sent away from a room on all of them, and kept out of it for a
	// while.
	Remove(room, id string, ban time.Duration)
	// Tell has told from now on of which room the count elsewhere has changed, and whom
	// others remove, or still keep out. It is called once; what it is given is called
	// by anybody at any time, and must neither wait nor call Nodes.
	Tell(counted func(room string), removed func(room, id string, ban time.Duration))
}

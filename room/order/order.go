// Package order is where the messages of rooms get their places, and are kept, if
// that is to outlive the process or to be shared with others. Without a [Source] a
// room's hub does both by itself.
//
//	hub ──Publish──▶ Source ──Place──▶ hubs of the room, here and elsewhere
//	    ──Enter────▶        ──Begin──▶
//
// A message that is published is told by nobody before its copy has come back: that
// is the one order that all have. What servers that share their rooms tell each other
// besides goes through [Nodes].
package order

// Message is one of a room's.
type Message struct {
	ID, Name string // of who said it; empty: it is not known, or has none
	Nonce    string // that its author gave it; empty: none
	Binary   bool   // it is no text
	Payload  []byte // not to be changed

	By uintptr // who publishes it here: what one publishes in a room keeps its order; 0: that does not matter

	// Its place, which the Source gives.

	Seq uint64 // grows in a room with each message, from 1 on; there may be holes
	At  int64  // when it got it: ms since 1970
}

// Point is a place in a room: behind a message. The zero value is that before all.
type Point struct {
	Seq uint64
	At  int64 // of that message, in ms since 1970; 0: not known
}

// Source gives messages their places. Its methods may be called by anybody at any
// time, and never wait.
type Source interface {
	// Enter has the room told what is kept there, and from then on what happens. It is
	// called once, until Leave.
	Enter(name string, room Room)
	// Publish has m get a place in a room that was entered, or fail. The tag is the
	// caller's, not 0, and comes back with either, once, whatever happens meanwhile.
	Publish(name string, tag uint64, m Message)
	// Forget says that nobody needs a room's messages up to seq any more.
	Forget(name string, seq uint64)
	// Leave has the room told nothing more.
	Leave(name string)
	// Ready says why nothing can be published at present; nil: it can.
	Ready() error
	// Close ends it when all that was published is kept, or can't be.
	Close() error
}

// Room is told what happens in one. Its methods are called one at a time, from any
// goroutine, and never wait.
type Room interface {
	// Begin says what is kept: the messages behind a point, in order. It comes first;
	// again when the order has begun anew: then with another epoch, and all that was
	// told before is void but for its readers.
	Begin(epoch uint32, behind Point, kept []Message)
	// Place is the next message. The tag is that of its Publish, if that was here; else 0.
	Place(tag uint64, m Message)
	// Miss says that messages up to a point are lost for good that were not told.
	Miss(upTo Point)
	// Fail says that the message with the tag has no place, and will get none.
	Fail(tag uint64, err error)
}

// Asker is a Source that others share: it may know of messages that were not told here.
type Asker interface {
	// Ask has answer called once, soon, by anybody: with the number of the last message
	// that has its place in a room that was entered, or why that is not known. The room is told
	// what is up to it.
	Ask(name string, answer func(last uint64, err error))
}

// Resumer is a Source that knows of a room only what was said there.
type Resumer interface {
	// Resume is Enter for a room that another program of this server was in: if the Source
	// does not know of it, the epoch is still the one that it had.
	Resume(name string, epoch uint32, room Room)
}

// Keeper is a Room that can be asked what it keeps, for another node that has none of
// it yet.
type Keeper interface {
	// Recall has answer called once, soon, by anybody, unless the room is left: with the
	// messages that are kept behind a point, in order.
	Recall(answer func(behind Point, kept []Message))
}

// Package chat reads and writes the JSON events of chat.v1, and knows what may
// be a name.
//
//	frame ─▶ Decode ─▶ Command ┄┄▶ what it means: not here
//	b ◀─ AppendSay, AppendWelcome, … ◀┄┄ what happened
//
// It is pure: no frames around the events, no rooms, no I/O, no clock. Appending
// an event allocates nothing but what b grows by; decoding one, its strings.
package chat

// Protocol is the WebSocket subprotocol.
const Protocol = "chat.v1"

// The bounds of the protocol.
const (
	MaxName  = 32 // characters of a name
	MaxNonce = 64 // bytes of a nonce
	MaxRooms = 16 // rooms that one connection may be in
)

// MaxFrame is the size of the largest frame that a client may need to say a text
// of at most maxText bytes: any of its characters may be escaped, which takes six
// bytes where one would do.
func MaxFrame(maxText int) int { return maxEscape*maxText + around }

const (
	maxEscape = len(`\u0000`)
	around    = 4 << 10 // the other members, and white space
)

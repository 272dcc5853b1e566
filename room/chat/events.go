package chat

import (
	"strconv"

	"chatd/room/position"
)

// Welcome is the first event of a connection: who it is, and its place.
type Welcome struct {
	ID, Session        string
	Room, Name         string
	Epoch              uint32
	Seq                uint64 // of the last message before what follows
	Resumed            bool
	Members            int
	RetryMin, RetryMax int // ms to wait before a reconnect
	Limits             Limits
}

// Limits are the bounds that a client is told.
type Limits struct {
	Message int // bytes of a text
	Name    int // characters
	Rooms   int
}

// AppendWelcome appends the first event of a connection.
func AppendWelcome(b []byte, w *Welcome) []byte {
	b = append(b, `{"type":"welcome","id":`...)
	b = appendString(b, w.ID)
	b = append(b, `,"session":`...)
	b = appendString(b, w.Session)
	b = append(b, `,"room":`...)
	b = appendString(b, w.Room)
	b = append(b, `,"name":`...)
	b = appendString(b, w.Name)
	b = appendPlace(b, w.Epoch, w.Seq, w.Resumed, w.Members)
	b = append(b, `,"retry":{"min_ms":`...)
	b = appendInt(b, w.RetryMin)
	b = append(b, `,"max_ms":`...)
	b = appendInt(b, w.RetryMax)
	b = append(b, `},"limits":{"message":`...)
	b = appendInt(b, w.Limits.Message)
	b = append(b, `,"name":`...)
	b = appendInt(b, w.Limits.Name)
	b = append(b, `,"rooms":`...)
	b = appendInt(b, w.Limits.Rooms)
	return append(b, `}}`...)
}

// AppendJoined appends the answer to a join.
func AppendJoined(b []byte, room string, epoch uint32, seq uint64, resumed bool, members int) []byte {
	b = appendType(b, "joined", room)
	b = appendPlace(b, epoch, seq, resumed, members)
	return append(b, '}')
}

// AppendLeft appends the answer to a leave.
func AppendLeft(b []byte, room string) []byte {
	return append(appendType(b, "left", room), '}')
}

// Gap is what a reader has missed for good: the messages From to To. None, if To
// is From - 1.
type Gap struct {
	From, To uint64
	Why      GapReason
	Epoch    uint32 // the room's from now on; 0: it was told already
}

// GapReason is why there is a gap.
type GapReason string

// The reasons.
const (
	History  GapReason = "history"  // older than what is kept
	Epoch    GapReason = "epoch"    // of a room whose memory was lost
	Future   GapReason = "future"   // of a message that there is not yet
	Mismatch GapReason = "mismatch" // the message there is of another time
)

// AppendGap appends a gap in the room's messages.
func AppendGap(b []byte, room string, g Gap) []byte {
	b = appendType(b, "gap", room)
	b = append(b, `,"from":`...)
	b = strconv.AppendUint(b, g.From, 10)
	b = append(b, `,"to":`...)
	b = strconv.AppendUint(b, g.To, 10)
	b = append(b, `,"why":"`...)
	b = append(b, g.Why...)
	if g.Epoch != 0 {
		b = append(b, `","epoch":"`...)
		b = position.AppendEpoch(b, g.Epoch)
	}
	return append(b, `"}`...)
}

// AppendMembers appends how many members the room has.
func AppendMembers(b []byte, room string, count int) []byte {
	b = appendType(b, "members", room)
	b = append(b, `,"count":`...)
	return append(appendInt(b, count), '}')
}

// Member is one who is in a room.
type Member struct{ ID, Name string }

// AppendWho appends who is in the room: some of count.
func AppendWho(b []byte, room string, count int, members []Member) []byte {
	b = appendType(b, "who", room)
	b = append(b, `,"count":`...)
	b = appendInt(b, count)
	b = append(b, `,"members":[`...)
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		b = appendString(b, m.ID)
		b = append(b, `,"name":`...)
		b = appendString(b, m.Name)
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

// appendType begins an event of a room.
func appendType(b []byte, kind, room string) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	b = append(b, `","room":`...)
	return appendString(b, room)
}

// appendPlace appends where a reader is in a room.
func appendPlace(b []byte, epoch uint32, seq uint64, resumed bool, members int) []byte {
	b = append(b, `,"epoch":"`...)
	b = position.AppendEpoch(b, epoch)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	b = append(b, `,"resumed":`...)
	b = strconv.AppendBool(b, resumed)
	b = append(b, `,"members":`...)
	return appendInt(b, members)
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

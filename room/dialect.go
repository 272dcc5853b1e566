package room

import (
	"slices"

	"github.com/gobwas/ws"

	"chatd/room/chat"
	"chatd/room/deflate"
	"chatd/room/frame"
)

// dialect is how a room's messages, and what else there is to tell, are encoded
// for one kind of reader: as frames of a log, appended to b. It is pure: no owner, no
// clock.
type dialect interface {
	// message is one of the room's.
	message(b []byte, of life, m *chat.Message) []byte
	// arrival is what a newcomer gets ahead of everything.
	arrival(b []byte, a *arrival) []byte
	// gap is what is missing of the room's messages, in place of them. Those who are told
	// of nothing but messages get something that says nothing.
	gap(b []byte, of life, g chat.Gap) []byte
	// members is how many the room has now. A dialect that does not tell appends
	// nothing, and its readers are never told.
	members(b []byte, room string, count int) []byte
	// who is some of the members, for one who asked.
	who(b []byte, room string, count int, some []chat.Member) []byte
	// ping is what a silent reader gets, and goodbye what is last for one that is sent
	// away. They are shared: not to be changed.
	ping() []byte
	goodbye(why Reason) []byte
}

// life is one that a room has had: its name, and the epoch that tells it from others.
type life struct {
	room  string
	epoch uint32
}

// arrival is a newcomer's place in a room.
type arrival struct {
	room    string
	epoch   uint32
	seq     uint64 // of the last message before what follows
	resumed bool   // nothing is missing since the position that it gave
	gap     chat.Gap
	missing bool          // gap says what it has missed for good
	members int           // itself included
	welcome *chat.Welcome // of a new connection, as far as it is not said above; nil: it was welcomed before
}

// stream is what a roster's members read: the room's messages in one dialect,
// compressed or not. Each that has readers has a log of its own.
type stream uint8

// The streams. The compressed form of one comes behind it.
const (
	rawStream stream = iota // what the others are made of, kept in any case
	rawDeflated
	chatStream
	chatDeflated
	eventStream // in chunks, for HTTP/1.1
	bareStream  // of events, for HTTP/1.0
	streams     // how many there are
)

// dialects has each dialect at its stream.
var dialects = [streams]dialect{
	rawStream: raw{}, rawDeflated: raw{}, chatStream: chatV1{}, chatDeflated: chatV1{},
	eventStream: events{chunked: true}, bareStream: events{},
}

func (x stream) dialect() dialect { return dialects[x] }

func (x stream) deflated() bool { return x == rawDeflated || x == chatDeflated }

// plain is the stream of which x is the compressed form, or x itself.
func (x stream) plain() stream {
	if x.deflated() {
		return x - 1
	}
	return x
}

// told reports whether the stream's readers are told of other things than messages.
func (x stream) told() bool { return x >= chatStream }

// untold reports whether a newcomer is not told at once how many members there are.
func (x stream) untold() bool { return x.told() && !x.speaks() }

// speaks reports whether its readers say who they are.
func (x stream) speaks() bool { return x.plain() == chatStream }

// String is the dialect's name.
func (x stream) String() string {
	switch x.plain() {
	case rawStream:
		return "raw"
	case chatStream:
		return chat.Protocol
	}
	return "events"
}

// stream is the one that the client reads.
func (c *client) stream() stream {
	x := rawStream
	switch status := c.status.Load(); {
	case status&statusBare != 0:
		return bareStream
	case status&statusEvents != 0:
		return eventStream
	case status&statusChat != 0:
		x = chatStream
	}
	if c.has(statusDeflate) {
		x++
	}
	return x
}

// webSocket is what the dialects over a WebSocket have in common.
type webSocket struct{}

func (webSocket) ping() []byte { return frame.Ping }

func (webSocket) goodbye(why Reason) []byte { return goodbye[why] }

// raw is the dialect of those who agreed to none: each message as it came, and
// nothing else.
type raw struct{ webSocket }

func (raw) message(b []byte, _ life, m *chat.Message) []byte {
	op := ws.OpText
	if m.Binary {
		op = ws.OpBinary
	}
	return frame.AppendMessage(b, op, m.Payload)
}

func (raw) arrival(b []byte, _ *arrival) []byte                   { return b }
func (raw) gap(b []byte, _ life, _ chat.Gap) []byte               { return frame.AppendPong(b, nil) } // RFC 6455 §5.5.3
func (raw) members(b []byte, _ string, _ int) []byte              { return b }
func (raw) who(b []byte, _ string, _ int, _ []chat.Member) []byte { return b }

// chatV1 is the dialect of the subprotocol [chat.Protocol].
type chatV1 struct{ webSocket }

func (chatV1) message(b []byte, of life, m *chat.Message) []byte {
	return enclose(chat.AppendSay(b, of.room, m), len(b))
}

func (d chatV1) arrival(b []byte, a *arrival) []byte {
	at := len(b)
	if w := a.welcome; w != nil {
		w.Room, w.Epoch, w.Seq, w.Resumed, w.Members = a.room, a.epoch, a.seq, a.resumed, a.members
		b = chat.AppendWelcome(b, w)
	} else {
		b = chat.AppendJoined(b, a.room, a.epoch, a.seq, a.resumed, a.members)
	}
	b = enclose(b, at)
	if a.missing {
		b = d.gap(b, life{a.room, a.epoch}, a.gap)
	}
	return b
}

func (chatV1) gap(b []byte, of life, g chat.Gap) []byte {
	return enclose(chat.AppendGap(b, of.room, g), len(b))
}

func (chatV1) members(b []byte, room string, count int) []byte {
	return enclose(chat.AppendMembers(b, room, count), len(b))
}

func (chatV1) who(b []byte, room string, count int, some []chat.Member) []byte {
	return enclose(chat.AppendWho(b, room, count, some), len(b))
}

// enclose makes a text frame of the event that b has from at on.
func enclose(b []byte, at int) []byte {
	var header [frame.MaxHeader]byte
	return slices.Insert(b, at, frame.AppendHeader(header[:0], ws.OpText, len(b)-at)...)
}

// appendDeflated appends the compressed form of a frame, or the frame itself if
// that would be no longer. Packed is memory for it, which is returned.
func appendDeflated(b, f, packed []byte, t *counters) (out, memory []byte) {
	op, payload := frame.Split(f)
	if len(payload) < deflate.MinSize {
		return append(b, f...), packed
	}
	packed, shorter := deflate.Append(packed[:0], payload)
	if !shorter {
		return append(b, f...), packed
	}
	t.deflated.Add(1)
	t.deflateIn.Add(uint64(len(payload)))
	t.deflateOut.Add(uint64(len(packed)))
	return frame.AppendCompressed(b, op, packed), packed
}

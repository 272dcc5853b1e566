package chat

import (
	"encoding/base64"
	"strconv"
)

// Message is what was said in a room.
type Message struct {
	Seq     uint64 // its number, from 1
	At      int64  // its time in ms
	ID      string // of who said it; "": a raw client
	Name    string // of who said it; "": none
	Nonce   string // that its author gave it; "": none
	Binary  bool   // Payload is no text
	Payload []byte
}

// AppendSay appends a message of the room. One of a raw client has neither id nor
// name; binary data is data in base64 (RFC 4648 §4), not text.
func AppendSay(b []byte, room string, m *Message) []byte {
	b = append(b, `{"type":"say","room":`...)
	b = appendString(b, room)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, m.Seq, 10)
	b = append(b, `,"at":`...)
	b = strconv.AppendInt(b, m.At, 10)
	if m.ID != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, m.ID)
		b = append(b, `,"name":`...)
		b = appendString(b, m.Name)
	}
	if m.Binary {
		b = append(b, `,"data":"`...)
		b = base64.StdEncoding.AppendEncode(b, m.Payload)
		b = append(b, '"')
	} else {
		b = append(b, `,"text":`...)
		b = appendString(b, m.Payload)
	}
	return appendNonce(b, m.Nonce)
}

// appendNonce ends an event, with the nonce if there is one.
func appendNonce(b []byte, nonce string) []byte {
	if nonce != "" {
		b = append(b, `,"nonce":`...)
		b = appendString(b, nonce)
	}
	return append(b, '}')
}

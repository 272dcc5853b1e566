package load

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// A message's payload:
//
//	0  magic
//	4  room
//	6  sender in the room, from 0
//	8  number of the message, of this sender, from 0
//	16 time at which sending was due, nanoseconds of the monotonic clock
//	24 filler, each byte the number's lowest
//
// As text it is the first 24 bytes in base64, and letters as filler.
const (
	magic      = 0x63686231
	headBytes  = 24
	headLength = headBytes / 3 * 4 // as text
)

// textHead is how the head is written as text: nothing in it needs to be escaped.
var textHead = base64.RawURLEncoding

// message is what a payload says.
type message struct {
	room   uint16
	sender uint16
	seq    uint64
	due    int64
}

// The ways in which a payload is not what was sent.
var (
	errUnknown   = errors.New("a message that the harness did not send")
	errCoalesced = errors.New("several messages in one frame: the server joins them with newlines")
	errSize      = errors.New("a message of another size than was sent")
	errFiller    = errors.New("a message with other bytes than were sent")
)

// encode writes m into payload, which is as long as it shall be.
func (m message) encode(payload []byte) {
	m.encodeHead(payload)
	fill(payload[headBytes:], byte(m.seq))
}

// appendText appends m as a text of size bytes.
func (m message) appendText(b []byte, size int) []byte {
	var head [headBytes]byte
	m.encodeHead(head[:])
	at := len(b)
	b = append(b, make([]byte, size)...)
	textHead.Encode(b[at:], head[:])
	fill(b[at+headLength:], m.letter())
	return b
}

func (m message) encodeHead(b []byte) {
	binary.BigEndian.PutUint32(b, magic)
	binary.BigEndian.PutUint16(b[4:], m.room)
	binary.BigEndian.PutUint16(b[6:], m.sender)
	binary.BigEndian.PutUint64(b[8:], m.seq)
	binary.BigEndian.PutUint64(b[16:], uint64(m.due))
}

// letter is a text's filler.
func (m message) letter() byte { return 'a' + byte(m.seq%26) }

func fill(b []byte, with byte) {
	for i := range b {
		b[i] = with
	}
}

// decode reads a payload that should be size bytes long.
func decode(payload []byte, size int) (m message, err error) {
	if len(payload) <= headBytes || binary.BigEndian.Uint32(payload) != magic {
		return m, errUnknown
	}
	m = decodeHead(payload)
	switch {
	case len(payload) > size+headBytes && payload[size] == '\n':
		return m, errCoalesced
	case len(payload) != size:
		return m, errSize
	case payload[headBytes] != byte(m.seq) || payload[size-1] != byte(m.seq):
		return m, errFiller
	}
	return m, nil
}

// decodeText reads a text that should be size bytes long.
func decodeText(text string, size int) (m message, err error) {
	var head [headBytes]byte
	if len(text) <= headLength {
		return m, errUnknown
	}
	if _, err := textHead.Decode(head[:], []byte(text[:headLength])); err != nil || binary.BigEndian.Uint32(head[:]) != magic {
		return m, errUnknown
	}
	m = decodeHead(head[:])
	switch {
	case len(text) != size:
		return m, errSize
	case text[headLength] != m.letter() || text[size-1] != m.letter():
		return m, errFiller
	}
	return m, nil
}

func decodeHead(b []byte) message {
	return message{
		room:   binary.BigEndian.Uint16(b[4:]),
		sender: binary.BigEndian.Uint16(b[6:]),
		seq:    binary.BigEndian.Uint64(b[8:]),
		due:    int64(binary.BigEndian.Uint64(b[16:])),
	}
}

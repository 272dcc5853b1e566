package load

import (
	"encoding/binary"
	"errors"
)

// MinMessage is the length in bytes of the shortest message that the harness
// can recognise.
const MinMessage = 25

// A message's payload:
//
//	0  magic
//	4  room
//	6  sender in the room, from 0
//	8  number of the message, of this sender, from 0
//	16 time at which sending was due, nanoseconds of the monotonic clock
//	24 filler, each byte the number's lowest
const magic = 0x63686231

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
	binary.BigEndian.PutUint32(payload, magic)
	binary.BigEndian.PutUint16(payload[4:], m.room)
	binary.BigEndian.PutUint16(payload[6:], m.sender)
	binary.BigEndian.PutUint64(payload[8:], m.seq)
	binary.BigEndian.PutUint64(payload[16:], uint64(m.due))
	filler := payload[24:]
	for i := range filler {
		filler[i] = byte(m.seq)
	}
}

// decode reads a payload that should be size bytes long.
func decode(payload []byte, size int) (m message, err error) {
	if len(payload) < MinMessage || binary.BigEndian.Uint32(payload) != magic {
		return m, errUnknown
	}
	m = message{
		room:   binary.BigEndian.Uint16(payload[4:]),
		sender: binary.BigEndian.Uint16(payload[6:]),
		seq:    binary.BigEndian.Uint64(payload[8:]),
		due:    int64(binary.BigEndian.Uint64(payload[16:])),
	}
	switch {
	case len(payload) > size+MinMessage && payload[size] == '\n':
		return m, errCoalesced
	case len(payload) != size:
		return m, errSize
	case payload[24] != byte(m.seq) || payload[size-1] != byte(m.seq):
		return m, errFiller
	}
	return m, nil
}

// Package frame is WebSocket framing (RFC 6455 §5): an incremental parser of
// what a client sends, and the encoding of what the server sends.
//
// It is pure: bytes in, messages out; no I/O, no clock. It doesn't know what a
// message is for.
//
//	bytes ──▶ Next ──▶ header ──▶ take ──▶ Message
//	           ▲          │        │
//	           │          │        └─ fragments: what a Decoder keeps
//	   Want ───┘          └─ *Error: Code and Reason of the close frame
package frame

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Message is a whole data message or a control frame.
type Message struct {
	Op      ws.OpCode // text, binary, close, ping or pong
	Payload []byte    // valid until the Decoder's next call; part of its input, or the fragments put together
	// Compressed says that the payload is to be inflated (RFC 7692 §6.2). Of
	// text, nobody has looked then whether it is UTF-8.
	Compressed bool
}

// Rules is what a Decoder has to know of the client that it works for.
type Rules struct {
	MaxMessage   int  // bytes of a message, over all its fragments
	MaxFragments int  // of a message; 0: any number
	Deflate      bool // permessage-deflate was agreed upon (RFC 7692)
}

// deflateRoom is how many bytes more than a message the frames may have that
// hold it compressed: where nothing can be saved it grows, by an eighth with the
// fixed codes, which give 9 bits to some bytes (RFC 1951 §3.2.6).
func deflateRoom(size int) int { return 64 + size/8 }

// Decoder holds what the stream of one client needs between calls. The zero
// value is ready. It is one pointer wide, because a server holds very many.
type Decoder struct {
	fragments *fragments // nil unless a fragmented message is under way
}

// header is a frame's header (RFC 6455 §5.2).
type header struct {
	op     ws.OpCode
	fin    bool
	rsv1   bool
	mask   [4]byte
	size   int // bytes of the header
	length int // bytes of the payload
}

// The two bytes at the start of a frame.
const (
	bitFin      = 0x80
	bitRsv1     = 0x40 // the message is compressed (RFC 7692 §6)
	bitsRsv     = 0x70
	bitsOp      = 0x0f
	bitMask     = 0x80
	bitsLength  = 0x7f
	length16    = 126
	length64    = 127
	maskSize    = 4
	controlSize = ws.MaxControlFramePayloadSize
)

// Next takes the first message off b, of which n bytes are used up, and may be
// overwritten. With ok false there is no message: either n is 0, and b does
// not hold a whole frame, or n bytes of fragments were taken in. What follows
// the n bytes is left as it came, to be given again with more behind it.
//
// A violation of the protocol is an *[Error], found in the header before the
// payload has come wherever possible; the stream can't be used any further.
func (d *Decoder) Next(b []byte, rules Rules) (m Message, n int, ok bool, err error) {
	for {
		h, err := d.header(b[n:], &rules)
		if err != nil || h.size == 0 || len(b)-n < h.size+h.length {
			return Message{}, n, false, err
		}
		payload := b[n+h.size : n+h.size+h.length]
		ws.Cipher(payload, h.mask, 0)
		n += h.size + h.length
		if m, ok, err = d.take(h, payload, &rules); err != nil {
			return Message{}, n, false, err
		}
		if ok {
			return m, n, true, nil
		}
	}
}

// header parses and checks the header at the start of b. Its size is 0 if it
// is not whole.
func (d *Decoder) header(b []byte, rules *Rules) (h header, err error) {
	if len(b) == 0 {
		return h, nil
	}
	h.op, h.fin, h.rsv1 = ws.OpCode(b[0]&bitsOp), b[0]&bitFin != 0, b[0]&bitRsv1 != 0
	switch {
	case b[0]&(bitsRsv&^bitRsv1) != 0: // §5.2: no extension gives them a meaning
		return h, ErrReservedBits
	case h.rsv1 && !(rules.Deflate && (h.op == ws.OpText || h.op == ws.OpBinary)): // RFC 7692 §6.1
		return h, ErrReservedBits
	case h.op.IsReserved(): // §5.2
		return h, ErrReservedOpcode
	case h.op.IsControl() && !h.fin: // §5.5
		return h, ErrControlFragmented
	case h.op == ws.OpContinuation && d.fragments == nil: // §5.4
		return h, ErrUnexpectedContinuation
	case h.op.IsData() && h.op != ws.OpContinuation && d.fragments != nil: // §5.4
		return h, ErrExpectedContinuation
	}
	if len(b) == 1 {
		return h, nil
	}
	short := int(b[1] & bitsLength)
	switch {
	case b[1]&bitMask == 0: // §5.1
		return h, ErrUnmasked
	case h.op.IsControl() && short > controlSize: // §5.5
		return h, ErrControlTooLong
	}
	size, length, err := payloadLength(b, short)
	if err != nil || size == 0 {
		return h, err
	}
	if !h.op.IsControl() && length > d.room(h, rules) { // §7.4.1
		return h, ErrTooBig
	}
	if len(b) < size+maskSize {
		return h, nil
	}
	copy(h.mask[:], b[size:])
	h.size, h.length = size+maskSize, int(length)
	return h, nil
}

// room is how many bytes of payload are still within the limit.
func (d *Decoder) room(h header, rules *Rules) uint64 {
	room, compressed := rules.MaxMessage, h.rsv1
	if d.fragments != nil {
		room -= len(d.fragments.payload)
		compressed = d.fragments.compressed
	}
	if compressed {
		room += deflateRoom(rules.MaxMessage)
	}
	return uint64(max(room, 0))
}

// payloadLength reads the length of the payload and returns how many bytes of
// b lead up to the mask, 0 if they have not all come. It must be written in as
// few bytes as possible, and the highest bit must be 0 (RFC 6455 §5.2).
func payloadLength(b []byte, short int) (size int, length uint64, err error) {
	switch short {
	case length16:
		if len(b) < 4 {
			return 0, 0, nil
		}
		length = uint64(binary.BigEndian.Uint16(b[2:]))
		if length < length16 {
			return 0, 0, ErrBadLength
		}
		return 4, length, nil
	case length64:
		if len(b) < 10 {
			return 0, 0, nil
		}
		length = binary.BigEndian.Uint64(b[2:])
		if length>>63 != 0 || length>>16 == 0 {
			return 0, 0, ErrBadLength
		}
		return 10, length, nil
	}
	return 2, uint64(short), nil
}

// take does what a whole frame asks for: a message is complete, or a fragment
// more has come.
func (d *Decoder) take(h header, payload []byte, rules *Rules) (m Message, ok bool, err error) {
	switch {
	case h.op == ws.OpClose:
		return Message{Op: h.op, Payload: payload}, true, checkClose(payload)
	case h.op.IsControl(): // §5.4: may come between fragments
		return Message{Op: h.op, Payload: payload}, true, nil
	case h.op != ws.OpContinuation && h.fin:
		if h.op == ws.OpText && !h.rsv1 && !utf8.Valid(payload) { // §8.1
			return Message{}, false, ErrBadUTF8
		}
		return Message{h.op, payload, h.rsv1}, true, nil
	}
	f := d.fragments
	if f == nil {
		f = &fragments{op: h.op, compressed: h.rsv1}
		d.fragments = f
	}
	f.count++
	if rules.MaxFragments > 0 && f.count > rules.MaxFragments {
		return Message{}, false, ErrTooManyFragments
	}
	f.add(payload, rules.MaxMessage)
	if f.op == ws.OpText && !f.compressed && !f.checkUTF8(h.fin) { // §8.1
		return Message{}, false, ErrBadUTF8
	}
	if !h.fin {
		return Message{}, false, nil
	}
	d.fragments = nil
	return Message{f.op, f.payload, f.compressed}, true, nil
}

// AtRest reports whether the Decoder keeps nothing.
func (d *Decoder) AtRest() bool { return d.fragments == nil }

// Want is the length in bytes of the frame at the start of b, 0 as long as
// that can't be told. It is meant for what Next has left unused: of that, the
// header is checked and the length is within the limit.
func Want(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	size, length, err := payloadLength(b, int(b[1]&bitsLength))
	if err != nil || size == 0 || length > math.MaxInt-uint64(size+maskSize) {
		return 0
	}
	return size + maskSize + int(length)
}

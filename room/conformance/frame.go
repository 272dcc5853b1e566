package conformance

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gobwas/ws"
)

// frame is a frame as a client sends it, well-formed or not. The zero value of
// each field but op is what a client should send.
type frame struct {
	op       ws.OpCode
	payload  string
	more     bool   // FIN is not set: fragments follow
	rsv      byte   // reserved bits 1, 2, 3: 4, 2, 1
	key      string // of the mask, 4 bytes; "": sampleKey
	unmasked bool
	wide     int // bytes of the extended length: 2 or 8; 0: as few as possible
}

// sampleKey is the masking key of the example in RFC 6455 §5.7.
const sampleKey = "\x37\xfa\x21\x3d"

// bytes is the frame, encoded.
func (f frame) bytes() []byte {
	first, mask := byte(f.op)|f.rsv<<4, byte(0x80)
	if !f.more {
		first |= 0x80
	}
	if f.unmasked {
		mask = 0
	}
	wide, n := f.wide, len(f.payload)
	switch {
	case wide > 0:
	case n > 65535:
		wide = 8
	case n > 125:
		wide = 2
	}
	var b []byte
	switch wide {
	case 8:
		b = binary.BigEndian.AppendUint64([]byte{first, 127 | mask}, uint64(n))
	case 2:
		b = binary.BigEndian.AppendUint16([]byte{first, 126 | mask}, uint16(n))
	default:
		b = []byte{first, byte(n) | mask}
	}
	if f.unmasked {
		return append(b, f.payload...)
	}
	key := f.key
	if key == "" {
		key = sampleKey
	}
	b = append(b, key...)
	at := len(b)
	b = append(b, f.payload...)
	ws.Cipher(b[at:], [4]byte([]byte(key)), 0)
	return b
}

// stream is frames, one behind the other.
func stream(frames ...frame) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	return b
}

func text(s string) frame { return frame{op: ws.OpText, payload: s} }
func data(s string) frame { return frame{op: ws.OpBinary, payload: s} }
func ping(s string) frame { return frame{op: ws.OpPing, payload: s} }
func pong(s string) frame { return frame{op: ws.OpPong, payload: s} }

// fragments is a message in so many frames as there are parts.
func fragments(op ws.OpCode, parts ...string) []frame {
	var all []frame
	for i, p := range parts {
		all = append(all, frame{op: op, payload: p, more: i < len(parts)-1})
		op = ws.OpContinuation
	}
	return all
}

// closing is a close frame. Code 0 stands for an empty body.
func closing(code int, reason string) frame {
	return frame{op: ws.OpClose, payload: closeBody(code, reason)}
}

func closeBody(code int, reason string) string {
	if code == 0 {
		return ""
	}
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// message is a data message.
type message struct {
	op      ws.OpCode
	payload string
}

// messages are those that frames are, whole, as far as they are complete.
func messages(frames ...frame) []message {
	var all []message
	var m message
	for _, f := range frames {
		switch {
		case f.op.IsControl():
			continue
		case f.op != ws.OpContinuation:
			m = message{op: f.op}
		}
		if m.payload += f.payload; !f.more {
			all = append(all, m)
		}
	}
	return all
}

// pings are the payloads of those among frames.
func pings(frames ...frame) []string {
	var all []string
	for _, f := range frames {
		if f.op == ws.OpPing {
			all = append(all, f.payload)
		}
	}
	return all
}

// filler is n bytes of text, of which no part is like another one nearby.
func filler(n int) string {
	const words = "the quick brown fox jumps over the lazy dog, but 0123456789 times; "
	return strings.Repeat(words, n/len(words)+1)[:n]
}

// noise is n bytes that no compression makes fewer.
func noise(n int) string {
	b, x := make([]byte, n), uint64(n)+88172645463325252
	for i := range b { // xorshift64
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
	return string(slices.Clip(b))
}

package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Ping is an empty ping, encoded.
var Ping = AppendMessage(nil, ws.OpPing, nil)

// AppendMessage appends a frame with the whole message payload, as a server
// sends it: unmasked (RFC 6455 §5.1).
func AppendMessage(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, bitFin|byte(op))
	switch n := len(payload); {
	case n < length16:
		dst = append(dst, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, length16), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, length64), uint64(n))
	}
	return append(dst, payload...)
}

// AppendPong appends the answer to a ping with this payload (RFC 6455 §5.5.3).
func AppendPong(dst, payload []byte) []byte {
	return AppendMessage(dst, ws.OpPong, payload)
}

// AppendClose appends a close frame. The reason is cut to what fits.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if len(reason) > controlSize-codeSize {
		cut := controlSize - codeSize
		for !utf8.RuneStart(reason[cut]) {
			cut--
		}
		reason = reason[:cut]
	}
	body := binary.BigEndian.AppendUint16(nil, uint16(code))
	return AppendMessage(dst, ws.OpClose, append(body, reason...))
}

// AppendCloseReply appends the answer to a close frame with this body: its
// code, if it had one (RFC 6455 §5.5.1).
func AppendCloseReply(dst, body []byte) []byte {
	return AppendMessage(dst, ws.OpClose, body[:min(len(body), codeSize)])
}

// Len is the length in bytes of the frame, encoded here, that begins at b.
func Len(b []byte) int {
	switch b[1] {
	case length16:
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	case length64:
		return 10 + int(binary.BigEndian.Uint64(b[2:]))
	}
	return 2 + int(b[1])
}

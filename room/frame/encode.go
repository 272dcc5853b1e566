package frame

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// MaxHeader is the longest header in bytes that AppendHeader writes.
const MaxHeader = 10

// Ping is an empty ping, encoded. It is shared: not to be changed.
var Ping = slices.Clip(AppendMessage(nil, ws.OpPing, nil))

// AppendHeader appends the header of a frame that holds a whole message of n
// bytes, as a server sends it: unmasked (RFC 6455 §5.1), the length in as few
// bytes as possible (§5.2).
func AppendHeader(dst []byte, op ws.OpCode, n int) []byte {
	first := bitFin | byte(op)
	switch {
	case n < length16:
		return append(dst, first, byte(n))
	case n < 1<<16:
		return append(dst, first, length16, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, length64), uint64(n))
}

// AppendMessage appends a frame with the whole message payload.
func AppendMessage(dst []byte, op ws.OpCode, payload []byte) []byte {
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// AppendCompressed appends a frame with the whole message that payload is the
// compressed form of (RFC 7692 §6.1).
func AppendCompressed(dst []byte, op ws.OpCode, payload []byte) []byte {
	at := len(dst)
	dst = AppendMessage(dst, op, payload)
	dst[at] |= bitRsv1
	return dst
}

// AppendPong appends the answer to a ping with this payload (RFC 6455 §5.5.3).
func AppendPong(dst, payload []byte) []byte {
	return AppendMessage(dst, ws.OpPong, payload)
}

// AppendClose appends a close frame (RFC 6455 §5.5.1). The reason is cut
// between characters to what fits, 123 bytes. Code 0 stands for an empty body,
// without the reason.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if code == 0 {
		return AppendHeader(dst, ws.OpClose, 0)
	}
	if len(reason) > controlSize-codeSize {
		cut := controlSize - codeSize
		for cut > 0 && !utf8.RuneStart(reason[cut]) {
			cut--
		}
		reason = reason[:cut]
	}
	dst = AppendHeader(dst, ws.OpClose, codeSize+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// AppendCloseReply appends the answer to a close frame with this body: its
// code, if it had one (RFC 6455 §5.5.1).
func AppendCloseReply(dst, body []byte) []byte {
	return AppendMessage(dst, ws.OpClose, body[:min(len(body), codeSize)])
}

// Split is the opcode and the payload of a frame that was encoded here.
func Split(f []byte) (op ws.OpCode, payload []byte) {
	op = ws.OpCode(f[0] & 0x0f)
	switch f[1] {
	case length16:
		return op, f[4:]
	case length64:
		return op, f[10:]
	}
	return op, f[2:]
}

// Len is the length in bytes of the frame that begins at b. It must be one
// that was encoded here, its header whole: Len walks a log of frames, and
// checks nothing.
func Len(b []byte) int {
	switch b[1] {
	case length16:
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	case length64:
		return 10 + int(binary.BigEndian.Uint64(b[2:]))
	}
	return 2 + int(b[1])
}

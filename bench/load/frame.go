package load

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/gobwas/ws"
)

// The ways in which a server's frames can't be used.
var (
	errMasked     = errors.New("the server masks its frames (RFC 6455 §5.1)")
	errCompressed = errors.New("the server compresses, which was not negotiated")
	errReserved   = errors.New("the server sends frames that RFC 6455 does not define")
	errFragments  = errors.New("the server fragments messages, which the harness does not support")
)

// nextFrame takes a server's frame off b: n is its length, 0 if it is not
// whole.
func nextFrame(b []byte) (op ws.OpCode, payload []byte, n int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	op = ws.OpCode(b[0] & 0x0f)
	switch {
	case b[0]&0x40 != 0:
		return 0, nil, 0, errCompressed
	case b[0]&0x30 != 0 || op.IsReserved():
		return 0, nil, 0, errReserved
	case b[0]&0x80 == 0 || op == ws.OpContinuation:
		return 0, nil, 0, errFragments
	case b[1]&0x80 != 0:
		return 0, nil, 0, errMasked
	}
	header, length := 2, uint64(b[1])
	switch length {
	case 126:
		if len(b) < 4 {
			return 0, nil, 0, nil
		}
		header, length = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if len(b) < 10 {
			return 0, nil, 0, nil
		}
		header, length = 10, binary.BigEndian.Uint64(b[2:])
	}
	if uint64(len(b)-header) < length {
		return op, nil, 0, nil
	}
	n = header + int(length)
	return op, b[header:n], n, nil
}

// PayloadBytes is how long a message is in frames of so many bytes, their headers
// included.
func PayloadBytes(frame float64) int {
	header := 2.
	switch {
	case frame >= 1<<16+10:
		header = 10
	case frame >= 126+4:
		header = 4
	}
	return int(math.Round(frame - header))
}

// mask is the harness's: masking is there to confuse proxies, and there are
// none.
var mask = [4]byte{0x5a, 0xa5, 0x3c, 0xc3}

// appendFrame appends a client's frame with size bytes of payload, and returns
// where the payload, not masked yet, is.
func appendFrame(dst []byte, op ws.OpCode, size int) (all, payload []byte) {
	dst = append(dst, 0x80|byte(op))
	switch {
	case size < 126:
		dst = append(dst, 0x80|byte(size))
	case size < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(size))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(size))
	}
	dst = append(dst, mask[:]...)
	at := len(dst)
	dst = append(dst, make([]byte, size)...)
	return dst, dst[at:]
}

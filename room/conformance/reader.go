package conformance

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// received is a whole message, a control frame, or the end of the stream.
type received struct {
	op         ws.OpCode
	payload    string // inflated
	compressed bool   // it came compressed
	fragmented bool   // it came in more than one frame
	end        error  // instead of all that: io.EOF, or how the stream broke
}

// reader reads what a server sends and judges every byte of it. It panics with
// a failure at the first that no server may send.
type reader struct {
	in       *bufio.Reader
	inflater *inflater // nil unless permessage-deflate was agreed upon
	closed   bool      // the close frame has come
}

// next is the next message or control frame.
func (r *reader) next() received {
	var m received
	var payload []byte
	for begun := false; ; {
		h, err := r.header()
		switch {
		case errors.Is(err, io.EOF):
			if begun {
				failf("the stream ends within a message (RFC 6455 §5.4)")
			}
			return received{end: err}
		case err != nil:
			return received{end: err}
		case r.closed:
			failf("opcode %d behind the close frame (RFC 6455 §5.5.1)", h.OpCode)
		case h.OpCode.IsControl():
			return r.control(h)
		case begun && h.OpCode != ws.OpContinuation:
			failf("opcode %d before the last fragment of a message (RFC 6455 §5.4)", h.OpCode)
		case !begun && h.OpCode == ws.OpContinuation:
			failf("continuation of nothing (RFC 6455 §5.4)")
		case h.Rsv != 0 && (h.Rsv != rsv1 || r.inflater == nil || begun):
			failf("reserved bits %03b of a frame with opcode %d (RFC 6455 §5.2)", h.Rsv, h.OpCode)
		}
		if !begun {
			m = received{op: h.OpCode, compressed: h.Rsv == rsv1}
			begun = true
		} else {
			m.fragmented = true
		}
		if payload, err = r.append(payload, h.Length); err != nil {
			return received{end: err}
		}
		if h.Fin {
			break
		}
	}
	if m.compressed {
		var err error
		if payload, err = r.inflater.inflate(payload); err != nil {
			failf("a message that can't be inflated: %v (RFC 7692 §7.2.2)", err)
		}
	}
	if m.op == ws.OpText && !utf8.Valid(payload) {
		failf("text that is no UTF-8: %.100q (RFC 6455 §5.6)", payload)
	}
	m.payload = string(payload)
	return m
}

// rsv1 is ws.Header.Rsv with only the first of the bits set.
const rsv1 = 4

// control reads the rest of a control frame.
func (r *reader) control(h ws.Header) received {
	switch {
	case h.Rsv != 0:
		failf("reserved bits %03b of a control frame (RFC 6455 §5.2, RFC 7692 §6)", h.Rsv)
	case !h.Fin:
		failf("a control frame that is fragmented (RFC 6455 §5.5)")
	case h.Length > 125:
		failf("a control frame of %d bytes (RFC 6455 §5.5)", h.Length)
	}
	payload, err := r.append(nil, h.Length)
	if err != nil {
		return received{end: err}
	}
	if h.OpCode == ws.OpClose {
		r.closed = true
		checkCloseBody(payload)
	}
	return received{op: h.OpCode, payload: string(payload)}
}

func checkCloseBody(body []byte) {
	switch code := closeCode(string(body)); {
	case len(body) == 1:
		failf("a close frame of one byte (RFC 6455 §5.5.1)")
	case len(body) > 0 && !sendable(code):
		failf("close code %d, which may not be sent (RFC 6455 §7.4)", code)
	case len(body) > 2 && !utf8.Valid(body[2:]):
		failf("a close reason that is no UTF-8: %q (RFC 6455 §5.5.1)", body[2:])
	}
}

// closeCode is the code in the body of a close frame, 0 if there is none.
func closeCode(body string) int {
	if len(body) < 2 {
		return 0
	}
	return int(body[0])<<8 | int(body[1])
}

// sendable reports whether a close frame may have this code (RFC 6455 §7.4 and
// the registry it founds).
func sendable(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// header reads a frame's header. The error is io.EOF at a clean end.
func (r *reader) header() (h ws.Header, err error) {
	var b [8]byte
	if _, err := io.ReadFull(r.in, b[:2]); err != nil {
		return h, err
	}
	h = ws.Header{Fin: b[0]&0x80 != 0, Rsv: b[0] >> 4 & 7, OpCode: ws.OpCode(b[0] & 0x0f), Masked: b[1]&0x80 != 0}
	least, wide := int64(0), 0
	switch short := b[1] & 0x7f; short {
	case 126:
		least, wide = 126, 2
	case 127:
		least, wide = 65536, 8
	default:
		h.Length = int64(short)
	}
	if wide > 0 {
		if _, err := io.ReadFull(r.in, b[8-wide:]); err != nil {
			return h, err
		}
		clear(b[:8-wide])
		h.Length = int64(binary.BigEndian.Uint64(b[:]))
	}
	switch {
	case h.Masked:
		failf("a masked frame (RFC 6455 §5.1)")
	case h.OpCode.IsReserved():
		failf("reserved opcode %d (RFC 6455 §5.2)", h.OpCode)
	case h.Length < least:
		failf("a length of %d in %d bytes (RFC 6455 §5.2)", h.Length, wide)
	case h.Length > maxInflated:
		failf("a frame of %d bytes: nothing so long was sent", h.Length)
	}
	return h, nil
}

// append reads n bytes of payload.
func (r *reader) append(payload []byte, n int64) ([]byte, error) {
	at := len(payload)
	payload = append(payload, make([]byte, n)...)
	_, err := io.ReadFull(r.in, payload[at:])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

// isTimeout reports whether err is that nothing came in time.
func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

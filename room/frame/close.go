package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Error is a violation of the protocol.
type Error struct {
	Code   ws.StatusCode // of the close frame that answers it (RFC 6455 §7.4.1)
	Reason string
}

// Error implements error.
func (e *Error) Error() string { return e.Reason }

// The violations that a Decoder finds.
var (
	ErrUnmasked               = &Error{ws.StatusProtocolError, "frame is not masked"}
	ErrReservedBits           = &Error{ws.StatusProtocolError, "reserved bit is set"}
	ErrReservedOpcode         = &Error{ws.StatusProtocolError, "reserved opcode"}
	ErrControlTooLong         = &Error{ws.StatusProtocolError, "control frame is too long"}
	ErrControlFragmented      = &Error{ws.StatusProtocolError, "control frame is fragmented"}
	ErrUnexpectedContinuation = &Error{ws.StatusProtocolError, "continuation of nothing"}
	ErrExpectedContinuation   = &Error{ws.StatusProtocolError, "message within a message"}
	ErrBadLength              = &Error{ws.StatusProtocolError, "length is badly encoded"}
	ErrTooBig                 = &Error{ws.StatusMessageTooBig, "message is too big"}
	ErrBadUTF8                = &Error{ws.StatusInvalidFramePayloadData, "text is not UTF-8"}
	ErrCloseTooShort          = &Error{ws.StatusProtocolError, "close frame is too short"}
	ErrBadCloseCode           = &Error{ws.StatusProtocolError, "close code is not allowed"}
)

// codeSize is the length in bytes of a close frame's code.
const codeSize = 2

// checkClose checks the body of a close frame (RFC 6455 §5.5.1).
func checkClose(body []byte) error {
	switch {
	case len(body) == 0:
		return nil
	case len(body) < codeSize:
		return ErrCloseTooShort
	case !sendable(ws.StatusCode(binary.BigEndian.Uint16(body))):
		return ErrBadCloseCode
	case !utf8.Valid(body[codeSize:]):
		return ErrBadUTF8
	}
	return nil
}

// sendable reports whether code may stand in a close frame (RFC 6455 §7.4 and
// the registry it founds).
func sendable(code ws.StatusCode) bool {
	switch {
	case code >= 1000 && code <= 1014:
		return code != 1004 && code != 1005 && code != 1006
	default:
		return code >= 3000 && code <= 4999
	}
}

package frame

import "github.com/gobwas/ws"

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
	ErrTooManyFragments       = &Error{ws.StatusPolicyViolation, "too many fragments"}
	ErrBadDeflate             = &Error{ws.StatusProtocolError, "message can't be inflated"}
	ErrTooBig                 = &Error{ws.StatusMessageTooBig, "message is too big"}
	ErrBadUTF8                = &Error{ws.StatusInvalidFramePayloadData, "text is not UTF-8"}
	ErrCloseTooShort          = &Error{ws.StatusProtocolError, "close frame is too short"}
	ErrBadCloseCode           = &Error{ws.StatusProtocolError, "close code is not allowed"}
)

package room

import (
	"github.com/gobwas/ws"

	"chatd/room/frame"
)

// Reason is why the server sent a member away, or lost it.
type Reason uint8

// The reasons. 0 is none: the client left.
const (
	_ Reason = iota
	SlowConsumer
	WriteTimeout
	PingTimeout
	Idle
	Rate
	Fragments
	Protocol
	UTF8
	TooBig
	BadEvents
	Removed
	Unsupported
	ListensOnly
	TokenExpired
	GoingAway
	Reset
	Panicked
	reasons // how many there are
)

// reasonTable says what each reason is: its name in counters and logs, the
// close code (RFC 6455 §7.4.1; 0: the socket takes no frame) and text that the
// client gets, and whether it is noted among the disconnects.
var reasonTable = [reasons]struct {
	name  string
	code  ws.StatusCode
	text  string
	noted bool
}{
	SlowConsumer: {"slow_consumer", 1013, "too slow: its queue overflowed", true},
	WriteTimeout: {"write_timeout", 1013, "too slow: it took nothing for too long", true},
	PingTimeout:  {"ping_timeout", 0, "no answer to a ping", true},
	Idle:         {"idle", ws.StatusPolicyViolation, "said nothing for too long", true},
	Rate:         {"rate", ws.StatusPolicyViolation, "sends too much", true},
	Fragments:    {"fragments", ws.StatusPolicyViolation, "too many fragments", true},
	Protocol:     {"protocol", ws.StatusProtocolError, "", true},
	UTF8:         {"utf8", ws.StatusInvalidFramePayloadData, "", true},
	TooBig:       {"too_big", ws.StatusMessageTooBig, "", true},
	BadEvents:    {"bad_events", ws.StatusPolicyViolation, "too many errors in a row", true},
	Removed:      {"removed", ws.StatusPolicyViolation, "removed", true},
	Unsupported:  {"unsupported", ws.StatusUnsupportedData, "chat.v1 has no binary messages", true},
	ListensOnly:  {"listens_only", ws.StatusPolicyViolation, "this token allows listening only", true},
	TokenExpired: {"token_expired", 4401, "token_expired", true},
	GoingAway:    {"going_away", ws.StatusGoingAway, "server is shutting down", false},
	Reset:        {"reset", 0, "connection broke", false},
	Panicked:     {"panic", 0, "a bug in the server", true},
}

// String is the reason's name, for counters and logs.
func (r Reason) String() string { return reasonTable[r].name }

// Code is the close code that the client is sent, 0 if it gets none.
func (r Reason) Code() int { return int(reasonTable[r].code) }

// goodbye is the close frame for each reason that has a text. They are shared:
// not to be changed.
var goodbye = func() (frames [reasons][]byte) {
	for r, e := range reasonTable {
		if e.code != 0 {
			frames[r] = frame.AppendClose(nil, e.code, e.text)
		}
	}
	return frames
}()

// reasonOf is the reason that stands for a violation of the protocol.
func reasonOf(e *frame.Error) Reason {
	switch e.Code {
	case ws.StatusInvalidFramePayloadData:
		return UTF8
	case ws.StatusMessageTooBig:
		return TooBig
	case ws.StatusPolicyViolation:
		return Fragments
	}
	return Protocol
}

package tls13

import "strconv"

// Alert is why one side ends a connection (RFC 8446 §6).
type Alert uint8

// Those that this package sends or looks for. The peer may send others.
const (
	CloseNotify       Alert = 0
	UnexpectedMessage Alert = 10
	BadRecordMAC      Alert = 20
	RecordOverflow    Alert = 22
	HandshakeFailure  Alert = 40
	IllegalParameter  Alert = 47
	AccessDenied      Alert = 49
	DecodeError       Alert = 50
	ProtocolVersion   Alert = 70
	InternalError     Alert = 80
	UserCanceled      Alert = 90
	UnrecognizedName  Alert = 112
	NoProtocol        Alert = 120
)

var alertNames = map[Alert]string{
	CloseNotify:       "close_notify",
	UnexpectedMessage: "unexpected_message",
	BadRecordMAC:      "bad_record_mac",
	RecordOverflow:    "record_overflow",
	HandshakeFailure:  "handshake_failure",
	IllegalParameter:  "illegal_parameter",
	AccessDenied:      "access_denied",
	DecodeError:       "decode_error",
	ProtocolVersion:   "protocol_version",
	InternalError:     "internal_error",
	UserCanceled:      "user_canceled",
	UnrecognizedName:  "unrecognized_name",
	NoProtocol:        "no_application_protocol",
}

// String is the alert's name in RFC 8446, or its number.
func (a Alert) String() string {
	if name, ok := alertNames[a]; ok {
		return name
	}
	return "alert " + strconv.Itoa(int(a))
}

// Error implements error.
func (a Alert) Error() string { return "tls13: " + a.String() }

const (
	levelWarning = 1
	levelFatal   = 2
)

// message is what a record of the alert holds.
func (a Alert) message() []byte {
	if a == CloseNotify {
		return []byte{levelWarning, byte(a)}
	}
	return []byte{levelFatal, byte(a)}
}

// Record is the alert as it is sent before there are keys.
func (a Alert) Record() []byte { return append([]byte{typeAlert, 3, 3, 0, 2}, a.message()...) }

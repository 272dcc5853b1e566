package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
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

package handshake

import (
	"bytes"
	"strconv"

	"github.com/gobwas/httphead"
)

// checkMessage applies the rules for any request, whatever it is for (RFC 9112
// §3.2, §6). They are at least as strict as net/http's, which doesn't put a
// Date into the answer where it refuses one.
func (f *fields) checkMessage(version httphead.Version) *refusal {
	switch {
	case f.host.count > 1 || f.host.count == 0 && version.Minor >= 1:
		return badHost
	case len(f.host.value) > 0 && !isHost(f.host.value): // it is empty where the target has no authority
		return badHost
	case f.length.count > 0 && (f.lengths || !isLength(f.length.value)): // §6.3
		return badLength
	case f.coding.count == 0:
		return nil
	case version.Minor < 1 || !endsInChunked(f.coding.value): // §6.1, §6.3
		return badCoding
	case f.coding.count > 1 || !is(f.coding.value, "chunked") || f.trailer: // §6.1
		return unknownCoding
	}
	return nil
}

// body reports whether a body follows the head.
func (f *fields) body() bool {
	return f.coding.count > 0 || len(bytes.Trim(f.length.value, "0")) > 0
}

// bodyLength is the body's length in bytes; -1: it is in chunks, and their end is its
// end.
func (f *fields) bodyLength() int64 {
	if f.coding.count > 0 {
		return -1
	}
	n, _ := strconv.ParseInt(string(f.length.value), 10, 64) // which was looked at; none is 0
	return n
}

// isLength reports whether v is a number of bytes (RFC 9110 §8.6).
func isLength(v []byte) bool {
	_, err := strconv.ParseUint(string(v), 10, 63)
	return err == nil
}

// endsInChunked reports whether chunked is the last of the list of codings.
func endsInChunked(codings []byte) bool {
	return is(bytes.Trim(codings[bytes.LastIndexByte(codings, ',')+1:], " \t"), "chunked")
}

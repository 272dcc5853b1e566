// Package sse writes server-sent events (HTML, §9.2), which are lines of text, as
// HTTP carries them:
//
//	HTTP/1.1   51␍␊id: 9f3c21aa.1042.1764064800123␊event: say␊data: {…}␊␊␍␊   a chunk each (RFC 9112 §7.1)
//	HTTP/1.0      id: 9f3c21aa.1042.1764064800123␊event: say␊data: {…}␊␊        bare, up to the end of the connection
//
// It is pure: no rooms, no I/O, no clock. Appending an event allocates nothing but
// what b grows by.
package sse

import (
	"bytes"
	"slices"
	"strconv"
)

// Type is the media type of a stream of events.
const Type = "text/event-stream"

// Comment is an event that is none: it only shows that the server is there.
const Comment = ":\n\n"

// LastChunk ends the answer that came in chunks. Without it the answer is not whole.
const LastChunk = "0\r\n\r\n"

// end is the blank line behind an event.
const end = "\n\n"

// AppendEvent appends an event of a kind, whose data the caller appends, and then
// what End does. The id, if it has one, comes before.
func AppendEvent(b []byte, kind string) []byte {
	b = append(b, "event: "...)
	b = append(b, kind...)
	return append(b, "\ndata: "...)
}

// End ends an event, the data of which is one line.
func End(b []byte) []byte { return append(b, end...) }

// AppendRetry appends how long a reader is to wait before it comes back, in ms.
func AppendRetry(b []byte, ms int) []byte {
	b = append(b, "retry: "...)
	return append(strconv.AppendInt(b, int64(ms), 10), end...)
}

// Chunk makes a chunk of what b has from at on, which must not be nothing.
func Chunk(b []byte, at int) []byte {
	var size [16]byte
	head := append(strconv.AppendUint(size[:0], uint64(len(b)-at), 16), "\r\n"...)
	return append(slices.Insert(b, at, head...), "\r\n"...)
}

// Len is the length in bytes of the event that begins at b: a chunk with one, or a
// bare one that begins with its id. It must be one that was written here, and
// whole: Len walks a log of events, and checks nothing.
func Len(b []byte) int {
	if b[0] == 'i' {
		return bytes.Index(b, []byte(end)) + len(end)
	}
	size := 0
	for i, c := range b {
		switch {
		case c == '\r':
			return i + len("\r\n") + size + len("\r\n")
		case c <= '9':
			size = size<<4 | int(c-'0')
		default:
			size = size<<4 | int(c-'a'+10)
		}
	}
	return len(b)
}

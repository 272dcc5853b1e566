package handshake

import (
	"bytes"

	"github.com/gobwas/httphead"
)

// head is what matters of a request's header fields. Its bytes are the
// input's.
type head struct {
	host, origin, upgrade, connection, key, version field
}

// field is a header field: how often it came, and its last value.
type field struct {
	value []byte
	count int
	lists [][]byte // earlier values, of a field that is a list
}

// hasToken reports whether token, in lower case, is in the list.
func (f *field) hasToken(token string) bool {
	for _, list := range append(f.lists, f.value) {
		found := false
		httphead.ScanTokens(list, func(v []byte) bool {
			found = bytes.EqualFold(v, []byte(token))
			return !found
		})
		if found {
			return true
		}
	}
	return false
}

func (f *field) add(value []byte) {
	if f.count++; f.count > 1 {
		f.lists = append(f.lists, f.value)
	}
	f.value = value
}

// status is how far the parsing of a head came.
type status uint8

const (
	parsed          status = iota
	unfinished             // its end has not come
	malformedLine          // the request line is not HTTP
	malformedHeader        // a header field is not HTTP
)

// parse reads an HTTP head (RFC 9112 §2, §5). End is its length in bytes.
func parse(b []byte) (h head, line httphead.RequestLine, end int, s status) {
	text, end, ok := nextLine(b, 0)
	if !ok {
		return h, line, 0, unfinished
	}
	if line, ok = httphead.ParseRequestLine(text); !ok || !printable(line.URI) {
		return h, line, 0, malformedLine
	}
	for {
		if text, end, ok = nextLine(b, end); !ok {
			return h, line, 0, unfinished
		}
		if len(text) == 0 {
			return h, line, end, s
		}
		if !h.add(text) {
			s = malformedHeader // known for good when the head is whole
		}
	}
}

// nextLine is the line that begins at b[at:], without its end, and where the
// next one begins.
func nextLine(b []byte, at int) (line []byte, next int, ok bool) {
	n := bytes.IndexByte(b[at:], '\n')
	if n < 0 {
		return nil, 0, false
	}
	return bytes.TrimSuffix(b[at:at+n], []byte{'\r'}), at + n + 1, true
}

// add takes a header line in and reports whether it is well-formed. A folded
// line and a space before the colon are not (RFC 9112 §5.1, §5.2).
func (h *head) add(line []byte) bool {
	name, value, ok := httphead.ParseHeaderLine(line)
	if !ok || len(name) == 0 || len(line) <= len(name) || line[len(name)] != ':' || bytes.IndexByte(line, 0) >= 0 {
		return false
	}
	switch {
	case is(name, "Host"):
		h.host.add(value)
	case is(name, "Origin"):
		h.origin.add(value)
	case is(name, "Upgrade"):
		h.upgrade.add(value)
	case is(name, "Connection"):
		h.connection.add(value)
	case is(name, "Sec-WebSocket-Key"):
		h.key.add(value)
	case is(name, "Sec-WebSocket-Version"):
		h.version.add(value)
	}
	return true
}

func is(name []byte, field string) bool {
	return len(name) == len(field) && bytes.EqualFold(name, []byte(field))
}

// printable reports whether a request target has no control characters.
func printable(uri []byte) bool {
	for _, c := range uri {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

package handshake

import (
	"bytes"

	"github.com/gobwas/httphead"
)

// fields is what matters of a request's header fields. Its bytes are the
// input's.
type fields struct {
	known []string // the subprotocols to choose from

	host, length, coding  field // of any message
	lengths, trailer      bool  // Content-Length comes with different values; there is a Trailer
	origin, key, version  field
	authorization         field
	lastEvent             field
	upgrade, connection   bool // the list has "websocket", "upgrade"
	deflate               offers
	protocol              string // the first that is known
	extensions, protocols list
}

// list is what a field that is a list with at least one element (RFC 9110
// §5.6.1) comes to: each of its lines is one of these, and together they are
// the greatest (§5.3).
type list uint8

const (
	absent list = iota
	empty       // commas at most
	filled
	malformed
)

func (l list) valid() bool { return l == absent || l == filled }

// field is a header field that may come once: how often it came, and its last
// value.
type field struct {
	value []byte
	count int
}

func (f *field) add(value []byte) {
	f.value = value
	f.count++
}

// parse reads the header fields that begin at b[at:] (RFC 9112 §5). End is
// where the blank line behind them ends, 0 if it has not come; ok is false as
// soon as there is a malformed line.
func (f *fields) parse(b []byte, at int) (end int, ok bool) {
	for {
		line, next, whole := nextLine(b, at)
		switch {
		case !whole:
			return 0, true
		case len(line) == 0:
			return next, true
		case !f.add(line):
			return 0, false
		}
		at = next
	}
}

// nextLine is the line that begins at b[at:], without its end, and where the
// next one begins; or all there is, if it is not whole. A line ends in \r\n;
// \n alone is taken too (RFC 9112 §2.2).
func nextLine(b []byte, at int) (line []byte, next int, whole bool) {
	n := bytes.IndexByte(b[at:], '\n')
	if n < 0 {
		return b[at:], 0, false
	}
	return bytes.TrimSuffix(b[at:at+n], []byte{'\r'}), at + n + 1, true
}

// add takes a field's line in and reports whether it is well-formed. A folded
// line, a space before the colon (RFC 9112 §5.1, §5.2) and control characters
// (RFC 9110 §5.5) are not.
func (f *fields) add(line []byte) bool {
	name, value, ok := httphead.ParseHeaderLine(line)
	if !ok || len(name) == 0 || line[len(name)] != ':' {
		return false
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	switch {
	case is(name, "Host"):
		f.host.add(value)
	case is(name, "Content-Length"):
		f.lengths = f.lengths || f.length.count > 0 && !bytes.Equal(value, f.length.value)
		f.length.add(value)
	case is(name, "Transfer-Encoding"):
		f.coding.add(value)
	case is(name, "Trailer"):
		f.trailer = true
	case is(name, "Origin"):
		f.origin.add(value)
	case is(name, "Authorization"):
		f.authorization.add(value)
	case is(name, "Last-Event-ID"):
		f.lastEvent.add(value)
	case is(name, "Upgrade"):
		f.upgrade = f.upgrade || lists(value, "websocket")
	case is(name, "Connection"):
		f.connection = f.connection || lists(value, "Upgrade")
	case is(name, "Sec-WebSocket-Key"):
		f.key.add(value)
	case is(name, "Sec-WebSocket-Version"):
		f.version.add(value)
	case is(name, "Sec-WebSocket-Extensions"):
		f.extensions = max(f.extensions, f.deflate.add(value))
	case is(name, "Sec-WebSocket-Protocol"):
		f.protocols = max(f.protocols, f.chooseProtocol(value))
	}
	return true
}

// chooseProtocol looks for a subprotocol that is known, and is what list of
// tokens value is (RFC 6455 §11.3.4). httphead.ScanTokens takes "a b" for one.
func (f *fields) chooseProtocol(value []byte) list {
	rest, found := lexer(value), empty
	for {
		if offered := rest.token(); len(offered) > 0 {
			found = filled
			for _, known := range f.known {
				if f.protocol == "" && string(offered) == known {
					f.protocol = known
				}
			}
		}
		if !rest.separator(',') {
			return rest.end(found)
		}
	}
}

// IsToken reports whether s may be the name of a subprotocol (RFC 9110 §5.6.2).
func IsToken(s string) bool {
	rest := lexer(s)
	return len(s) > 0 && len(rest.token()) == len(s)
}

// lists reports whether the list (RFC 9110 §5.6.1) has the token, in any case.
func lists(list []byte, token string) bool {
	for item := range bytes.SplitSeq(list, []byte{','}) {
		if is(bytes.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}

// is reports whether b is the word s, of ASCII letters in any case. (Unicode
// has more letters that fold to those, but none is as short.)
func is(b []byte, s string) bool {
	return len(b) == len(s) && bytes.EqualFold(b, []byte(s))
}

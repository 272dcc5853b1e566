package proxy

import (
	"bytes"
	"net/netip"

	"github.com/gobwas/httphead"
)

// forwarded adds the hops of a line of Forwarded (RFC 7239 §4). What comes
// before something malformed is not believed: a quote that a client left open
// would swallow what its proxy wrote.
func (h *hops) forwarded(value []byte) {
	rest := scanner(value)
	for {
		hop, empty, ok := rest.element()
		more := rest.take(',')
		if !ok || !more && !rest.ended() {
			h.add(netip.AddrPort{})
			return
		}
		if !empty {
			h.add(hop)
		}
		if !more {
			return
		}
	}
}

// scanner is what is left of a field's value.
type scanner []byte

// element takes an element of the list off: the node that it is for, the zero
// value if it doesn't say, or hides it. It is not ok if it is malformed.
func (s *scanner) element() (node netip.AddrPort, empty, ok bool) {
	found := false // a parameter that may come once
	empty = true
	for {
		name := s.token()
		if len(name) > 0 {
			empty = false
			value, ok := s.value()
			if !ok || found && is(name, "for") {
				return netip.AddrPort{}, false, false
			}
			if is(name, "for") {
				node, found = parseNode(value), true
			}
		}
		if !s.take(';') {
			return node, empty, true
		}
	}
}

// value takes off the value of a parameter. Where it is not quoted it may have
// what only a quoted one should, as many proxies write it: brackets and colons.
func (s *scanner) value() (value string, ok bool) {
	if !s.take('=') {
		return "", false
	}
	if !s.take('"') {
		n := bytes.IndexAny(*s, ",; \t\r\"")
		if n < 0 {
			n = len(*s)
		}
		value = string((*s)[:n])
		*s = (*s)[n:]
		return value, value != ""
	}
	var quoted []byte
	for i := 0; i < len(*s); i++ {
		switch c := (*s)[i]; c {
		case '"':
			*s = (*s)[i+1:]
			return string(quoted), true
		case '\\':
			if i++; i == len(*s) {
				return "", false
			}
		}
		quoted = append(quoted, (*s)[i])
	}
	return "", false
}

// token takes a token off (RFC 9110 §5.6.2); it is empty if there is none.
func (s *scanner) token() []byte {
	s.space()
	n := 0
	for n < len(*s) && httphead.OctetTypes[(*s)[n]].IsToken() {
		n++
	}
	token := (*s)[:n]
	*s = (*s)[n:]
	return token
}

// take takes c off, and reports whether it was there.
func (s *scanner) take(c byte) bool {
	s.space()
	found := len(*s) > 0 && (*s)[0] == c
	if found {
		*s = (*s)[1:]
	}
	return found
}

func (s *scanner) ended() bool {
	s.space()
	return len(*s) == 0
}

func (s *scanner) space() { *s = bytes.TrimLeft(*s, " \t\r") }

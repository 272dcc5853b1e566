package handshake

import (
	"cmp"
	"net/netip"
	"strings"
)

// AllowsOrigin applies the same-origin rule for browsers (RFC 6455 §10.2):
// the origin's host and port must be those that the request was sent to, or
// AllowOrigin must have it, as a whole ("https://a.example"), as a host
// ("a.example", "a.example:8443") or as "*".
func (h *Handshake) AllowsOrigin(value, host string) bool {
	from, ok := readOrigin(value)
	if ok && (from.Scheme == "" || defaultPort(from.Scheme) != "") { // as it is of what is served here
		to, ok := readOrigin(host)
		if ok && from.matches(to) {
			return true
		}
	}
	for _, allowed := range h.AllowOrigin {
		if allowed == "*" || strings.EqualFold(allowed, value) { // "null" is no host's
			return true
		}
		to, valid := readOrigin(allowed)
		if ok && valid && from.matches(to) {
			return true
		}
	}
	return false
}

// readOrigin reads what a request has for an origin, or a Host: its scheme, host
// and port, as far as they are there. [ParseOrigin] is for what is written by
// hand, and stricter: programs that are no browsers may leave out the scheme,
// have that of a WebSocket, or go on with a path, which is nothing of an origin.
func readOrigin(s string) (o Origin, ok bool) {
	s = strings.ToLower(s)
	if s == "null" { // opaque (RFC 6454 §6.1)
		return o, false
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "", s
	} else if !isScheme(scheme) {
		return o, false
	}
	if path := strings.IndexAny(rest, "/?#"); path >= 0 {
		rest = rest[:path]
	}
	if !isHost(rest) {
		return o, false
	}
	o.Scheme, o.Host = scheme, rest
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, ']') {
		o.Host, o.Port = rest[:colon], rest[colon+1:]
	}
	if inside, is6 := strings.CutPrefix(o.Host, "["); is6 {
		if addr, err := netip.ParseAddr(strings.TrimSuffix(inside, "]")); err == nil {
			o.Host = "[" + addr.String() + "]" // it has many forms
		}
	}
	return o, o.Host != ""
}

// isScheme reports whether s is a scheme, in lower case (RFC 3986 §3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

// matches reports whether o is the same as another one, in all that both say. A
// port that is the scheme's default is the same as none.
func (o Origin) matches(to Origin) bool {
	if o.Host != to.Host || o.Scheme != "" && to.Scheme != "" && o.Scheme != to.Scheme {
		return false
	}
	scheme := cmp.Or(o.Scheme, to.Scheme)
	if scheme == "" { // no browser
		return o.Port == "" || o.Port == to.Port || to.Port == "" && (o.Port == "80" || o.Port == "443")
	}
	byDefault := defaultPort(scheme)
	return cmp.Or(o.Port, byDefault) == cmp.Or(to.Port, byDefault)
}

// defaultPort is the port that a URL of the scheme need not say, "" if it has to.
func defaultPort(scheme string) string {
	switch scheme {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	}
	return defaultPorts[scheme]
}

// isHost reports whether h has only what a host and its port may have, and is
// not empty (RFC 3986 §3.2.2).
func isHost[T string | []byte](h T) bool {
	for i := range len(h) {
		switch c := h[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~%!$&'()*+,;=:[]", c) >= 0:
		default:
			return false
		}
	}
	return len(h) > 0
}

package handshake

import (
	"cmp"
	"net/netip"
	"strings"
)

// originAllowed applies the same-origin rule for browsers (RFC 6455 §10.2):
// the origin's host and port must be those that the request was sent to, or
// AllowOrigin must have it, as a whole ("https://a.example"), as a host
// ("a.example", "a.example:8443") or as "*".
func (h *Handshake) originAllowed(value, host string) bool {
	from, ok := parseOrigin(value)
	if ok && from.isWeb() {
		to, ok := parseOrigin(host)
		if ok && from.matches(to) {
			return true
		}
	}
	for _, allowed := range h.AllowOrigin {
		if allowed == "*" || strings.EqualFold(allowed, value) {
			return true
		}
		to, valid := parseOrigin(allowed)
		if ok && valid && from.matches(to) {
			return true
		}
	}
	return false
}

// origin is where a page is from (RFC 6454 §4), in lower case. Scheme and port
// are empty where they are not said. Browsers say the scheme, others may not.
type origin struct{ scheme, host, port string }

// parseOrigin parses scheme://host:port, scheme and port as they are there. A
// path is nothing of an origin, though some clients send one.
func parseOrigin(s string) (o origin, ok bool) {
	s = strings.ToLower(s)
	if s == "null" { // opaque
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
	o.scheme, o.host = scheme, rest
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, ']') {
		o.host, o.port = rest[:colon], rest[colon+1:]
	}
	if inside, is6 := strings.CutPrefix(o.host, "["); is6 {
		if addr, err := netip.ParseAddr(strings.TrimSuffix(inside, "]")); err == nil {
			o.host = addr.String() // it has many forms
		}
	}
	return o, o.host != ""
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

// isWeb reports whether o is an origin that may be the server's own.
func (o origin) isWeb() bool { return o.scheme == "" || defaultPort(o.scheme) != "" }

// matches reports whether o is the same as another one, in all that both say. A
// port that is the scheme's default is the same as none.
func (o origin) matches(to origin) bool {
	if o.host != to.host || o.scheme != "" && to.scheme != "" && o.scheme != to.scheme {
		return false
	}
	scheme := cmp.Or(o.scheme, to.scheme)
	if scheme == "" { // no browser
		return o.port == "" || o.port == to.port || to.port == "" && (o.port == "80" || o.port == "443")
	}
	byDefault := defaultPort(scheme)
	return cmp.Or(o.port, byDefault) == cmp.Or(to.port, byDefault)
}

// defaultPort is the port that a URL of the scheme need not say.
func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
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

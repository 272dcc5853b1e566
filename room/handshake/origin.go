package handshake

import "strings"

// originAllowed applies the same-origin rule for browsers (RFC 6455 §10.2):
// the origin's host and port must be those that the request was sent to, or
// AllowOrigin must have it, as a whole ("https://a.example"), as a host
// ("a.example", "a.example:8443") or as "*". A port that is the scheme's
// default is the same as none.
func (h *Handshake) originAllowed(origin, host string) bool {
	scheme, from, ok := strings.Cut(origin, "://")
	ok = ok && isHost(from) // "null" is none
	if ok && sameHost(scheme, from, host) {
		return true
	}
	for _, allowed := range h.AllowOrigin {
		if allowed == "*" || strings.EqualFold(allowed, origin) {
			return true
		}
		only, to, whole := strings.Cut(allowed, "://")
		if !whole {
			only, to = scheme, allowed
		}
		if ok && strings.EqualFold(only, scheme) && sameHost(scheme, from, to) {
			return true
		}
	}
	return false
}

// sameHost compares two hosts with their ports, if they have one.
func sameHost(scheme, a, b string) bool {
	return strings.EqualFold(withoutDefaultPort(scheme, a), withoutDefaultPort(scheme, b))
}

func withoutDefaultPort(scheme, host string) string {
	switch strings.ToLower(scheme) {
	case "http", "ws":
		return strings.TrimSuffix(host, ":80")
	case "https", "wss":
		return strings.TrimSuffix(host, ":443")
	}
	return host
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

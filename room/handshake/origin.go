package handshake

import (
	"net/url"
	"strings"
)

// originAllowed applies the same-origin rule for browsers (RFC 6455 §10.2):
// the origin's host and port must be those that the request was sent to, or
// AllowOrigin must have it, as a whole ("https://a.example"), as a host
// ("a.example", "a.example:8443") or as "*".
func (h *Handshake) originAllowed(origin, host []byte) bool {
	o := strings.ToLower(string(origin))
	for _, allowed := range h.AllowOrigin {
		if allowed == "*" || strings.EqualFold(allowed, o) {
			return true
		}
	}
	u, err := url.Parse(o)
	if err != nil || u.Host == "" { // "null" among them
		return false
	}
	own := withoutDefaultPort(u.Scheme, u.Host)
	if own == withoutDefaultPort(u.Scheme, strings.ToLower(string(host))) {
		return true
	}
	for _, allowed := range h.AllowOrigin {
		if own == withoutDefaultPort(u.Scheme, strings.ToLower(allowed)) {
			return true
		}
	}
	return false
}

func withoutDefaultPort(scheme, host string) string {
	switch scheme {
	case "http", "ws":
		return strings.TrimSuffix(host, ":80")
	case "https", "wss":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

package handshake

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"github.com/gobwas/httphead"
)

// parseRequestLine parses a request line (RFC 9112 §3), or if it is not whole,
// reports whether it can become one.
func parseRequestLine(line []byte, whole bool) (r httphead.RequestLine, ok bool) {
	if !beginsRequestLine(line) {
		return r, false
	}
	if !whole {
		return r, true
	}
	return httphead.ParseRequestLine(line)
}

// version is the shape of an HTTP-version (RFC 9112 §2.3), with 0 for any digit.
// (httphead takes other characters for digits, and more of them.)
const version = "HTTP/0.0"

// beginsRequestLine reports whether b is a request line or the beginning of
// one. Of its end only the \r may be there.
func beginsRequestLine(b []byte) bool {
	i := 0
	for i < len(b) && httphead.OctetTypes[b[i]].IsToken() {
		i++
	}
	if i == len(b) {
		return true
	}
	if i == 0 || b[i] != ' ' { // as with TLS, or SOCKS
		return false
	}
	b = b[i+1:]
	for i = 0; i < len(b) && b[i] > ' ' && b[i] != 0x7f; i++ {
	}
	if i == len(b) {
		return true
	}
	if i == 0 || b[i] != ' ' {
		return false
	}
	b = bytes.TrimSuffix(b[i+1:], []byte{'\r'})
	if len(b) > len(version) {
		return false
	}
	for i, c := range b {
		if c != version[i] && !(version[i] == '0' && '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

// target is the path of the request's target, decoded, and its authority if it
// has one (RFC 9112 §3.2). It must be what net/http finds: a request that this
// package takes for another path's, and net/http for this one's, would be
// handed to and fro for ever.
func target(r httphead.RequestLine) (path []byte, authority string) {
	path, _, _ = bytes.Cut(r.URI, []byte{'?'})
	if bytes.HasPrefix(path, []byte{'/'}) && bytes.IndexByte(path, '%') < 0 {
		return path, ""
	}
	uri := string(r.URI)
	if string(r.Method) == http.MethodConnect && !strings.HasPrefix(uri, "/") {
		uri = "http://" + uri
	}
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		return nil, "" // net/http answers
	}
	return []byte(u.Path), u.Host
}

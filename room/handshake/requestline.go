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
	switch {
	case !whole && string(line) == "\r": // of a blank line before it
		return r, true
	case !beginsRequestLine(line):
		return r, false
	case !whole:
		return r, true
	}
	return httphead.ParseRequestLine(line)
}

// skipBlankLines is where the request line begins: a blank line before it is
// ignored (RFC 9112 §2.2).
func skipBlankLines(b []byte) (begin int) {
	for {
		line, next, whole := nextLine(b, begin)
		if !whole || len(line) > 0 {
			return begin
		}
		begin = next
	}
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
// has one (RFC 9112 §3.2), found as net/http does; ok is false where that finds
// none.
func target(r httphead.RequestLine) (path []byte, authority string, ok bool) {
	path, _, _ = bytes.Cut(r.URI, []byte{'?'})
	if bytes.HasPrefix(path, []byte{'/'}) && bytes.IndexByte(path, '%') < 0 {
		return path, "", true
	}
	uri := string(r.URI)
	if string(r.Method) == http.MethodConnect && !strings.HasPrefix(uri, "/") {
		uri = "http://" + uri
	}
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		return nil, "", false
	}
	return []byte(u.Path), u.Host, true
}

package conformance

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
)

// head is an HTTP request's head, well-formed or not.
type head struct {
	method, target, version string
	fields                  []field
	eol                     string
	scheme                  string // of the target's URI
}

// field is a header field's line, cut at the colon.
type field struct{ name, value string }

// sampleNonce is the key of the example in RFC 6455 §1.3.
const sampleNonce = "dGhlIHNhbXBsZSBub25jZQ=="

// newHead is a valid opening handshake (RFC 6455 §4.1), after the changes.
func newHead(t Target, changes ...change) *head {
	h := &head{method: "GET", target: t.Path, version: "HTTP/1.1", eol: "\r\n", scheme: "http", fields: []field{
		{"Host", t.Addr},
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", sampleNonce},
		{"Sec-WebSocket-Version", "13"},
	}}
	if t.TLS != nil {
		h.scheme = "https"
	}
	for _, c := range changes {
		c(h)
	}
	return h
}

// bytes is the head as it is sent.
func (h *head) bytes() []byte {
	b := fmt.Appendf(nil, "%s %s %s%s", h.method, h.target, h.version, h.eol)
	for _, f := range h.fields {
		if f.name == "" {
			b = fmt.Append(b, f.value, h.eol) // no field
		} else {
			b = fmt.Append(b, f.name, ": ", f.value, h.eol)
		}
	}
	return append(b, h.eol...)
}

// get are the values of the fields of this name.
func (h *head) get(name string) []string {
	var all []string
	for _, f := range h.fields {
		if textproto.CanonicalMIMEHeaderKey(f.name) == textproto.CanonicalMIMEHeaderKey(name) {
			all = append(all, f.value)
		}
	}
	return all
}

// change makes a head another one.
type change func(*head)

// set gives a field another value.
func set(name, value string) change {
	return func(h *head) {
		for i := range h.fields {
			if h.fields[i].name == name {
				h.fields[i].value = value
			}
		}
	}
}

// without takes a field away.
func without(name string) change {
	return func(h *head) {
		h.fields = slices.DeleteFunc(h.fields, func(f field) bool { return f.name == name })
	}
}

// add puts a field behind the others.
func add(name, value string) change {
	return func(h *head) { h.fields = append(h.fields, field{name, value}) }
}

// first puts a field before the others.
func first(name, value string) change {
	return func(h *head) { h.fields = slices.Insert(h.fields, 0, field{name, value}) }
}

// line puts a line behind the fields, whatever it is.
func line(l string) change { return add("", l) }

// names changes the fields' names.
func names(to func(string) string) change {
	return func(h *head) {
		for i := range h.fields {
			h.fields[i].name = to(h.fields[i].name)
		}
	}
}

func method(m string) change  { return func(h *head) { h.method = m } }
func version(v string) change { return func(h *head) { h.version = v } }
func bareLineFeeds(h *head)   { h.eol = "\n" }
func reversed(h *head)        { slices.Reverse(h.fields) }

// query puts a query behind the target.
func query(q string) change { return func(h *head) { h.target += q } }

// absolute makes the target an absolute one, with an authority.
func absolute(h *head) { h.target = h.scheme + "://" + strings.Join(h.get("Host"), "") + h.target }

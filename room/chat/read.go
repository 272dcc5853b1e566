package chat

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// event is what a client's JSON object has of the members that are known: their
// values as they were written, in the client's bytes; nil: not there.
type event [len(members)]jsontext.Value

// The known members.
const (
	memberType = iota
	memberText
	memberNonce
	memberRoom
	memberName
	memberSince
)

var members = [...]string{"type", "text", "nonce", "room", "name", "since"}

// noString stands for the value of a known member that is no string.
var noString = jsontext.Value("null")

// decoder is a JSON decoder that is used again and again.
type decoder struct {
	json  jsontext.Decoder
	input bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Lone surrogates become U+FFFD. Members that there are twice are found here: of
// those that are not known it does not matter, and costs memory.
var (
	allowSurrogates = jsontext.AllowInvalidUTF8(true)
	allowDuplicates = jsontext.AllowDuplicateNames(true)
)

// read reads a JSON object. When something is wrong the event has what was found
// before.
func read(b []byte) (e event, failed *Error) {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.input = *bytes.NewBuffer(b)
	d.json.Reset(&d.input, allowSurrogates, allowDuplicates)
	failed = e.read(&d.json, b)
	d.input = bytes.Buffer{}
	d.json.Reset(&d.input) // which lets b go
	return e, failed
}

// read reads the object b, which is d's input. The library bounds the depth.
func (e *event) read(d *jsontext.Decoder, b []byte) *Error {
	if d.PeekKind() != '{' {
		return badJSON("an event is a JSON object")
	}
	d.ReadToken()
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			break
		}
		member := slices.Index(members[:], string(unquote(name)))
		switch {
		case member >= 0 && e[member] != nil:
			return badJSON(members[member] + " is there twice")
		case member < 0 || d.PeekKind() != '"':
			err = d.SkipValue()
			if member >= 0 {
				e[member] = noString
			}
		default:
			var value jsontext.Value
			value, err = d.ReadValue()
			end := d.InputOffset() // the value itself is the library's
			e[member] = b[end-int64(len(value)) : end]
		}
		if err != nil {
			return notJSON()
		}
	}
	if end, err := d.ReadToken(); err != nil || end.Kind() != '}' {
		return notJSON()
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return badJSON("after the JSON object there is something else")
	}
	return nil
}

// bytes is the member's value, if it is a string: the client's bytes where
// nothing in them was escaped.
func (e *event) bytes(member int) (b []byte, ok bool) {
	if e[member].Kind() != '"' {
		return nil, false
	}
	return unquote(e[member]), true
}

func (e *event) string(member int) (s string, ok bool) {
	b, ok := e.bytes(member)
	return string(b), ok
}

// unquote is what a JSON string says. It is one: what remains are bytes that are
// no UTF-8, and lone surrogates, for which there will be U+FFFD.
func unquote(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return quoted[1 : len(quoted)-1]
	}
	unquoted, _ := jsontext.AppendUnquote(nil, quoted)
	return unquoted
}

func notJSON() *Error { return badJSON("this is no valid JSON") }

func badJSON(message string) *Error { return &Error{Code: BadJSON, Message: message} }

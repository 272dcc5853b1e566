package handshake

import (
	"bytes"
	"strconv"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws/wsflate"
)

// offers is what a client's Sec-WebSocket-Extensions say of permessage-deflate
// (RFC 7692 §7.1), as far as it matters: which of the offers is taken. The
// zero value is no offer.
type offers struct {
	taken offer
	found bool
}

// offer is one element of the list.
type offer struct {
	deflate  bool // it is permessage-deflate
	declined bool // it asks for what is not done here, or is not valid
	window   bool // it limits the server's window to what it is anyway
	seen     parameters
}

// parameters is a set of those that an offer may have.
type parameters uint8

const (
	serverNoContextTakeover parameters = 1 << iota
	clientNoContextTakeover
	serverMaxWindowBits
	clientMaxWindowBits
)

// maxWindowBits is the window that messages are compressed with (2^15 bytes),
// and the largest that there is. All members that read compressed messages read
// the same ones, so there is no smaller one for some.
const maxWindowBits = 15

// add takes in the value of a field, and says what list of extensions it is
// (RFC 6455 §9.1). The first acceptable offer counts (RFC 7692 §5).
//
//	list      = [ extension ] *( "," [ extension ] )       (RFC 9110 §5.6.1)
//	extension = token *( ";" token [ "=" ( token | quoted-string ) ] )
//
// (httphead's own parsers take more than that.)
func (o *offers) add(value []byte) list {
	rest, found := lexer(value), empty
	for {
		if name := rest.token(); len(name) > 0 {
			f, ok := rest.offer(name)
			if !ok {
				return malformed
			}
			o.consider(f)
			found = filled
		}
		if !rest.separator(',') {
			return rest.end(found)
		}
	}
}

// lexer is what is left of a field's value.
type lexer []byte

// offer is the extension of that name, whose parameters follow.
func (l *lexer) offer(name []byte) (f offer, ok bool) {
	f.deflate = string(name) == wsflate.ExtensionName
	for l.separator(';') {
		key, value := l.token(), []byte(nil)
		if len(key) == 0 {
			return f, false
		}
		if l.separator('=') {
			if value = l.word(); len(value) == 0 {
				return f, false
			}
		}
		f.add(key, value)
	}
	return f, true
}

// end is what a list is whose elements are found: malformed, if more is left.
func (l *lexer) end(found list) list {
	if len(*l) > 0 {
		return malformed
	}
	return found
}

// space skips what may stand between all parts (RFC 9110 §5.6.3).
func (l *lexer) space() { *l = bytes.TrimLeft(*l, " \t") }

// separator takes c off, and reports whether it was there.
func (l *lexer) separator(c byte) bool {
	l.space()
	found := len(*l) > 0 && (*l)[0] == c
	if found {
		*l = (*l)[1:]
	}
	return found
}

// token takes a token off (RFC 9110 §5.6.2); it is empty if there is none.
func (l *lexer) token() []byte {
	l.space()
	n := 0
	for n < len(*l) && httphead.OctetTypes[(*l)[n]].IsToken() {
		n++
	}
	token := (*l)[:n]
	*l = (*l)[n:]
	return token
}

// word takes off a token, or a quoted string (RFC 9110 §5.6.4) that would be one
// without the quotes; it is empty if there is neither.
func (l *lexer) word() []byte {
	if !l.separator('"') {
		return l.token()
	}
	var word []byte
	for i := 0; i < len(*l); i++ {
		switch c := (*l)[i]; {
		case c == '"':
			*l = (*l)[i+1:]
			return word
		case c == '\\':
			if i++; i == len(*l) {
				return nil
			}
		}
		c := (*l)[i]
		if !httphead.OctetTypes[c].IsToken() {
			return nil
		}
		word = append(word, c)
	}
	return nil
}

func (o *offers) consider(f offer) {
	if f.deflate && !f.declined && !o.found {
		o.taken, o.found = f, true
	}
}

// add takes in a parameter (RFC 7692 §7.1.1, §7.1.2). One that is unknown, has
// an invalid value or comes twice makes the server decline the offer (§7).
func (f *offer) add(key, value []byte) {
	var p parameters
	valid := len(value) == 0
	switch string(key) {
	case "server_no_context_takeover":
		p = serverNoContextTakeover
	case "client_no_context_takeover":
		p = clientNoContextTakeover
	case "server_max_window_bits":
		p = serverMaxWindowBits
		f.window = true
		valid = string(value) == strconv.Itoa(maxWindowBits)
	case "client_max_window_bits":
		p = clientMaxWindowBits
		valid = valid || isWindowBits(value)
	}
	if !valid || p == 0 || f.seen&p != 0 {
		f.declined = true
	}
	f.seen |= p
}

// isWindowBits reports whether v is a number from 8 to 15, without leading
// zeros.
func isWindowBits(v []byte) bool {
	switch string(v) {
	case "8", "9", "10", "11", "12", "13", "14", "15":
		return true
	}
	return false
}

// The answers to offers. Whatever was offered, no message refers to another
// one: what is sent is the same for all, and what a client sends needs no
// memory here.
var (
	withoutDeflate = newUpgrader(nil)
	withDeflate    = newUpgrader(agreed(0))
	withWindow     = newUpgrader(agreed(maxWindowBits))
)

func agreed(bits wsflate.WindowBits) *httphead.Option {
	o := wsflate.Parameters{
		ServerNoContextTakeover: true,
		ClientNoContextTakeover: true,
		ServerMaxWindowBits:     bits,
	}.Option()
	return &o
}

// answer is what agrees to the offer that is taken.
func (o *offers) answer() *upgrader {
	switch {
	case !o.found:
		return withoutDeflate
	case o.taken.window:
		return withWindow
	}
	return withDeflate
}

package handshake

import (
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

// add takes in the value of a field and reports whether it is a list of
// extensions (RFC 6455 §9.1). The first acceptable offer counts (RFC 7692 §5).
func (o *offers) add(value []byte) bool {
	current, at := offer{}, -1
	ok := httphead.ScanOptions(value, func(index int, name, key, value []byte) httphead.Control {
		if index != at {
			o.consider(current)
			current, at = offer{deflate: string(name) == wsflate.ExtensionName}, index
		}
		if key != nil {
			current.add(string(key), string(value))
		}
		return httphead.ControlContinue
	})
	o.consider(current)
	return ok
}

func (o *offers) consider(f offer) {
	if f.deflate && !f.declined && !o.found {
		o.taken, o.found = f, true
	}
}

// add takes in a parameter (RFC 7692 §7.1.1, §7.1.2). One that is unknown, has
// an invalid value or comes twice makes the server decline the offer (§7).
func (f *offer) add(key, value string) {
	var p parameters
	valid := value == ""
	switch key {
	case "server_no_context_takeover":
		p = serverNoContextTakeover
	case "client_no_context_takeover":
		p = clientNoContextTakeover
	case "server_max_window_bits":
		p = serverMaxWindowBits
		f.window = true
		valid = value == strconv.Itoa(maxWindowBits)
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
func isWindowBits(v string) bool {
	switch v {
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

package conformance

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gobwas/httphead"
)

// agreement is what a server answers to an offer of permessage-deflate.
type agreement struct {
	serverNoContextTakeover bool
	clientNoContextTakeover bool
	serverMaxWindowBits     int // 0: not mentioned
}

// offered is one of a client's offers of permessage-deflate.
type offered map[string]string

// offersIn are the offers of permessage-deflate in the values of extension
// fields, with what is no list of extensions left out.
func offersIn(values []string) []offered {
	var all []offered
	for _, value := range values {
		at := -1
		httphead.ScanOptions([]byte(strings.TrimSpace(value)), func(index int, name, key, value []byte) httphead.Control {
			if string(name) == "permessage-deflate" {
				if index != at {
					all, at = append(all, offered{}), index
				}
				if key != nil {
					all[len(all)-1][string(key)] = strings.ReplaceAll(string(value), `\`, "") // escapes, if it was quoted
				}
			}
			return httphead.ControlContinue
		})
	}
	return all
}

// agree judges the server's Sec-WebSocket-Extensions, which answer these
// offers; there must be one that it fits to (RFC 7692 §7.1). It is nil if the
// server declines.
func agree(offers []offered, answers []string) *agreement {
	switch {
	case len(answers) == 0:
		return nil
	case len(answers) > 1:
		failf("%d fields Sec-WebSocket-Extensions (RFC 6455 §11.3.2)", len(answers))
	}
	names, parameters, answer := 0, 0, offered{}
	ok := httphead.ScanOptions([]byte(answers[0]), func(index int, name, key, value []byte) httphead.Control {
		names = index + 1
		if string(name) != "permessage-deflate" {
			return httphead.ControlBreak
		}
		if key != nil {
			parameters++
			answer[string(key)] = string(value)
		}
		return httphead.ControlContinue
	})
	switch {
	case !ok:
		failf("extensions %q are no list (RFC 6455 §9.1)", answers[0])
	case names != 1 || !strings.HasPrefix(answers[0], "permessage-deflate") || len(offers) == 0:
		failf("extensions %q, which were not offered (RFC 6455 §9.1)", answers[0])
	case parameters != len(answer) || !slices.ContainsFunc(offers, answer.fits):
		failf("extensions %q do not fit to what was offered (RFC 7692 §7.1)", answers[0])
	}
	var a agreement
	_, a.serverNoContextTakeover = answer["server_no_context_takeover"]
	_, a.clientNoContextTakeover = answer["client_no_context_takeover"]
	a.serverMaxWindowBits = bits(answer["server_max_window_bits"])
	return &a
}

// fits reports whether an answer is one to offer.
func (answer offered) fits(offer offered) bool {
	if _, asked := offer["server_no_context_takeover"]; asked {
		if _, given := answer["server_no_context_takeover"]; !given {
			return false // §7.1.1.1
		}
	}
	if most := bits(offer["server_max_window_bits"]); most > 0 {
		if given := bits(answer["server_max_window_bits"]); given == 0 || given > most {
			return false // §7.1.2.1
		}
	}
	for key, value := range answer {
		switch key {
		case "server_no_context_takeover", "client_no_context_takeover":
			if value != "" {
				return false
			}
		case "server_max_window_bits":
			if bits(value) == 0 {
				return false
			}
		case "client_max_window_bits":
			most, asked := offer[key] // §7.1.2.2
			if !asked || bits(value) == 0 || most != "" && bits(value) > bits(most) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// bits is a window size's logarithm, 0 if s is none.
func bits(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 8 || n > 15 || strings.HasPrefix(s, "0") || strings.HasPrefix(s, "+") {
		return 0
	}
	return n
}

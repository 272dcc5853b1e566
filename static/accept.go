package static

import (
	"strconv"
	"strings"
)

// choose returns the coding that a request with these values of Accept-Encoding
// (RFC 9110 §12.5.3) likes best, of several the smallest; nil if it takes none.
func (c *content) choose(accept []string) *coded {
	if len(accept) == 0 {
		return &c.codings[len(c.codings)-1]
	}
	var best *coded
	most := 0.0
	for i := range c.codings {
		if q := quality(accept, c.codings[i].name); q > most {
			best, most = &c.codings[i], q
		}
	}
	return best
}

// unnamed is the quality of a coding that is acceptable only because nobody says
// that it isn't: less than any that is wished for.
const unnamed = 0.0001

// quality is what accept says of coding, 0 if it is not acceptable.
func quality(accept []string, coding string) float64 {
	const unsaid = -1.0
	others := unsaid // of what is not named: *
	for _, list := range accept {
		for len(list) > 0 {
			var element string
			element, list, _ = strings.Cut(list, ",")
			name, parameters, _ := strings.Cut(element, ";")
			q := weight(parameters)
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, coding), coding == gzipCoding && strings.EqualFold(name, "x-gzip"):
				return q
			case name == "*":
				others = q
			}
		}
	}
	switch {
	case coding == identity && others != 0:
		return unnamed
	case others != unsaid:
		return others
	}
	return 0
}

// weight is the q of an element's parameters: 1 without one, 0 for one that is
// none.
func weight(parameters string) float64 {
	for len(parameters) > 0 {
		var parameter string
		parameter, parameters, _ = strings.Cut(parameters, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil || !(0 <= q && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}

package talk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible returns what others wrote without power over a terminal or over the
// text around it: instead of a control character its picture is shown (␛ for
// ESC), and � instead of those that have none, of marks that turn the direction
// of what follows, and of line separators.
func visible(s string) string { return strings.Map(show, s) }

func show(r rune) rune {
	switch {
	case r < ' ':
		return '␀' + r
	case r == 0x7f:
		return '␡'
	case controls(r):
		return utf8.RuneError
	}
	return r
}

// controls tells of characters beyond ASCII that control something.
func controls(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// visibleJSON returns JSON that means the same, on one line, with what controls
// something written as \u.
func visibleJSON(b []byte) []byte {
	safe := make([]byte, 0, len(b)+1)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r < ' ': // white space: there is none in a string
			safe = append(safe, ' ')
		case r == 0x7f, controls(r):
			safe = append(safe, '\\', 'u', hex(r>>12), hex(r>>8), hex(r>>4), hex(r))
		default:
			safe = utf8.AppendRune(safe, r) // � if it was none
		}
		b = b[n:]
	}
	return safe
}

func hex(r rune) byte { return "0123456789abcdef"[r&15] }

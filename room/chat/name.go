package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxNameBytes is more than a name can have that is one once it is normalised: a
// character decomposes into at most four.
const maxNameBytes = MaxName * 4 * utf8.UTFMax

// CleanName returns s as a name: without space around it, in NFC (UAX #15). It is
// ok if that has at most 32 characters, and none that controls devices, lines or
// the direction of what comes after it. "" is ok: no name.
func CleanName(s string) (name string, ok bool) {
	name = strings.TrimSpace(s)
	if len(name) > maxNameBytes || !utf8.ValidString(name) {
		return "", false
	}
	name = norm.NFC.String(name)
	if utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, controls) {
		return "", false
	}
	return name, true
}

// controls reports whether r is no character of a text, but says something about
// it. Joiners are not among them: scripts and emoji need them.
func controls(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

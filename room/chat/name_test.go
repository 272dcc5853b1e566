package chat

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"chatd/room/fuzzcorpus"
)

func TestNamesAreTrimmedAndNormalised(t *testing.T) {
	for s, want := range map[string]string{
		"Ana":                         "Ana",
		" \t\u00a0Ana\u3000\r\n":      "Ana",
		"Ana  Maria":                  "Ana  Maria",
		"":                            "",
		" \t\n\u2028\u0085":           "",
		"Zoe\u0308":                   "Zoë",
		"\u212bngstro\u0308m":         "Ångström",
		"\u1100\u1161\u11a8":          "각",
		"\ufb01":                      "\ufb01", // a ligature is another character only in compatibility
		"می\u200cخواهم":               "می\u200cخواهم",
		"👩\u200d👩\u200d👧":             "👩\u200d👩\u200d👧",
		"שלום":                        "שלום",
		"<b>\"'&\\":                   "<b>\"'&\\",
		strings.Repeat("x", 32):       strings.Repeat("x", 32),
		strings.Repeat("😀", 32):       strings.Repeat("😀", 32),
		strings.Repeat("e\u0301", 32): strings.Repeat("é", 32),
		strings.Repeat("\u1f80", 32):  strings.Repeat("\u1f80", 32),
		strings.Repeat(norm.NFD.String("\u1f82"), 32):                  strings.Repeat("\u1f82", 32), // four characters for one
		strings.Repeat(" ", 5000) + "Ana" + strings.Repeat("\n", 5000): "Ana",
	} {
		if got, ok := CleanName(s); !ok || got != want {
			t.Errorf("%q: %q, %v, want %q", s, got, ok, want)
		}
	}
}

func TestWhatIsNoNameIsRefused(t *testing.T) {
	for _, s := range []string{
		strings.Repeat("x", 33), strings.Repeat("😀", 33), strings.Repeat("e\u0301", 33), strings.Repeat("x", 1<<20),
		strings.Repeat("\ufb2c", 11), // each becomes three characters
		"a\x00b", "a\x1bb", "a\nb", "a\tb", "a\x7fb", "a\u0080b", "a\u0085b", "a\u2028b", "a\u2029b",
		"a\xff", "\xed\xa0\x80",
	} {
		if got, ok := CleanName(s); ok || got != "" {
			t.Errorf("%q: %q", s, got)
		}
	}
	for _, r := range "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" {
		for _, s := range []string{string(r), string(r) + "a", "a" + string(r), "a" + string(r) + "b"} {
			if got, ok := CleanName(s); ok || got != "" {
				t.Errorf("%q: %q", s, got)
			}
		}
	}
}

func FuzzName(f *testing.F) {
	fuzzcorpus.Add(f)
	for _, s := range []string{"Ana", " Zoe\u0308 ", "a\u202eb", strings.Repeat("e\u0301", 32), "\xff", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := CleanName(s)
		if !ok {
			// Only what can't be said shorter is too long.
			if clean := norm.NFC.String(strings.TrimSpace(s)); utf8.ValidString(s) && utf8.RuneCountInString(clean) <= MaxName && !strings.ContainsFunc(clean, func(r rune) bool {
				return unicode.IsControl(r) || strings.ContainsRune("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", r)
			}) {
				t.Fatalf("%q is refused", s)
			}
			return
		}
		if utf8.RuneCountInString(name) > MaxName || !norm.NFC.IsNormalString(name) || strings.TrimSpace(name) != name || !utf8.ValidString(name) {
			t.Fatalf("%q became %q", s, name)
		}
		if again, ok := CleanName(name); !ok || again != name {
			t.Fatalf("%q became %q, and then %q, %v", s, name, again, ok)
		}
	})
}

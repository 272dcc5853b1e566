package talk

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

func TestWhatOthersWriteHasNoPowerOverTheTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ünï 日本 👩‍👩‍👧":       "plain, ünï 日本 👩‍👩‍👧", // joiners stay
		"\x1b[31mred\x1b]0;title\a": "␛[31mred␛]0;title␇",
		"two\nlines\r\tand\x00":     "two␊lines␍␉and␀",
		"\x7f\u0085\u009b31m":       "␡��31m",
		"\u202eevil\u2066\u200f":    "�evil��",
		"\u2028\u2029":              "��",
		"\xff\x9b":                  "��",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("\x1b[31m\u202e\u009b")
	f.Fuzz(func(t *testing.T, s string) {
		if i := strings.IndexFunc(visible(s), func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }); i >= 0 {
			t.Errorf("%q: %q", s, visible(s))
		}
		b, err := json.Marshal(map[string]string{"text": s})
		if err != nil {
			t.Fatal(err)
		}
		safe := visibleJSON(b)
		if visible(string(safe)) != string(safe) {
			t.Errorf("%s: %q", b, safe)
		}
		var before, after any
		if json.Unmarshal(b, &before) != nil || json.Unmarshal(safe, &after) != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%s is not %s", safe, b)
		}
	})
}

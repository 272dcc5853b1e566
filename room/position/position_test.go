package position

import (
	"regexp"
	"strings"
	"testing"

	"chatd/room/fuzzcorpus"
)

func TestPositionIsReadAsItIsWritten(t *testing.T) {
	for s, want := range map[string]Position{
		"9f3c21aa.1041":               {Epoch: 0x9f3c21aa, Seq: 1041, At: -1},
		"9f3c21aa.1041.1764064800123": {Epoch: 0x9f3c21aa, Seq: 1041, At: 1764064800123},
		"00000000.0":                  {At: -1},
		"00000000.0.0":                {},
		"ffffffff.9007199254740991.9007199254740991": {Epoch: 0xffffffff, Seq: 1<<53 - 1, At: 1<<53 - 1},
		"0000000a.10": {Epoch: 10, Seq: 10, At: -1},
	} {
		if got, ok := Parse(s); !ok || got != want || got.String() != s {
			t.Errorf("%s: %+v, %v, written %s", s, got, ok, got)
		}
	}
}

func TestWhatIsNoPositionIsRefused(t *testing.T) {
	for _, s := range []string{
		"", ".", "now", "9f3c21aa", "9f3c21aa.", ".1", "9f3c21aa..", "9f3c21aa..1", "9f3c21aa.1.", "9f3c21aa.1.2.3", "9f3c21aa.1.2.",
		"9f3c21a.1", "9f3c21aab.1", "9F3C21AA.1", "9f3c21ag.1", "0x3c21aa.1", "９f3c21aa.1",
		"9f3c21aa.01", "9f3c21aa.00", "9f3c21aa.-1", "9f3c21aa.+1", "9f3c21aa.1e3", "9f3c21aa.1_0", "9f3c21aa.0x1", "9f3c21aa.１",
		"9f3c21aa.9007199254740992", "9f3c21aa.18446744073709551617", "9f3c21aa.99999999999999999999999999",
		"9f3c21aa.1.-1", "9f3c21aa.1.01", "9f3c21aa.1.9007199254740992",
		" 9f3c21aa.1", "9f3c21aa.1 ", "9f3c21aa. 1", "9f3c21aa.1\n", "9f3c21aa,1",
	} {
		if got, ok := Parse(s); ok || got != (Position{}) {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

func TestSinceIsAbsentNowOrAPosition(t *testing.T) {
	for s, want := range map[string]Since{
		"":               {},
		"now":            {Kind: Now},
		"00000001.2":     {Kind: At, Position: Position{Epoch: 1, Seq: 2, At: -1}},
		"00000001.2.345": {Kind: At, Position: Position{Epoch: 1, Seq: 2, At: 345}},
	} {
		if got, ok := ParseSince(s); !ok || got != want {
			t.Errorf("%q: %+v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"Now", "now ", "0", "00000001", "null", strings.Repeat("1", 1000)} {
		if got, ok := ParseSince(s); ok || got != (Since{}) {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

func TestAppendingAPositionAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 64)
	p := Position{Epoch: 1, Seq: 1<<53 - 1, At: 1<<53 - 1}
	if n := testing.AllocsPerRun(100, func() { b = p.Append(b[:0]) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// grammar is what a position looks like, but for the size of its numbers.
var grammar = regexp.MustCompile(`^[0-9a-f]{8}\.(0|[1-9][0-9]{0,15})(\.(0|[1-9][0-9]{0,15}))?$`)

func FuzzPosition(f *testing.F) {
	fuzzcorpus.Add(f)
	for _, s := range []string{"", "now", "9f3c21aa.1041", "9f3c21aa.1041.1764064800123", "9f3c21aa.9007199254740992", "9f3c21aa.01", "9F3c21aa.1."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := Parse(s)
		switch {
		case ok && (p.String() != s || !grammar.MatchString(s) || p.Seq >= 1<<53 || p.At >= 1<<53):
			t.Fatalf("%q: %+v, which is written %s", s, p, p)
		case !ok && grammar.MatchString(s) && !strings.Contains(s, ".9"): // of those some are too large
			t.Fatalf("%q is refused", s)
		}
		since, known := ParseSince(s)
		if known != (ok || s == "" || s == "now") || known && (since.Kind == At) != ok || since.Position != p {
			t.Fatalf("%q: %+v, %v", s, since, known)
		}
	})
}

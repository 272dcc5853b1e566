package chattest

import (
	"fmt"
	"strings"
	"testing"
)

func TestLedgerFindsWhatIsMissingDoubledOrReordered(t *testing.T) {
	place := func(kind, epoch string, seq int, resumed bool) string {
		if kind == "joined" {
			return fmt.Sprintf(`{"type":"joined","room":"lobby","epoch":%q,"seq":%d,"resumed":%t,"members":3}`, epoch, seq, resumed)
		}
		return fmt.Sprintf(`{"type":"welcome","id":"i","session":"s","room":"lobby","name":"","epoch":%q,"seq":%d,"resumed":%t,"members":3,
			"retry":{"min_ms":1,"max_ms":2},"limits":{"message":1,"name":1,"rooms":1}}`, epoch, seq, resumed)
	}
	const one, two = "00000001", "00000002"
	for name, tt := range map[string]struct {
		events string // w: welcome, j: joined, g: gap, m: members; a number: that message
		want   string // "": nothing is wrong; else what is
	}{
		"from the beginning":                    {"w1.0.false 1 2 m 3", ""},
		"from what is kept":                     {"w1.7.false 8 9", ""},
		"resumed":                               {"w1.0.false 1 2 w1.2.true 3 j1.3.true 4", ""},
		"resumed with nothing missed":           {"w1.5.false w1.5.true 6", ""},
		"an old place, told":                    {"w1.0.false 1 w1.4.false g2.4.history 5", ""},
		"cut before the gap, which comes again": {"w1.0.false 1 w1.4.false w1.6.false g2.6.history 7", ""},
		"another epoch, nothing lost":           {"w1.0.false 1 2 w2.0.false g1.0.epoch 1", ""},
		"another epoch, something lost":         {"w1.0.false 1 2 w2.9.false g1.9.epoch m 10", ""},

		"shared: holes":                         {"s w1.0.false 3 4 9 w1.9.true 12", ""},
		"shared: a gap between":                 {"s w1.0.false 3 g4.8.history 12 g13.14.history w1.14.true 15", ""},
		"shared: a gap between, another's edge": {"s w1.0.false 3 g4.8.history g7.9.history 12", ""},
		"shared: another epoch between":         {"s w1.0.false 3 e2.1.8.epoch 12 w2.12.true 13", ""},
		"shared: a gap that is further on":      {"s w1.0.false 3 w1.3.false 5 g6.8.history 12", ""},

		"shared: reordered":             {"s w1.0.false 3 2", "message 2 after 3"},
		"shared: twice":                 {"s w1.0.false 3 3", "message 3 after 3"},
		"shared: a gap of what was":     {"s w1.0.false 3 g2.3.history", "a gap from 2 to 3"},
		"shared: a gap that skips some": {"s w1.0.false 3 g5.8.history", "a gap from 5 to 8"},
		"shared: an epoch without one":  {"s w1.0.false 3 g1.8.epoch", "(epoch)"},
		"shared: a gap not told":        {"s w1.0.false 3 w1.8.false 9", "before &{"},
		"a gap between":                 {"w1.0.false 1 g2.3.history", "a gap from 2 to 3"},

		"off by one at the edge":              {"w1.0.false 1 w1.4.false g2.3.history", "a gap from 2 to 3"},
		"off by one at the other edge":        {"w1.0.false 1 w1.4.false g1.4.history", "a gap from 1 to 4"},
		"the wrong why":                       {"w1.0.false 1 w1.4.false g2.4.epoch", "(epoch)"},
		"a gap that is not told":              {"w1.0.false 1 w1.4.false 5", "before &{"},
		"a gap in nothing":                    {"w1.0.false 1 w1.1.true g2.1.history", "a gap"},
		"a message twice at the seam":         {"w1.0.false 1 2 w1.2.true 2", "message 2 after 2"},
		"a message missing at the seam":       {"w1.0.false 1 2 w1.2.true 4", "message 4 after 2"},
		"reordered":                           {"w1.0.false 1 3", "message 3 after 1"},
		"members counted as a message":        {"w1.0.false 1 m 3", "message 3 after 1"},
		"members counted into the place":      {"w1.0.false 1 m w1.2.true", "says resumed: true"},
		"set back":                            {"w1.0.false 1 2 w1.1.true 2", "sets back"},
		"resumed by one who asks for nothing": {"w1.0.true", "says resumed"},
		"a gap that is said to be none":       {"w1.0.false 1 w1.4.true", "says resumed"},
		"nothing missing, not resumed":        {"w1.0.false 1 w1.1.false", "says resumed"},
		"another epoch as the same":           {"w1.0.false 1 w2.1.true", "says resumed"},
		"a message before the place":          {"1", "before a place"},
	} {
		t.Run(name, func(t *testing.T) {
			var l Ledger
			var wrong error
			for _, word := range strings.Fields(tt.events) {
				event := `{"type":"members","room":"lobby","count":2}`
				fields := strings.Split(word[1:], ".")
				number := func(i int) (n int) { fmt.Sscan(fields[i], &n); return n }
				switch word[0] {
				case 's':
					l.Shared = true
					continue
				case 'e':
					event = fmt.Sprintf(`{"type":"gap","room":"lobby","from":%d,"to":%d,"why":%q,"epoch":%q}`, number(1), number(2), fields[3], two)
				case 'w', 'j':
					kind, epoch := "welcome", one
					if word[0] == 'j' {
						kind = "joined"
					}
					if fields[0] == "2" {
						epoch = two
					}
					event = place(kind, epoch, number(1), fields[2] == "true")
				case 'g':
					event = fmt.Sprintf(`{"type":"gap","room":"lobby","from":%d,"to":%d,"why":%q}`, number(0), number(1), fields[2])
				case 'm':
				default:
					event = fmt.Sprintf(`{"type":"say","room":"lobby","seq":%s,"at":5,"text":""}`, word)
				}
				e, err := Read([]byte(event))
				if err != nil {
					t.Fatal(err)
				}
				if wrong = l.Take(e); wrong != nil {
					break
				}
			}
			if (wrong == nil) != (tt.want == "") || wrong != nil && !strings.Contains(wrong.Error(), tt.want) {
				t.Errorf("%v, want %q", wrong, tt.want)
			}
		})
	}
}

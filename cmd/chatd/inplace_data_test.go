package main

import (
	"fmt"
	"strings"
	"testing"
)

// What was said before an upgrade is on disk by then, whatever -sync says, and what is said
// afterwards follows it: by its numbers, in the same epoch.
func TestHistoryOutlivesUpgradesAndAKill(t *testing.T) {
	t.Parallel()
	for name, history := range map[string]string{"kept": "100", "bounded": "3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"-data", t.TempDir(), "-history", history, "-sync", "1h", "-admin", "127.0.0.1:0"}
			p := startChatd(t, args...)
			epoch := func(said string) string {
				_, said, _ = strings.Cut(said, `"epoch":"`)
				said, _, _ = strings.Cut(said, `"`)
				return said
			}
			m, quiet := p.midway(t, false), p.midway(t, false)
			m.join("a", "Sec-WebSocket-Protocol: chat.v1")
			began := epoch(string(m.next().Payload))
			quiet.join("quiet", "Sec-WebSocket-Protocol: chat.v1")
			quietly := epoch(string(quiet.next().Payload))
			seq := 0
			say := func() {
				seq++
				m.say(text(fmt.Sprintf(`{"type":"say","text":"text %d"}`, seq)))
				m.heard(fmt.Sprintf(`"seq":%d,`, seq), fmt.Sprintf(`"text %d"`, seq))
			}
			for range 3 {
				say()
				say()
				p.asks(0)
			}
			again := p.midway(t, false)
			again.join("quiet", "Sec-WebSocket-Protocol: chat.v1")
			if now := epoch(string(again.next().Payload)); now != quietly || now == "" {
				t.Errorf("the epoch of a room in which nothing was said is %s, and was %s", now, quietly)
			}
			p.kill()
			p = startChatd(t, args...)
			m = p.midway(t, false)
			m.join("a", "Sec-WebSocket-Protocol: chat.v1")
			if now := epoch(string(m.next().Payload)); now != began || now == "" {
				t.Errorf("the epoch is %s, and was %s", now, began)
			}
			first := 1
			if history == "3" {
				first = seq - 2
			}
			for n := first; n <= seq; n++ {
				if said := string(m.next().Payload); !strings.Contains(said, fmt.Sprintf(`"seq":%d,`, n)) {
					t.Errorf("%s, want %d", said, n)
				}
			}
			say()
		})
	}
}

package jetstream

import "testing"

func TestNodeThatIsAskedIsToldWhatItHasMissed(t *testing.T) {
	t.Parallel()
	p, a, b, good, bad := pair(t)
	p.set(func(string) int { return drop })
	say(a, "lobby", "a", 1, 3)
	good.untilSaid(t, 3)
	answer := make(chan uint64, 1)
	ask := func(room string) uint64 {
		b.Ask(room, func(last uint64, err error) {
			if err != nil {
				t.Error(err)
			}
			answer <- last
		})
		return <-answer
	}
	if last := ask("lobby"); last != 3 {
		t.Errorf("the last message is %d", last)
	}
	bad.untilSaid(t, 3)
	bad.check(t)
	equal(t, good, bad)

	enter(t, b, "quiet")
	if last := ask("quiet"); last != 0 {
		t.Errorf("a room in which nothing was said is at %d", last)
	}
}

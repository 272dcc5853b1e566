package jetstream

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"chatd/room/order"
)

func TestServerIsKilledWhileMessagesAreOnTheirWay(t *testing.T) {
	t.Parallel()
	srv := server(t)
	a, b := open(t, srv.URL), open(t, srv.URL)
	ra, rb := enter(t, a, "lobby"), enter(t, b, "lobby")
	const rounds, messages = 3, 200
	for round := range rounds {
		first := 1 + round*messages
		go say(a, "lobby", "a", first, messages)
		go say(b, "lobby", "b", first, messages)
		ra.untilSaid(t, round*2*messages+messages/4)
		srv.Kill()
		srv.Restart()
		for _, r := range []*recorder{ra, rb} {
			r.untilSaid(t, (round+1)*2*messages)
			r.untilPlaced(t, (round+1)*messages)
		}
	}
	for _, r := range []*recorder{ra, rb} {
		r.check(t)
		inOrder(t, r)
		if r.begins != 1 || len(r.failed) > 0 || len(r.said) != 2*rounds*messages {
			t.Errorf("%d begins, %d messages, failed %v", r.begins, len(r.said), r.failed)
		}
	}
	equal(t, ra, rb)
}

// inOrder fails if what one author said, "NAME 1" and so on, has another order.
func inOrder(t *testing.T, r *recorder) {
	t.Helper()
	next := make(map[string]int)
	for _, m := range r.said {
		var name string
		var n int
		if _, err := fmt.Sscan(string(m.Payload), &name, &n); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			next[name] = 1 // the next round
		}
		if n != next[name] {
			t.Errorf("%s, after %d", m.Payload, next[name]-1)
		}
		next[name] = n + 1
	}
}

func TestMessageFailsWhenNothingIsKeptForAWhile(t *testing.T) {
	t.Parallel()
	srv := server(t)
	s := open(t, srv.URL, single, func(c *Config) { c.patience = 500 * time.Millisecond })
	r := enter(t, s, "lobby")
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
	srv.Kill()
	say(s, "lobby", "a", 1, 3)
	r.until(t, "three failures", func() bool { return len(r.failed) == 3 })
	if err := r.failed[1]; !errors.Is(err, errAway) {
		t.Error(err)
	}
	srv.Restart()
	say(s, "lobby", "b", 4, 3)
	r.until(t, "what comes then", func() bool { return len(r.said)+len(r.failed) >= 6 })
	if got := s.Stats(); got.Waiting != 0 || got.Failed < 3 {
		t.Errorf("%+v", got)
	}
}

func TestMessageThatTheStreamRefusesFailsAtOnce(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	s := open(t, url, single)
	r := enter(t, s, "lobby")
	_, js := admin(t, url)
	stream, err := js.Stream(t.Context(), "chat-0")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgSize = 1000
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	s.Publish("lobby", 1, order.Message{Payload: make([]byte, 2000)})
	s.Publish("lobby", 2, order.Message{Payload: []byte("small")})
	r.untilPlaced(t, 2)
	if r.failed[1] == nil || r.placed[2] != 1 {
		t.Errorf("failed %v, placed %v", r.failed, r.placed)
	}
}

func TestCloseWaitsUntilEverythingIsKept(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url), open(t, url)
	r := enter(t, b, "lobby")
	enter(t, a, "lobby")
	say(a, "lobby", "a", 1, 100)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	r.untilSaid(t, 100)
	r.check(t)
}

func TestMessageWhoseAnswerIsLostIsThereOnce(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	p := newProxy(t, url)
	s := open(t, p.url)
	r := enter(t, s, "lobby")
	p.setAll(func(subject string) int { return drop }) // copies and answers
	say(s, "lobby", "a", 1, 5)
	eventually(t, "what waits", func() bool { return s.Stats().Waiting == 5 })
	_, js := admin(t, url)
	eventually(t, "what is stored", func() bool {
		stream, err := js.Stream(t.Context(), streamName(s.partitionFor("lobby").number))
		return err == nil && stream.CachedInfo().State.LastSeq == 5
	})
	p.setAll(nil)
	p.cut()
	r.untilPlaced(t, 5)
	say(s, "lobby", "b", 6, 1)
	r.untilSaid(t, 6)
	r.check(t)
	if len(r.said) != 6 {
		t.Errorf("%q", r.all())
	}
}

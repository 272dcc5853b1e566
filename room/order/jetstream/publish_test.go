package jetstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chatd/room/order"
	"chatd/room/order/natstest"
)

func TestServerIsKilledWhileMessagesAreOnTheirWay(t *testing.T) {
	t.Parallel()
	srv := server(t)
	a, b := open(t, srv.URL), open(t, srv.URL)
	ra, rb := enter(t, a, "lobby"), enter(t, b, "lobby")
	const rounds, messages = 3, 60
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
	for tag := range uint64(5) {
		s.Publish("lobby", tag+1, order.Message{Payload: []byte("x")}) // nobody's in particular: all at once
	}
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

func TestAuthorKeepsHisOrderWhenAMessageIsLostOnItsWay(t *testing.T) {
	t.Parallel()
	p := newProxy(t, server(t).URL)
	s := open(t, p.url)
	r := enter(t, s, "lobby")
	var published atomic.Int32
	p.setPublish(func(subject string) int {
		if strings.HasPrefix(subject, publishedIn) && published.Add(1) == 3 {
			return drop
		}
		return pass
	})
	say(s, "lobby", "a", 1, 10)
	r.untilPlaced(t, 10)
	r.check(t)
	inOrder(t, r)
	if len(r.failed) > 0 || published.Load() < 11 {
		t.Errorf("failed %v, published %d times", r.failed, published.Load())
	}
}

func TestOthersDoNotWaitForAnAuthorsMessage(t *testing.T) {
	t.Parallel()
	p := newProxy(t, server(t).URL)
	s := open(t, p.url)
	r := enter(t, s, "lobby")
	release := make(chan struct{})
	var published atomic.Int32
	p.setPublish(func(subject string) int {
		if strings.HasPrefix(subject, publishedIn) && published.Add(1) == 3 {
			<-release // nothing goes out any more, so nothing is answered
		}
		return pass
	})
	for by := range uintptr(3) { // nobody in particular, and two authors
		for n := range 2 {
			s.Publish("lobby", uint64(1+2*by)+uint64(n), order.Message{Payload: []byte("x"), By: by})
		}
	}
	eventually(t, "what may be under way", func() bool {
		n := make(chan int)
		s.publisher.mail.put(func() { n <- len(s.publisher.sent) })
		return <-n == 4 // two of nobody's, and the first of each author
	})
	close(release)
	r.untilPlaced(t, 6)
	r.check(t)
	eventually(t, "nobody to wait", func() bool {
		n := make(chan int)
		s.publisher.mail.put(func() { n <- len(s.publisher.behind) + len(s.publisher.sent) })
		return <-n == 0
	})
}

func TestOrderOfAnAuthorStaysWhileLeadersStepDown(t *testing.T) {
	t.Parallel()
	servers := natstest.Cluster(t, 3)
	long := func(c *Config) { c.Partitions, c.patience = 1, duplicateWindow-5*time.Second }
	a, b := open(t, servers[0].URL, long), open(t, servers[1].URL, long)
	ra, rb := enter(t, a, "lobby"), enter(t, b, "lobby")
	nc, _ := admin(t, servers[2].URL)
	const rounds, messages = 2, 60
	for round := range rounds {
		said := round * 2 * messages
		for _, s := range []*Source{a, b} {
			go say(s, "lobby", s.node, 1+round*messages, messages)
		}
		ra.untilSaid(t, said+messages/2)
		if _, err := nc.Request("$JS.API.STREAM.LEADER.STEPDOWN.chat-0", nil, wait); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*recorder{ra, rb} {
			r.untilSaid(t, said+2*messages)
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

// A disk that is full, and an account that may have no more, are answered in other ways.
func TestMessagesFailWhileNothingMoreIsKept(t *testing.T) {
	for what, config := range map[string]string{
		"the server":  "jetstream { max_file_store: 300KB }",
		"the account": "accounts { A { jetstream { max_file: 300KB, max_mem: 0 }, users [ { user: a, password: a } ] } }\nno_auth_user: a",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "nats.conf")
			if err := os.WriteFile(path, []byte(config), 0o666); err != nil {
				t.Fatal(err)
			}
			url := server(t, "-c", path).URL
			s := open(t, url, single, func(c *Config) { c.patience = time.Second })
			r := enter(t, s, "lobby")
			large := make([]byte, 10_000)
			const messages = 100
			for i := range messages {
				s.Publish("lobby", uint64(i+1), order.Message{Payload: large, By: uintptr(1 + i%3)})
			}
			r.untilPlaced(t, messages)
			r.check(t)
			if len(r.placed) == 0 || len(r.failed) == 0 || r.begins != 1 {
				t.Errorf("%d placed, failed %v", len(r.placed), r.failed)
			}
			for tag, err := range r.failed {
				if !errors.Is(err, errAway) {
					t.Errorf("%d: %v", tag, err)
				}
			}
			_, js := admin(t, url)
			stream, err := js.Stream(t.Context(), "chat-0")
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			tag, placed := uint64(messages), len(r.placed)
			eventually(t, "one that is kept again", func() bool {
				tag++
				s.Publish("lobby", tag, order.Message{Payload: []byte("small")})
				r.untilPlaced(t, int(tag))
				return len(r.placed) > placed
			})
		})
	}
}

func TestMessagesFailWhileHalfOfTheServersAreGone(t *testing.T) {
	t.Parallel()
	servers := natstest.Cluster(t, 3)
	s := open(t, servers[0].URL, single, func(c *Config) { c.patience = 2 * time.Second })
	r := enter(t, s, "lobby")
	say(s, "lobby", "a", 1, 10)
	r.untilPlaced(t, 10)
	servers[1].Kill()
	servers[2].Kill()
	say(s, "lobby", "b", 11, 3)
	r.untilPlaced(t, 13)
	if len(r.failed) != 3 || !errors.Is(r.failed[11], errAway) {
		t.Errorf("failed %v", r.failed)
	}
	tag := uint64(13)
	eventually(t, "that it is said", func() bool {
		if s.Stats().Waiting < 2 {
			tag++
			s.Publish("lobby", tag, order.Message{Payload: []byte("x")})
		}
		return s.Ready() != nil
	})
	r.check(t)
	if !leaderless(&jetstream.StreamInfo{Cluster: &jetstream.ClusterInfo{}}) || leaderless(&jetstream.StreamInfo{}) {
		t.Error("a stream without a leader is not known from one that needs none")
	}
}

func TestCloseWhileThingsAreUnderWay(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	other := open(t, url)
	for i := range 4 {
		enter(t, other, fmt.Sprint("room-", i))
	}
	for range 3 {
		s := open(t, url)
		stop := make(chan struct{})
		var running sync.WaitGroup
		for i := range 4 {
			room, r := fmt.Sprint("room-", i), newRecorder()
			if i > 0 {
				r = enter(t, s, room)
			}
			running.Go(func() {
				for tag := uint64(1); ; tag++ {
					select {
					case <-stop:
						return
					default:
					}
					if i == 0 {
						begun := newRecorder()
						heard := begun.heard
						s.Enter(room, begun)
						select {
						case <-heard:
						case <-stop:
						}
						s.Leave(room)
					} else if s.Stats().Waiting < 100 {
						s.Publish(room, tag, order.Message{Payload: []byte("x"), By: 1})
						r.mu.Lock()
						refused := len(r.failed) > 0
						r.mu.Unlock()
						if refused { // it is closed
							return
						}
					}
				}
			})
		}
		eventually(t, "messages", func() bool { return s.Stats().Copies > 30 })
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		eventually(t, "it to close", func() bool { return s.ctx.Err() != nil })
		close(stop)
		running.Wait()
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	var p pendings
	p.init()
	large := &nats.Msg{Data: make([]byte, maxUnsentBytes/4)}
	n := 0
	for ; n < 10 && p.add(&publication{id: uint64(n), room: "lobby", msg: large}) == nil; n++ {
	}
	if n != 3 {
		t.Errorf("%d large ones wait", n)
	}
	for i := range n {
		p.take(uint64(i))
	}
	if p.len() != 0 || p.bytes != 0 || p.of("lobby") {
		t.Errorf("%+v", p.bytes)
	}
}

func TestNothingIsSentAgainThatTheStreamsDoNotKnowAnyMore(t *testing.T) {
	for _, age := range []time.Duration{0, time.Second, 5 * time.Second, time.Hour} {
		c := (Config{Age: age}).withDefaults()
		is := c.stream(0, false)
		if c.patience <= 0 || c.patience >= is.Duplicates {
			t.Errorf("kept for %s: sent again for %s, known for %s", age, c.patience, is.Duplicates)
		}
		if is.MaxAge != 0 && is.Duplicates > is.MaxAge {
			t.Errorf("known for %s, kept for %s", is.Duplicates, is.MaxAge)
		}
	}
}

package jetstream

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestCopiesAreDroppedDoubledAndLate(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	p := newProxy(t, url)
	a, b := open(t, url), open(t, p.url)
	good, bad := enter(t, a, "lobby"), enter(t, b, "lobby")
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	p.set(func(string) int { return random.IntN(4) })
	const messages = 300
	go say(a, "lobby", "a", 1, messages)
	go say(b, "lobby", "b", 1, messages)
	for _, r := range []*recorder{good, bad} {
		r.untilSaid(t, 2*messages)
		r.untilPlaced(t, messages)
		r.check(t)
	}
	equal(t, good, bad)
	if s := b.Stats(); s.Filled == 0 || s.Duplicates == 0 {
		t.Errorf("%+v", s)
	}
	if len(bad.misses) > 0 || bad.begins != 1 {
		t.Errorf("missed %v, %d begins", bad.misses, bad.begins)
	}
}

func TestLastCopyThatIsLostIsFound(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	p := newProxy(t, url)
	s := open(t, p.url)
	r := enter(t, s, "lobby")
	say(s, "lobby", "a", 1, 3)
	r.untilSaid(t, 3)
	p.set(func(string) int { return drop })
	say(s, "lobby", "b", 4, 1)
	r.untilSaid(t, 4)
	r.untilPlaced(t, 4)
	r.check(t)
	if s := s.Stats(); s.Filled != 1 {
		t.Errorf("%+v", s)
	}
}

func TestWhatWasSaidWhileTheConnectionWasCutIsTold(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	p := newProxy(t, url)
	a, b := open(t, url), open(t, p.url)
	good, cut := enter(t, a, "lobby"), enter(t, b, "lobby")
	const rounds, messages = 3, 100
	for round := range rounds {
		first := 1 + round*messages
		go say(a, "lobby", "a", first, messages)
		go say(b, "lobby", "b", first, messages)
		cut.untilSaid(t, round*2*messages+messages/2)
		p.cut()
		for _, r := range []*recorder{good, cut} {
			r.untilSaid(t, (round+1)*2*messages)
			r.untilPlaced(t, (round+1)*messages)
			r.check(t)
		}
	}
	equal(t, good, cut)
	if s := b.Stats(); s.Reconnects == 0 {
		t.Errorf("%+v", s)
	}
}

func TestMessagesThatAreNotKeptAreMissed(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	few := func(c *Config) { c.History = 5 }
	p := newProxy(t, url)
	a, b := open(t, url, few), open(t, p.url, few)
	good, bad := enter(t, a, "lobby"), enter(t, b, "lobby")
	say(a, "lobby", "a", 1, 2)
	bad.untilSaid(t, 2)
	dropped := make(chan struct{}, 20)
	p.set(func(string) int { dropped <- struct{}{}; return drop })
	say(a, "lobby", "b", 3, 20)
	good.untilSaid(t, 22)
	for range 20 {
		<-dropped
	}
	p.set(func(string) int { return pass })
	bad.until(t, "the last message", func() bool { return len(bad.said) > 0 && bad.said[len(bad.said)-1].Seq == 22 })
	bad.check(t)
	if len(bad.misses) != 1 || bad.misses[0].Seq <= 2 || bad.said[2].Seq != bad.misses[0].Seq+1 {
		t.Errorf("missed %v", bad.misses)
	}
}

// admin is a connection of somebody who looks after the streams.
func admin(t *testing.T, url string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func single(c *Config) { c.Partitions = 1 }

func TestPurgeTakesHistoryAndTheOrderGoesOn(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a := open(t, url, single)
	r := enter(t, a, "lobby")
	say(a, "lobby", "a", 1, 5)
	r.untilSaid(t, 5)
	_, js := admin(t, url)
	stream, err := js.Stream(t.Context(), "chat-0")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Leave("lobby")
	b := open(t, url, single)
	late := enter(t, b, "lobby")
	if late.epoch != r.epoch || late.kept != 0 || late.behind.Seq != 5 {
		t.Errorf("epoch %x and %x, %d messages behind %+v", r.epoch, late.epoch, late.kept, late.behind)
	}
	say(b, "lobby", "b", 1, 5)
	late.untilSaid(t, 5)
	if late.said[0].Seq != 6 || late.begins != 1 || len(late.misses) != 0 {
		t.Errorf("%+v, %d begins", late.said[0], late.begins)
	}
}

func TestStreamThatIsMadeAnewBeginsItsRoomsAnew(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url, single), open(t, url, single)
	ra, rb := enter(t, a, "lobby"), enter(t, b, "lobby")
	say(a, "lobby", "a", 1, 5)
	rb.untilSaid(t, 5)
	before := ra.epoch
	_, js := admin(t, url)
	if err := js.DeleteStream(t.Context(), "chat-0"); err != nil {
		t.Fatal(err)
	}
	// A node makes it when it is looked at, or misses it by publishing.
	for _, r := range []*recorder{ra, rb} {
		r.untilBegins(t, 2)
		if r.epoch == before {
			t.Error("the epoch is the same")
		}
	}
	if ra.epoch != rb.epoch {
		t.Errorf("epochs %x and %x", ra.epoch, rb.epoch)
	}
	say(b, "lobby", "b", 1, 5)
	for _, r := range []*recorder{ra, rb} {
		r.untilSaid(t, 5)
		r.check(t)
	}
	equal(t, ra, rb)
	if ra.said[0].Seq != 1 {
		t.Errorf("%+v", ra.said[0])
	}
}

func TestStreamThatIsRestoredFromYesterdayBeginsItsRoomsAnew(t *testing.T) {
	t.Parallel()
	s := server(t)
	a, b := open(t, s.URL, single), open(t, s.URL, single)
	ra, rb := enter(t, a, "lobby"), enter(t, b, "lobby")
	say(a, "lobby", "a", 1, 5)
	rb.untilSaid(t, 5)
	before := ra.epoch
	s.Stop()
	yesterday := copied(t, s.Dir)
	s.Restart()
	say(a, "lobby", "a", 10, 5)
	for _, r := range []*recorder{ra, rb} {
		r.untilSaid(t, 10)
	}
	s.Stop()
	restore(t, yesterday, s.Dir)
	s.Restart()
	for _, r := range []*recorder{ra, rb} {
		r.untilBegins(t, 2)
	}
	say(b, "lobby", "b", 1, 3)
	for _, r := range []*recorder{ra, rb} {
		r.untilSaid(t, 8)
		r.check(t)
		if r.epoch == before || r.begins != 2 {
			t.Errorf("epoch %x, after %x; %d begins", r.epoch, before, r.begins)
		}
	}
	equal(t, ra, rb)
	c := open(t, s.URL, single) // one that was not there
	if rc := enter(t, c, "lobby"); rc.epoch != ra.epoch {
		t.Errorf("epochs %x and %x", rc.epoch, ra.epoch)
	}
}

func TestNumberThatIsGivenAgainIsNoDuplicate(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	s := open(t, url, single)
	r := enter(t, s, "lobby")
	say(s, "lobby", "a", 1, 5)
	r.untilSaid(t, 5)
	nc, _ := admin(t, url)
	copyOf := func(seq, before string, at time.Time) {
		if err := nc.PublishMsg(&nats.Msg{Subject: "r.0.lobby", Header: nats.Header{
			headerSequence: {seq}, headerBefore: {before}, headerTime: {at.UTC().Format(time.RFC3339Nano)},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	duplicates := func(n uint64) {
		t.Helper()
		eventually(t, "a duplicate", func() bool { return s.Stats().Duplicates == n })
	}
	// An old one again; then one that is newer, as a server's clock may have been wrong:
	// the stream still has what was told, so it is none that was given again.
	copyOf("3", "2", time.Now().Add(-time.Hour))
	duplicates(1)
	copyOf("3", "2", time.Now().Add(time.Hour))
	duplicates(2)
	say(s, "lobby", "b", 6, 1)
	r.untilSaid(t, 6)
	if r.begins != 1 || s.Stats().Resets != 0 {
		t.Errorf("%d begins, %+v", r.begins, s.Stats())
	}
}

func TestMessageOfSomebodyElseIsTold(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	s := open(t, url, single)
	r := enter(t, s, "lobby")
	_, js := admin(t, url)
	for _, payload := range []string{"hello", "\xff"} {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		if _, err := js.Publish(ctx, "c.0.lobby", []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	r.untilSaid(t, 2)
	if m := r.said[0]; string(m.Payload) != "hello" || m.Binary || m.ID != "" {
		t.Errorf("%+v", m)
	}
	if !r.said[1].Binary {
		t.Error("what is no UTF-8 came as text")
	}
}

// copied is a copy of a directory.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// restore makes a directory what its copy is.
func restore(t *testing.T, from, dir string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "jetstream"), os.DirFS(filepath.Join(from, "jetstream"))); err != nil {
		t.Fatal(err)
	}
}

package jetstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chatd/room/order"
)

func TestCopiesAreDroppedDoubledAndLate(t *testing.T) {
	t.Parallel()
	p, a, b, good, bad := pair(t)
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	p.set(func(string) int { return random.IntN(4) })
	const messages = 100
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
	p, a, b, good, cut := pair(t)
	const rounds, messages = 3, 40
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
	p, a, _, good, bad := pair(t, func(c *Config) { c.History = 5 })
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
	const rooms = 20
	a, b := open(t, s.URL, single), open(t, s.URL, single)
	var all, atA []*recorder
	name := func(i int) string { return fmt.Sprint("room-", i) }
	for i := range rooms {
		ra, rb := enter(t, a, name(i)), enter(t, b, name(i))
		say(a, name(i), "a", 1, 5)
		rb.untilSaid(t, 5)
		all, atA = append(all, ra, rb), append(atA, ra)
	}
	before := all[0].epoch
	s.Stop()
	yesterday := copied(t, s.Dir)
	s.Restart()
	for i := range rooms {
		say(a, name(i), "a", 10, 5)
	}
	for _, r := range all {
		r.untilSaid(t, 10)
	}
	s.Stop()
	restore(t, yesterday, s.Dir)
	s.Restart()
	for _, r := range all {
		r.untilBegins(t, 2)
	}
	for i := range rooms {
		say(b, name(i), "b", 1, 3)
	}
	for i, r := range all {
		r.untilSaid(t, 8)
		r.check(t)
		equal(t, r, atA[i/2])
		if r.begins != 2 || r.epoch != atA[i/2].epoch {
			t.Errorf("epoch %x and %x; %d begins", r.epoch, atA[i/2].epoch, r.begins)
		}
	}
	c := open(t, s.URL, single) // one that was not there
	if rc := enter(t, c, name(0)); rc.epoch != all[0].epoch || rc.epoch == before {
		t.Errorf("epochs %x and %x, before %x", rc.epoch, all[0].epoch, before)
	}
}

// Many rooms find it at once, and the other node, too.
func TestStreamThatHasOtherMessagesBeginsAnewOnce(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url, single), open(t, url, single)
	ra, rb := enter(t, a, "lobby"), enter(t, b, "lobby")
	say(a, "lobby", "a", 1, 3)
	rb.untilSaid(t, 3)
	ra.untilSaid(t, 3)
	for _, s := range []*Source{a, b} {
		p := s.partitions[0]
		l, _ := p.lifeNow()
		for range cap(p.doubts) {
			p.suspect(doubt{"lobby", order.Point{Seq: 2, At: 1}, l}) // as if another one had been told
		}
	}
	for _, s := range []*Source{a, b} {
		p := s.partitions[0]
		eventually(t, "all doubts to be looked at", func() bool { return len(p.doubts) == 0 })
	}
	for _, r := range []*recorder{ra, rb} {
		r.untilBegins(t, 2)
		r.untilSaid(t, 3)
	}
	say(b, "lobby", "b", 4, 3)
	for _, r := range []*recorder{ra, rb} {
		r.untilSaid(t, 6)
		r.check(t)
	}
	la, _ := a.partitions[0].lifeNow()
	lb, _ := b.partitions[0].lifeNow()
	if ra.epoch != rb.epoch || la.generation != lb.generation {
		t.Errorf("generations %d and %d", la.generation, lb.generation)
	}
	equal(t, ra, rb)
	if ra.begins > 3 || rb.begins > 3 { // both nodes may have had it found, one behind the other
		t.Errorf("%d and %d begins", ra.begins, rb.begins)
	}
}

func TestRoomWhoseLastMessageIsGoneIsNoOtherStream(t *testing.T) {
	t.Parallel()
	p, a, _, ra, rb := pair(t, single)
	say(a, "lobby", "a", 1, 3)
	for _, r := range []*recorder{ra, rb} {
		r.untilSaid(t, 3)
	}
	_, js := admin(t, a.config.URLs[0])
	stream, err := js.Stream(t.Context(), "chat-0")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	p.set(func(string) int { return drop })
	say(a, "lobby", "b", 4, 1)
	ra.untilSaid(t, 4)
	rb.untilSaid(t, 4) // it is read
	equal(t, ra, rb)
	if ra.begins != 1 || rb.begins != 1 {
		t.Errorf("%d and %d begins", ra.begins, rb.begins)
	}
}

func TestWhatWasDroppedWhileTheConnectionWasCutIsMissed(t *testing.T) {
	t.Parallel()
	p, a, b, good, cut := pair(t, single)
	say(a, "lobby", "a", 1, 3)
	cut.untilSaid(t, 3)
	d := b.partitions[0].dispatcher
	eventually(t, "last messages to be compared", func() bool {
		b.partitions[0].look(false)
		checked := make(chan bool)
		d.mail.put(func() { checked <- d.rooms[0]["lobby"].checked })
		return <-checked
	})
	p.setAway(true)
	say(a, "lobby", "b", 4, 5)
	good.untilSaid(t, 8)
	_, js := admin(t, a.config.URLs[0])
	stream, err := js.Stream(t.Context(), "chat-0")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.setAway(false)
	cut.until(t, "a gap", func() bool { return len(cut.misses) > 0 })
	say(a, "lobby", "c", 9, 1)
	cut.untilSaid(t, 4)
	if len(cut.misses) != 1 || cut.misses[0].Seq != 8 || cut.said[3].Seq != 9 || len(good.misses) > 0 {
		t.Errorf("missed %v and %v, then %q", cut.misses, good.misses, cut.all())
	}
}

func TestNodeThatIsTooSlowForItsCopiesReadsThem(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url), open(t, url, func(c *Config) { c.behind = 10 })
	good, slow := enter(t, a, "lobby"), enter(t, b, "lobby")
	release := make(chan struct{})
	b.partitionFor("lobby").dispatcher.mail.put(func() { <-release })
	const messages = 100
	say(a, "lobby", "a", 1, messages)
	good.untilSaid(t, messages)
	eventually(t, "copies to be dropped", func() bool { return b.Stats().SlowConsumer > 0 })
	close(release)
	slow.untilSaid(t, messages)
	slow.check(t)
	equal(t, good, slow)
	if len(slow.misses) > 0 || slow.begins != 1 || b.Stats().Filled == 0 {
		t.Errorf("missed %v, %d begins, %+v", slow.misses, slow.begins, b.Stats())
	}
}

// No copies come for those rooms, but all else goes on.
func TestRoomsBeyondTheServersLimitOfSubscriptionsAreReadLate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(path, []byte("max_subs: 10"), 0o666); err != nil {
		t.Fatal(err)
	}
	s := open(t, server(t, "-c", path).URL)
	var all []*recorder
	for i := range 10 {
		all = append(all, enter(t, s, fmt.Sprint("room-", i)))
	}
	for i := range all {
		say(s, fmt.Sprint("room-", i), "a", 1, 3)
	}
	for _, r := range all {
		r.untilPlaced(t, 3)
		r.check(t)
		if len(r.said) != 3 || len(r.failed) > 0 {
			t.Errorf("%d messages, failed %v", len(r.said), r.failed)
		}
	}
	if s.Stats().Filled == 0 {
		t.Error("all copies came")
	}
}

func TestCopiesThatWaitAreBounded(t *testing.T) {
	s := &Source{config: Config{Partitions: 1}.withDefaults()}
	d := newDispatcher(s)
	newPartition(s, 0, d)
	s.partitions = append(s.partitions, newPartition(s, 0, d))
	m, other := newMember(s, "lobby", nil), newMember(s, "side", nil)
	large := entry{Message: order.Message{Payload: make([]byte, maxWaitingBytes/4)}}
	for range 10 {
		d.wait(m, large)
	}
	if len(m.waiting) != 3 || !m.missed {
		t.Errorf("%d wait", len(m.waiting))
	}
	for range maxWaiting + 1 {
		d.wait(other, entry{})
	}
	if len(other.waiting) != maxWaiting || !other.missed {
		t.Errorf("%d wait", len(other.waiting))
	}
	d.waited(m)
	if d.waited(other); d.bytes != 0 {
		t.Errorf("%d bytes", d.bytes)
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

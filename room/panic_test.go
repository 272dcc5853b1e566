package room

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A panic in the code of a connection costs that connection only.

// faulty is a log handler that panics the first time it is told one message: a
// stand-in for a bug in the code that logs it.
type faulty struct {
	slog.Handler
	at   string
	once *atomic.Bool
}

func (f faulty) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == f.at && f.once.CompareAndSwap(false, true) {
		panic("planted fault")
	}
	return f.Handler.Handle(ctx, r)
}

// plant has the config's log panic when it is told message.
func plant(message string) func(*Config) {
	return func(c *Config) { c.Log = slog.New(faulty{c.Log.Handler(), message, new(atomic.Bool)}) }
}

func TestPanicInASessionCostsThatConnectionOnly(t *testing.T) {
	s := startServer(t, plant("handshake refused"))
	a, b := s.join(), s.join()
	victim := s.dial()
	victim.say("no HTTP at all\r\n\r\n")
	victim.expectReset()
	a.say(text("anybody hurt?"))
	b.expect(ws.OpText, "anybody hurt?")
	s.until(func() bool { return s.Stats().Conns == 2 })
	if n := s.log.count("panic in a task"); n != 1 || s.log.count("session.go") == 0 {
		t.Fatalf("want one log line with the stack:\n%s", s.log)
	}
}

func TestPanicInAShardCostsTheClientAtHandOnly(t *testing.T) {
	s := startServer(t, plant("client dropped"), func(c *Config) { c.Queue = 4 })
	stuck, speaker := s.join(), s.join()
	for i := 0; s.log.count("panic in a task") == 0; i++ {
		speaker.say(masked(ws.OpBinary, true, number(i, 60<<10)))
		if f, err := speaker.frame(); err != nil || numberOf(f.Payload) != i {
			t.Fatal(i, err)
		}
	}
	s.until(func() bool { return s.Stats().Members == 1 })
	stuck.expectReset()
	speaker.say(text("unharmed"))
	speaker.expect(ws.OpText, "unharmed")
}

// In the middle of being given up, a client is still somebody's.
func TestClientIsGivenUpAlthoughThatPanics(t *testing.T) {
	s := startServer(t, plant("client dropped"), func(c *Config) { c.PingInterval = time.Second })
	p := s.join()
	s.until(func() bool { s.Tick(); return s.log.count("panic in a task") == 1 })
	s.until(func() bool { return s.Stats().Conns == 0 })
	p.expect(ws.OpPing, "")
	p.expectReset()
	if st := s.Stats(); st.Members != 0 || st.Dropped["panic"] != 1 || st.Dropped["ping_timeout"] != 0 {
		t.Errorf("%d members, dropped %v", st.Members, st.Dropped)
	}
}

// bomb is a network of which one socket panics when it is written to by itself.
type bomb struct {
	*network
	fd int32
}

func (b bomb) Send(fd int32, p []byte) int {
	if fd == b.fd {
		panic("planted fault")
	}
	return b.network.Send(fd, p)
}

// What was appended before is told all the same.
func TestWhatWasSaidBeforeAHubPanicsIsTold(t *testing.T) {
	m := newModel()
	m.join(1<<20, false)
	p := newPost(false)
	p.add(m.server.counters.of(nil), ws.OpText, []byte("before"))
	m.lobby().publish(nil, p)
	e := &errand{post: newPost(false), done: make(chan error, 1), visit: func(*hub) { panic("planted fault") }}
	e.post.errand = e
	m.lobby().publish(nil, e.post)
	m.settle()
	if !bytes.HasSuffix(m.net[0].got, []byte("before")) {
		t.Errorf("%q", m.net[0].got)
	}
}

// Those that were still to be looked at are, all the same.
func TestOtherQueuesAreBoundedAlthoughDroppingOnePanics(t *testing.T) {
	for victim := range 2 {
		m := newModel()
		for range 2 {
			m.join(16, false) // takes the handshake's answer and no more
		}
		m.join(1<<20, false)
		var want []byte
		for i := range 2 * modelQueue {
			if i == modelQueue {
				m.worker.Sender = bomb{&m.net, firstFD + int32(victim)}
			}
			want = append(want, m.publishOne("to all")...)
		}
		if st := m.server.Stats(); st.Dropped["panic"] != 1 || st.Dropped["slow_consumer"] != 1 {
			t.Errorf("dropped %v", st.Dropped)
		}
		if got := m.net[2].got; !bytes.HasSuffix(got, want) || m.server.members.Load() != 1 {
			t.Errorf("%d members; the one that reads got %q", m.server.members.Load(), got)
		}
	}
}

// Nor does the clock come back to the same one for ever.
func TestPanicOverAnOverdueClientCostsThatClientOnly(t *testing.T) {
	m := newModel()
	m.server.times = timesOf(Config{WriteTimeout: TickInterval})
	m.join(16, false) // takes the handshake's answer and no more
	m.join(1<<20, false)
	m.publishOne("behind from now on")
	m.worker.Sender = bomb{&m.net, firstFD}
	m.server.now.Add(3)
	m.server.Tick()
	for range 100 {
		m.pool.Step(m.worker)
	}
	if n := m.pool.Panics(); n != 1 || m.server.members.Load() != 1 {
		t.Fatalf("%d panics, %d members", n, m.server.members.Load())
	}
	if want := m.publishOne("unharmed"); !bytes.HasSuffix(m.net[1].got, want) {
		t.Errorf("the other one got %q", m.net[1].got)
	}
}

// When a member that falls behind makes trouble, what the others have got is not
// sent again.
func TestPanicInTheMiddleOfAPassRepeatsNothing(t *testing.T) {
	for victim := range 5 {
		m := newModel()
		m.server.shardSize, m.server.stepSize = 10, 10
		for range 5 {
			m.join(1<<20, false)
		}
		m.net[victim].free = 3
		m.worker.Sender = bomb{&m.net, firstFD + int32(victim)}
		want := append(m.publishOne("once"), m.publishOne("and again")...)
		for i, s := range m.net {
			if i != victim && !bytes.HasSuffix(s.got, append([]byte("\r\n\r\n"), want...)) {
				t.Errorf("victim %d: client %d got %q", victim, i, s.got)
			}
		}
		if st := m.server.Stats(); st.Dropped["panic"] != 1 || st.Members != 4 || st.Due != st.Delivered+st.Lost {
			t.Errorf("%+v", st)
		}
	}
}

package room

import (
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/poller"
)

// deaf makes the peer's kernel drop all that comes: it takes nothing any more,
// and acknowledges nothing, as one that vanished.
func (p *peer) deaf() {
	p.t.Helper()
	raw, err := p.tcp().SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	if cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
	}); cerr != nil || err != nil {
		p.t.Fatal(cerr, err)
	}
}

// narrow keeps the peer's kernel from taking much that is not read.
func (p *peer) narrow() *peer {
	p.t.Helper()
	if err := p.tcp().SetReadBuffer(16 << 10); err != nil {
		p.t.Fatal(err)
	}
	return p
}

// backlog has a speaker say n messages that a slow member does not read. They are
// in the two kernels then, or wait.
func (s *testServer) backlog(speaker *peer, n, size int) {
	s.t.Helper()
	for i := range n {
		speaker.say(masked(ws.OpBinary, true, number(i, size)))
		speaker.expect(ws.OpBinary, number(i, size))
	}
}

// row is what is known of a peer that is there.
func (s *testServer) row(p *peer) ConnInfo {
	s.t.Helper()
	rows, _, err := s.Connections(s.t.Context(), 0, 10)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Source.String() == p.LocalAddr().String() {
			return r
		}
	}
	s.t.Fatalf("it is gone: %v", s.Stats().Dropped)
	return ConnInfo{}
}

// tickAndAnswer moves the clock on, and has the speaker show that it is there.
func (s *testServer) tickAndAnswer(speaker *peer) {
	s.Tick()
	before := s.Stats().Received
	speaker.say(masked(ws.OpPong, true, ""))
	s.until(func() bool { return s.Stats().Received > before })
}

// A ping waits behind all that was written before it.
func TestWhoTakesWhatItIsSentIsAliveThoughThePingWaitsBehindIt(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PingInterval = 8 * TickInterval })
	slow, speaker := s.join().narrow(), s.join()
	const messages, size = 40, 60 << 10
	s.backlog(speaker, messages, size)
	read := 0
	piece := make([]byte, 12_000)
	for total := messages * (size + frameOverhead); read < total; { // 200 ticks, 25 intervals
		n, err := slow.r.Read(piece[:min(len(piece), total-read)])
		if err != nil {
			t.Fatalf("given up after %d of %d bytes, at tick %d: %v, %v", read, total, s.now.Load(), err, s.Stats().Dropped)
		}
		read += n
		s.tickAndAnswer(speaker)
	}
	slow.expect(ws.OpPing, "")
	slow.say(masked(ws.OpPong, true, ""))
	slow.say(text("still here"))
	slow.expect(ws.OpText, "still here")
}

// frameOverhead is the header of a message of 60 KiB.
const frameOverhead = 4

// What waits in the kernel for a peer that is not there is no sign of life.
func TestWhoVanishesIsGivenUpThoughMuchWaitsForIt(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PingInterval = 8 * TickInterval })
	gone, speaker := s.join(), s.join()
	gone.deaf()
	s.backlog(speaker, 10, 1<<10)
	s.until(func() bool { s.tickAndAnswer(speaker); return s.dropped(PingTimeout) == 1 })
	if n := s.Stats().Members; n != 1 {
		t.Errorf("%d members", n)
	}
}

func TestWhoShutsItsWindowIsGivenUp(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PingInterval = 8 * TickInterval })
	s.join().narrow()
	speaker := s.join()
	s.backlog(speaker, 10, 60<<10)
	s.until(func() bool { s.tickAndAnswer(speaker); return s.dropped(PingTimeout) == 1 })
}

// Who has the ping and reads on, but does not answer, is not there for us.
func TestWhoHasThePingAndDoesNotAnswerIsGivenUpThoughItReads(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PingInterval = 8 * TickInterval })
	mute, speaker := s.join(), s.join()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := mute.frame(); err != nil {
				return
			}
		}
	}()
	s.until(func() bool {
		s.backlog(speaker, 1, 100)
		s.Tick()
		return s.dropped(PingTimeout) == 1
	})
	<-done
}

// What was said and not read is no silence.
func TestWhatTheServerHasNotReadIsASignOfLife(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"ping": func(c *Config) { c.PingInterval = time.Second },
		"idle": func(c *Config) { c.IdleTimeout = time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, change)
			p := s.join()
			s.until(func() bool { return s.Stats().Members == 1 })
			h := s.room()
			h.backlog.Add(maxBacklog + 1) // as if the hub had much to do
			p.say(text("while nobody reads"))
			for range 18 { // the last time that it was found to have to wait is no longer ago
				s.Tick()
				if _, _, err := s.Connections(t.Context(), 0, 1); err != nil { // the shard has seen the tick
					t.Fatal(err)
				}
			}
			if d := s.Stats().Dropped; d["idle"]+d["ping_timeout"] != 0 {
				t.Fatal(d)
			}
			h.backlog.Add(-maxBacklog - 1)
			h.Schedule()
			for f := (ws.Frame{}); string(f.Payload) != "while nobody reads"; {
				var err error
				if f, err = p.frame(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Its socket's buffer takes more only once much of it is free: all of it, when the
// kernel is short of memory and has made it small.
func TestWhoTakesALittleAtATimeDoesNotExceedTheWriteTimeout(t *testing.T) {
	s := startServer(t, func(c *Config) { c.WriteTimeout = 20 * TickInterval; c.MaxMessage = 1 << 20 })
	slow, speaker := s.join().narrow(), s.join()
	for waits := false; !waits; { // until its socket is full
		s.backlog(speaker, 1, 1<<20)
		rows, _, err := s.Connections(t.Context(), 0, 2)
		if err != nil {
			t.Fatal(err)
		}
		waits = slices.ContainsFunc(rows, func(r ConnInfo) bool { return r.Lag >= 4 })
	}
	row := s.row(slow)
	if err := unix.SetsockoptInt(int(row.FD), unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
		t.Fatal(err)
	}
	acked := row.BytesOut
	for range 20 {
		for before := acked; acked == before; acked = s.row(slow).BytesOut {
			if _, err := slow.r.ReadByte(); err != nil {
				t.Fatal(err)
			}
			if _, err := slow.r.Discard(slow.r.Buffered()); err != nil {
				t.Fatal(err)
			}
		}
		for range 15 {
			s.Tick()
		}
	}
	if n := s.dropped(WriteTimeout); n != 0 {
		t.Error("sent away while it took what it was sent")
	}
	s.until(func() bool { s.Tick(); return s.dropped(WriteTimeout) == 1 }) // once it stops
}

// A client that was told to go may not know for a while, and go on talking: that
// must not cost it what is on its way.
func TestWhoLingersMayReadOnInItsOwnTime(t *testing.T) {
	s := startServer(t, func(c *Config) { c.DrainTimeout = time.Hour; c.RateMessages = 1 << 20 })
	slow, speaker := s.join().narrow(), s.join()
	const messages, size = 20, 60 << 10
	s.backlog(speaker, messages, size)
	slow.say(masked(ws.OpClose, true, ""))
	s.until(func() bool {
		rows, _, err := s.Connections(t.Context(), 0, 2)
		return err == nil && slices.ContainsFunc(rows, func(r ConnInfo) bool { return r.State == "lingering" })
	})
	for i := range messages {
		for range 10 { // 200 ticks in all: ten times as long as a client lingers that takes nothing
			s.Tick()
		}
		slow.say(masked(ws.OpPong, true, "")) // to which a socket that is closed answers with a reset
		slow.expect(ws.OpBinary, number(i, size))
	}
	slow.expectClose(0)
	slow.Close()
	s.until(func() bool { return s.Conns() == 1 })
}

func TestWhoLingersAndTakesNothingIsClosed(t *testing.T) {
	s := startServer(t)
	p, speaker := s.join().narrow(), s.join()
	s.backlog(speaker, 10, 60<<10)
	p.say(masked(ws.OpClose, true, ""))
	s.until(func() bool { s.Tick(); return s.Conns() == 1 })
}

// A head that came in time is not refused because nobody has looked at it yet.
func TestHeadThatLiesUnreadAtTheDeadlineIsTaken(t *testing.T) {
	m := newModel()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	c := &client{server: m.server, slot: -1, phase: phaseHead}
	c.source.Store(-1)
	c.Attach(pair[0], m.pool, c)
	if _, err := unix.Write(pair[1], []byte(upgradeRequest)); err != nil {
		t.Fatal(err)
	}
	c.status.Or(statusExpired)
	c.Run(m.worker)
	if n := m.server.refusedFor["handshake_timeout"].Load(); n != 0 || c.phase != phaseJoining {
		t.Errorf("refused %d times, phase %d", n, c.phase)
	}
}

// A table of what the kernel may say, and until when a member in doubt is kept
// then. It was last heard of at tick 0; pings are due after 10 ticks.
func TestKernelTellsHowLongAMemberInDoubtIsKept(t *testing.T) {
	times := timesOf(Config{PingInterval: 10 * TickInterval})
	age := func(ticks int) time.Duration { return time.Duration(ticks) * TickInterval }
	type look struct {
		now   uint32
		p     poller.Progress
		waits bool
	}
	for _, test := range []struct {
		name  string
		looks []look
		told  bool
		lost  uint32
	}{
		{"it has the ping", []look{{11, poller.Progress{Acked: 100}, false}}, true, 21},
		{"it vanished with its last word", []look{{11, poller.Progress{Acked: 100, Waiting: 2, Quiet: age(11)}, false}}, false, 21},
		{"it vanished when it had taken something", []look{{11, poller.Progress{Acked: 100, Waiting: 2, Quiet: age(6)}, false}}, false, 26},
		{"it takes what is before the ping", []look{
			{11, poller.Progress{Acked: 100, Waiting: 900, Quiet: age(0)}, false},
			{25, poller.Progress{Acked: 500, Waiting: 900, Quiet: age(1)}, false},
		}, false, 24 + 21},
		{"it took something, and then no more", []look{
			{11, poller.Progress{Acked: 100, Waiting: 900, Quiet: age(0)}, false},
			{20, poller.Progress{Acked: 100, Waiting: 900, Quiet: age(0)}, false}, // but answers probes
		}, false, 11 + 21},
		{"it has the ping now", []look{
			{11, poller.Progress{Acked: 100, Waiting: 900, Quiet: age(0)}, false},
			{40, poller.Progress{Acked: 1000, Waiting: 900, Quiet: age(0)}, false},
		}, true, 50},
		{"it reads on, and does not answer", []look{
			{11, poller.Progress{Acked: 100}, false},
			{20, poller.Progress{Acked: 500, Waiting: 900, Quiet: age(0)}, false},
		}, true, 21},
		{"its kernel is full, and it reads", []look{
			{11, poller.Progress{Acked: 100, Waiting: 900, Unsent: 800}, false},
			{40, poller.Progress{Acked: 1000, Waiting: 900, Unsent: 800}, false},
		}, false, 40 + 21},
		{"its kernel has all, and it reads", []look{
			{11, poller.Progress{Acked: 100, Window: 10}, false},
			{20, poller.Progress{Acked: 100, Window: 20}, false},
		}, true, 20 + 21},
		{"its window opens no wider than it was", []look{
			{11, poller.Progress{Acked: 100, Window: 20}, false},
			{15, poller.Progress{Acked: 110, Window: 10}, false},
			{20, poller.Progress{Acked: 110, Window: 20}, false},
		}, true, 21},
		{"the ping is not even written", []look{
			{11, poller.Progress{Acked: 100, Waiting: 0, Quiet: age(0)}, true},
			{12, poller.Progress{Acked: 100, Waiting: 20, Quiet: age(1)}, false},
			{13, poller.Progress{Acked: 119, Waiting: 1, Quiet: age(0)}, false},
		}, false, 13 + 21},
	} {
		d := doubt{lost: times.lost}
		for _, l := range test.looks {
			d.learn(l.p, l.waits, l.now, &times)
		}
		if d.told != test.told || d.lost != test.lost {
			t.Errorf("%s: has the ping %v, kept until %d, want %v, %d", test.name, d.told, d.lost, test.told, test.lost)
		}
	}
}

package room

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/poller"
)

// expectReason reads a close frame with this code and text, and then the end of
// the stream.
func (p *peer) expectReason(r Reason) {
	p.t.Helper()
	f, err := p.frame()
	if err != nil {
		p.t.Fatalf("want close for %v: %v", r, err)
	}
	code, text := ws.ParseCloseFrameData(f.Payload)
	if f.Header.OpCode != ws.OpClose || code != reasonTable[r].code || text != reasonTable[r].text {
		p.t.Fatalf("got %v %q, want close %d %q", f.Header.OpCode, f.Payload, reasonTable[r].code, reasonTable[r].text)
	}
	p.expectEnd()
}

// departedFor checks that the last departure had this reason, and is counted.
func (s *testServer) departedFor(reason string, code, lag int) {
	s.t.Helper()
	s.until(func() bool {
		all := s.Disconnects()
		return len(all) > 0 && all[0].Reason == reason
	})
	if d := s.Disconnects()[0]; d.Code != code || d.Lag != lag || d.Source.Port() == 0 {
		s.t.Errorf("%+v, want code %d, lag %d", d, code, lag)
	}
	st := s.Stats()
	if st.Dropped[reason]+st.Refused[reason] == 0 {
		s.t.Errorf("%s is not counted", reason)
	}
}

func TestConnectionsOfOneAddressAreLimited(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConnsPerSource = 2 })
	a, b := s.join(), s.join()
	third := s.dial()
	third.say(upgradeRequest)
	if r := third.response(); r.StatusCode != http.StatusTooManyRequests {
		t.Fatal(r.Status)
	}
	third.expectEnd()
	s.departedFor("source_limit", 429, 0)
	b.Close()
	s.until(func() bool { // there is room again
		s.Tick()
		p := s.dial()
		p.say(upgradeRequest)
		r, err := http.ReadResponse(p.r, nil)
		p.Close()
		return err == nil && r.StatusCode == http.StatusSwitchingProtocols
	})
	a.say(text("still here"))
	a.expect(ws.OpText, "still here")
}

// A browser fetches the page over several connections, which stay open for more.
func TestConnectionsThatAskForPagesHaveALimitOfTheirOwn(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConnsPerSource = 1 })
	pages := make([]*peer, pagesPerChat-1) // and the one that will chat, before it says so
	for i := range pages {
		pages[i] = s.dial()
		pages[i].say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		pages[i].response()
	}
	s.join()
	last := s.dial() // in place of the one that chats now
	last.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	last.response()
	beyond := s.dial()
	if overTLS { // it is not worth a handshake
		if _, err := beyond.r.ReadByte(); err == nil || !strings.Contains(err.Error(), "access denied") {
			t.Fatal(err)
		}
	} else if r := beyond.response(); r.StatusCode != http.StatusTooManyRequests {
		t.Fatal(r.Status)
	}
	beyond.Close()
	pages[0].say(upgradeRequest) // back from net/http
	if r := pages[0].response(); r.StatusCode != http.StatusTooManyRequests {
		t.Fatal(r.Status)
	}
	pages[0].Close()
	s.until(func() bool { return s.Conns() == int64(1+len(pages)) })
	again := s.dial()
	again.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if r := again.response(); r.StatusCode != http.StatusOK {
		t.Error(r.Status)
	}
}

func TestSourcesAreAddressesOrNetworksOfASubscriber(t *testing.T) {
	var s sources
	enter := func(addr string) int32 {
		place, ok := s.count(-1, netip.MustParseAddr(addr), useChat, 2)
		if !ok {
			return -1
		}
		return place
	}
	a, b := enter("10.0.0.1"), enter("10.0.0.1")
	if a < 0 || a != b || enter("10.0.0.1") >= 0 || enter("10.0.0.2") < 0 {
		t.Error("IPv4 is not limited by address")
	}
	c, d := enter("2001:db8:1:2::1"), enter("2001:db8:1:2:ffff::9")
	if c < 0 || c != d || enter("2001:db8:1:2::3") >= 0 || enter("2001:db8:1:3::1") < 0 {
		t.Error("IPv6 is not limited by /64")
	}
	s.leave(a)
	if enter("10.0.0.1") < 0 {
		t.Error("one that left is still counted")
	}
	s.leave(c)
	s.leave(c)
	if e := enter("10.0.0.3"); e != c {
		t.Errorf("place %d is not used again, but %d", c, e)
	}
	s.leave(-1)
	for range 2 {
		if _, ok := s.count(-1, netip.MustParseAddr("10.0.0.4"), useChat, 1<<40); !ok {
			t.Error("a limit beyond 32 bits is none")
		}
		if place, ok := s.count(-1, netip.Addr{}, useChat, 1); place != -1 || !ok {
			t.Error("those without an address are counted")
		}
	}
}

func TestConnectionThatComesBackFromThePageCountsOnce(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConnsPerSource = 1 })
	p := s.dial()
	p.say("GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n")
	p.response()
	p.say(upgradeRequest)
	p.joined()
}

func TestHandshakesThatTakeLongMakeRoomForNewOnes(t *testing.T) {
	const limit = 20
	s := startServer(t, func(c *Config) { c.MaxHandshakes = limit })
	slow := make([]*peer, limit)
	for i := range slow {
		slow[i] = s.dial()
		slow[i].say("GET /ws HTTP/1.1\r\nHost:")
	}
	s.until(func() bool { return s.Stats().Handshakes == limit })
	s.Tick()
	s.join() // a new one is let in
	s.until(func() bool { return s.Stats().Refused["handshake_limit"] == 1 })
	s.departedFor("handshake_limit", 503, 0)
	s.shutdown() // which ends the others without an answer
	refused := 0
	for _, p := range slow {
		if r, err := http.ReadResponse(p.r, nil); err == nil && r.StatusCode == http.StatusServiceUnavailable {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d were told, want 1", refused)
	}
}

// However many of them linger, refused or done, the limit is one of handshakes.
func TestHandshakesAreLimitedAmongManyThatLinger(t *testing.T) {
	const limit = 10
	m := newModel()
	m.server.config.MaxHandshakes = limit
	m.server.config.HandshakeTimeout = time.Minute
	l := &m.server.pending
	var last *client
	guest := func(event uint32) {
		last = &client{server: m.server, slot: -1, born: m.server.now.Load()}
		last.Attach(0, m.pool, &stub{c: last})
		l.signal(nil, last, event)
		m.settle()
	}
	for range 100 * limit {
		guest(eventLinger)
	}
	for range 5 * limit {
		m.server.now.Add(1)
		guest(eventHandshake)
		if last.has(statusCrowded) {
			t.Fatal("the newest had to make room")
		}
		if n := l.handshakes.Load(); n > limit {
			t.Fatalf("%d handshakes, want at most %d", n, limit)
		}
		for i, g := range l.list {
			if int(g.c.slot) != i {
				t.Fatalf("the guest at %d believes to be at %d", i, g.c.slot)
			}
		}
	}
	if n := len(l.list); n != 105*limit {
		t.Errorf("%d pending connections, want %d", n, 105*limit)
	}
}

func TestHeadBeyondTheLimitIsRefused(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxHead = 512 })
	p := s.dial()
	p.say("GET /ws HTTP/1.1\r\nX: " + strings.Repeat("x", 512))
	if r := p.response(); r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatal(r.Status)
	}
	s.departedFor("header_too_large", 431, 0)
}

func TestFragmentsBeyondTheLimitAreClosedWith1008(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxFragments = 3 })
	p := s.join()
	next := masked(ws.OpContinuation, false, "")
	p.say(masked(ws.OpText, false, "a") + next + masked(ws.OpContinuation, true, "b"))
	p.expect(ws.OpText, "ab")
	p.say(masked(ws.OpText, false, "a") + next + next + next)
	p.expectClose(ws.StatusPolicyViolation)
	s.departedFor("fragments", 1008, 0)
}

// Whoever sends too much is not heard until it has paid its debt; nothing it
// said is lost, and the others don't notice.
func TestRatesHoldASenderUpAndLoseNothing(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"messages": func(c *Config) { c.RateMessages = 10 },
		"bytes":    func(c *Config) { c.RateBytes = 10 * int64(len(text("message 00"))) },
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, change)
			sender, listener := s.join(), s.join()
			var all strings.Builder
			for i := range 30 {
				all.WriteString(text(fmt.Sprintf("message %02d", i)))
			}
			before := s.now.Load()
			sender.say(all.String()) // in one read
			s.until(func() bool { return s.Stats().Throttled[name] == 1 && s.Stats().Messages >= 11 })
			if n := s.Stats().Messages; n != 11 { // the last one overdraws
				t.Errorf("%d messages at once, want 11", n)
			}
			listener.say(text("in between"))
			s.until(func() bool { return s.Stats().Messages == 12 })
			s.until(func() bool {
				s.Tick()
				return s.Stats().Messages == 31
			})
			if passed := s.now.Load() - before; passed < 19 {
				t.Errorf("20 messages more than it may after %d ticks already", passed)
			}
			for i := range 11 {
				listener.expect(ws.OpText, fmt.Sprintf("message %02d", i))
			}
			listener.expect(ws.OpText, "in between")
			for i := range 19 {
				listener.expect(ws.OpText, fmt.Sprintf("message %02d", 11+i))
			}
		})
	}
}

// What a peer gets the server to do counts, not what it sends.
func TestByteRateCountsWhatIsInflated(t *testing.T) {
	s := startServer(t, func(c *Config) { c.RateBytes = 1 << 20; c.Compress = true })
	p := s.joinDeflated()
	p.say(strings.Repeat(packed(ws.OpBinary, strings.Repeat("\x00", 64<<10)), 20))
	s.until(func() bool { return s.Stats().Throttled["bytes"] == 1 && s.Stats().Messages >= 16 })
	if n := s.Stats().Messages; n != 16 { // of which the headers overdraw
		t.Errorf("%d messages of 64 KiB, want 1 MiB", n)
	}
	s.until(func() bool { s.Tick(); return s.Stats().Messages == 20 })
}

// A peer that is not read cannot show that it is there.
func TestTimeInWhichAPeerIsNotReadDoesNotCountAsItsSilence(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"ping": func(c *Config) { c.PingInterval = time.Second },
		"idle": func(c *Config) { c.IdleTimeout = time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, change, func(c *Config) { c.RateBytes = 100 })
			p, witness := s.join(), s.join()
			p.say(text(strings.Repeat("x", 1000)) + text("and more")) // 10 seconds
			s.until(func() bool { return s.Stats().Throttled["bytes"] == 1 })
			for range 90 {
				s.Tick()
				witness.say(text("here"))
				witness.skipTo("here")
			}
			if n := s.Stats().Members; n != 2 {
				t.Fatalf("%d members are left of 2: %v", n, s.Stats().Dropped)
			}
			s.until(func() bool { // once it is read again, its silence counts
				s.Tick()
				return s.dropped(PingTimeout)+s.dropped(Idle) == 2
			})
		})
	}
}

func TestPausedClientsThatAreGoneAreNotRemembered(t *testing.T) {
	m := newModel()
	c := &client{server: m.server, slot: -1}
	c.Attach(0, m.pool, c)
	m.server.paused.Put(&paused{c: c, until: 100})
	m.server.Tick()
	if len(m.server.pauses) != 1 {
		t.Fatal("not remembered while it is there")
	}
	c.status.Or(statusClosed)
	m.server.Tick()
	if len(m.server.pauses) != 0 {
		t.Error("remembered until its pause would be over")
	}
}

// A read may have very many bytes in it once they are inflated: they are not
// all taken at once.
func TestOneRunPublishesABoundedNumberOfBytes(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Compress = true; c.Queue = 1 << 20 })
	p := s.joinDeflated()
	bomb := packed(ws.OpBinary, strings.Repeat("\x00", 64<<10))
	n := poller.ScratchSize / len(bomb)
	p.say(strings.Repeat(bomb, n))
	most := int64(0)
	s.until(func() bool {
		most = max(most, s.room().backlog.Load())
		return s.Stats().Messages == uint64(n)
	})
	if limit := int64(2*maxBacklog + 128<<10); most > limit {
		t.Errorf("%d bytes waited for the hub, want at most %d", most, limit)
	}
}

func TestPingsBeyondTheRateWaitAndTheNewestIsAnswered(t *testing.T) {
	s := startServer(t, func(c *Config) { c.RateControls = 5 })
	p := s.join()
	p.say(strings.Repeat(masked(ws.OpPing, true, "?"), 5) + masked(ws.OpPing, true, "!") + masked(ws.OpPing, true, "later"))
	p.skipTo("!")
	if n := s.Stats().Throttled["controls"]; n != 1 {
		t.Errorf("throttled %d times, want once", n)
	}
	s.until(func() bool { s.Tick(); return s.now.Load() > 20 })
	p.skipTo("later")
}

func TestPongsThatAnswerOurPingsAreFree(t *testing.T) {
	m := newModel()
	m.server.rates[limitControls] = 1
	m.join(1000, false)
	c := m.clients[0]
	pong := func() {
		c.phase = phaseOpen
		c.feed(m.worker, []byte(masked(ws.OpPong, true, "")))
		m.settle()
	}
	for range 10 {
		c.status.Or(statusPinged)
		pong()
	}
	if n := m.server.Stats().Throttled["controls"]; n != 0 || c.in != nil {
		t.Fatalf("throttled %d times, remembers %+v", n, c.in)
	}
	for range 3 {
		pong()
	}
	if n := m.server.Stats().Throttled["controls"]; n == 0 {
		t.Fatal("pongs that nobody asked for are free, too")
	}
}

func TestRateCloseSendsAwayWith1008(t *testing.T) {
	s := startServer(t, func(c *Config) { c.RateMessages = 3; c.RateClose = true })
	p, witness := s.join(), s.join()
	p.say(strings.Repeat(text("spam"), 4))
	for range 4 { // the last one overdraws
		witness.expect(ws.OpText, "spam")
		p.expect(ws.OpText, "spam")
	}
	p.expectReason(Rate)
	s.departedFor("rate", 1008, 0)
}

func TestClientThatSaysNothingIsSentAwayAfterTheIdleTimeout(t *testing.T) {
	s := startServer(t, func(c *Config) { c.IdleTimeout = time.Second })
	silent, talker := s.join(), s.join()
	for range 30 { // three seconds, in which one of them talks and the other only pings
		s.Tick()
		talker.say(text("blah"))
		talker.expect(ws.OpText, "blah")
		if s.dropped(Idle) == 0 {
			if _, err := io.WriteString(silent, masked(ws.OpPing, true, "")); err != nil {
				t.Log(err) // it may just have been closed
			}
		}
	}
	s.until(func() bool { return s.dropped(Idle) == 1 })
	s.departedFor("idle", 1008, 0)
	if n := s.Stats().Members; n != 1 {
		t.Errorf("%d members", n)
	}
}

// In a quiet room no queue overflows: a client that takes nothing is found by
// the clock.
func TestClientThatTakesNothingIsSentAwayAfterTheWriteTimeout(t *testing.T) {
	s := startServer(t, func(c *Config) { c.WriteTimeout = time.Second; c.MaxMessage = 1 << 20 })
	stuck, speaker := s.join(), s.join()
	sent := 0
	s.until(func() bool { // until its socket is full
		speaker.say(masked(ws.OpBinary, true, number(sent, 1<<20)))
		speaker.expect(ws.OpBinary, number(sent, 1<<20))
		sent++
		rows, _, err := s.Connections(t.Context(), 0, 2)
		return err == nil && max(rows[0].Lag, rows[1].Lag) >= 8
	})
	s.until(func() bool { s.Tick(); return s.dropped(WriteTimeout) == 1 })
	if d := s.Disconnects()[0]; d.Reason != "write_timeout" || d.Code != 1013 {
		t.Errorf("%+v", d)
	}
	// If it reads in the end, it gets what waited for it and is told.
	for i := range sent {
		stuck.expect(ws.OpBinary, number(i, 1<<20))
	}
	stuck.expectReason(WriteTimeout)
}

func TestConnectionThatAsksForPagesAndTakesNoneIsClosed(t *testing.T) {
	s := startServer(t, func(c *Config) {
		c.WriteTimeout = 50 * time.Millisecond
		c.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", 64<<10)) })
	})
	p := s.dial()
	var err error
	for err == nil { // without reading
		_, err = io.WriteString(p.Conn, "GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	s.until(func() bool { return s.Conns() == 0 })
}

// While the server is what is slow, nobody is given up for its silence: what it
// says is not read.
func TestTimeInWhichTheServerDoesNotReadIsNobodysSilence(t *testing.T) {
	m := newModel()
	m.server.times = timesOf(Config{PingInterval: 5 * TickInterval, IdleTimeout: 10 * TickInterval})
	m.join(1<<20, false)
	m.lobby().backlog.Add(maxBacklog + 1)
	for range 40 {
		if !m.clients[0].mustWait(nil) {
			t.Fatal("it reads on")
		}
		m.do(op{kind: opTick})
	}
	if st := m.server.Stats(); st.Members != 1 {
		t.Errorf("dropped: %v", st.Dropped)
	}
}

// A rate of pings is none of messages.
func TestPingsWithoutEndAreNoMessages(t *testing.T) {
	m := newModel()
	m.server.rates[limitControls] = 10
	m.join(1<<20, false)
	c := m.clients[0]
	c.phase = phaseOpen
	spoke := c.spoke.Load()
	for range 5 {
		c.feed(m.worker, []byte(strings.Repeat(masked(ws.OpPing, true, ""), 100)))
		m.settle()
		if wait := c.in.meter.until - c.in.meter.at; wait < minPause {
			t.Errorf("a pause of %d ticks", wait)
		}
		m.server.now.Add(1)
	}
	if n := m.server.Stats().Throttled["controls"]; n == 0 || c.spoke.Load() != spoke {
		t.Errorf("throttled %d times, spoke at %d, before at %d", n, c.spoke.Load(), spoke)
	}
}

func TestSlowConsumerIsToldWhyAndRememberedWithItsLag(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Queue = 4 })
	s.join() // never reads
	speaker := s.join()
	for i := 0; s.dropped(SlowConsumer) == 0; i++ {
		speaker.say(masked(ws.OpBinary, true, number(i, 60<<10)))
		speaker.expect(ws.OpBinary, number(i, 60<<10))
	}
	s.departedFor("slow_consumer", 1013, 5)
	for range ticksPerSecond {
		s.Tick()
	}
	if n := s.log.count("clients sent away"); n != 1 {
		t.Errorf("%d lines in the log, want one:\n%s", n, s.log)
	}
}

// The system's own limit, of sockets that are watched for one.
func TestConnectionThatCannotBeWatchedIsRefused(t *testing.T) {
	s := startServer(t)
	fd, err := unix.Open("/dev/null", unix.O_RDWR, 0) // no epoll set takes it
	if err != nil {
		t.Fatal(err)
	}
	s.conns.Add(1)
	s.adopt(nil, fd, new(client), nil, -1)
	s.until(func() bool { return s.Stats().Refused["exhausted"] == 1 })
	if d := s.Disconnects()[0]; d.Reason != "exhausted" || d.Code != http.StatusServiceUnavailable {
		t.Errorf("%+v", d)
	}
	s.until(func() bool { s.Tick(); return s.Conns() == 0 })
}

func TestWhoeverIsInTheLobbyIsInTheTableWithItsSource(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	p.say("GET /ws HTTP/1.1\r\n")
	s.until(func() bool { return s.Stats().Received > 0 })
	rows, total, err := s.Connections(t.Context(), 0, 10)
	if err != nil || total != 1 {
		t.Fatal(rows, total, err)
	}
	if r := rows[0]; r.State != "handshake" || r.Source.String() != p.LocalAddr().String() || r.BytesIn == 0 {
		t.Errorf("%+v", r)
	}
}

func TestOnlyTheLastDeparturesAreRemembered(t *testing.T) {
	var d disconnects
	for i := range 3 * remembered / 2 {
		d.add(Disconnect{Reason: "test", Lag: i})
	}
	all := d.last()
	if len(all) != remembered || all[0].Lag != 3*remembered/2-1 || all[remembered-1].Lag != remembered/2 {
		t.Errorf("%d, from %d to %d", len(all), all[0].Lag, all[len(all)-1].Lag)
	}
}

func TestMetersDrainAtTheirRate(t *testing.T) {
	r := rates{limitMessages: 10}
	var m meter
	charge := func(now uint32, n int) (limit int, ticks uint32) {
		m.drain(now, &r)
		m.use(&r, limitMessages, n)
		m.use(&r, limitBytes, 1<<20) // not limited
		limit, ticks = m.debt(&r)
		if (ticks > 0) != m.overdrawn(&r) {
			t.Errorf("overdrawn %v, but %d ticks", m.overdrawn(&r), ticks)
		}
		return limit, ticks
	}
	if _, wait := charge(100, 10); wait != 0 {
		t.Errorf("a burst of a second has to wait %d ticks", wait)
	}
	if limit, wait := charge(100, 1); limit != limitMessages || wait != 1 {
		t.Errorf("one more: limit %d, %d ticks", limit, wait)
	}
	if _, wait := charge(101, 10); wait != 10 {
		t.Errorf("ten more: %d ticks, want 10", wait)
	}
	if charge(130, 0); !m.atRest() {
		t.Error("not at rest after all is paid")
	}
	r, m = rates{limitMessages: 3}, meter{}
	charge(0, 4)
	for tick := range uint32(20) {
		charge(tick, 0)
	}
	if !m.atRest() {
		t.Error("looking at it often keeps it from draining")
	}
	r, m = rates{limitMessages: 1 << 40}, meter{}
	charge(1, 1)
	if _, wait := charge(math.MaxUint32, 1); wait != 0 {
		t.Errorf("a message after 13 years has to wait for %d ticks", wait)
	}
	r, m = rates{limitMessages: 1}, meter{}
	if _, wait := charge(1, 1<<40); wait != maxPause {
		t.Errorf("a pause of %d ticks, want the longest", wait)
	}
}

// skipTo reads messages up to one.
func (p *peer) skipTo(last string) {
	p.t.Helper()
	for f := (ws.Frame{}); string(f.Payload) != last; {
		var err error
		if f, err = p.frame(); err != nil {
			p.t.Fatal(err)
		}
	}
}

// slowConn takes a few bytes within each deadline.
type slowConn struct {
	net.Conn
	bytes, deadlines int
}

func (c *slowConn) SetWriteDeadline(time.Time) error { c.deadlines++; return nil }

func (c *slowConn) SyscallConn() (syscall.RawConn, error) { return nil, os.ErrInvalid }

func (c *slowConn) Write(p []byte) (int, error) {
	n := min(c.bytes, len(p))
	if n < len(p) {
		return n, os.ErrDeadlineExceeded
	}
	return n, nil
}

func TestPageIsWrittenAsLongAsItsReaderTakesSomeOfIt(t *testing.T) {
	for _, test := range []struct{ bytes, written, deadlines int }{
		{100, 100, 1}, {40, 100, 3}, {0, 0, 1}, {1, slowest, slowest},
	} {
		slow := &slowConn{bytes: test.bytes}
		c := &pageConn{Conn: slow, socket: slow, stall: time.Second}
		n, err := c.Write(make([]byte, 100))
		if n != test.written || slow.deadlines != test.deadlines || (err == nil) != (n == 100) {
			t.Errorf("%d bytes at a time: wrote %d with %d deadlines, %v", test.bytes, n, slow.deadlines, err)
		}
	}
}

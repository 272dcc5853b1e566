package room

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"
)

// chatter is an independent implementation of a client.
type chatter interface {
	write(t *testing.T, text bool, payload []byte)
	read(t *testing.T) (text bool, payload []byte)
	close()
}

type gorillaClient struct{ c *gorilla.Conn }

func (g gorillaClient) write(t *testing.T, text bool, payload []byte) {
	kind := gorilla.BinaryMessage
	if text {
		kind = gorilla.TextMessage
	}
	if err := g.c.WriteMessage(kind, payload); err != nil {
		t.Error(err)
	}
}

func (g gorillaClient) read(t *testing.T) (bool, []byte) {
	kind, payload, err := g.c.ReadMessage()
	if err != nil {
		t.Error(err)
	}
	return kind == gorilla.TextMessage, payload
}

func (g gorillaClient) close() { g.c.Close() }

type coderClient struct {
	c   *coder.Conn
	ctx context.Context
}

func (g coderClient) write(t *testing.T, text bool, payload []byte) {
	kind := coder.MessageBinary
	if text {
		kind = coder.MessageText
	}
	if err := g.c.Write(g.ctx, kind, payload); err != nil {
		t.Error(err)
	}
}

func (g coderClient) read(t *testing.T) (bool, []byte) {
	kind, payload, err := g.c.Read(g.ctx)
	if err != nil {
		t.Error(err)
	}
	return kind == coder.MessageText, payload
}

func (g coderClient) close() { g.c.Close(coder.StatusNormalClosure, "") }

// chatters opens n clients, of each implementation in turn.
func (s *testServer) chatters(n int) []chatter {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	all := make([]chatter, n)
	for i := range all {
		if i%2 == 0 {
			c, _, err := (&gorilla.Dialer{TLSClientConfig: clientTLS()}).Dial(s.url(Path), nil)
			if err != nil {
				s.t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(patience))
			all[i] = gorillaClient{c}
		} else {
			c, _, err := coder.Dial(ctx, s.url(Path), &coder.DialOptions{HTTPClient: theirTLS()})
			if err != nil {
				s.t.Fatal(err)
			}
			c.SetReadLimit(1 << 20)
			all[i] = coderClient{c, ctx}
		}
		s.t.Cleanup(all[i].close)
	}
	return all
}

func TestEverybodyGetsEveryMessageUnchangedInTheSameOrder(t *testing.T) {
	for _, clients := range []int{2, 200} {
		t.Run(fmt.Sprint(clients, " clients"), func(t *testing.T) {
			const senders, each = 2, 100
			s := startServer(t)
			all := s.chatters(clients)
			heard := make([][]string, clients)
			var wg sync.WaitGroup
			for i, c := range all {
				wg.Go(func() {
					for range senders * each {
						text, payload := c.read(t)
						heard[i] = append(heard[i], fmt.Sprint(text, " ", string(payload)))
					}
				})
				if i < senders {
					wg.Go(func() {
						for k := range each {
							c.write(t, k%2 == 0, fmt.Appendf(nil, "%d says %d", i, k))
						}
					})
				}
			}
			wg.Wait()
			next := [senders]int{}
			for _, line := range heard[0] {
				var text bool
				var who, k int
				if _, err := fmt.Sscanf(line, "%t %d says %d", &text, &who, &k); err != nil || k != next[who] || text != (k%2 == 0) {
					t.Fatalf("heard %q, want message %d of %d (%v)", line, next[who], who, err)
				}
				next[who]++
			}
			for i := range heard {
				for k := range heard[0] {
					if heard[i][k] != heard[0][k] {
						t.Fatalf("client %d heard %q as number %d, client 0 %q", i, heard[i][k], k, heard[0][k])
					}
				}
			}
		})
	}
}

func TestMessagesUpTo64KiBPassWhole(t *testing.T) {
	s := startServer(t)
	all := s.chatters(2)
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536} {
		want := strings.Repeat("é", size/2) + strings.Repeat("x", size%2)
		all[0].write(t, true, []byte(want))
		for i, c := range all {
			if _, got := c.read(t); string(got) != want {
				t.Fatalf("client %d: %d bytes came as %d", i, size, len(got))
			}
		}
	}
}

func TestFragmentsArriveAsOneMessageWithControlFramesBetween(t *testing.T) {
	s := startServer(t)
	a, b := s.join(), s.join()
	a.say(masked(ws.OpText, false, "one ") + masked(ws.OpPing, true, "are you there"))
	a.expect(ws.OpPong, "are you there")
	a.say(masked(ws.OpContinuation, false, "message, ") + masked(ws.OpContinuation, true, "three parts"))
	a.expect(ws.OpText, "one message, three parts")
	b.expect(ws.OpText, "one message, three parts")
}

func TestFirstFrameMayComeWithTheHandshake(t *testing.T) {
	s := startServer(t)
	for range 100 {
		p := s.dial()
		p.say(upgradeRequest + text("at once") + text("and again"))
		p.joined()
		p.expect(ws.OpText, "at once")
		p.expect(ws.OpText, "and again")
		p.Close()
		s.until(func() bool { return s.Stats().Members == 0 })
	}
}

func TestHandshakeAndFramesMayComeByteByByte(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	for _, b := range []byte(upgradeRequest) {
		p.say(string([]byte{b}))
	}
	p.joined()
	for _, b := range []byte(text("slowly") + masked(ws.OpBinary, false, "a") + masked(ws.OpContinuation, true, "b")) {
		p.say(string([]byte{b}))
	}
	p.expect(ws.OpText, "slowly")
	p.expect(ws.OpBinary, "ab")
}

func TestJoinedClientHearsWhatIsSaidAfterItsHandshake(t *testing.T) {
	s := startServer(t)
	speaker := s.join()
	for i := range 200 {
		p := s.join()
		speaker.say(text(fmt.Sprint(i)))
		p.expect(ws.OpText, fmt.Sprint(i))
		speaker.expect(ws.OpText, fmt.Sprint(i))
		p.Close()
	}
}

func TestOnlyTheNewestOfManyPingsNeedsAnAnswer(t *testing.T) {
	s := startServer(t)
	p := s.join()
	var pings strings.Builder
	for i := range 1000 {
		pings.WriteString(masked(ws.OpPing, true, fmt.Sprint(i)))
	}
	p.say(pings.String())
	for {
		f, err := p.frame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Header.OpCode != ws.OpPong {
			t.Fatalf("got %v", f.Header.OpCode)
		}
		if string(f.Payload) == "999" {
			return
		}
	}
}

func TestCloseIsAnsweredBehindWhatIsQueued(t *testing.T) {
	s := startServer(t)
	a := s.join()
	a.say(text("last words") + masked(ws.OpClose, true, "\x03\xe8bye"))
	a.expect(ws.OpText, "last words")
	a.expectClose(ws.StatusNormalClosure)
}

func TestOverloadLosesNothingAndDropsNobody(t *testing.T) {
	const clients, publishers, each = 200, 4, 1000
	s := startServer(t)
	peers := make([]*peer, clients)
	for i := range peers {
		peers[i] = s.join()
	}
	var wg sync.WaitGroup
	orders := make([]uint64, clients)
	for i, p := range peers {
		wg.Go(func() { orders[i] = p.listen(publishers, each) })
	}
	for i, p := range peers[:publishers] {
		wg.Go(func() { p.publish(i, each) })
	}
	wg.Wait()
	for i, o := range orders {
		if o != orders[0] {
			t.Fatalf("client %d heard another order than client 0", i)
		}
	}
	if n := s.dropped(SlowConsumer); n != 0 {
		t.Fatalf("%d healthy clients were dropped", n)
	}
}

// publish says n numbered messages as fast as it can.
func (p *peer) publish(who, n int) {
	for i := range n {
		if _, err := io.WriteString(p.Conn, masked(ws.OpBinary, true, number(who<<32|i, 128))); err != nil {
			p.t.Error(err)
			return
		}
	}
}

// listen hears n messages of each publisher, all of them and in order, and
// returns a hash of the order among the publishers.
func (p *peer) listen(publishers, n int) (order uint64) {
	next := make([]int, publishers)
	for range publishers * n {
		f, err := p.frame()
		if err != nil {
			p.t.Error(err)
			return
		}
		m := numberOf(f.Payload)
		if who, i := m>>32, m&0xffffffff; i != next[who] {
			p.t.Errorf("heard message %d of publisher %d, want %d", i, who, next[who])
			return
		}
		next[m>>32]++
		order = order*1099511628211 ^ uint64(m>>32)
	}
	return order
}

func TestStuckClientIsDroppedWithItsQueueAndTheOthersLoseNothing(t *testing.T) {
	const queue, size = 256, 32 << 10
	s := startServer(t)
	stuck := s.join()
	speaker, listener := s.join(), s.join()
	sent := 0
	for s.dropped(SlowConsumer) == 0 {
		speaker.say(masked(ws.OpBinary, true, number(sent, size)))
		for _, p := range []*peer{speaker, listener} {
			f, err := p.frame()
			if err != nil || numberOf(f.Payload) != sent {
				t.Fatalf("message %d: %v", sent, err)
			}
		}
		sent++
	}
	if n := s.log.count("client dropped"); n != 1 {
		t.Fatalf("logged %d times at debug level, want once:\n%s", n, s.log)
	}
	// It reads again: everything that the kernel and its queue held, without
	// a gap, and then the close.
	for want := 0; ; want++ {
		f, err := stuck.frame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpClose {
			code, _ := ws.ParseCloseFrameData(f.Payload)
			if code != 1013 || want < queue || want >= sent {
				t.Fatalf("close %d after %d of %d messages", code, want, sent)
			}
			break
		}
		if numberOf(f.Payload) != want {
			t.Fatalf("got message %d, want %d", numberOf(f.Payload), want)
		}
	}
	stuck.expectEnd()
	speaker.say(text("still here"))
	listener.expect(ws.OpText, "still here")
}

func TestDroppedClientThatStaysStuckIsClosedAfterTheDrainTimeout(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Queue = 4; c.DrainTimeout = time.Second })
	stuck, speaker := s.join(), s.join()
	for i := 0; s.dropped(SlowConsumer) == 0; i++ {
		speaker.say(masked(ws.OpBinary, true, number(i, 60<<10)))
		if _, err := speaker.frame(); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Conns; n != 2 {
		t.Fatalf("%d connections before the timeout, want 2", n)
	}
	s.until(func() bool {
		s.Tick()
		return s.Stats().Conns == 1
	})
	stuck.Close()
}

func TestWhatADroppedClientSaysIsNotHeard(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Queue = 4 })
	stuck, speaker := s.join(), s.join()
	for i := 0; s.dropped(SlowConsumer) == 0; i++ {
		speaker.say(masked(ws.OpBinary, true, number(i, 60<<10)))
		if _, err := speaker.frame(); err != nil {
			t.Fatal(err)
		}
	}
	stuck.say(text("let me back in"))
	for { // it gets its queue, the close, and the end, so what it said was read
		f, err := stuck.frame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpClose {
			break
		}
	}
	stuck.expectEnd()
	speaker.say(text("anything?"))
	speaker.expect(ws.OpText, "anything?")
}

func TestShutdownTellsEverybodyBehindWhatIsQueued(t *testing.T) {
	s := startServer(t)
	peers := []*peer{s.join(), s.join(), s.join()}
	head := s.dial() // in its handshake
	head.say("GET /ws HT")
	peers[0].say(text("before the end"))
	for _, p := range peers {
		p.expect(ws.OpText, "before the end")
	}
	var wg sync.WaitGroup
	wg.Go(s.shutdown)
	for _, p := range peers {
		p.expectClose(ws.StatusGoingAway)
		p.Close()
	}
	head.expectReset()
	wg.Wait()
}

func TestShutdownCutsOffWhoDoesNotTakeWhatIsQueuedInTime(t *testing.T) {
	s := startServer(t, func(c *Config) { c.DrainTimeout = time.Hour })
	stuck, speaker := s.join(), s.join()
	for i := 0; ; i++ {
		speaker.say(masked(ws.OpBinary, true, number(i, 60<<10)))
		if _, err := speaker.frame(); err != nil {
			t.Fatal(err)
		}
		if i > 200 { // more than the socket buffers take
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); err != context.Canceled {
		t.Fatal(err)
	}
	if n := s.Stats().Conns; n != 0 {
		t.Fatalf("%d connections left", n)
	}
	stuck.Close()
}

func TestSilentClientIsPingedAndAfterTwoIntervalsClosed(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PingInterval = 8 * TickInterval })
	alive, dead := s.join(), s.join()
	pinged := func(p *peer) {
		f, err := p.frame()
		if err != nil || f.Header.OpCode != ws.OpPing {
			t.Fatalf("want a ping: %v %v", f.Header.OpCode, err)
		}
	}
	ticks := func(n int) {
		for range n {
			s.Tick()
		}
	}
	ticks(9)
	pinged(alive)
	pinged(dead)
	alive.say(masked(ws.OpPong, true, ""))
	alive.say(text("I am")) // once this is back the pong was read
	alive.expect(ws.OpText, "I am")
	dead.expect(ws.OpText, "I am")
	ticks(9)
	pinged(alive)
	s.until(func() bool { // the kernel may be late to acknowledge the ping
		s.Tick()
		if s.Stats().Members == 2 {
			alive.say(masked(ws.OpPong, true, "")) // in time for the clock, which runs fast
		}
		return s.dropped(PingTimeout) == 1
	})
	dead.expectReset()
}

// expectReset checks that the connection is over, one way or another.
func (p *peer) expectReset() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.r); err != nil && strings.Contains(err.Error(), "timeout") {
		p.t.Fatal(err)
	}
}

func TestClientThatResetsIsRemoved(t *testing.T) {
	s := startServer(t)
	for range 50 {
		p := s.join()
		p.tcp().SetLinger(0)
		p.tcp().Close()
	}
	s.until(func() bool { return s.Conns() == 0 && s.dropped(Reset) == 50 })
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConns = 2 })
	a, b := s.join(), s.join()
	c := s.dial()
	said := make(chan struct{})
	go func() { // over TLS nothing can be said yet
		defer close(said)
		c.say(upgradeRequest + text("at last"))
	}()
	a.say(text("two are in"))
	a.expect(ws.OpText, "two are in")
	b.expect(ws.OpText, "two are in")
	b.Close()
	<-said
	c.joined()
	c.expect(ws.OpText, "at last")
}

package room

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/poller"
	"chatd/poller/tls13"
	"chatd/room/frame"
)

// secureServer is a server for a test whose peers speak TLS by themselves: it is run once.
func secureServer(t *testing.T, change ...func(*Config)) *testServer {
	t.Helper()
	if !overTLS {
		t.Skip("it is run over TLS")
	}
	return startServer(t, change...)
}

// plain is a peer that speaks no TLS.
func (s *testServer) plain() *peer {
	s.t.Helper()
	p := s.dialPlain()
	p.say(upgradeRequest)
	p.joined()
	return p
}

// dialPlain is dial for one that speaks no TLS.
func (s *testServer) dialPlain() *peer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.peerOn(c)
}

func TestMembersOverTLSAndOthersAreInOneRoom(t *testing.T) {
	s := secureServer(t)
	peers := []*peer{s.join(), s.plain(), s.join(), s.plain()}
	for i, from := range peers {
		from.say(text(fmt.Sprint("from ", i)))
		for _, p := range peers {
			p.expect(ws.OpText, fmt.Sprint("from ", i))
		}
	}
	s.until(func() bool { st := s.Stats(); return st.Due == 16 && st.Delivered == 16 }) // counted behind it
	if n := s.Stats().TLSHandshakes["full"]; n != 2 {
		t.Errorf("%d handshakes", n)
	}
}

func TestWhoComesBackResumesItsSession(t *testing.T) {
	s := secureServer(t)
	config := clientTLS()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		c, err := tls.Dial("tcp", s.secure, config)
		if err != nil {
			t.Fatal(err)
		}
		p := s.peerOn(c)
		p.say(upgradeRequest)
		p.joined()
		p.say(text("hi")) // the ticket comes first
		p.expect(ws.OpText, "hi")
		if resumed := c.ConnectionState().DidResume; resumed != (i > 0) {
			t.Errorf("connection %d: resumed %v", i, resumed)
		}
		p.Close()
		s.until(func() bool { return s.Stats().Members == 0 })
	}
	if st := s.Stats(); st.TLSHandshakes["full"] != 1 || st.TLSHandshakes["resumed"] != 2 {
		t.Errorf("%v", st.TLSHandshakes)
	}
}

// While much is said in both directions.
func TestBothSidesChangeTheirKeysUnderLoad(t *testing.T) {
	const each, asks = 2000, 10 // as often as may be, should the server read all of it at once
	s := secureServer(t)
	f, p := s.joinForged()
	speaker := s.plain()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { speaker.publish(0, each) })
	wg.Go(func() {
		for {
			if _, err := speaker.frame(); err != nil {
				return
			}
		}
	})
	wg.Go(func() {
		for i := range each {
			if i%(each/asks) == 0 {
				f.ask()
			}
			io.WriteString(f, masked(ws.OpBinary, true, number(1<<32|i, 128))) // what comes back tells
		}
	})
	p.listen(2, each)
	if f.by.Updates == 0 || f.by.Updates > asks {
		t.Errorf("%d times new keys, asked for %d times", f.by.Updates, asks)
	}
	speaker.Close()
}

func TestRecordsThatAreNoneEndThatConnectionAlone(t *testing.T) {
	cases := map[string]struct {
		puts func(f *forger)
		want tls13.Alert
	}{
		"tampered": {func(f *forger) {
			b := f.seal(recordData, []byte(text("heard?")))
			b[len(b)/2] ^= 1
			f.puts(b)
		}, tls13.BadRecordMAC},
		"replayed": {func(f *forger) {
			b := f.seal(recordData, []byte(text("once")))
			f.puts(b)
			f.puts(b)
		}, tls13.BadRecordMAC},
		"reordered": {func(f *forger) {
			b := f.seal(recordData, []byte(text("one")))
			f.puts(f.seal(recordData, []byte(text("two"))))
			f.puts(b)
		}, tls13.BadRecordMAC},
		"in the clear": {func(f *forger) { f.puts([]byte(text("heard?"))) }, tls13.UnexpectedMessage},
		"too large":    {func(f *forger) { f.puts([]byte{recordData, 3, 3, 0xff, 0xff}) }, tls13.RecordOverflow},
		"of no kind":   {func(f *forger) { f.puts(f.seal(99, []byte("?"))) }, tls13.UnexpectedMessage},
		"empty ones": {func(f *forger) {
			for range 20 {
				f.puts(f.seal(recordData, nil))
			}
		}, tls13.UnexpectedMessage},
		"a flood of new keys": {func(f *forger) {
			for range 20 {
				f.ask()
			}
		}, tls13.UnexpectedMessage},
	}
	s := secureServer(t)
	other := s.join()
	for name, c := range cases {
		for _, member := range []bool{true, false} {
			if name == "replayed" && !member { // the first one is refused for what it says
				continue
			}
			t.Run(fmt.Sprint(name, ", member ", member), func(t *testing.T) {
				before := s.Stats()
				f := s.forge()
				if member {
					p := s.peerOn(f)
					p.say(upgradeRequest)
					p.joined()
				}
				f.t = t
				c.puts(f)
				if a := f.ends(); tls13.Alert(a) != c.want {
					t.Errorf("alert %v, want %v", tls13.Alert(a), c.want)
				}
				f.Close()
				s.until(func() bool { return s.Stats().Conns == 1 })
				st := s.Stats()
				if st.TLSBroken != before.TLSBroken+1 || member && st.Dropped["reset"] != before.Dropped["reset"]+1 {
					t.Errorf("%d broken, %d reset", st.TLSBroken-before.TLSBroken, st.Dropped["reset"]-before.Dropped["reset"])
				}
			})
		}
	}
	for {
		other.say(text("still here"))
		f, err := other.frame() // what was said before the faults was heard
		if err != nil {
			t.Fatal(err)
		}
		if string(f.Payload) == "still here" {
			return
		}
	}
}

// The end of the socket's stream is not the end of what was said over TLS.
func TestStreamThatBreaksOffIsAReset(t *testing.T) {
	s := secureServer(t)
	f, _ := s.joinForged()
	f.Close()
	s.until(func() bool { return s.Conns() == 0 })
	if st := s.Stats(); st.TLSTruncated != 1 || st.Dropped["reset"] != 1 {
		t.Errorf("%d truncated, %d reset", st.TLSTruncated, st.Dropped["reset"])
	}
}

func TestEndOfTheStreamIsSaid(t *testing.T) {
	s := secureServer(t)
	for name, closes := range map[string]func(f *forger){
		"with a close frame":      func(f *forger) { io.WriteString(f, masked(ws.OpClose, true, "\x03\xe8")) },
		"with close_notify alone": func(f *forger) { f.puts(f.seal(recordAlert, []byte{1, 0})) },
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := s.joinForged()
			f.t = t
			closes(f)
			if a := f.ends(); a != 0 {
				t.Errorf("alert %d", a)
			}
			f.Close()
			s.until(func() bool { return s.Conns() == 0 })
		})
	}
	if st := s.Stats(); st.TLSTruncated != 0 || st.Dropped["reset"] != 0 {
		t.Errorf("%d truncated, %d reset", st.TLSTruncated, st.Dropped["reset"])
	}
}

// hello is a ClientHello.
func hello(t *testing.T, config *tls.Config) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	go tls.Client(theirs, config).Handshake()
	defer theirs.Close()
	defer ours.Close()
	head := make([]byte, 5)
	if _, err := io.ReadFull(ours, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(ours, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// raw is a peer on the port that speaks TLS, who is yet to do so.
func (s *testServer) raw() *peer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.secure)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.peerOn(c)
}

func TestHandshakeThatStopsIsEndedInTime(t *testing.T) {
	h := []byte(nil)
	for name, part := range map[string]func() []byte{
		"before it begins":   func() []byte { return nil },
		"in the first byte":  func() []byte { return h[:1] },
		"within the hello":   func() []byte { return h[:100] },
		"behind the hello":   func() []byte { return h },
		"with another piece": func() []byte { return append(h[:len(h):len(h)], 20, 3, 3, 0, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := secureServer(t)
			h = hello(t, clientTLS())
			p := s.raw()
			p.say(string(part()))
			s.until(func() bool { s.Tick(); return s.Stats().Accepted == 1 && s.Conns() == 0 })
			p.expectReset()
			st := s.Stats()
			if st.Refused["handshake_timeout"] != 1 || st.Handshakes != 0 {
				t.Errorf("%v, %d handshakes are left", st.Refused, st.Handshakes)
			}
			if begun := len(part()) > 0; (st.TLSFailures["timeout"] == 1) != begun {
				t.Errorf("%v", st.TLSFailures)
			}
		})
	}
}

func TestHandshakesThatStopMakeRoomForOthers(t *testing.T) {
	s := secureServer(t, func(c *Config) { c.MaxHandshakes = 4 })
	h := hello(t, clientTLS())
	for i := range 20 {
		p := s.raw()
		p.say(string(h[:20+i]))
	}
	s.until(func() bool { return s.Stats().Handshakes <= 4 })
	s.Tick() // the next one is younger
	p := s.join()
	p.say(text("in spite of them"))
	p.expect(ws.OpText, "in spite of them")
	s.until(func() bool { return s.Conns() <= 5 })
	if st := s.Stats(); st.Refused["handshake_limit"] < 16 {
		t.Errorf("%v", st.Refused)
	}
}

// Secrets are told apart by the client's random.
func TestTwoHandshakesAtOnceOfOneRandomAreOne(t *testing.T) {
	s := secureServer(t)
	h := string(hello(t, clientTLS()))
	first, second := s.raw(), s.raw()
	first.say(h)
	if b, err := first.r.ReadByte(); err != nil || b != recordHandshake {
		t.Fatal(b, err)
	}
	second.say(h)
	answer, err := io.ReadAll(second.r)
	if want := tls13.IllegalParameter.Record(); err != nil || !bytes.Equal(answer, want) {
		t.Errorf("% x %v, want % x", answer, err, want)
	}
	if n := s.Stats().TLSFailures["same_random"]; n != 1 {
		t.Errorf("counted %d", n)
	}
}

func TestWhoSpeaksNoTLS13IsToldSo(t *testing.T) {
	s := secureServer(t)
	old := clientTLS()
	old.MaxVersion = tls.VersionTLS12
	if _, err := tls.Dial("tcp", s.secure, old); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Error(err)
	}
	p := s.raw()
	p.say(upgradeRequest)
	if r := p.response(); r.StatusCode != http.StatusBadRequest {
		t.Error(r.Status)
	}
	s.until(func() bool { // counted behind the answer
		st := s.Stats()
		return st.TLSFailures["protocol_version"] == 1 && st.TLSFailures["not_tls"] == 1
	})
}

// The header comes in the clear, ahead of TLS, and perhaps with it.
func TestProxyHeaderComesAheadOfTLS(t *testing.T) {
	s := secureServer(t, fronted, func(c *Config) { c.ProxyProtocol = true })
	const header = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
	for _, each := range []int{1, 20, 1 << 20} { // bytes at a time
		raw, err := net.Dial("tcp", s.secure)
		if err != nil {
			t.Fatal(err)
		}
		p := s.peerOn(tls.Client(&chopped{Conn: raw, ahead: []byte(header), most: each}, clientTLS()))
		p.say(upgradeRequest)
		p.joined()
		if addr := s.only().Addr().String(); addr != "203.0.113.7" {
			t.Error(addr)
		}
		p.Close()
		s.until(func() bool { return s.Conns() == 0 })
	}
	p := s.raw()
	p.say(string(hello(t, clientTLS())))
	if answer, err := io.ReadAll(p.r); err != nil || !bytes.Equal(answer, tls13.AccessDenied.Record()) {
		t.Errorf("without a header: % x %v", answer, err)
	}
}

// chopped writes what is ahead first, and everything in pieces.
type chopped struct {
	net.Conn
	ahead []byte
	most  int
}

func (c *chopped) Write(p []byte) (int, error) {
	all := append(c.ahead, p...)
	c.ahead = nil
	for piece := range slices.Chunk(all, c.most) {
		if _, err := c.Conn.Write(piece); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func TestPageKnowsThatItIsAskedForOverTLS(t *testing.T) {
	s := secureServer(t, func(c *Config) {
		c.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS != nil) })
	})
	for _, over := range []struct {
		p    *peer
		want string
	}{{s.dial(), "true"}, {s.peerOn(must(net.Dial("tcp", s.addr))), "false"}} {
		over.p.say(pageRequest)
		if body, err := io.ReadAll(over.p.response().Body); err != nil || string(body) != over.want {
			t.Errorf("%q %v, want %s", body, err, over.want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Also what the epoll set and the lists have for it is counted.
func TestIdleMemberOverTLSIsSmallAndHasNoGoroutine(t *testing.T) {
	const n, most = 400, 512
	s := secureServer(t)
	fds := make([]int, 0, 20+n) // of the clients, of whom nothing else is left here
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	join := func() {
		c := must(net.Dial("tcp", s.secure)).(*net.TCPConn)
		defer c.Close()
		conn := tls.Client(c, clientTLS())
		io.WriteString(conn, upgradeRequest)
		if r, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(r, err)
		}
		fds = append(fds, must(poller.Dup(c)))
	}
	for range 20 {
		join() // for what stays
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	for range n {
		join()
	}
	for range 3 * ticksPerSecond {
		s.Tick()
		if err := s.Alive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.until(func() bool { return s.ciphers() == 0 })
	each := (int64(heap()) - int64(before)) / n
	if each > most {
		t.Errorf("%d bytes each, want at most %d", each, most)
	}
	if more := runtime.NumGoroutine() - goroutines; more > 0 {
		t.Errorf("%d goroutines for %d members", more, n)
	}
	t.Logf("%d bytes each", each)
}

// ciphers is how many are kept.
func (s *testServer) ciphers() (n int) {
	s.t.Helper()
	for _, sh := range s.shards.all() {
		if err := s.ask(s.t.Context(), &sh.Task, func() { n += sh.ciphers.Len() }); err != nil {
			s.t.Fatal(err)
		}
	}
	return n
}

// cutting takes a few bytes of what is written to each socket first, and then nothing.
type cutting struct {
	sink
	took map[int32]bool
}

func (c *cutting) Send(fd int32, p []byte) int {
	if c.took[fd] {
		return poller.WouldBlock
	}
	c.took[fd] = true
	return min(10, len(p))
}

func (c *cutting) Fanout(fds []int32, p []byte, results []int32) {
	for i, fd := range fds {
		results[i] = int32(c.Send(fd, p))
	}
}

func (c *cutting) Scatter(fds []int32, p []byte, results []int32) {
	for i, fd := range fds {
		results[i] = int32(c.Send(fd, p[:len(p)/len(fds)]))
	}
}

// What is half sent is no buffer.
func TestStuckMemberOverTLSTakesLittleMoreThanAnother(t *testing.T) {
	const n, most = 1000, 300 + 160
	stuck := func(made func(int) *client) int64 {
		m := newModel()
		m.server.shardSize, m.worker.Sender = shardSize, sink{}
		m.server.config.Queue = 256
		before := heap()
		for fd := range n {
			c := made(fd)
			c.server, c.slot = m.server, -1
			c.Attach(fd, m.pool, &stub{c: c})
			m.server.directory.joins.Put(&change{client: c, room: "lobby"})
		}
		m.server.directory.Schedule()
		m.settle()
		m.worker.Sender = &cutting{took: map[int32]bool{}}
		for range 20 {
			p := newPost(false)
			p.frames.plain, p.count = frame.AppendMessage(p.frames.plain, ws.OpBinary, make([]byte, 4000)), 1
			m.lobby().publish(nil, p)
			m.settle()
		}
		m.worker.Sender = sink{}
		for range 3 * ticksPerSecond {
			m.server.Tick()
			m.settle()
		}
		defer runtime.KeepAlive(m)
		if lagging := m.server.Stats().Lagging; lagging != n {
			t.Fatalf("%d are stuck", lagging)
		}
		return (int64(heap()) - int64(before)) / n
	}
	plain := stuck(func(int) *client { return new(client) })
	secure := stuck(func(fd int) *client { c, _ := newWire(fd); return c })
	t.Logf("plain %d bytes, over TLS %d", plain, secure)
	if secure > plain+most {
		t.Errorf("%d bytes, want at most %d more than %d", secure, most, plain)
	}
}

func TestHandshakeThatPanicsEndsThatConnectionAlone(t *testing.T) {
	planted := serverTLS()
	planted.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == "planted.example" {
			panic("planted")
		}
		return nil, errors.New("not reached")
	}
	planted.Certificates = append(planted.Certificates, testCertificate())
	s := secureServer(t, func(c *Config) { c.TLS = tls13.NewAcceptor(planted) })
	config := clientTLS()
	config.ServerName, config.InsecureSkipVerify = "planted.example", true
	c := must(net.Dial("tcp", s.secure))
	c.SetDeadline(time.Now().Add(patience))
	if err := tls.Client(c, config).Handshake(); err == nil {
		t.Error("it is made")
	}
	c.Close()
	s.until(func() bool { return s.Stats().TLSFailures["panic"] == 1 && s.Conns() == 0 })
	if n := s.log.count("level=ERROR"); n != 1 {
		t.Errorf("%d errors are logged", n)
	}
}

// However often its session is run before the shard is done with it: the peer may go on
// sending.
func TestFaultOfAMemberIsCountedOnce(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel()
	m.worker.Sender = sink{}
	c, _ := newWire(0)
	c.server, c.slot = m.server, -1
	c.source.Store(-1)
	c.Attach(pair[0], m.pool, c)
	m.server.directory.joins.Put(&change{client: c, room: "lobby"})
	m.server.directory.Schedule()
	m.settle()
	c.phase = phaseOpen
	for range 3 {
		unix.Write(pair[1], []byte("in the clear"))
		c.Run(m.worker)
	}
	if n := m.server.tls.broken.Load(); n != 1 {
		t.Errorf("counted %d times", n)
	}
	m.server.directory.Schedule() // the worker goes on with the shard behind it
	m.settle()
	if c.phase != phaseLinger {
		t.Errorf("phase %d: the peer is yet to be told\n%s", c.phase, m.panics)
	}
	unix.Close(pair[1])
	c.Run(m.worker)
	if c.phase != phaseClosed {
		t.Errorf("phase %d when the peer has hung up", c.phase)
	}
}

// Whatever is unread, and whatever the client has used up: a peer could else have its
// records read a byte at a time.
func TestThereIsRoomForARecord(t *testing.T) {
	w := poller.NewWorker(nil, sink{})
	secure, _ := newWire(0)
	for _, size := range []int{1, 100, 4 << 10, 40 << 10, poller.ScratchSize, 1 << 20} {
		message := frame.AppendMessage(nil, ws.OpBinary, make([]byte, size))
		message[1] |= 0x80 // from a client
		for _, tail := range []int{0, 1, 9, 100, 4<<10 - 1, 4 << 10, 40 << 10, poller.ScratchSize - 1, poller.ScratchSize, 1 << 19} {
			if tail >= len(message) {
				continue
			}
			for _, used := range []int64{0, 1} {
				for _, c := range []*client{new(client), secure} {
					c.phase = phaseOpen
					c.in = &inbound{tail: bytes.Clone(message[:tail])}
					c.in.meter.used[0] = used
					least, most := 1, 2*len(message)
					if c.tls() != nil {
						least, most = tls13.RecordMost, 2*len(message)+tls13.RecordMost
					}
					b := c.buffer(w)
					if room := len(b) - tail; room < least || !bytes.Equal(b[:tail], message[:tail]) {
						t.Errorf("%d of %d bytes are unread, TLS %v, used %d: room for %d", tail, len(message), c.tls() != nil, used, room)
					}
					if own := cap(c.unread()); own > max(most, 2*tail, 64) {
						t.Errorf("%d of %d bytes are unread, TLS %v: %d bytes of memory", tail, len(message), c.tls() != nil, own)
					}
				}
			}
		}
	}
}

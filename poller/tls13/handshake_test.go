package tls13

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/poller"
)

// dial connects to a loop. All of it has to end within patience.
func dial(t testing.TB, l *loop) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// exchange has c's server send back n bytes, and then close.
func exchange(t testing.TB, c interface {
	io.ReadWriter
	CloseWrite() error
}, n int) {
	t.Helper()
	want := bytes.Repeat([]byte("0123456789abcde"), n/15+1)[:n]
	var writing sync.WaitGroup
	writing.Go(func() {
		if _, err := c.Write(want); err != nil {
			t.Error("write:", err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Error("close:", err)
		}
	})
	defer writing.Wait()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, %v; want %d", len(got), err, n)
	}
}

var groups = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

func TestClientsOfEachGroupComeIn(t *testing.T) {
	l := startLoop(t, serverConfig())
	for _, group := range groups {
		t.Run(group.String(), func(t *testing.T) {
			config := clientConfig()
			config.CurvePreferences = []tls.CurveID{group}
			c := tls.Client(dial(t, l), config)
			exchange(t, c, 100_000)
			r := l.result()
			if r.Err != nil || r.Group != group || r.Suite != c.ConnectionState().CipherSuite || r.Protocol != "http/1.1" || r.ServerName != "chat.example" || r.Resumed {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestHelloRetryRequest(t *testing.T) {
	server := serverConfig()
	server.CurvePreferences = []tls.CurveID{tls.CurveP384}
	l := startLoop(t, server)
	config := clientConfig()
	config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
	c := tls.Client(dial(t, l), config)
	exchange(t, c, 1000)
	if r := l.result(); r.Err != nil || r.Group != tls.CurveP384 || !c.ConnectionState().HelloRetryRequest {
		t.Errorf("%+v", r)
	}
}

func TestTicketsResume(t *testing.T) {
	for _, cert := range []tls.Certificate{certECDSA(), certRSA()} {
		server := serverConfig()
		server.Certificates = []tls.Certificate{cert}
		l := startLoop(t, server)
		config := clientConfig()
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for i := range 4 {
			c := tls.Client(dial(t, l), config)
			exchange(t, c, 1000)
			if r := l.result(); r.Err != nil || r.Resumed != (i > 0) {
				t.Errorf("connection %d: %+v", i, r)
			}
		}
	}
}

func TestWithoutTicketsNumbersBeginAtNothing(t *testing.T) {
	server := serverConfig()
	server.SessionTicketsDisabled = true
	l := startLoop(t, server)
	exchange(t, tls.Client(dial(t, l), clientConfig()), 1000)
	if r := l.result(); r.Err != nil {
		t.Error(r.Err)
	}
}

func TestClientCertificates(t *testing.T) {
	server := serverConfig()
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, trusted()
	l := startLoop(t, server)
	for name, tt := range map[string]struct {
		certs []tls.Certificate
		want  Reason
	}{
		"good": {[]tls.Certificate{certClient()}, None}, "none": {nil, BadCertificate}, "foreign": {[]tls.Certificate{certForeign()}, BadCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			config := clientConfig()
			// Whatever the server would like.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(tt.certs) == 0 {
					return new(tls.Certificate), nil
				}
				return &tt.certs[0], nil
			}
			config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for i := range 2 {
				c := tls.Client(dial(t, l), config)
				if tt.want == None {
					exchange(t, c, 1000)
				} else if _, err := io.ReadAll(c); err == nil {
					t.Error("the client is let in")
				}
				r := l.result()
				if r.Reason != tt.want || (r.Session != nil) != (r.Err == nil) || r.Err == nil && len(r.Certificates) != 1 || r.Err == nil && r.Resumed != (i > 0) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// What comes with the Finished, or right behind it, is not lost, however it is cut.
func TestWhatFollowsTheHandshakeIsNotLost(t *testing.T) {
	for _, scratch := range []int{0, 1000} {
		l := startLoop(t, serverConfig(), scratch)
		for _, n := range []int{1, 1000, 16 << 10, 100_000} {
			for _, cut := range []int{1, 7, 1400, 1 << 20} {
				if cut == 1 && n > 1000 {
					continue
				}
				c := &cutting{Conn: dial(t, l), cut: cut}
				// The client's last flight waits for the data.
				client := tls.Client(c, clientConfig())
				if err := client.Handshake(); err != nil {
					t.Fatal(err)
				}
				exchange(t, client, n)
				if r := l.result(); r.Err != nil {
					t.Fatal(r.Err)
				}
			}
		}
	}
}

// cutting sends what is written after the ClientHello together with what follows, and
// all in pieces.
type cutting struct {
	net.Conn
	cut    int
	writes int
	held   []byte
}

func (c *cutting) Write(p []byte) (int, error) {
	c.writes++
	c.held = append(c.held, p...)
	if c.writes == 2 { // change_cipher_spec and Finished
		return len(p), nil
	}
	for len(c.held) > 0 {
		n, err := c.Conn.Write(c.held[:min(len(c.held), c.cut)])
		if err != nil {
			return 0, err
		}
		c.held = c.held[n:]
	}
	return len(p), nil
}

func (c *cutting) Read(p []byte) (int, error) { return c.Conn.Read(p) }

// memory is a transport without a socket. It holds what is sent.
type memory struct {
	sent      []byte
	full      bool // it takes nothing
	wants     bool
	scheduled atomic.Bool // by whoever has had a turn
}

func newMemory() *memory { return new(memory) }

func (m *memory) Send(p []byte) int {
	if m.full {
		return poller.WouldBlock
	}
	m.sent = append(m.sent, p...)
	return len(p)
}

func (m *memory) WantWrite(on bool)    { m.wants = on }
func (m *memory) Schedule()            { m.scheduled.Store(true) }
func (m *memory) Peer() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:1234") }

// run goes on with h as its Task does.
func (m *memory) run(h *Handshake) *Result {
	for {
		r := h.Continue()
		if again := m.scheduled.Swap(false); r != nil || !again {
			return r
		}
	}
}

// feed feeds all of b, as there is room.
func (m *memory) feed(h *Handshake, b []byte) {
	for len(b) > 0 && m.run(h) == nil {
		n := min(len(b), h.Room())
		h.Feed(b[:n])
		b = b[n:]
	}
	m.run(h)
}

// end ends the stream to h, which has a result then.
func (m *memory) end(t testing.TB, h *Handshake) *Result {
	t.Helper()
	h.End()
	r := m.run(h)
	if r == nil {
		t.Fatal("the handshake does not end")
	}
	return r
}

// clientHello is what a client sends first.
func clientHello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	var first memoryConn
	_ = tls.Client(&first, config).Handshake() // fails: nobody answers
	return first.written
}

// memoryConn is a net.Conn whose peer never says anything.
type memoryConn struct {
	net.Conn
	written []byte
}

func (c *memoryConn) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	return len(p), nil
}
func (c *memoryConn) Read([]byte) (int, error) { return 0, io.EOF }
func (c *memoryConn) Close() error             { return nil }

// rerecord has the messages of a stream of handshake records in records of n bytes.
func rerecord(b []byte, n int) (out []byte) {
	for len(b) > 0 {
		size := recordSize(b)
		for part := range slices.Chunk(b[headerSize:size], n) {
			out = append(out, typeHandshake, 3, 1, byte(len(part)>>8), byte(len(part)))
			out = append(out, part...)
		}
		b = b[size:]
	}
	return out
}

func TestHelloMayBeInManyRecords(t *testing.T) {
	a := NewAcceptor(serverConfig())
	hello := clientHello(t, clientConfig())
	for _, n := range []int{1, 3, 37, 38, 39, 1000, 1 << 14} {
		for _, cut := range []int{1, 6, 1 << 20} {
			m := newMemory()
			h := a.begin(m)
			for part := range slices.Chunk(rerecord(hello, n), cut) {
				m.feed(h, part)
			}
			r := m.end(t, h)
			if r.Reason != Gone || len(m.sent) < 500 || m.sent[0] != typeHandshake {
				t.Errorf("records of %d bytes: %v %v, %d bytes were answered", n, r.Reason, r.Err, len(m.sent))
			}
		}
	}
	if n := a.Handshakes(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestFailuresHaveAReasonAndAnAlert(t *testing.T) {
	with := func(change func(*tls.Config)) *tls.Config {
		config := clientConfig()
		change(config)
		return config
	}
	noCertificate := serverConfig()
	noCertificate.Certificates = nil
	lacking := serverConfig()
	lacking.Certificates, lacking.GetCertificate = nil, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }
	panics := serverConfig()
	panics.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("planted") }
	good := clientHello(t, clientConfig())
	p384 := serverConfig()
	p384.CurvePreferences = []tls.CurveID{tls.CurveP384}
	endless := append([]byte{typeHandshake, 3, 1, 0xff, 0xf0, 1, 0, 0xff, 0xec}, make([]byte, 0xffec)...)
	early := bytes.Clone(good)
	early[5] = 20 // a Finished
	for name, tt := range map[string]struct {
		config *tls.Config // nil: serverConfig
		send   []byte
		reason Reason
		alert  Alert // 0: none
	}{
		"older client":   {nil, clientHello(t, with(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })), OldVersion, ProtocolVersion},
		"SSL 2":          {nil, []byte{0x80, 0x2e, 1, 0, 2, 0, 0}, OldVersion, ProtocolVersion},
		"no TLS":         {nil, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), NotTLS, 0},
		"no group":       {p384, clientHello(t, with(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} })), NothingCommon, HandshakeFailure},
		"no protocol":    {nil, clientHello(t, with(func(c *tls.Config) { c.NextProtos = []string{"h2"} })), NoCommonALPN, NoProtocol},
		"no certificate": {noCertificate, good, NoCertificate, UnrecognizedName},
		"none to be had": {lacking, good, NoCertificate, InternalError},
		"panic":          {panics, good, Panicked, 0},
		"other message":  {nil, early, Malformed, UnexpectedMessage},
		"too much":       {nil, rerecord(endless, 1000), Malformed, IllegalParameter},
		"too large":      {nil, []byte{22, 3, 1, 0xff, 0xff, 1}, Malformed, RecordOverflow},
		"nothing":        {nil, nil, Gone, 0},
		"half a hello":   {nil, good[:100], Gone, 0},
		"an alert":       {nil, []byte{21, 3, 3, 0, 2, 2, 48}, Declined, 0},
	} {
		t.Run(name, func(t *testing.T) {
			config := tt.config
			if config == nil {
				config = serverConfig()
			}
			a, m := NewAcceptor(config), newMemory()
			h := a.begin(m)
			m.feed(h, tt.send)
			r := m.end(t, h)
			if r.Session != nil || r.Err == nil || r.Reason != tt.reason {
				t.Errorf("%v: %v, want %v", r.Reason, r.Err, tt.reason)
			}
			var want []byte
			if tt.alert != 0 {
				want = append([]byte{typeAlert, 3, 3, 0, 2}, tt.alert.message()...)
				if len(m.sent) == len(want) {
					want[2] = m.sent[2] // 1 before the version is known
				}
			}
			if !bytes.Equal(m.sent, want) {
				t.Errorf("sent %x, want %x", m.sent, want)
			}
			if a.Handshakes() != 0 {
				t.Error("it is still under way")
			}
		})
	}
}

func TestClientThatDeclinesIsToldApart(t *testing.T) {
	l := startLoop(t, serverConfig())
	config := clientConfig()
	config.RootCAs = nil
	config.ServerName = "other.example"
	if err := tls.Client(dial(t, l), config).Handshake(); err == nil {
		t.Fatal("the client trusts anybody")
	}
	if r := l.result(); r.Reason != Declined {
		t.Errorf("%v: %v", r.Reason, r.Err)
	}
}

func TestCanceledHandshakeEnds(t *testing.T) {
	hello := clientHello(t, clientConfig())
	for name, tt := range map[string]struct {
		feed []byte
		full bool
	}{"nothing came": {nil, false}, "half a hello": {hello[:50], false}, "a hello": {hello, false}, "nothing is taken": {hello, true}} {
		t.Run(name, func(t *testing.T) {
			a, m := NewAcceptor(serverConfig()), newMemory()
			m.full = tt.full
			h := a.begin(m)
			m.feed(h, tt.feed)
			if r := h.Cancel(TimedOut); r.Reason != TimedOut || r.Err == nil || a.Handshakes() != 0 {
				t.Errorf("%v %v", r.Reason, r.Err)
			}
		})
	}
}

func TestFullSocketIsWaitedFor(t *testing.T) {
	a, m := NewAcceptor(serverConfig()), newMemory()
	m.full = true
	h := a.begin(m)
	m.feed(h, clientHello(t, clientConfig()))
	if !m.wants {
		t.Error("nobody waits for the socket")
	}
	m.full = false
	if r := m.end(t, h); r.Reason != Gone || len(m.sent) < 500 || m.wants {
		t.Errorf("%v, %d bytes, %v", r.Reason, len(m.sent), m.wants)
	}
}

func TestSecondHandshakeWithTheSameRandomIsRefused(t *testing.T) {
	a := NewAcceptor(serverConfig())
	hello := clientHello(t, clientConfig())
	first, second := newMemory(), newMemory()
	h := a.begin(first)
	first.feed(h, hello)
	again := a.begin(second)
	second.feed(again, hello)
	if r := second.run(again); r.Reason != Twice || !bytes.Equal(second.sent, []byte{21, 3, 3, 0, 2, 2, byte(IllegalParameter)}) {
		t.Errorf("%v %v, sent %x", r.Reason, r.Err, second.sent)
	}
	if a.Handshakes() != 1 {
		t.Error("the first one is not known any more")
	}
	if r := first.end(t, h); r.Reason != Gone {
		t.Errorf("%v %v", r.Reason, r.Err)
	}
}

func TestWhatIsFedAheadIsBounded(t *testing.T) {
	a, m := NewAcceptor(serverConfig()), newMemory()
	a.turns.free = 0 // nobody gets anywhere
	h := a.begin(m)
	m.feed(h, make([]byte, fedMost))
	if n := h.Room(); n != 0 || m.run(h) != nil {
		t.Errorf("there is room for %d bytes more", n)
	}
	a.turns.free = 1
	a.turns.give()
	if r := m.run(h); r == nil || r.Reason != NotTLS {
		t.Errorf("%+v", r)
	}
}

// A Config that is chosen for a client is as good as the first.
func TestConfigMayBeChosenForAClient(t *testing.T) {
	server := serverConfig()
	server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Equal(hello.SupportedProtos, []string{"acme-tls/1"}) {
			return &tls.Config{Certificates: server.Certificates, NextProtos: hello.SupportedProtos, SessionTicketsDisabled: true}, nil
		}
		return nil, nil
	}
	l := startLoop(t, server)
	for _, protocol := range []string{"acme-tls/1", "http/1.1"} {
		config := clientConfig()
		config.NextProtos = []string{protocol}
		exchange(t, tls.Client(dial(t, l), config), 1000)
		if r := l.result(); r.Err != nil || r.Protocol != protocol {
			t.Errorf("%+v", r)
		}
	}
}

func TestManyHandshakesAtOnce(t *testing.T) {
	l := startLoop(t, serverConfig())
	config := clientConfig()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	var clients sync.WaitGroup
	const n = 40
	for range n {
		clients.Go(func() { exchange(t, tls.Client(dial(t, l), config), 5000) })
	}
	clients.Wait()
	for range n {
		if r := l.result(); r.Err != nil {
			t.Error(r.Err)
		}
	}
}

// What goes to a socket that takes a piece at a time comes whole, with new keys in
// between.
func TestFullSocketGetsAll(t *testing.T) {
	l := startLoop(t, serverConfig())
	l.buffer.Store(8 << 10)
	c, _, err := Client(dial(t, l), clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	asked := func() {
		c.writing.Lock()
		defer c.writing.Unlock()
		b := record(&c.session.Writer, typeHandshake, askForUpdate)
		c.session.Writer.update()
		c.session.Writer.busy.aead = nil
		if err := c.send(b); err != nil {
			t.Error(err)
		}
	}
	var writing sync.WaitGroup
	const n = 4 << 20
	writing.Go(func() {
		for i := range 8 {
			if _, err := c.Write(bytes.Repeat([]byte{byte(i)}, n/8)); err != nil {
				t.Error(err)
			}
			asked()
		}
		c.CloseWrite()
	})
	defer writing.Wait()
	got, err := io.ReadAll(c)
	if err != nil || len(got) != n {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for i, b := range got {
		if int(b) != i/(n/8) {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	t.Log(l.halves.Load(), "records were half sent")
}

// Secrets go to the Session, and nowhere else.
func TestSecretsStayHere(t *testing.T) {
	var log bytes.Buffer
	server := serverConfig()
	server.KeyLogWriter = &log
	l := startLoop(t, server)
	exchange(t, tls.Client(dial(t, l), clientConfig()), 10)
	if r := l.result(); r.Err != nil {
		t.Error(r.Err)
	}
	if log.Len() > 0 {
		t.Error("they are in the key log")
	}
	a := NewAcceptor(serverConfig())
	h := &Handshake{}
	random := [randomSize]byte{1}
	if err := a.register(random, h); err != nil {
		t.Fatal(err)
	}
	line := fmt.Appendf(nil, "SERVER_TRAFFIC_SECRET_0 %x %x\n", random, bytes.Repeat([]byte{7}, 32))
	if n, err := (keyLog{a}).Write(line); n != len(line) || err != nil || h.secrets.server.size != 32 || h.secrets.server.bytes[31] != 7 {
		t.Errorf("%d %v, %+v", n, err, h.secrets)
	}
	if !bytes.Equal(line, make([]byte, len(line))) {
		t.Error("the line is not wiped")
	}
	if s := h.secrets.session(tls.TLS_AES_128_GCM_SHA256, false, nil); s != nil || h.secrets != (secrets{}) {
		t.Error("one secret is enough, or is left")
	}
	a.unregister(random)
	for _, line := range [][]byte{fmt.Appendf(nil, "SERVER_TRAFFIC_SECRET_0 %x 07\n", random), []byte("of another kind")} {
		if _, err := (keyLog{a}).Write(line); err == nil || !bytes.Equal(line, make([]byte, len(line))) {
			t.Errorf("somebody's secret is taken, or %q is left", line)
		}
	}
}

// One has its turn when those before have had theirs, and the pool has done what else
// there was to do.
func TestTurnsAreTakenInOrder(t *testing.T) {
	a := NewAcceptor(serverConfig())
	a.turns.free = 1
	hello := clientHello(t, clientConfig())
	const n = 5
	var all [n]*Handshake
	var at [n]*memory
	for i := range all {
		at[i] = newMemory()
		all[i] = a.begin(at[i])
		all[i].Feed(hello)
		if all[i].Continue() != nil || len(at[i].sent) > 0 {
			t.Fatalf("%d does not wait for its turn", i)
		}
	}
	if r := all[2].Cancel(TimedOut); r.Reason != TimedOut {
		t.Errorf("%+v", r)
	}
	for i, h := range all {
		if i == 2 {
			continue
		}
		for j, m := range at {
			if m.scheduled.Load() != (j == i) {
				t.Errorf("at the turn of %d the Task of %d is scheduled: %t", i, j, j != i)
			}
		}
		if at[i].end(t, h); len(at[i].sent) == 0 {
			t.Errorf("%d has not had its turn", i)
		}
	}
	if a.turns.free != 1 || len(a.turns.waiting) != 0 {
		t.Errorf("%+v", &a.turns)
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if name := r.String(); name == "" || seen[name] {
			t.Errorf("reason %d is called %q", r, name)
		}
		seen[r.String()] = true
	}
	if len(seen) != int(reasons)-1 || None.String() != "" {
		t.Error(len(seen), fmt.Sprint(None))
	}
}

func TestClientThatGivesUpInTheMiddle(t *testing.T) {
	l := startLoop(t, serverConfig())
	ctx, cancel := context.WithCancel(context.Background())
	config := clientConfig()
	config.VerifyConnection = func(tls.ConnectionState) error { cancel(); <-ctx.Done(); return ctx.Err() }
	if err := tls.Client(dial(t, l), config).HandshakeContext(ctx); err == nil {
		t.Error("it went on")
	}
	if r := l.result(); r.Reason != Declined && r.Reason != Gone {
		t.Errorf("%v %v", r.Reason, r.Err)
	}
}

package poller

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server accepts with a real poller and gives every connection to handle.
type server struct {
	t        *testing.T
	pool     *Pool
	poller   *Poller
	listener *Listener
	room     atomic.Int64                 // connections that may still be admitted
	handle   func(w *Worker, c *testConn) // runs as the connection's Task
	open     sync.WaitGroup
	log      *syncBuffer
}

type testConn struct {
	Conn
	s        *server
	writable atomic.Int64
	watched  bool
	closed   bool
}

func (c *testConn) Run(w *Worker) {
	if !c.watched {
		c.watched = true
		if err := c.s.poller.Watch(&c.Conn); err != nil {
			c.s.t.Error(err)
		}
	}
	c.s.handle(w, c)
}

func (c *testConn) Panicked(*Worker, any) {}
func (c *testConn) Writable(w *Worker)    { c.writable.Add(1); c.ScheduleOn(w) }
func (s *server) Admit() bool             { return s.room.Load() > 0 }
func (s *server) Accept(w *Worker, fd int) {
	s.room.Add(-1)
	s.open.Add(1)
	c := &testConn{s: s}
	c.Attach(fd, s.pool, c)
	c.Schedule()
}

// finish closes c, once.
func (c *testConn) finish() {
	if !c.closed {
		c.closed = true
		c.Close()
		c.s.room.Add(1)
		c.s.listener.Resume()
		c.s.open.Done()
	}
}

func start(t *testing.T, handle func(w *Worker, c *testConn)) *server {
	s := &server{t: t, handle: handle, log: new(syncBuffer)}
	s.room.Store(1 << 30)
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.pool = NewPool(2, NewPlain, log)
	var err error
	if s.poller, err = New(s.pool, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if s.listener, err = Listen("127.0.0.1:0", log); err != nil {
		t.Fatal(err)
	}
	if err := s.listener.Start(s.poller, s.pool, s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.listener.Close()
		s.open.Wait()
		s.poller.Close()
		s.pool.Close()
	})
	return s
}

func (s *server) dial() *net.TCPConn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// echo reads to the end and sends everything back.
func echo(w *Worker, c *testConn) {
	if c.closed {
		return
	}
	for {
		switch n := c.Read(w.Scratch); {
		case n == WouldBlock:
			return
		case n <= 0:
			c.finish()
			return
		default:
			for p := w.Scratch[:n]; len(p) > 0; {
				if n := w.Send(c.FD(), p); n > 0 {
					p = p[n:]
				}
			}
		}
	}
}

func TestBytesThatComeWithTheEndOfTheStreamAreRead(t *testing.T) {
	s := start(t, echo)
	for range 200 {
		c := s.dial()
		c.Write([]byte("last words"))
		c.CloseWrite()
		got, err := io.ReadAll(c)
		if err != nil || string(got) != "last words" {
			t.Fatalf("got %q, %v", got, err)
		}
		c.Close()
	}
}

func TestHangupTellsThatThereIsMoreBehindAShortRead(t *testing.T) {
	s := start(t, func(w *Worker, c *testConn) {
		for !c.closed {
			n := c.Read(w.Scratch)
			if n == WouldBlock {
				return
			}
			if n <= 0 {
				c.finish()
				return
			}
			if !c.Hangup() { // a short read is the last one, unless …
				return
			}
		}
	})
	for range 200 {
		c := s.dial()
		c.Write([]byte("x"))
		c.CloseWrite()
		io.Copy(io.Discard, c) // ends when the server has seen the end
		c.Close()
	}
}

func TestWriterThatWantsToIsToldWhenTheSocketTakesBytesAgain(t *testing.T) {
	const total = 8 << 20
	block := make([]byte, 1<<20)
	sent, begun := 0, false // owned by the only connection's Task
	s := start(t, func(w *Worker, c *testConn) {
		if c.closed {
			return
		}
		if n := c.Read(w.Scratch); !begun && n <= 0 {
			return // closing with unread bytes would reset
		}
		begun = true
		wanted := false
		for sent < total {
			n := w.Send(c.FD(), block[:min(len(block), total-sent)])
			switch {
			case n > 0:
				sent += n
			case n == WouldBlock && !wanted:
				wanted = true
				c.WantWrite(true)
			case n == WouldBlock:
				return
			default:
				t.Errorf("send: %d", n)
				c.finish()
				return
			}
		}
		c.finish()
	})
	c := s.dial()
	c.Write([]byte("go"))
	if n, err := io.Copy(io.Discard, c); err != nil || n != total {
		t.Fatalf("got %d bytes, %v", n, err)
	}
}

// A poller that always has something to do looks at its sockets all the same.
func TestSocketIsHeardWhileATaskNeverRests(t *testing.T) {
	pool := NewPool(0, NewPlain, quietLog)
	p, err := New(pool, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	pair := newSockets(t, 1)
	var busy spin
	busy.Init(pool, &busy)
	done := make(chan struct{})
	c := &testConn{s: &server{t: t, poller: p}}
	c.s.handle = func(w *Worker, c *testConn) {
		switch n := c.Read(w.Scratch); n {
		case WouldBlock: // it is watched now
			busy.Schedule()
		default:
			busy.stop.Store(true)
			close(done)
		}
	}
	c.Attach(int(pair.fds[0]), pool, c)
	c.Schedule()
	for busy.runs.Load() < 1000 {
		runtime.Gosched()
	}
	unix.Write(pair.peers[0], []byte("x"))
	<-done
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	pool.Close()
}

func TestClosedNumberCanBeOpenedAgain(t *testing.T) {
	s := start(t, echo)
	for range 300 { // the kernel hands out the lowest free number
		c := s.dial()
		c.Write([]byte("x"))
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if strings.Contains(s.log.String(), "registered") {
		t.Fatal(s.log)
	}
}

func TestListenerWaitsWhileThereIsNoRoomAndGoesOnWhenThereIs(t *testing.T) {
	s := start(t, echo)
	s.room.Store(1)
	first, second := s.dial(), s.dial()
	ping(t, first)
	second.Write([]byte("x"))
	first.Close() // makes room
	var b [1]byte
	if _, err := io.ReadFull(second, b[:]); err != nil {
		t.Fatal(err)
	}
	second.Close()
}

// waits waits until connections have to, for p, for the n-th time.
func (s *server) waits(p Pause, n uint64) {
	s.t.Helper()
	for {
		switch times, now := s.listener.Pauses(p); {
		case times > n:
			s.t.Fatalf("%d pauses, want %d", times, n)
		case now && times == n:
			return
		}
		runtime.Gosched()
	}
}

// How long they wait is to be seen, not how often somebody asked.
func TestConnectionsThatWaitAreOnePauseUntilNobodyDoes(t *testing.T) {
	s := start(t, echo)
	s.room.Store(1)
	inside := s.dial()
	ping(t, inside)
	for n := range uint64(2) {
		if _, now := s.listener.Pauses(Full); now {
			t.Fatal("a pause, and nobody waits")
		}
		outside := s.dial()
		s.waits(Full, n+1)
		for range 10 {
			s.listener.Resume()
		}
		s.waits(Full, n+1)
		inside.Close() // makes room
		ping(t, outside)
		inside = outside
		for { // until it is seen that nobody waits
			if _, now := s.listener.Pauses(Full); !now {
				break
			}
			runtime.Gosched()
		}
	}
	if times, _ := s.listener.Pauses(Exhausted); times != 0 {
		t.Errorf("%d pauses for want of descriptors", times)
	}
	if s.log.String() == "" {
		t.Error("not logged")
	}
}

func TestListenerSurvivesRunningOutOfDescriptorsWithOneLogLine(t *testing.T) {
	s := start(t, echo)
	warm := s.dial()
	ping(t, warm)
	defer warm.Close()

	sockets := make([]int, 20) // opened while there still are descriptors
	for i := range sockets {
		var err error
		if sockets[i], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	setLimit := func(n uint64) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
	}
	defer setLimit(limit.Cur)
	setLimit(3) // what is open stays open, nothing more can be opened
	addr := s.listener.Addr().(*net.TCPAddr)
	for _, fd := range sockets {
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}); err != nil {
			t.Fatal(err)
		}
	}
	s.waits(Exhausted, 1)
	ping(t, warm) // who is in notices nothing
	setLimit(limit.Cur)
	s.listener.Resume()
	for _, fd := range sockets {
		f := os.NewFile(uintptr(fd), "client")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ping(t, c)
		c.Close()
	}
	if n := strings.Count(s.log.String(), "out of file descriptors"); n != 1 {
		t.Fatalf("logged %d times, want once:\n%s", n, s.log)
	}
}

func ping(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := c.Write([]byte("p")); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		t.Fatal(err)
	}
}

func TestListenOnATakenPortSaysSo(t *testing.T) {
	s := start(t, echo)
	if _, err := Listen(s.listener.Addr().String(), quietLog); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("err %v", err)
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

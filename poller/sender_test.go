package poller

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// forEachSender runs a test over both ways of sending.
func forEachSender(t *testing.T, test func(t *testing.T, s Sender)) {
	t.Run("plain", func(t *testing.T) { test(t, Plain{}) })
	t.Run("io_uring", func(t *testing.T) { test(t, newUring(t)) })
}

// newUring makes a Uring, or skips the test where the kernel has none.
func newUring(t *testing.T) *Uring {
	t.Helper()
	u, err := NewUring(slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(u.Close)
	return u
}

// sockets are connected pairs: what is sent to fds[i] arrives at peers[i].
type sockets struct {
	t     *testing.T
	fds   []int32
	peers []int
}

func newSockets(t *testing.T, n int) *sockets {
	t.Helper()
	s := &sockets{t: t}
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.fds, s.peers = append(s.fds, int32(pair[0])), append(s.peers, pair[1])
	}
	t.Cleanup(func() {
		for i := range s.fds {
			unix.Close(int(s.fds[i]))
			s.breakUp(i)
		}
	})
	return s
}

// breakUp closes the i-th peer.
func (s *sockets) breakUp(i int) {
	if s.peers[i] >= 0 {
		unix.Close(s.peers[i])
	}
	s.peers[i] = -1
}

// fill sends to the i-th socket until it takes no more.
func (s *sockets) fill(i int) {
	for sysSend(s.fds[i], make([]byte, 4<<10)) > 0 {
	}
}

// received is what has arrived at the i-th peer.
func (s *sockets) received(i int) []byte {
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, _ := unix.Read(s.peers[i], buf)
		if n <= 0 {
			return all
		}
		all = append(all, buf[:n]...)
	}
}

func TestFanoutReportsWhatEachSocketTook(t *testing.T) {
	forEachSender(t, func(t *testing.T, s Sender) {
		p := newSockets(t, 6)
		p.fill(1)
		p.breakUp(2)
		unix.Close(int(p.fds[3]))
		p.fds[3] = -1
		results := make([]int32, len(p.fds))
		s.Fanout(p.fds, []byte("hello"), results)
		want := []int32{5, int32(WouldBlock), -int32(unix.EPIPE), -int32(unix.EBADF), 5, 5}
		for i := range want {
			if results[i] != want[i] {
				t.Errorf("socket %d: result %d, want %d", i, results[i], want[i])
			}
		}
		for _, i := range []int{0, 4, 5} {
			if got := p.received(i); string(got) != "hello" {
				t.Errorf("socket %d got %q", i, got)
			}
		}
	})
}

func TestScatterSendsEachSocketItsOwnPart(t *testing.T) {
	forEachSender(t, func(t *testing.T, s Sender) {
		for _, n := range []int{1, 2, 6, 100} { // few are calls of their own
			p := newSockets(t, n)
			filled, broken := -1, -1
			if n >= 6 {
				filled, broken = 1, 2
				p.fill(filled)
				p.breakUp(broken)
			}
			var all []byte
			for i := range n {
				all = fmt.Appendf(all, "part %3d", i)
			}
			results := make([]int32, n)
			for range 2 {
				s.Scatter(p.fds, all, results)
				for i, result := range results {
					want, part := int32(8), fmt.Sprintf("part %3d", i)
					switch i {
					case filled:
						want = int32(WouldBlock)
					case broken:
						want = -int32(unix.EPIPE)
					}
					if result != want {
						t.Errorf("socket %d of %d: result %d, want %d", i, n, result, want)
					}
					if want > 0 {
						if got := p.received(i); string(got) != part {
							t.Errorf("socket %d of %d got %q", i, n, got)
						}
					}
				}
			}
		}
	})
}

func TestSendReportsWhatTheSocketTook(t *testing.T) {
	forEachSender(t, func(t *testing.T, s Sender) {
		p := newSockets(t, 3)
		p.fill(1)
		p.breakUp(2)
		for i, want := range []int{5, WouldBlock, -int(unix.EPIPE)} {
			if got := s.Send(p.fds[i], []byte("hello")); got != want {
				t.Errorf("socket %d: %d, want %d", i, got, want)
			}
		}
	})
}

func TestFanoutToAResetConnectionSaysSo(t *testing.T) {
	forEachSender(t, func(t *testing.T, s Sender) {
		p := newSockets(t, 4)
		// Closing a Unix socket with unread bytes resets the connection.
		if n := sysSend(int32(p.peers[1]), []byte("x")); n != 1 {
			t.Fatal(n)
		}
		unix.Write(int(p.fds[1]), []byte("unread"))
		p.breakUp(1)
		var results [4]int32
		s.Fanout(p.fds, []byte("hello"), results[:])
		if n := results[1]; n != -int32(unix.ECONNRESET) && n != -int32(unix.EPIPE) {
			t.Fatalf("result %d", n)
		}
		if results[0] != 5 || results[2] != 5 || results[3] != 5 {
			t.Fatalf("results %v", results)
		}
	})
}

// What a socket did not take can be sent later, and the stream is whole.
func TestShortSendsLoseAndRepeatNothing(t *testing.T) {
	forEachSender(t, func(t *testing.T, s Sender) {
		p := newSockets(t, 8)
		want := make([]byte, 3<<20)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		results := make([]int32, len(p.fds))
		s.Fanout(p.fds, want, results)
		for i, n := range results {
			if n <= 0 || int(n) >= len(want) {
				t.Fatalf("socket %d took %d of %d bytes: not a short send", i, n, len(want))
			}
			sent, got := int(n), p.received(i)
			for sent < len(want) {
				n := s.Send(p.fds[i], want[sent:])
				if n < 0 {
					t.Fatal(n)
				}
				sent += n
				got = append(got, p.received(i)...)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("socket %d: what arrived is not what was sent", i)
			}
		}
	})
}

func TestManyFanoutsArriveInOrder(t *testing.T) {
	forEachSender(t, func(t *testing.T, s Sender) {
		const rounds = 40
		p := newSockets(t, FanoutMax)
		results := make([]int32, len(p.fds))
		var want []byte
		for round := range rounds {
			message := bytes.Repeat([]byte{byte('a' + round%26)}, 1+round*13)
			want = append(want, message...)
			s.Fanout(p.fds, message, results)
			for i, n := range results {
				if int(n) != len(message) {
					t.Fatalf("round %d, socket %d took %d of %d", round, i, n, len(message))
				}
			}
		}
		for i := range p.fds {
			if !bytes.Equal(p.received(i), want) {
				t.Errorf("socket %d: what arrived is not what was sent", i)
			}
		}
	})
}

// The completion queue overflows with what nobody took, so the kernel keeps
// the newest completions back.
func TestUringWithAFullCompletionQueueGetsEveryResult(t *testing.T) {
	u := newUring(t)
	const nop = 0
	sends := append([]submission(nil), u.ring.sqes...)
	for i := range u.ring.sqes {
		u.ring.sqes[i] = submission{op: nop}
	}
	for range len(u.ring.cqes)/len(u.ring.sqes) + 1 {
		n := uint32(len(u.ring.sqes))
		u.ring.sqTail.Add(n)
		if got, errno := sysEnter(u.ring.fd, n, 0, 0); got != int(n) || errno != 0 {
			t.Fatal(got, errno)
		}
	}
	copy(u.ring.sqes, sends)

	p := newSockets(t, FanoutMax)
	results := make([]int32, len(p.fds))
	for range 2 {
		u.Fanout(p.fds, []byte("hello"), results)
		for i, n := range results {
			if n != 5 {
				t.Fatalf("socket %d: result %d", i, n)
			}
		}
	}
	for i := range p.fds {
		if got := p.received(i); string(got) != "hellohello" {
			t.Fatalf("socket %d got %q", i, got)
		}
	}
	if u.err != nil {
		t.Fatal(u.err)
	}
}

// Whatever a ring that fails has done of a fan-out, each socket gets the bytes
// once, or its result says that its stream is broken.
func TestUringThatFailsGoesOnWithPlainSends(t *testing.T) {
	t.Run("fan-out", func(t *testing.T) { failRing(t, false) })
	t.Run("scatter", func(t *testing.T) { failRing(t, true) })
}

func failRing(t *testing.T, scattered bool) {
	const n = 10
	for _, tt := range []struct {
		name   string
		broken int // sockets whose outcome nobody can know
		enter  func(u *Uring, calls int, submit, wait, flags uint32) (int, unix.Errno)
	}{
		{"before anything was submitted", 0, func(*Uring, int, uint32, uint32, uint32) (int, unix.Errno) {
			return 0, unix.EBADF
		}},
		{"in the middle", 0, func(u *Uring, calls int, _, wait, flags uint32) (int, unix.Errno) {
			if calls == 0 {
				return sysEnter(u.ring.fd, 4, wait, flags)
			}
			return 0, unix.EFAULT
		}},
		{"with results outstanding", 4, func(u *Uring, calls int, _, wait, flags uint32) (int, unix.Errno) {
			if calls == 0 {
				done, errno := sysEnter(u.ring.fd, 4, wait, flags)
				u.ring.cqHead.Store(u.ring.cqTail.Load()) // they are gone
				return done, errno
			}
			return 0, unix.EFAULT
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUring(t)
			var log strings.Builder
			u.log = slog.New(slog.NewTextHandler(&log, nil))
			calls := 0
			u.enter = func(_ int, submit, wait, flags uint32) (int, unix.Errno) {
				calls++
				return tt.enter(u, calls-1, submit, wait, flags)
			}
			p := newSockets(t, n)
			var first, second [n]int32
			words := strings.Fields("seven eight three forty fifty sixty first third fifth sixth")
			if scattered {
				u.Scatter(p.fds, []byte(strings.Join(words, "")), first[:])
			} else {
				u.Fanout(p.fds, []byte("hello"), first[:])
			}
			u.Fanout(p.fds, []byte(", you"), second[:])
			broken := 0
			for i := range n {
				word := "hello"
				if scattered {
					word = words[i]
				}
				switch {
				case second[i] != 5 || string(p.received(i)) != word+", you":
					t.Errorf("socket %d: results %d, %d", i, first[i], second[i])
				case first[i] == unknown:
					broken++
				case first[i] != 5:
					t.Errorf("socket %d: result %d", i, first[i])
				}
			}
			if broken != tt.broken {
				t.Errorf("%d sockets are called broken, want %d", broken, tt.broken)
			}
			if c := strings.Count(log.String(), "io_uring failed"); c != 1 {
				t.Errorf("the log says %d times that it failed:\n%s", c, log.String())
			}
		})
	}
}

func TestUringTriesAgainWhenTheKernelIsBusy(t *testing.T) {
	u := newUring(t)
	calls := 0
	u.enter = func(fd int, submit, wait, flags uint32) (int, unix.Errno) {
		calls++
		switch calls {
		case 1, 5:
			return 0, unix.EINTR
		case 2, 6:
			return 0, unix.EBUSY
		}
		return sysEnter(fd, min(submit, 3), wait, flags) // and it takes few at a time
	}
	p := newSockets(t, 20)
	results := make([]int32, len(p.fds))
	u.Fanout(p.fds, []byte("hello"), results)
	for i, n := range results {
		if got := p.received(i); n != 5 || string(got) != "hello" {
			t.Errorf("socket %d: result %d, got %q", i, n, got)
		}
	}
	if u.err != nil {
		t.Fatal(u.err)
	}
}

func BenchmarkFanout(b *testing.B) {
	u, err := NewUring(quietLog)
	if err != nil {
		b.Skip(err)
	}
	defer u.Close()
	// A UDP socket that sends to itself, and whose buffer is full, takes
	// everything.
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	fd, err := Dup(conn)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: conn.LocalAddr().(*net.UDPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		b.Fatal(err)
	}
	fds := make([]int32, FanoutMax)
	for i := range fds {
		fds[i] = int32(fd)
	}
	message := []byte("hello")
	for name, s := range map[string]Sender{"plain": Plain{}, "io_uring": u} {
		b.Run(name, func(b *testing.B) {
			results := make([]int32, len(fds))
			b.ReportAllocs()
			for b.Loop() {
				s.Fanout(fds, message, results)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(fds)), "ns/send")
		})
	}
}

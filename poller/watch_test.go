package poller

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// hearing is a Conn that tells when its Task was run.
type hearing struct {
	Conn
	ran chan struct{}
}

func (h *hearing) Run(*Worker) {
	select {
	case h.ran <- struct{}{}:
	default:
	}
}
func (h *hearing) Panicked(*Worker, any) {}
func (h *hearing) Writable(*Worker)      {}

// watching is a poller alone.
func watching(t *testing.T) *Poller {
	t.Helper()
	pool := NewPool(0, NewPlain, quietLog)
	p, err := New(pool, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pool.poller.Load() != nil {
			p.Close()
		}
		pool.Close()
	})
	return p
}

// pair are two sockets that are connected.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

// renumber has what is at from be at the number to, which is free.
func renumber(t *testing.T, from, to int) {
	t.Helper()
	if from == to {
		return
	}
	if err := unix.Dup3(from, to, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	unix.Close(from)
}

// hear watches fd, and waits until what its peer sends is told.
func (p *Poller) hear(t *testing.T, fd, peer int) *hearing {
	t.Helper()
	h := &hearing{ran: make(chan struct{}, 1)}
	h.Attach(fd, p.pool, h)
	if err := p.Watch(&h.Conn); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(peer, []byte("x")); err != nil {
		t.Fatal(err)
	}
	<-h.ran
	return h
}

// watches reports whether the kernel watches fd.
func (p *Poller) watches(t *testing.T, fd int) bool {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", p.set))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(fmt.Sprintf(`(?m)^tfd: +%d `, fd)).Match(info)
}

func TestNumberOfAClosedConnMayBeAnybodys(t *testing.T) {
	p := watching(t)
	fd, peer := pair(t)
	for range 3 {
		p.hear(t, fd, peer).Close()
		unix.Close(peer)

		bell, err := unix.Eventfd(1, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		renumber(t, bell, fd)
		heard := make(chan struct{}, 1)
		if err := p.addOther(fd, netpoll.EPOLLIN|netpoll.EPOLLET, func(netpoll.EpollEvent) { heard <- struct{}{} }); err != nil {
			t.Fatal(err)
		}
		<-heard
		p.removeOther(fd)
		unix.Close(fd)

		var a int
		a, peer = pair(t)
		renumber(t, a, fd)
	}
	unix.Close(fd)
	unix.Close(peer)
}

func TestKernelWatchesWhatIsNeitherDetachedNorClosed(t *testing.T) {
	p := watching(t)
	fd, peer := pair(t)
	for range 3 { // the first is told by easygo, the others are not
		h := p.hear(t, fd, peer)
		if !p.watches(t, fd) {
			t.Error("it is not watched")
		}
		if got := h.Detach(); got != int32(fd) {
			t.Errorf("detached %d, want %d", got, fd)
		}
		if p.watches(t, fd) {
			t.Error("it is still watched")
		}
	}
	p.hear(t, fd, peer).Close()
	if p.watches(t, fd) {
		t.Error("it is still watched though it is closed")
	}
	unix.Close(peer)
}

func TestClosedPollerWatchesNothing(t *testing.T) {
	p := watching(t)
	fd, peer := pair(t)
	defer unix.Close(peer)
	p.hear(t, fd, peer).Detach()
	p.Close()
	for _, fd := range []int{fd, peer} { // one that easygo knows, and one that it does not
		h := &hearing{}
		h.Attach(fd, p.pool, h)
		if err := p.Watch(&h.Conn); err == nil {
			t.Error("it does")
		}
	}
	unix.Close(fd)
}

func TestNumbersMayBeLarge(t *testing.T) {
	p := watching(t)
	a, peer := pair(t)
	defer unix.Close(peer)
	fd, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_CLOEXEC, 10*slotsPerBlock+1)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(a)
	p.hear(t, fd, peer).Close()
}

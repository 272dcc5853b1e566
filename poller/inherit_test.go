package poller

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// program is what one has of its sockets, until another one goes on with them.
type program struct {
	t        *testing.T
	pool     *Pool
	poller   *Poller
	listener *Listener
	conn     heard
	accepted chan int
}

// heard is a connection that tells what it reads.
type heard struct {
	Conn
	said chan string
	deaf atomic.Bool // it is told, and does not read
}

func (h *heard) Run(w *Worker) {
	if h.deaf.Load() {
		select {
		case h.said <- "":
		default: // it was told before
		}
		return
	}
	if n := h.Read(w.Scratch); n > 0 {
		h.said <- string(w.Scratch[:n])
	}
}
func (h *heard) Panicked(*Worker, any)      {}
func (h *heard) Writable(*Worker)           {}
func (p *program) Admit() bool              { return true }
func (p *program) Accept(_ *Worker, fd int) { p.accepted <- fd }

// begin has a program watch the socket fd, and accept at ln, with the set of the program
// before; -1: there was none.
func begin(t *testing.T, set, fd int, ln net.Listener) *program {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	p := &program{t: t, pool: NewPool(1, NewPlain, log), accepted: make(chan int, 1)}
	p.conn.said = make(chan string, 1)
	var err error
	if p.poller, err = New(p.pool, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if set >= 0 {
		if err := p.poller.Inherit(set); err != nil {
			t.Fatal(err)
		}
	}
	if p.listener, err = Adopt(ln, log); err != nil {
		t.Fatal(err)
	}
	if err := p.listener.Start(p.poller, p.pool, p); err != nil {
		t.Fatal(err)
	}
	p.conn.Attach(fd, p.pool, &p.conn)
	watch := p.poller.Watch
	if set >= 0 {
		watch = p.poller.Rewatch
	}
	if err := watch(&p.conn.Conn); err != nil {
		t.Fatal(err)
	}
	ScheduleReadable([]*Conn{&p.conn.Conn})
	return p
}

// end is what an exec does: of all descriptors those stay that are returned.
func (p *program) end() (set int, ln net.Listener) {
	p.t.Helper()
	p.pool.Freeze()
	p.listener.Leave()
	set, err := unix.FcntlInt(uintptr(p.poller.Set()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	file := os.NewFile(uintptr(p.listener.FD()), "listener")
	if ln, err = net.FileListener(file); err != nil {
		p.t.Fatal(err)
	}
	file.Close()
	p.pool.Thaw()
	p.poller.Close()
	p.pool.Close()
	return set, ln
}

// watched is what is in the set, as the kernel says.
func watched(t *testing.T, set int) (fds []string) {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", set))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" {
			fds = append(fds, f[1])
		}
	}
	return fds
}

// stays says if an exec would close fd.
func stays(t *testing.T, fd int) {
	t.Helper()
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags != 0 {
		t.Errorf("flags of descriptor %d: %d, %v", fd, flags, err)
	}
}

// A set goes from program to program, and what is in it is what the last one watches.
func TestSetIsInherited(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	say := func(what string) {
		t.Helper()
		if _, err := unix.Write(pair[0], []byte(what)); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := Open("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, set := ln.Addr().String(), -1
	for range 4 {
		p := begin(t, set, pair[1], ln)
		if set >= 0 {
			if got := <-p.conn.said; got != "between" {
				t.Errorf("heard %q", got)
			}
		}
		for range 3 {
			say("within")
			if got := <-p.conn.said; got != "within" {
				t.Errorf("heard %q", got)
			}
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			accepted := <-p.accepted
			stays(t, accepted)
			unix.Close(accepted)
		}
		stays(t, p.poller.Set())
		stays(t, p.listener.FD())
		if all := watched(t, p.poller.Set()); len(all) != 5 { // connection, listener, bell, timer, and easygo's own
			t.Errorf("in the set: %s", all)
		}
		p.conn.deaf.Store(true)
		say("between")
		if got := <-p.conn.said; got != "" {
			t.Errorf("heard %q", got)
		}
		set, ln = p.end()
	}
	unix.Close(set)
	ln.Close()
	unix.Close(pair[0])
	unix.Close(pair[1])
}

// Who has something to read is found without being watched.
func TestReadableAreScheduled(t *testing.T) {
	pool := NewPool(1, NewPlain, slog.New(slog.DiscardHandler))
	var all [4]heard
	var conns []*Conn
	var peers [len(all)]int
	for i := range all {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		all[i].said = make(chan string, 1)
		all[i].Attach(pair[0], pool, &all[i])
		conns, peers[i] = append(conns, &all[i].Conn), pair[1]
	}
	all[2].Close()
	if _, err := unix.Write(peers[1], []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(peers[3], []byte("good")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Shutdown(peers[3], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	ScheduleReadable(conns)
	for i, want := range map[int]string{1: "hello", 3: "good"} {
		if got := <-all[i].said; got != want || all[i].Hangup() != (i == 3) {
			t.Errorf("%d: heard %q, the end is known: %t", i, got, all[i].Hangup())
		}
	}
	pool.Close()
	for i := range all {
		all[i].Close()
		unix.Close(peers[i])
		if i%2 == 0 && all[i].state.Load() != taskIdle {
			t.Errorf("%d was scheduled", i)
		}
	}
}

// One that can't be inherited changes nothing.
func TestSetThatIsNoneIsNotInherited(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := Open("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := begin(t, -1, pair[1], ln)
	none, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.poller.Inherit(none); err == nil {
		t.Error("an event descriptor is a set")
	}
	if _, err := unix.Write(pair[0], []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := <-p.conn.said; got != "hello" {
		t.Errorf("heard %q", got)
	}
	p.listener.Close()
	p.poller.Close()
	p.pool.Close()
	unix.Close(pair[0])
	unix.Close(pair[1])
}

package upgrade

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatd/room/carry"
)

// The test binary is the programs, too: a server that counts lines, and programs that are
// of no use to replace it.
const (
	asVariable      = "UPGRADE_TEST_AS"      // what it is
	timeoutVariable = "UPGRADE_TEST_TIMEOUT" // the server's for a new program
	beginsVariable  = "UPGRADE_TEST_BEGINS"  // a file that says, when it is there, that a new program has begun
)

func TestMain(m *testing.M) {
	if as := os.Getenv(asVariable); as != "" {
		os.Exit(play(as))
	}
	os.Exit(m.Run())
}

// play is the programs.
func play(as string) int {
	trial := slices.Contains(os.Args, "-"+Flag)
	say := func(line string) { fmt.Println(line); _, _ = bufio.NewReader(os.Stdin).ReadString('\n') }
	switch as {
	case "crashes":
		panic("as it begins")
	case "refuses":
		fmt.Fprintln(os.Stderr, "chatd: -some-flag is not known")
		return 2
	case "talks":
		fmt.Println("hello")
		select {}
	case "shouts":
		for {
			fmt.Print("hello ")
		}
	case "hangs":
		select {}
	case "says nothing":
		os.Stdout.Close()
		return 0
	case "crashes late":
		say(readyLine)
		panic("as it verifies")
	case "hangs late":
		say(readyLine)
		if file := os.Getenv(beginsVariable); file != "" {
			_ = os.WriteFile(file, nil, 0o600) // the test finds out
		}
		select {}
	case "denies":
		say(readyLine)
		fmt.Fprintln(os.Stderr, "chatd: -assets: they are gone")
		return 1
	case "contradicts itself":
		say(readyLine)
		fmt.Println(goodLine)
		return 3
	}
	if err := serve(as, trial); err != nil {
		fmt.Fprintln(os.Stderr, "chatd:", err)
		return 1
	}
	return 0
}

// counter answers each line of a client with how many there were, and of which program
// in this process's life it is.
type counter struct {
	mu      sync.Mutex // held by the goroutine that serves, and while it is frozen
	fds     []int      // the one that listens, and the clients
	lines   map[int]uint64
	program uint64
	busy    bool // it can't be frozen
	conns   atomic.Int64
}

func (c *counter) Freeze(ctx context.Context) error {
	if c.busy {
		return errors.New("it does not come to rest")
	}
	c.mu.Lock()
	return nil
}

func (c *counter) Thaw() { c.mu.Unlock() }

func (c *counter) Conns() int64 { return c.conns.Load() }

func (c *counter) Carry(w *carry.Writer) {
	w.Section("counter")
	w.Uint(c.program)
	w.Bytes(make([]byte, 1<<20))
	w.Uint(uint64(len(c.fds) - 1))
	for _, fd := range c.fds[1:] {
		if staysOpen(fd) {
			w.OpenFD(fd)
		} else {
			w.FD(fd)
		}
		w.Uint(c.lines[fd])
	}
}

func (c *counter) restore(r *carry.Reader) {
	r.Section("counter")
	c.program = r.Uint() + 1
	r.Bytes()
	for range r.Count(1 << 20) {
		fd := r.FD()
		c.fds = append(c.fds, fd)
		c.conns.Add(1)
		c.lines[fd] = r.Uint()
	}
}

// run serves for ever.
func (c *counter) run() {
	for {
		c.step()
	}
}

func (c *counter) step() {
	c.mu.Lock()
	defer c.mu.Unlock()
	polls := make([]unix.PollFd, len(c.fds))
	for i, fd := range c.fds {
		polls[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	if _, err := unix.Poll(polls, 5); err != nil {
		return
	}
	if polls[0].Revents != 0 {
		// Some stay open over an exec by themselves, others do not.
		if fd, _, err := unix.Accept4(c.fds[0], unix.SOCK_NONBLOCK|len(c.fds)%2*unix.SOCK_CLOEXEC); err == nil {
			c.fds = append(c.fds, fd)
			c.conns.Add(1)
		}
	}
	b := make([]byte, 1000)
	for _, p := range polls[1:] {
		fd := int(p.Fd)
		if p.Revents == 0 {
			continue
		}
		n, err := unix.Read(fd, b)
		if n == 0 || err != nil {
			unix.Close(fd)
			delete(c.lines, fd)
			c.conns.Add(-1)
			c.fds = slices.DeleteFunc(c.fds, func(other int) bool { return other == fd })
			continue
		}
		for range n { // bytes: a line is one
			c.lines[fd]++
			_, _ = unix.Write(fd, fmt.Appendf(nil, "%d %d %d\n", c.lines[fd], c.program, os.Getpid())) // it has room
		}
	}
}

// staysOpen reports whether an exec leaves fd open.
func staysOpen(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

// sockets are the program's, but for the first three descriptors.
func sockets() (fds []int, err error) {
	open, err := os.ReadDir("/proc/self/fd")
	for _, entry := range open {
		fd, _ := strconv.Atoi(entry.Name())
		if to, _ := os.Readlink("/proc/self/fd/" + entry.Name()); fd > 2 && strings.HasPrefix(to, "socket:") {
			fds = append(fds, fd)
		}
	}
	return fds, err
}

// serve is the server, or, in a trial, one of its kind that does not take over.
func serve(as string, trial bool) error {
	program := Started()
	before, err := Inherit(trial)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ, syscall.SIGUSR2)
	wishes := make(chan os.Signal, 1)
	signal.Notify(wishes, syscall.SIGUSR2)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)

	c := &counter{lines: make(map[int]uint64), busy: as == "busy"}
	if before == nil {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 100)); err != nil {
			return err
		}
		c.fds = []int{fd}
	} else {
		c.fds = []int{before.Process.FD()}
		if err := before.Process.Close(); err != nil {
			return err
		}
	}
	listens := c.fds[0]
	timeout := time.Minute
	if given := os.Getenv(timeoutVariable); given != "" {
		if timeout, err = time.ParseDuration(given); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	u := New(Config{
		Program: program,
		Version: fmt.Sprint("program ", len(os.Args)),
		Server:  c,
		Sockets: func(w *carry.Writer) error { w.FD(listens); return nil },
		Keep:    func() error { return nil },
		Tell:    func(string) {},
		Flush:   func() {},
		Timeout: timeout,
		Log:     log,
	})
	if before != nil {
		if all, err := sockets(); trial && (err != nil || len(all) != 1) {
			return fmt.Errorf("what is only tried has sockets beside the one that listens: %v, %v", all, err)
		}
		r, err := before.Server()
		if err != nil {
			return err
		}
		switch as { // what an older program, and one with another memory, would find
		case "older":
			b := slices.Clone(before.mapped[headSize+processSize(before):])
			b[len("chatd\nst")] = 99
			_, err = carry.NewReader(b)
			return err
		case "damaged":
			b := slices.Clone(before.mapped[headSize+processSize(before):])
			b[len(b)/2]++
			_, err = carry.NewReader(b)
			return err
		case "locks itself out":
			if err := os.Chmod(os.Getenv(beginsVariable), 0o600); err != nil {
				return err
			}
		case "replaces itself":
			if err := os.WriteFile(os.Getenv(beginsVariable), []byte("another"), 0o600); err != nil {
				return err
			}
		case "clobbers":
			before.mapped[len(before.mapped)-1]++
		}
		c.restore(r)
		if err := u.Restore(before, r); err != nil {
			return err
		}
		if trial {
			before.Good()
			return nil
		}
	}
	addr, err := unix.Getsockname(listens)
	if err != nil {
		return err
	}
	go c.run()
	u.Resume()
	log.Info("listening", "addr", net.JoinHostPort("127.0.0.1", strconv.Itoa(addr.(*unix.SockaddrInet4).Port)))
	for {
		select {
		case <-end:
			return nil
		case <-wishes:
			u.Run(context.Background())
			u.Answer()
		}
	}
}

func processSize(s *State) int {
	b, _ := s.memory.process() // it was read before
	return len(b)
}

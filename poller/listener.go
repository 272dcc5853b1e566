package poller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// Acceptor is the user of a Listener.
type Acceptor interface {
	// Admit reports whether there is room for another connection. While there
	// is none, the backlog waits.
	Admit() bool
	// Accept takes over a new non-blocking socket.
	Accept(w *Worker, fd int)
}

// acceptsPerRun bounds a run of the listener's Task.
const acceptsPerRun = 64

// Pause is why new connections have to wait.
type Pause uint8

const (
	Full      Pause = iota // the Acceptor has no room
	Exhausted              // the system has no descriptor, or no memory
	pauses
)

// Listener accepts connections. When file descriptors run out, or its
// Acceptor has no room, it leaves the backlog waiting until Resume is called.
//
// The Task owns the socket. Resume, Close and Pauses may be called from anywhere.
type Listener struct {
	task     Task
	addr     net.Addr
	log      *slog.Logger
	poller   *Poller
	acceptor Acceptor
	fd       int // owned by the Task; -1 once closed

	// Written by the Task, read by all.
	paused [pauses]atomic.Bool   // somebody waits
	times  [pauses]atomic.Uint64 // that this began

	closing atomic.Bool
	closed  chan struct{}     // closed, once in a life, with the socket
	logged  [pauses]time.Time // owned by the Task: the last time that they were
}

// Pauses is how often new connections have had to wait because of p, and whether
// they do now. As long as there are always some that wait, that is once.
func (l *Listener) Pauses(p Pause) (times uint64, now bool) {
	return l.times[p].Load(), l.paused[p].Load()
}

// Open opens a socket that listens, at an address as package net knows them.
func Open(network, addr string) (net.Listener, error) {
	var config net.ListenConfig
	// A multipath socket costs more for each connection, and nobody asked.
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), network, addr)
}

// Listen opens addr ("host:port"; port 0 picks a free one) and adopts it.
func Listen(addr string, log *slog.Logger) (*Listener, error) {
	ln, err := Open("tcp", addr)
	if err != nil {
		return nil, err
	}
	return Adopt(ln, log)
}

// Adopt takes over ln, of TCP or a unix socket, and closes it: the raw socket
// outlives it. Nothing is accepted before Start.
func Adopt(ln net.Listener, log *slog.Logger) (*Listener, error) {
	defer ln.Close()
	fd, err := Dup(ln.(syscall.Conn))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", ln.Addr(), err)
	}
	if _, ok := ln.(*net.TCPListener); ok {
		// Accepted sockets inherit it, which saves a call for each.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("listen on %s: %w", ln.Addr(), err)
		}
	}
	return &Listener{addr: ln.Addr(), log: log, fd: fd, closed: make(chan struct{})}, nil
}

// Addr is the address that is listened on.
func (l *Listener) Addr() net.Addr { return l.addr }

// FD is the socket, until Close is called.
func (l *Listener) FD() int { return l.fd }

// Start begins to accept for a.
func (l *Listener) Start(p *Poller, pool *Pool, a Acceptor) error {
	l.task.Init(pool, l)
	l.poller, l.acceptor = p, a
	return l.Return()
}

// Leave has the poller forget the listener, whose descriptor another program is to go on
// with: in a set that is inherited it would stay for ever, as it has another number there.
// The pool is frozen.
func (l *Listener) Leave() { l.poller.removeOther(l.fd) }

// Return undoes Leave.
func (l *Listener) Return() error {
	return l.poller.addOther(l.fd, netpoll.EPOLLIN|netpoll.EPOLLET, func(netpoll.EpollEvent) {
		l.task.ScheduleOn(l.poller.worker)
		l.poller.ring()
	})
}

// Resume makes a listener that ran out of descriptors or room try again. It
// is cheap when there is no need.
func (l *Listener) Resume() {
	for p := range l.paused {
		if l.paused[p].Load() {
			l.task.Schedule()
		}
	}
}

// Close stops accepting and waits until the socket is closed. What waits in
// the backlog is refused by the kernel.
func (l *Listener) Close() {
	if l.poller == nil { // never started
		unix.Close(l.fd)
		return
	}
	l.closing.Store(true)
	l.task.Schedule()
	<-l.closed
}

// Run implements Runner: it accepts what waits.
func (l *Listener) Run(w *Worker) {
	if l.closing.Load() {
		l.close()
		return
	}
	for range acceptsPerRun {
		if !l.acceptor.Admit() {
			l.waitForRoom()
			return
		}
		fd, errno := sysAccept(l.fd)
		switch {
		case errno == 0:
			l.acceptor.Accept(w, fd)
		case errno == unix.EAGAIN:
			l.nobodyWaits()
			return
		case errors.Is(errno, unix.EMFILE), errors.Is(errno, unix.ENFILE),
			errors.Is(errno, unix.ENOBUFS), errors.Is(errno, unix.ENOMEM):
			l.pause(Exhausted, "out of file descriptors or memory, new connections wait", "err", errno)
			return
		default: // the connection failed while it waited: take the next
		}
	}
	l.task.Schedule()
}

// waitForRoom pauses if there is somebody who has to wait.
func (l *Listener) waitForRoom() {
	if !sysReadable(l.fd) {
		l.nobodyWaits() // whoever comes is an event
		return
	}
	l.pause(Full, "connection limit reached, new connections wait")
	if l.acceptor.Admit() { // room came before anybody could see the pause
		l.task.Schedule()
	}
}

// logInterval keeps connections that come and go at the limit from filling the
// log.
const logInterval = time.Second

// pause waits for Resume.
func (l *Listener) pause(p Pause, msg string, args ...any) {
	if l.paused[p].Load() {
		return
	}
	l.nobodyWaits() // because of something else
	l.paused[p].Store(true)
	l.times[p].Add(1)
	if now := time.Now(); now.Sub(l.logged[p]) >= logInterval {
		l.logged[p] = now
		l.log.Warn(msg, args...)
	}
}

// nobodyWaits ends all pauses.
func (l *Listener) nobodyWaits() {
	for p := range l.paused {
		l.paused[p].Store(false)
	}
}

func (l *Listener) close() {
	if l.fd >= 0 {
		l.poller.removeOther(l.fd)
		unix.Close(l.fd)
		l.fd = -1
		close(l.closed)
	}
}

// Panicked implements Runner. The connection at hand is lost; the others are
// still accepted.
func (l *Listener) Panicked(*Worker, any) { l.task.Schedule() }

package poller

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// Poller watches sockets with one epoll set, and is a worker of its pool: when
// sockets are ready its goroutine runs their Tasks itself, and goes on until others
// are: then it leaves to the other workers what it has not done. So a server that has
// little to do wakes nobody.
//
// Sockets are registered edge-triggered for reading and writing at once, and
// stay so for life: readiness costs no system call but the wait.
type Poller struct {
	watchlist
	pool   *Pool
	worker *Worker // belongs to the goroutine, as pulse does
	pulse  pulse

	// The goroutine hears of the ready sockets one by one, and not when a round
	// of them is over. So whoever has work for it makes bell ready, too, which
	// then is heard in the next round. Anybody may ring it; the goroutine itself
	// only when it goes to look at the sockets and has something left to do.
	bell int
	rung atomic.Bool
}

const (
	readable = netpoll.EPOLLIN | netpoll.EPOLLRDHUP | netpoll.EPOLLHUP | netpoll.EPOLLERR
	writable = netpoll.EPOLLOUT | netpoll.EPOLLHUP | netpoll.EPOLLERR
	hangup   = netpoll.EPOLLRDHUP | netpoll.EPOLLHUP | netpoll.EPOLLERR
	alarm    = netpoll.EPOLLIN | netpoll.EPOLLET
	interest = netpoll.EPOLLIN | netpoll.EPOLLOUT | netpoll.EPOLLRDHUP | netpoll.EPOLLET
)

// New starts a poller that is one more worker of pool. onError is told, from
// the poller's goroutine, if waiting fails for good. A pool has one poller.
func New(pool *Pool, onError func(error)) (*Poller, error) {
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("create event descriptor: %w", err)
	}
	p := &Poller{pool: pool, bell: bell, worker: NewWorker(pool, pool.sender())}
	if err := p.pulse.open(); err != nil {
		unix.Close(bell)
		return nil, err
	}
	if err := p.open(onError); err != nil {
		unix.Close(bell)
		unix.Close(p.pulse.timer)
		return nil, err
	}
	p.worker.polls = true
	pool.poller.Store(p)
	if err := p.addOther(bell, alarm, p.takeTurn); err != nil {
		p.Close()
		return nil, err
	}
	if err := p.addOther(p.pulse.timer, alarm, p.pulse.beat); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close ends the poller's goroutine. Sockets that are still watched stay open.
// The pool is to be closed afterwards.
func (p *Poller) Close() error {
	err := p.close()
	p.pool.poller.Store(nil)
	unix.Close(p.bell)
	unix.Close(p.pulse.timer)
	p.worker.Close()
	return err
}

// ring has the goroutine take a turn at the pool's work.
func (p *Poller) ring() {
	if !p.rung.Swap(true) {
		one := [8]byte{1}
		_, _ = unix.Write(p.bell, one[:]) // fails only when the poller is closed
	}
}

// takeTurn is what the bell calls for.
func (p *Poller) takeTurn(netpoll.EpollEvent) {
	p.rung.Store(false)
	p.pulse.turn(time.Now())
	p.worker.turn()
}

// ready reports whether there is something to be heard: a socket, the bell, or that
// the poller is to be closed. Only its goroutine may call it.
func (p *Poller) ready() bool { return sysReadable(p.set) }

// Watch begins to tell c, which must be attached, of its socket's readiness.
// Only c's Task may call it.
func (p *Poller) Watch(c *Conn) error { return p.add(c) }

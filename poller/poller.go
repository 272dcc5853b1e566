package poller

import (
	"fmt"

	"github.com/mailru/easygo/netpoll"
)

// Poller watches sockets with one epoll set. Its goroutine only schedules.
//
// Sockets are registered edge-triggered for reading and writing at once, and
// stay so for life: readiness costs no system call but the wait.
type Poller struct {
	epoll *netpoll.Epoll
}

const (
	readable = netpoll.EPOLLIN | netpoll.EPOLLRDHUP | netpoll.EPOLLHUP | netpoll.EPOLLERR
	writable = netpoll.EPOLLOUT | netpoll.EPOLLHUP | netpoll.EPOLLERR
	hangup   = netpoll.EPOLLRDHUP | netpoll.EPOLLHUP | netpoll.EPOLLERR
	interest = netpoll.EPOLLIN | netpoll.EPOLLOUT | netpoll.EPOLLRDHUP | netpoll.EPOLLET
)

// New starts a poller. onError is told, from the poller's goroutine, if
// waiting fails for good.
func New(onError func(error)) (*Poller, error) {
	epoll, err := netpoll.EpollCreate(&netpoll.EpollConfig{OnWaitError: onError})
	if err != nil {
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	return &Poller{epoll: epoll}, nil
}

// Close ends the poller's goroutine. Sockets that are still watched stay open.
func (p *Poller) Close() error { return p.epoll.Close() }

// Watch begins to tell c, which must be attached, of its socket's readiness.
// Only c's Task may call it.
func (p *Poller) Watch(c *Conn) error {
	c.poller = p
	return p.watch(int(c.fd), interest, c.ready)
}

func (p *Poller) watch(fd int, events netpoll.EpollEvent, ready func(netpoll.EpollEvent)) error {
	if err := p.epoll.Add(fd, events, ready); err != nil {
		// A failed Add leaves its callback behind, which would refuse the
		// next socket of that number.
		_ = p.epoll.Del(fd)
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

func (p *Poller) forget(fd int32) {
	// It fails only when the poller is closed, and then there is nothing to
	// forget.
	_ = p.epoll.Del(int(fd))
}

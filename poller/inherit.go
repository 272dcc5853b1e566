package poller

import (
	"fmt"
	"reflect"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// A set of sockets outlives the program that has made it, if its descriptor does: then the
// kernel need not take it apart and make it again, at some microseconds for each socket.
// What the next program has to do is to say again who is told of each, which is what Watch
// is for.

// Set is the descriptor of the poller's set, for the program that replaces this one.
func (p *Poller) Set() int { return p.set }

// Inherit has p go on with the set of the program before, whose descriptor it takes over,
// in place of its own, in which there is nothing but what New has put there. It is to be
// called before anything else is watched. If it fails, p stays as it is.
func (p *Poller) Inherit(set int) error {
	defer unix.Close(set)
	for fd, events := range map[int]uint32{p.bell: netpoll.EPOLLIN | netpoll.EPOLLET, private(p.epoll, "eventFd"): netpoll.EPOLLIN} {
		if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
			return fmt.Errorf("inherit a set: %w", err)
		}
	}
	if err := unix.Dup3(set, p.set, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("inherit a set: %w", err)
	}
	// Who waits does so for the old set, until something is ready there.
	p.rung.Store(false)
	p.ring()
	return nil
}

// ScheduleReadable schedules those of conns, which may not be watched yet, whose sockets have
// something to read. It may be called from anywhere.
func ScheduleReadable(conns []*Conn) {
	fds := make([]unix.PollFd, len(conns))
	for i, c := range conns {
		fds[i].Fd = c.FD() // negative: it is passed over
	}
	sysReadableOf(fds, func(i int) { conns[i].Schedule() })
}

// private is a descriptor that easygo does not tell of.
func private(epoll *netpoll.Epoll, name string) int {
	return int(reflect.ValueOf(epoll).Elem().FieldByName(name).Int())
}

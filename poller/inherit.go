package poller

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// A set of sockets outlives the program that has made it, if its descriptor does: then the
// kernel need not take it apart and make it again, at some microseconds for each socket.
// What the next program has to do is to say again who is told of each. easygo has no way to
// do that without the kernel, for which that is half of the work, so it is put into
// easygo's map here.

// callbacks is that map, by descriptor, and its lock, which is held for each socket that is
// carried, and never later.
type callbacks struct {
	mu   *sync.RWMutex
	byFD map[int]func(netpoll.EpollEvent)
}

// Set is the descriptor of the poller's set, for the program that replaces this one. It stays
// open over an exec.
func (p *Poller) Set() int { return p.set }

// Inherit has p go on with the set of the program before, whose descriptor it takes over,
// in place of its own, in which there is nothing but what New has put there. It is to be
// called before anything else is watched. If it fails, p stays as it is.
func (p *Poller) Inherit(set int) error {
	defer unix.Close(set)
	for fd, events := range map[int]uint32{
		p.bell:                          uint32(alarm),
		p.pulse.timer:                   uint32(alarm),
		*field[int](p.epoll, "eventFd"): netpoll.EPOLLIN,
	} {
		if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
			return fmt.Errorf("inherit a set: %w", err)
		}
	}
	if err := unix.Dup3(set, p.set, 0); err != nil {
		return fmt.Errorf("inherit a set: %w", err)
	}
	p.inherited = &callbacks{
		mu:   field[sync.RWMutex](p.epoll, "mu"),
		byFD: *field[map[int]func(netpoll.EpollEvent)](p.epoll, "callbacks"),
	}
	// Who waits does so for the old set, until something is ready there.
	p.rung.Store(false)
	p.ring()
	return nil
}

// Rewatch is Watch for a socket that the program before has watched. What happened to it
// when nobody was told any more may not be told: see [ScheduleReadable]. Nobody may work on
// c meanwhile.
func (p *Poller) Rewatch(c *Conn) error {
	if p.inherited == nil {
		return p.add(c)
	}
	p.addKnown(c)
	return nil
}

// ScheduleReadable schedules those of conns whose sockets have something to read, or are at
// their end. It may be called from anywhere.
func ScheduleReadable(conns []*Conn) {
	fds := make([]unix.PollFd, len(conns))
	for i, c := range conns {
		fds[i].Fd = c.FD() // negative: it is passed over
	}
	sysReadableOf(fds, func(i int, ended bool) {
		if ended {
			conns[i].pending.Or(flagHangup)
		}
		conns[i].Schedule()
	})
}

// field is a field of easygo's that it has no way to ask for.
func field[T any](epoll *netpoll.Epoll, name string) *T {
	f := reflect.ValueOf(epoll).Elem().FieldByName(name)
	if f.Type() != reflect.TypeFor[T]() {
		panic("easygo's field " + name + " is something else: " + f.Type().String())
	}
	return (*T)(f.Addr().UnsafePointer())
}

package poller

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/mailru/easygo/netpoll"
)

// watchlist is the epoll set with what it watches.
//
// easygo has a map of callbacks, by descriptor. To take each connection's out, and put
// the next one in, costs a system call that the kernel does not need, which forgets a
// socket with its close, the map's lock, and garbage. So what a number has there stays,
// and leads to the Conn on the socket that has the number at the time:
//
//	easygo's map: fd ─▶ slot ─▶ Conn, or nobody
//
// A slot belongs to whoever owns the descriptor, and is left before that is closed. The
// poller's goroutine reads it.
type watchlist struct {
	epoll *netpoll.Epoll
	set   int // epoll's descriptor, which it does not tell of

	inherited *callbacks // static once something else is watched; nil: the set is new

	mu     sync.RWMutex // held to read while the kernel is told of a socket: until then set is epoll's
	closed bool
	blocks []*[slotsPerBlock]slot // by descriptor
}

const slotsPerBlock = 256

// slot is what easygo's map knows of a descriptor.
type slot struct {
	conn atomic.Pointer[Conn] // nil: nothing, or something that is no Conn's
}

// nobody is in the slots of numbers whose socket, if there is one, is not watched.
var nobody Conn

var errNotWatching = errors.New("watch socket: the poller is closed")

func (s *slot) ready(ev netpoll.EpollEvent) {
	if c := s.conn.Load(); c != nil && c != &nobody {
		c.ready(ev)
	}
}

// open starts the goroutine that waits.
func (l *watchlist) open(onError func(error)) (err error) {
	if l.epoll, err = netpoll.EpollCreate(&netpoll.EpollConfig{OnWaitError: onError}); err != nil {
		return fmt.Errorf("create epoll set: %w", err)
	}
	l.set = *field[int](l.epoll, "fd")
	return nil
}

// close ends it.
func (l *watchlist) close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.epoll.Close()
}

// slot is that of fd. The lock is held to read, but not all of the time.
func (l *watchlist) slot(fd int32) *slot {
	block := int(fd) / slotsPerBlock
	if block >= len(l.blocks) {
		l.mu.RUnlock()
		l.mu.Lock()
		for block >= len(l.blocks) {
			l.blocks = append(l.blocks, new([slotsPerBlock]slot))
		}
		l.mu.Unlock()
		l.mu.RLock()
	}
	return &l.blocks[block][fd%slotsPerBlock]
}

// add begins to tell c of its socket's readiness.
func (l *watchlist) add(c *Conn) error {
	fd := c.FD()
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := l.slot(fd)
	if l.closed {
		return errNotWatching
	}
	if s.conn.Swap(c) == nil {
		err := l.put(int(fd), interest, s.ready)
		if err != nil {
			s.conn.Store(nil)
		}
		return err
	}
	if errno := sysWatch(l.set, fd, uint32(interest)); errno != 0 {
		s.conn.Store(&nobody)
		return fmt.Errorf("watch socket: %w", errno)
	}
	return nil
}

// addKnown is add for a socket that is in the set, as the kernel knows.
func (l *watchlist) addKnown(c *Conn) {
	fd := c.FD()
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := l.slot(fd)
	s.conn.Store(c)
	l.inherited.mu.Lock()
	l.inherited.byFD[int(fd)] = s.ready
	l.inherited.mu.Unlock()
}

// remove ends that. The kernel is told unless the caller closes the socket now.
func (l *watchlist) remove(c *Conn, closes bool) {
	fd := c.FD()
	l.mu.RLock()
	defer l.mu.RUnlock()
	if s := l.slot(fd); s.conn.CompareAndSwap(c, &nobody) && !closes && !l.closed {
		sysUnwatch(l.set, fd)
	}
}

// addOther has ready told of what happens to fd, which is no Conn's.
func (l *watchlist) addOther(fd int, events netpoll.EpollEvent, ready func(netpoll.EpollEvent)) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.slot(int32(fd)).conn.Swap(nil) != nil {
		_ = l.epoll.Del(fd) // the kernel knows no such socket, but easygo does
	}
	return l.put(fd, events, ready)
}

func (l *watchlist) put(fd int, events netpoll.EpollEvent, ready func(netpoll.EpollEvent)) error {
	if err := l.epoll.Add(fd, events, ready); err != nil {
		// A failed Add leaves its callback behind, which would refuse the
		// next socket of that number.
		_ = l.epoll.Del(fd)
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

// removeOther ends that. It fails only for what is not watched, and when the poller is
// closed: then there is nothing to forget.
func (l *watchlist) removeOther(fd int) { _ = l.epoll.Del(fd) }

package poller

import (
	"bytes"
	"fmt"
	"log/slog"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fewSends is the number of sockets for which calls of their own are cheaper
// than a submission.
const fewSends = 2

// Uring is the Sender that writes to many sockets with one system call: a
// fan-out is one submission to an io_uring. Sends of that kind never wait, so
// the kernel has done all of them when the call returns.
//
// Should the ring fail at run time, it goes on with plain sends. It belongs to
// one worker.
type Uring struct {
	plain Plain
	ring  *ring
	round uint32 // number of the fan-out, to know its completions by
	bytes []byte // what is being sent: the kernel has only its address, so it must be on the heap, and stay
	err   error  // why the ring is of no use any more
	log   *slog.Logger

	enter func(fd int, submit, wait, flags uint32) (int, unix.Errno) // sysEnter, but in tests
}

// NewUring makes a Uring. It fails where the kernel has no io_uring or does
// not let us use it, as in many containers.
func NewUring(log *slog.Logger) (*Uring, error) {
	r, err := newRing(FanoutMax)
	if err != nil {
		return nil, err
	}
	for i := range r.sqes {
		r.sqes[i] = submission{op: opSend, msgFlags: unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT}
	}
	u := &Uring{ring: r, log: log, enter: sysEnter}
	if err := u.try(); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

// try sends something, to see that this kernel does it.
func (u *Uring) try() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("try io_uring: %w", err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	var results [fewSends + 1]int32
	fds := []int32{int32(pair[0]), int32(pair[0]), int32(pair[0])}
	word := []byte("io_uring ")
	u.Fanout(fds, word, results[:])
	for _, n := range results {
		if u.err == nil && int(n) != len(word) {
			u.err = fmt.Errorf("a send gave %d", n)
		}
	}
	got := make([]byte, 2*len(fds)*len(word))
	n, _ := unix.Read(pair[1], got)
	if u.err == nil && !bytes.Equal(got[:max(n, 0)], bytes.Repeat(word, len(fds))) {
		u.err = fmt.Errorf("%q arrived", got[:max(n, 0)])
	}
	if u.err != nil {
		return fmt.Errorf("try io_uring: %w", u.err)
	}
	return nil
}

// Close implements Sender.
func (u *Uring) Close() { u.ring.close() }

// Send implements Sender.
func (u *Uring) Send(fd int32, p []byte) int { return u.plain.Send(fd, p) }

// Fanout implements Sender.
func (u *Uring) Fanout(fds []int32, p []byte, results []int32) {
	if len(fds) <= fewSends || u.err != nil {
		u.plain.Fanout(fds, p, results)
		return
	}
	if taken := u.submit(fds, p, len(p), 0, results); taken < len(fds) {
		u.plain.Fanout(fds[taken:], p, results[taken:])
	}
}

// Scatter implements Sender.
func (u *Uring) Scatter(fds []int32, p []byte, results []int32) {
	if len(fds) <= fewSends || u.err != nil {
		u.plain.Scatter(fds, p, results)
		return
	}
	size := len(p) / len(fds)
	if taken := u.submit(fds, p, size, size, results); taken < len(fds) {
		u.plain.Scatter(fds[taken:], p[taken*size:], results[taken:])
	}
}

// submit sends size bytes of p to each socket, those of each step bytes further on than
// those of the one before. It returns how many sends the ring took: all of them, unless
// it fails.
func (u *Uring) submit(fds []int32, p []byte, size, step int, results []int32) (taken int) {
	u.round++
	u.bytes = p
	tail := u.ring.sqTail.Load()
	for i, fd := range fds {
		e := u.ring.entry(tail, i)
		e.fd = fd
		e.addr, e.len = uintptr(unsafe.Pointer(unsafe.SliceData(p)))+uintptr(i*step), uint32(size)
		e.userData = uint64(u.round)<<32 | uint64(i)
		results[i] = unknown
	}
	u.ring.sqTail.Store(tail + uint32(len(fds)))
	u.err = u.complete(len(fds), results)
	u.bytes = nil
	if u.err == nil {
		return len(fds)
	}
	u.log.Warn("io_uring failed, each write is a system call from now on", "err", u.err)
	u.reap(results)
	return int(u.ring.sqHead.Load() - tail)
}

// unknown is the result of a send that was submitted and of which nothing was
// heard: its bytes may be on their way or not, so the stream is of no more use.
const unknown = -int32(unix.EIO)

// complete submits n sends and takes their results.
func (u *Uring) complete(n int, results []int32) error {
	submitted, done := 0, 0
	for {
		done += u.reap(results)
		if done == n {
			return nil
		}
		var errno unix.Errno
		var more int
		if submitted < n {
			more, errno = u.enter(u.ring.fd, uint32(n-submitted), 0, 0)
		} else {
			// Never in practice, but where completions did not fit their queue:
			// the call brings them.
			_, errno = u.enter(u.ring.fd, 0, 1, enterGetEvents)
		}
		switch errno {
		case 0:
			submitted += more
		case unix.EINTR:
		case unix.EBUSY, unix.EAGAIN: // completions have to be taken first
			if _, errno = u.enter(u.ring.fd, 0, 0, enterGetEvents); errno != 0 && errno != unix.EINTR {
				return errno
			}
		default:
			return errno
		}
	}
}

// reap takes the completions that are there, and returns how many of them are
// of this round.
func (u *Uring) reap(results []int32) (n int) {
	for {
		c, ok := u.ring.completed()
		if !ok {
			return n
		}
		if i := int(uint32(c.userData)); uint32(c.userData>>32) == u.round && i < len(results) {
			results[i] = c.result
			n++
		}
	}
}

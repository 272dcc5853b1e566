package poller

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's layout of io_uring, from linux/io_uring.h.
const (
	opSend          = 26 // IORING_OP_SEND
	enterGetEvents  = 1  // IORING_ENTER_GETEVENTS
	featSingleMmap  = 1  // IORING_FEAT_SINGLE_MMAP
	offsetRings     = 0
	offsetSQEs      = 0x10000000
	sizeofEntry     = int(unsafe.Sizeof(submission{}))
	sizeofCompleted = int(unsafe.Sizeof(completion{}))
)

type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// submission is a submission queue entry.
type submission struct {
	op, flags uint8
	priority  uint16
	fd        int32
	offset    uint64
	addr      uintptr
	len       uint32
	msgFlags  uint32
	userData  uint64
	_         [3]uint64
}

// completion is a completion queue entry.
type completion struct {
	userData uint64
	result   int32
	flags    uint32
}

// ring is an io_uring: two queues shared with the kernel. It belongs to one
// worker; the kernel only touches it during enter, because what is submitted
// here never waits.
type ring struct {
	fd           int
	rings, table []byte // mapped memory

	sqHead *atomic.Uint32 // moved by the kernel
	sqTail *atomic.Uint32
	sqes   []submission

	cqHead *atomic.Uint32
	cqTail *atomic.Uint32 // moved by the kernel
	cqes   []completion
}

// newRing makes a ring with room for so many submissions (a power of two) and
// twice as many completions.
func newRing(entries uint32) (_ *ring, err error) {
	var p ringParams
	fd, _, errno := syscall.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("set up io_uring: %w", errno)
	}
	r := &ring{fd: int(fd)}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if p.features&featSingleMmap == 0 {
		return nil, fmt.Errorf("set up io_uring: %w", unix.ENOSYS)
	}
	size := max(int(p.sq.array)+4*int(p.sqEntries), int(p.cq.cqes)+sizeofCompleted*int(p.cqEntries))
	if r.rings, err = r.mmap(offsetRings, size); err != nil {
		return nil, err
	}
	if r.table, err = r.mmap(offsetSQEs, sizeofEntry*int(p.sqEntries)); err != nil {
		return nil, err
	}
	at := func(offset uint32) unsafe.Pointer { return unsafe.Pointer(&r.rings[offset]) }
	r.sqHead, r.sqTail = (*atomic.Uint32)(at(p.sq.head)), (*atomic.Uint32)(at(p.sq.tail))
	r.cqHead, r.cqTail = (*atomic.Uint32)(at(p.cq.head)), (*atomic.Uint32)(at(p.cq.tail))
	r.sqes = unsafe.Slice((*submission)(unsafe.Pointer(&r.table[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*completion)(at(p.cq.cqes)), p.cqEntries)
	// The queue holds indexes of entries: each place always means its own.
	for i, array := 0, unsafe.Slice((*uint32)(at(p.sq.array)), p.sqEntries); i < len(array); i++ {
		array[i] = uint32(i)
	}
	return r, nil
}

func (r *ring) mmap(offset int64, size int) ([]byte, error) {
	b, err := unix.Mmap(r.fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map io_uring: %w", err)
	}
	return b, nil
}

func (r *ring) close() {
	if r.table != nil {
		_ = unix.Munmap(r.table)
	}
	if r.rings != nil {
		_ = unix.Munmap(r.rings)
	}
	_ = unix.Close(r.fd)
}

// entry is the i-th submission from tail on.
func (r *ring) entry(tail uint32, i int) *submission {
	return &r.sqes[int(tail+uint32(i))&(len(r.sqes)-1)]
}

// completed takes the next completion, if there is one.
func (r *ring) completed() (completion, bool) {
	head := r.cqHead.Load()
	if head == r.cqTail.Load() {
		return completion{}, false
	}
	c := r.cqes[int(head)&(len(r.cqes)-1)]
	r.cqHead.Store(head + 1)
	return c, true
}

// sysEnter submits, and waits for at least so many completions. It returns how
// many were submitted.
func sysEnter(fd int, submit, wait, flags uint32) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(fd),
		uintptr(submit), uintptr(wait), uintptr(flags), 0, 0)
	return int(n), errno
}

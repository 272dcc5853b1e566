package logging

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	_ "chatd/poller/linuxonly"
)

// stallTime is how long a write may take. One is at most a few KiB, so a reader
// that is there takes them sooner.
const stallTime = time.Second

// stallGuard keeps a log that is stuck from holding up a crash, in which the
// runtime writes to the same descriptor: while a write takes too long, the
// descriptor is /dev/null. The log itself has a duplicate.
type stallGuard struct {
	fd   int // static, as the next three: what the process was started with
	own  int // the duplicate, for the log
	null int // -1: none
	late *time.Timer

	mu       sync.Mutex // guards the rest
	writing  bool
	diverted bool
}

// newStallGuard guards fd. Without a descriptor to spare, or without /dev/null,
// a crash has to wait for a log that is stuck.
func newStallGuard(fd int) *stallGuard {
	g := &stallGuard{fd: fd, own: fd, null: -1}
	if null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			g.own, g.null = own, null
		} else {
			unix.Close(null)
		}
	}
	g.late = time.AfterFunc(stallTime, g.divert)
	return g
}

// begin is called before a write, end after it.
func (g *stallGuard) begin() {
	g.mu.Lock()
	g.writing = true
	g.mu.Unlock()
	g.late.Reset(stallTime)
}

func (g *stallGuard) end() {
	g.late.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writing = false
	g.restore()
}

// undo has the descriptor be what it was, even if a write is stuck.
func (g *stallGuard) undo() {
	g.late.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.restore()
}

// restore is undo for who holds mu.
func (g *stallGuard) restore() {
	if g.diverted {
		_ = unix.Dup3(g.own, g.fd, 0) // both are valid
		g.diverted = false
	}
}

func (g *stallGuard) divert() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.writing && g.null >= 0 {
		_ = unix.Dup3(g.null, g.fd, 0) // both are valid
		g.diverted = true
	}
}

func (g *stallGuard) close() {
	g.late.Stop()
	if g.null >= 0 {
		unix.Close(g.own)
		unix.Close(g.null)
	}
}

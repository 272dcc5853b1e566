package poller

import (
	"syscall"
	"time"
)

// Progress is what the kernel knows of a connection whose user has heard
// nothing: what is on its way, and whether the peer takes it.
type Progress struct {
	Acked   uint64 // bytes that the peer has acknowledged
	Waiting int    // bytes that were written and that it has not
	Unread  int    // bytes that have come and were not read
	Unsent  int    // of Waiting, those that the peer's window has no room for
	Window  int    // that the peer last told of: bytes that its kernel has room for
	// Quiet is a time in which the peer has acknowledged nothing new: it may be
	// longer, if the peer has sent something else since (a window probe's answer,
	// while bytes are on their way).
	Quiet time.Duration
}

// Progress asks the kernel. It knows nothing of a socket that is not TCP's. It
// takes three system calls: it is for a peer that is about to be given up.
func (c *Conn) Progress() (p Progress, known bool) { return sysProgress(int(c.FD())) }

// ProgressOf is the same for a connection that is no Conn.
func ProgressOf(c syscall.Conn) (p Progress, known bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return p, false
	}
	err = raw.Control(func(fd uintptr) { p, known = sysProgress(int(fd)) })
	return p, known && err == nil
}

package poller

import (
	"net/netip"
	"sync/atomic"

	"github.com/mailru/easygo/netpoll"
)

// Handler is the owner of a Conn.
type Handler interface {
	// Run reads: it is scheduled when the socket may have bytes, its end or
	// an error to give. Events are hints; a run may find nothing.
	Runner
	// Writable is called on the poller's worker when a socket whose writer
	// waits (see [Conn.WantWrite]) takes bytes again or is broken. It must only
	// schedule.
	Writable(w *Worker)
}

const (
	flagWantWrite uint32 = 1 << iota // set and cleared by the writer, read by the poller
	flagWantRun                      // likewise
	flagHangup                       // set by the poller, read by the reader
)

// Conn is a socket that a Poller watches, and the Task that reads from it. It
// is embedded in what its user keeps for a connection.
//
// The Task owns reading and closing. Writing belongs to one owner at a time,
// who must be done with the socket before the Task closes it.
type Conn struct {
	Task
	fd      atomic.Int32 // static until the Task closes or detaches it, then -1
	pending atomic.Uint32
}

// Attach makes c the connection on the non-blocking socket fd, whose Task runs
// h on pool. It hears nothing of the socket before a Poller watches it.
func (c *Conn) Attach(fd int, pool *Pool, h Handler) {
	c.Task.Init(pool, h)
	c.fd.Store(int32(fd))
}

// Handover has h go on with the connection. Only its Task may call it, within a
// run, before the writer first waits.
func (c *Conn) Handover(h Handler) { c.runner = h }

// Handler is who works on the connection. The Task may call it, and whoever it has
// told of the connection after the last Handover.
func (c *Conn) Handler() Handler { return c.runner.(Handler) }

// ready is told of the socket's events, on the poller's goroutine. One may come
// after Close, or be meant for an older socket of the same number: an event is
// a hint.
func (c *Conn) ready(ev netpoll.EpollEvent) {
	p := c.pool.poller.Load()
	want := c.pending.Load()
	if ev&hangup != 0 {
		c.pending.Or(flagHangup)
	}
	if ev&readable == 0 && want&(flagWantWrite|flagWantRun) == 0 {
		return // as the first one of most: there is room to write
	}
	if ev&readable != 0 {
		c.ScheduleOn(p.worker)
	}
	if ev&writable != 0 {
		switch {
		case want&flagWantWrite != 0:
			c.runner.(Handler).Writable(p.worker)
		case want&flagWantRun != 0:
			c.ScheduleOn(p.worker)
		}
	}
	p.ring()
}

// FD is the socket, -1 once it is closed. This, Peer, Unix and Traffic may be called
// from anywhere; but whoever is neither the Task nor the writer must see, after
// the call, that the socket was not closed meanwhile: it may have been another's.
func (c *Conn) FD() int32 { return c.fd.Load() }

// Peer is the address of the other side, the zero value if there is none any
// more, or none at all, as on a unix socket.
func (c *Conn) Peer() netip.AddrPort { return sysPeer(c.FD()) }

// Unix reports whether it is a Unix socket, whose peer has no address.
func (c *Conn) Unix() bool { return sysUnix(c.FD()) }

// Traffic is what the kernel counted for the socket: payload bytes that have
// come in and that the peer has acknowledged. It does not count for a unix
// socket.
func (c *Conn) Traffic() (in, out uint64) { return sysTraffic(c.FD()) }

// Read reads into p: the number of bytes, 0 at the end of the stream,
// [WouldBlock], or another negative errno.
func (c *Conn) Read(p []byte) int { return sysRead(c.FD(), p) }

// Hangup reports whether the peer has closed its side: after a short read
// there is then more to read, if only the end of the stream, and no further
// event will say so.
func (c *Conn) Hangup() bool { return c.pending.Load()&flagHangup != 0 }

// WantWrite says whether the writer waits for room in the socket's buffer.
// Having set it the writer must try once more: the room may have come between.
func (c *Conn) WantWrite(on bool) {
	if on {
		c.pending.Or(flagWantWrite)
	} else {
		c.pending.And(^flagWantWrite)
	}
}

// WantRun is WantWrite for a writer that waits before the last Handover: the Task is
// run when there is room.
func (c *Conn) WantRun(on bool) {
	if on {
		c.pending.Or(flagWantRun)
	} else {
		c.pending.And(^flagWantRun)
	}
}

// Narrow has the kernel take next to nothing from the peer that is not read.
func (c *Conn) Narrow() { sysNarrow(c.FD()) }

// ShutdownWrite ends the stream towards the peer, behind what was written.
func (c *Conn) ShutdownWrite() { sysShutdownWrite(c.FD()) }

// Close forgets the socket and closes it. Only its Task may call it.
func (c *Conn) Close() {
	if fd := c.forget(true); fd >= 0 {
		sysClose(fd)
	}
}

// Detach forgets the socket without closing it and returns it, -1 if it was
// closed before.
func (c *Conn) Detach() int32 { return c.forget(false) }

func (c *Conn) forget(closes bool) int32 {
	fd := c.FD()
	if fd >= 0 {
		if p := c.pool.poller.Load(); p != nil { // else it is closed
			p.remove(c, closes)
		}
		c.fd.Store(-1)
	}
	return fd
}

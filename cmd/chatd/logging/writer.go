// Package logging is the server's log, which may stop, slow down or end without
// the server's doing so: its reader goes away, is slow or stuck, its disk is
// full, its terminal is stopped.
//
//	writer.go   Writer: a bounded buffer that one goroutine writes out
//	stall.go    stallGuard: a crash does not wait for a log that is stuck, either
//	format.go   Format: text or JSON
//
// Whoever logs never waits for the log. What it does not take is lost, line by
// line, counted, and told as soon as it takes lines again. What the Go runtime
// writes when it crashes does not come this way, but goes straight to the
// descriptor, while that is not stuck.
package logging

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// capacity is how many bytes may wait to be written: about two thousand lines.
	capacity = 256 << 10
	// flushTime is how long Close waits for them: a reader that is there takes
	// them in much less.
	flushTime = 500 * time.Millisecond
	// pipeBuf is what a pipe takes whole, so that the lines of processes that
	// share one don't mix (PIPE_BUF).
	pipeBuf = 4096
)

// Writer writes lines to a descriptor. Write and Lost may be called from
// anywhere.
type Writer struct {
	to   *stallGuard              // static, as the next three
	note func(lost uint64) []byte // the line that tells of lost ones, valid until the next call
	wake chan struct{}            // one token: there is something to do
	done chan struct{}            // closed when everything is written after Close
	lost atomic.Uint64            // lines

	// Guarded by mu, which nobody holds while it writes.
	mu      sync.Mutex
	pending []byte // whole lines
	dropped uint64 // lines behind them that found no room
	closing bool
	flushed chan struct{} // nil: nobody waits; closed when all has been written

	// Owned by the goroutine that writes.
	spare  []byte // what was pending before
	untold uint64 // lost lines of which the log does not tell yet
	torn   bool   // the last line was written in part
}

// NewWriter starts a writer to fd, which tells of lost lines as f has it. It
// takes fd as it is, blocking or not, and leaves it open.
func NewWriter(fd int, f Format) *Writer {
	w := &Writer{to: newStallGuard(fd), note: f.lostLines(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Write implements io.Writer for whole lines. It never waits and never fails.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	// A line is not taken before an earlier one that was lost is accounted for.
	if w.dropped > 0 || len(w.pending)+len(lines) > capacity {
		n := count(lines)
		w.dropped += n
		w.lost.Add(n)
	} else {
		w.pending = append(w.pending, lines...)
	}
	w.mu.Unlock()
	w.ring()
	return len(lines), nil
}

// Lost is the number of lines that the log did not take.
func (w *Writer) Lost() uint64 { return w.lost.Load() }

// Close writes what waits, for a moment at most. What is written to w from now
// on may be lost. It may be called more than once.
func (w *Writer) Close() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.ring()
	select {
	case <-w.done:
	case <-time.After(flushTime):
	}
}

// Flush writes what waits, for a moment at most, and has the descriptor be what it was,
// so that another program can go on with it.
func (w *Writer) Flush() {
	w.mu.Lock()
	if w.flushed == nil {
		w.flushed = make(chan struct{})
	}
	flushed := w.flushed
	w.mu.Unlock()
	w.ring()
	select {
	case <-flushed:
	case <-w.done:
	case <-time.After(flushTime):
	}
	w.to.undo()
}

func (w *Writer) ring() {
	select {
	case w.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// run is the goroutine, and the only one that the descriptor can hold up.
func (w *Writer) run() {
	defer close(w.done)
	defer w.to.close()
	for range w.wake {
		lines, dropped, closing, flushed := w.take()
		w.deliver(lines, dropped)
		if flushed != nil {
			close(flushed)
		}
		if closing {
			return
		}
	}
}

// take makes room for new lines.
func (w *Writer) take() (lines []byte, dropped uint64, closing bool, flushed chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, dropped, closing, flushed = w.pending, w.dropped, w.closing, w.flushed
	w.pending, w.spare, w.dropped, w.flushed = w.spare[:0], lines, 0, nil
	return lines, dropped, closing, flushed
}

// deliver writes lines, behind which dropped more were lost.
func (w *Writer) deliver(lines []byte, dropped uint64) {
	failed := count(lines)
	if w.tell() {
		failed = w.write(lines)
	}
	w.lost.Add(failed)
	w.untold += failed + dropped
	w.tell()
}

// tell tells how many lines were lost. It reports false if the log does not
// even take that.
func (w *Writer) tell() bool {
	if w.untold > 0 && w.write(w.note(w.untold)) == 0 {
		w.untold = 0
	}
	return w.untold == 0
}

// write writes lines, however long that takes, and returns how many of them
// failed.
func (w *Writer) write(lines []byte) (failed uint64) {
	if w.torn {
		lines = append([]byte{'\n'}, lines...)
	}
	for len(lines) > 0 {
		n, err := w.writeOnce(atomically(lines))
		switch {
		case n > 0:
			w.torn = lines[n-1] != '\n'
			lines = lines[n:]
		case err == unix.EINTR:
		default:
			if w.torn && lines[0] == '\n' {
				lines = lines[1:] // of a line that has been counted, or was written but for this
			}
			return count(lines)
		}
	}
	return 0
}

// writeOnce is a write that waits, as those to a blocking descriptor do.
func (w *Writer) writeOnce(p []byte) (int, error) {
	w.to.begin()
	defer w.to.end()
	for {
		n, err := unix.Write(w.to.own, p)
		if err != unix.EAGAIN {
			return n, err
		}
		// Whoever shares the descriptor made it so.
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(w.to.own), Events: unix.POLLOUT}}, -1) // if it fails, so does the write
	}
}

// atomically is what to write of lines at once: as many as a pipe takes whole,
// or one that is longer.
func atomically(lines []byte) []byte {
	if len(lines) <= pipeBuf {
		return lines
	}
	if end := bytes.LastIndexByte(lines[:pipeBuf], '\n'); end >= 0 {
		return lines[:end+1]
	}
	if end := bytes.IndexByte(lines, '\n'); end >= 0 {
		return lines[:end+1]
	}
	return lines
}

func count(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte{'\n'})) }

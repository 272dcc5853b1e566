package upgrade

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a program that this one has begun. (os/exec has no way to say what it gets of
// the descriptors, and keeps some where they would end with the thread: see apart.)
type child struct {
	in, out *os.File // of which it reads, and to which it writes
	said    complaint

	process *os.Process
	calm    func() bool   // has nobody kill it any more
	heard   chan struct{} // closed when all that it has to complain about has been read
	err     io.Closer     // where that comes from
	wait    func() error  // waits for its end: what was wrong
}

// waitDelay is how long a child's own children may keep its output open once it has ended.
const waitDelay = 500 * time.Millisecond

// begin begins p with the descriptors in handed. When ctx ends it is killed.
func begin(ctx context.Context, p Program, handed descriptors) (*child, error) {
	var ends [3]struct{ r, w *os.File }
	for i := range ends {
		var err error
		if ends[i].r, ends[i].w, err = os.Pipe(); err != nil {
			for _, e := range ends[:i] {
				e.r.Close()
				e.w.Close()
			}
			return nil, err
		}
	}
	theirs := []*os.File{ends[0].r, ends[1].w, ends[2].w}
	c := &child{in: ends[0].w, out: ends[1].r, heard: make(chan struct{}), err: ends[2].r}
	c.wait = sync.OnceValue(c.end)
	attr := &syscall.ProcAttr{
		Env: p.Env,
		// A group of its own: what it starts goes with it, and a terminal's signals are not its.
		Sys: &syscall.SysProcAttr{Setpgid: true},
	}
	for _, f := range theirs {
		attr.Files = append(attr.Files, f.Fd())
	}
	var pid int
	err := handed.apart(func() (err error) {
		pid, err = syscall.ForkExec(p.Path, p.Args, attr)
		return err
	})
	for _, f := range theirs {
		f.Close()
	}
	if err == nil {
		c.process, err = os.FindProcess(pid)
	}
	if err != nil {
		c.close()
		return nil, &os.PathError{Op: "exec", Path: p.Path, Err: err}
	}
	c.calm = context.AfterFunc(ctx, func() {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // fails if it has just ended
		time.AfterFunc(waitDelay, c.close)
	})
	go func() {
		defer close(c.heard)
		_, _ = io.Copy(&c.said, ends[2].r)
	}()
	return c, nil
}

func (c *child) end() error {
	state, err := c.process.Wait()
	c.calm()
	late := time.AfterFunc(waitDelay, c.close)
	<-c.heard
	late.Stop()
	c.close()
	if err != nil || state.Success() {
		return err
	}
	return errors.New(state.String())
}

// close closes what is left of its pipes. It may be called more than once, and by anybody.
func (c *child) close() {
	c.in.Close()
	c.out.Close()
	c.err.Close()
}

// complaint keeps of what a program writes to stderr the line that says what is wrong: the
// last one, or, if it crashes, the first of that.
type complaint struct {
	line    []byte // that is being written
	last    string
	crashed bool
}

// longest is how much of a line is kept.
const longest = 500

// Write implements io.Writer.
func (c *complaint) Write(b []byte) (int, error) {
	for _, piece := range bytes.SplitAfter(b, []byte("\n")) {
		c.line = append(c.line, piece[:min(len(piece), longest-len(c.line))]...)
		if bytes.HasSuffix(piece, []byte("\n")) {
			c.take()
		}
	}
	return len(b), nil
}

func (c *complaint) take() {
	line := strings.TrimSpace(string(c.line))
	c.line = c.line[:0]
	if line == "" || c.crashed {
		return
	}
	c.last = line
	c.crashed = strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
}

// text is the line. The program has ended.
func (c *complaint) text() string {
	c.take()
	return c.last
}

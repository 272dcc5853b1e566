package upgrade

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// trial is the new program as a child, which is tried.
type trial struct {
	wish    context.Context // ends when nobody wants it any more
	limited context.Context // and that, when it has taken too long
	timeout time.Duration
	stop    context.CancelFunc // kills it
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	said    complaint
}

// waitDelay is how long a child's own children may keep its output open once it has ended.
const waitDelay = 500 * time.Millisecond

// try begins it, and waits until it is ready to read the state. It has to come to its end
// within timeout.
func try(wish context.Context, timeout time.Duration, p Program, memory memory) (*trial, error) {
	t := &trial{wish: wish, timeout: timeout}
	t.limited, t.stop = context.WithTimeout(wish, timeout)
	t.cmd = exec.CommandContext(t.limited, p.Path)
	t.cmd.Args = append([]string{p.Args[0], "-" + Flag}, p.Args[1:]...)
	t.cmd.Env = append(p.unsupervised(), fmt.Sprintf("%s=%d", stateVariable, memory.fd()))
	t.cmd.Stderr = &t.said
	t.cmd.WaitDelay = waitDelay
	// A group of its own: what it starts goes with it, and a terminal's signals are not its.
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.cmd.Cancel = func() error { return syscall.Kill(-t.cmd.Process.Pid, syscall.SIGKILL) }
	if err := t.begin(); err != nil {
		t.stop()
		return nil, err
	}
	if err := t.hear(readyLine); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *trial) begin() (err error) {
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	t.out = bufio.NewReader(out)
	return t.cmd.Start()
}

// verify has it read all of the state, and waits until it has. It has ended afterwards.
func (t *trial) verify() error {
	_, _ = io.WriteString(t.in, goLine+"\n") // if it has ended, that is heard
	if err := t.hear(goodLine); err != nil {
		return err
	}
	return t.wait()
}

// end ends it, if it has not ended.
func (t *trial) end() {
	t.stop()
	_ = t.cmd.Wait() // it was killed
}

// hear waits for a line. If another one comes, or none, the child has ended.
func (t *trial) hear(want string) error {
	line, err := t.out.ReadSlice('\n')
	switch {
	case err == nil && string(line) == want+"\n":
		return nil
	case err == nil || errors.Is(err, bufio.ErrBufferFull):
		t.end()
		return fmt.Errorf("it says %.60q, and is no chatd that can take over", bytes.TrimSpace(line))
	}
	if err := t.wait(); err != nil {
		return err
	}
	return errors.New("it ends without an answer, and is no chatd that can take over")
}

// wait waits for its end, and says what was wrong if it was not a good one.
func (t *trial) wait() error {
	defer t.stop()
	err := t.cmd.Wait()
	switch said := t.said.text(); {
	case err == nil:
		return nil
	case t.wish.Err() != nil:
		return t.wish.Err()
	case t.limited.Err() != nil:
		return fmt.Errorf("it has not said within %s whether it can take over", t.timeout.Round(100*time.Millisecond))
	case said != "":
		return fmt.Errorf("%s (%w)", said, err)
	}
	return err
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

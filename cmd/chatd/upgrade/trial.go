package upgrade

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// trial is the new program as a child, which is tried.
type trial struct {
	wish    context.Context // ends when nobody wants it any more
	limited context.Context // and that, when it has taken too long
	timeout time.Duration
	stop    context.CancelFunc // kills it
	child   *child
	out     *bufio.Reader
}

// try begins it, and waits until it is ready to read the state. It has to come to its end
// within timeout.
func try(wish context.Context, timeout time.Duration, p Program, memory memory, handed descriptors) (*trial, error) {
	t := &trial{wish: wish, timeout: timeout}
	t.limited, t.stop = context.WithTimeout(wish, timeout)
	args := append([]string{p.Args[0], "-" + Flag}, p.Args[1:]...)
	env := append(p.unsupervised(), fmt.Sprintf("%s=%d", stateVariable, memory.fd()))
	var err error
	if t.child, err = begin(t.limited, Program{p.Path, args, env}, handed); err != nil {
		t.stop()
		return nil, err
	}
	t.out = bufio.NewReader(t.child.out)
	if err := t.hear(readyLine); err != nil {
		return nil, err
	}
	return t, nil
}

// verify has it read all of the state, and waits until it has. It has ended afterwards.
func (t *trial) verify() error {
	_, _ = io.WriteString(t.child.in, goLine+"\n") // if it has ended, that is heard
	if err := t.hear(goodLine); err != nil {
		return err
	}
	return t.wait()
}

// end ends it, if it has not ended.
func (t *trial) end() {
	t.stop()
	_ = t.child.wait() // it was killed
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
	err := t.child.wait()
	switch said := t.child.said.text(); {
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

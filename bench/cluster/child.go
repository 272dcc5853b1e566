package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	_ "chatd/poller/linuxonly"
)

// child is a program that is ended and started again as it was. One goroutine at a time
// may use it.
type child struct {
	name   string
	args   []string // the program first
	log    string   // the file that has the log of all its lives
	speaks func() bool

	cmd  *exec.Cmd // nil: it does not run
	done chan error
}

const (
	// startTime is for a process to take connections, on a machine that is busy.
	startTime = 3 * time.Minute
	// endTime is for one to end that was asked to.
	endTime = time.Minute
	polling = 10 * time.Millisecond
)

// start starts it and waits until it speaks. Its port may have been taken meanwhile, by a
// connection that will go: then it is started again.
func (c *child) start(ctx context.Context) error {
	for deadline := time.Now().Add(startTime); ; {
		if err := c.run(); err != nil {
			return err
		}
		err := c.await(ctx, deadline)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(polling)
	}
}

func (c *child) run() error {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer log.Close()
	c.cmd, c.done = exec.Command(c.args[0], c.args[1:]...), make(chan error, 1)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // Ctrl-C is for the harness
	if err := c.cmd.Start(); err != nil {
		c.cmd = nil
		return fmt.Errorf("%s: %w", c.name, err)
	}
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(c.cmd, c.done)
	return nil
}

// await waits until it speaks.
func (c *child) await(ctx context.Context, deadline time.Time) error {
	for !c.speaks() {
		select {
		case err := <-c.done:
			c.cmd = nil
			return fmt.Errorf("%s ends by itself (%v):\n%s", c.name, err, c.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(polling):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not speak after %s:\n%s", c.name, startTime, c.tail())
		}
	}
	return nil
}

// tail is the end of its log.
func (c *child) tail() string {
	const most = 2 << 10
	b, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(b[max(0, len(b)-most):]))
}

// kill ends it at once, as kill -9 does.
func (c *child) kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.done
	c.cmd = nil
}

// stop ends it as a service manager does.
func (c *child) stop() error {
	if c.cmd == nil {
		return nil
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-c.done:
		c.cmd = nil
		var status *exec.ExitError
		if errors.As(err, &status) {
			return fmt.Errorf("%s ends with %w", c.name, err)
		}
		return err
	case <-time.After(endTime):
		c.kill()
		return fmt.Errorf("%s is still there %s after SIGTERM", c.name, endTime)
	}
}

// pause has it stand still, or go on.
func (c *child) pause(paused bool) {
	signal := syscall.SIGCONT
	if paused {
		signal = syscall.SIGSTOP
	}
	if c.cmd != nil {
		_ = c.cmd.Process.Signal(signal) // it may have ended
	}
}

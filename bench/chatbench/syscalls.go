package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// tracer counts a process's system calls with perf, between begin and end. A nil
// tracer counts none.
type tracer struct {
	perf    *exec.Cmd
	printed strings.Builder
	control io.WriteCloser // takes perf's commands
	ack     io.ReadCloser  // has an answer to each
	closed  bool
}

// traceSyscalls attaches perf to the server's process.
func traceSyscalls(p *process) (t *tracer, err error) {
	if p == nil {
		return nil, errors.New("-syscalls needs -server or -pid")
	}
	commands, control, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer commands.Close()
	ack, answers, err := os.Pipe()
	if err != nil {
		control.Close()
		return nil, err
	}
	defer answers.Close()
	t = &tracer{control: control, ack: ack}
	t.perf = exec.Command("perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-D", "-1", "--control", "fd:3,4", "-p", strconv.Itoa(p.proc.PID))
	t.perf.ExtraFiles = []*os.File{commands, answers} // 3 and 4
	t.perf.Stderr = &t.printed
	t.perf.Env = append(os.Environ(), "LC_ALL=C")
	t.perf.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // Ctrl-C is for the harness
	if err := t.perf.Start(); err != nil {
		control.Close()
		ack.Close()
		return nil, fmt.Errorf("-syscalls needs perf (Debian: linux-perf): %w", err)
	}
	return t, nil
}

// tell has perf obey a command.
func (t *tracer) tell(command string) error {
	if _, err := io.WriteString(t.control, command+"\n"); err != nil {
		return err
	}
	_, err := io.ReadFull(t.ack, make([]byte, len("ack\n")))
	return err
}

func (t *tracer) begin() error {
	if t == nil {
		return nil
	}
	if err := t.tell("enable"); err != nil {
		t.close()
		return t.failed()
	}
	return nil
}

// end ends the counting.
func (t *tracer) end() (calls uint64, err error) {
	if t == nil {
		return 0, nil
	}
	disabled := t.tell("disable")
	t.close()
	lines := strings.Split(strings.TrimSpace(t.printed.String()), "\n")
	count, _, _ := strings.Cut(lines[len(lines)-1], ",")
	if calls, err = strconv.ParseUint(count, 10, 64); err != nil || disabled != nil {
		return 0, t.failed()
	}
	return calls, nil
}

// close ends perf, which prints its count.
func (t *tracer) close() {
	if t == nil || t.closed {
		return
	}
	t.closed = true
	_ = t.perf.Process.Signal(os.Interrupt) // it may have ended
	_ = t.perf.Wait()                       // interrupted
	t.control.Close()
	t.ack.Close()
}

func (t *tracer) failed() error {
	return fmt.Errorf("perf can't count system calls: %s", strings.TrimSpace(t.printed.String()))
}

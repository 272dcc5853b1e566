package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"chatd/bench/certificate"
	"chatd/bench/result"
)

// process is the server's process, looked at from outside. A nil process has
// no figures.
type process struct {
	proc procfs.Proc
}

func findProcess(pid int) (*process, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return nil, fmt.Errorf("-pid %d: %w", pid, err)
	}
	return &process{p}, nil
}

// usage is processor time in seconds since the process began.
type usage struct{ user, system float64 }

const ticksPerSecond = 100 // USER_HZ, the same on every Linux

func (p *process) usage() usage {
	if p == nil {
		return usage{}
	}
	s, err := p.proc.Stat()
	if err != nil {
		return usage{}
	}
	return usage{float64(s.UTime) / ticksPerSecond, float64(s.STime) / ticksPerSecond}
}

// since is the time used since an earlier look, for each of n things.
func (u usage) since(before usage, n uint64) *result.CPU {
	if n == 0 || u == (usage{}) {
		return nil
	}
	return &result.CPU{
		User:   (u.user - before.user) * 1e6 / float64(n),
		System: (u.system - before.system) * 1e6 / float64(n),
	}
}

// ownUsage is the harness's.
func ownUsage() usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return usage{seconds(r.Utime), seconds(r.Stime)}
}

func (p *process) rss() uint64 {
	if p == nil {
		return 0
	}
	s, err := p.proc.NewStatus()
	if err != nil {
		return 0
	}
	return s.VmRSS
}

// files is the number of its descriptors.
func (p *process) files() int {
	if p == nil {
		return 0
	}
	n, err := p.proc.FileDescriptorsLen()
	if err != nil {
		return 0
	}
	return n
}

func (p *process) memory() *result.Memory {
	if p == nil {
		return nil
	}
	stat, err := p.proc.Stat()
	if err != nil {
		return nil
	}
	return &result.Memory{RSS: p.rss(), Files: p.files(), Threads: stat.NumThreads}
}

// server is a server that the harness started.
type server struct {
	cmd  *exec.Cmd
	log  strings.Builder
	done chan error
}

const (
	startTimeout = 10 * time.Second
	stopTimeout  = 20 * time.Second
)

// startServer runs command and waits until target can be connected to.
func startServer(ctx context.Context, command, target string) (*server, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("-url: %w", err)
	}
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, errors.New("-server is empty")
	}
	if c, err := net.DialTimeout("tcp", u.Host, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("something listens on %s already: stop it, or leave -server away", u.Host)
	}
	s := &server{cmd: exec.Command(words[0], words[1:]...), done: make(chan error, 1)}
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // Ctrl-C is for the harness
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	deadline := time.After(startTimeout)
	for {
		if c, err := net.DialTimeout("tcp", u.Host, time.Second); err == nil {
			return s, c.Close()
		}
		select {
		case err := <-s.done:
			return nil, fmt.Errorf("the server ended (%v): %s", err, strings.TrimSpace(s.log.String()))
		case <-deadline:
			s.stop()
			return nil, fmt.Errorf("the server does not listen on %s after %s", u.Host, startTimeout)
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the server, by force if it has to.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// withTLS is a server's command with the flags for TLS.
func withTLS(command string, cert certificate.Files) string {
	return command + " " + strings.Join(cert.Flags(), " ")
}

// Package natstest runs real NATS servers for tests.
//
// The program is built once, from a nested module: see package tool.
package natstest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatd/bench/tool"
	_ "chatd/poller/linuxonly"
)

// patience is for what should take milliseconds.
const patience = 30 * time.Second

// Server is a nats-server with JetStream, on the loopback interface.
type Server struct {
	URL string
	Dir string // what it stores

	t    testing.TB
	args []string
	cmd  *exec.Cmd // nil: it does not run
	log  *bytes.Buffer
	done chan struct{}
}

// Binary is the program, for who runs it by himself.
func Binary(t testing.TB) string {
	t.Helper()
	return tool.Path(t, "nats-server", "github.com/nats-io/nats-server/v2")
}

// Start runs a server until the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t, append([]string{"-p", port(t)}, args...))
	s.args = append(s.args, "-js")
	s.Restart()
	return s
}

// StartWithoutJetStream is Start of one that keeps nothing.
func StartWithoutJetStream(t testing.TB) *Server {
	t.Helper()
	s := newServer(t, []string{"-p", port(t)})
	s.Restart()
	return s
}

// Cluster runs n servers that know each other until the test ends.
func Cluster(t testing.TB, n int) []*Server {
	t.Helper()
	var routes []string
	for range n {
		routes = append(routes, "nats://127.0.0.1:"+port(t))
	}
	var servers []*Server
	for i := range n {
		s := newServer(t, []string{"-p", port(t), "-n", fmt.Sprint("server-", i), "--cluster_name", "test", "-js", "--cluster", routes[i], "--routes", strings.Join(routes, ",")})
		s.Restart()
		servers = append(servers, s)
	}
	return servers
}

func newServer(t testing.TB, args []string) *Server {
	t.Helper()
	s := &Server{t: t, Dir: t.TempDir()}
	s.args = append([]string{"-a", "127.0.0.1", "-sd", s.Dir}, args...)
	s.URL = "nats://127.0.0.1:" + args[1]
	t.Cleanup(s.Kill)
	return s
}

// port is one that is free, and most likely stays so.
func port(t testing.TB) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	_, port, _ := net.SplitHostPort(free.Addr().String())
	return port
}

// Restart starts it, where it was and with what it has stored, and waits until it takes
// connections.
func (s *Server) Restart() {
	s.t.Helper()
	path := Binary(s.t)
	s.log, s.done = new(bytes.Buffer), make(chan struct{})
	s.cmd = exec.Command(path, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		defer close(done)
		_ = cmd.Wait() // it is killed
	}(s.cmd, s.done)
	for deadline := time.Now().Add(patience); !s.speaks(); {
		select {
		case <-s.done:
			s.t.Fatalf("nats-server ends:\n%s", s.log)
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatal("nats-server does not listen")
		}
	}
}

// speaks reports whether it greets a client.
func (s *Server) speaks() bool {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.URL, "nats://"), time.Second)
	if err != nil {
		time.Sleep(5 * time.Millisecond)
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.HasPrefix(line, "INFO ")
}

// Kill ends it at once, as kill -9 does.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends it as a service manager does.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Retire ends it as before an upgrade: it hands its streams to other servers, and sends its
// clients there.
func (s *Server) Retire() { s.end(syscall.SIGUSR2) }

func (s *Server) end(signal syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal) // it may have ended by itself
	<-s.done
	s.cmd = nil
}

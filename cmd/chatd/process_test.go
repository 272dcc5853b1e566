package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// patience is for what should take milliseconds, on a machine that is busy.
const patience = 45 * time.Second

// asChatd in the environment makes the test binary be chatd: the process under
// test is built once, and with the race detector exactly if the tests are.
const asChatd = "CHATD_TEST_AS_CHATD"

func TestMain(m *testing.M) {
	if os.Getenv(asChatd) != "" {
		main()
		return
	}
	if os.Getenv(asNetHTTP) != "" {
		_ = serveSame() // whoever started it finds out
		return
	}
	status := m.Run()
	if err := stopBrowser(); err != nil {
		fmt.Fprintln(os.Stderr, "the browser does not end:", err)
		status = 1
	}
	os.Exit(status)
}

// process is a running chatd.
type process struct {
	Addr     string // host:port that it listens on
	TLS      string // where it speaks TLS, if it does
	Redirect string // that of -tls-redirect, if it has it
	Admin    string // that of -admin, if it has it

	t      testing.TB
	cmd    *exec.Cmd
	mu     sync.Mutex    // guards log until done is closed
	log    bytes.Buffer  // its stderr
	done   chan struct{} // its stderr is closed
	ending bool          // Stop was called
}

// startChatd starts chatd on a free port of the loopback interface, unless args
// say otherwise, waits until it listens, and stops it when the test ends.
func startChatd(t testing.TB, args ...string) *process {
	t.Helper()
	return startChatdIn(t, func(*exec.Cmd) {}, args...)
}

// startChatdIn is startChatd in surroundings that prepare makes.
func startChatdIn(t testing.TB, prepare func(*exec.Cmd), args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, done: make(chan struct{})}
	p.cmd = exec.Command(exe, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), asChatd+"=1", "GORACE=atexit_sleep_ms=10") // not a second
	prepare(p.cmd)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	listening := make(chan string, 1)
	go func() {
		defer close(p.done)
		listens := false
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.mu.Lock()
			fmt.Fprintln(&p.log, lines.Text())
			p.mu.Unlock()
			if listens { // what is told now is told by the next program
				continue
			}
			fields := strings.Fields(lines.Text())
			for _, field := range fields {
				if addr, ok := strings.CutPrefix(field, "tls_addr="); ok {
					p.TLS = addr // before it listens
				}
			}
			for _, field := range fields {
				switch addr, ok := strings.CutPrefix(field, "addr="); {
				case !ok:
				case slices.Contains(fields, "msg=listening"):
					listening <- addr
					listens = true
				case strings.Contains(lines.Text(), "redirecting to https"):
					p.Redirect = addr
				case strings.Contains(lines.Text(), "admin listening"):
					p.Admin = addr // before it listens
				}
			}
		}
	}()
	select {
	case p.Addr = <-listening:
	case <-p.done:
		t.Fatalf("chatd does not start:\n%s", &p.log)
	case <-time.After(patience):
		t.Fatal("chatd does not listen")
	}
	return p
}

// tells waits until the log has a line with all of texts, so many times.
func (p *process) tells(times int, texts ...string) {
	p.t.Helper()
	var log string
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		log = p.log.String()
		p.mu.Unlock()
		found := 0
		for line := range strings.Lines(log) {
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
				found++
			}
		}
		switch {
		case found >= times:
			return
		case time.Now().After(deadline):
			p.t.Fatalf("no %q in the log, or not %d times:\n%s", texts, times, log)
		}
	}
}

// Stop ends chatd as a service manager does, and checks that it ends well.
func (p *process) Stop() {
	p.t.Helper()
	if p.ending {
		return
	}
	p.ending = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // that it has ended already, Wait tells
	overdue := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer overdue.Stop()
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("chatd ended with %v:\n%s", err, &p.log)
	}
}

// dial connects a raw client to the lobby.
func (p *process) dial(t *testing.T) *client {
	t.Helper()
	return p.dialRoom(t, "lobby")
}

// dialRoom connects a raw client to a room. It reads what it gets, or it would be
// dropped.
func (p *process) dialRoom(t *testing.T, room string) *client {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr+"/ws/"+room, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	go func() {
		for {
			if _, _, err := conn.Read(t.Context()); err != nil {
				return
			}
		}
	}()
	return &client{t, conn}
}

type client struct {
	t    *testing.T
	conn *websocket.Conn
}

func (c *client) send(typ websocket.MessageType, message string) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), typ, []byte(message)); err != nil {
		c.t.Fatal(err)
	}
}

// flood sends "NAME 1" to "NAME n".
func (c *client) flood(name string, n int) {
	c.t.Helper()
	for i := range n {
		c.send(websocket.MessageText, fmt.Sprintf("%s %d", name, i+1))
	}
}

// soon waits until something is so that nobody tells of. The pause only leaves the
// processor to those who make it so.
func soon(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true")
		}
	}
}

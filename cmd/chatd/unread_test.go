package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"
)

// newPipe makes a blocking pipe, as those between processes are, with room for
// a page.
func newPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // this end alone, for a deadline
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "log"), os.NewFile(uintptr(fds[1]), "log")
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

// unread is a chatd whose log has been read until it listens, and then no more.
type unread struct {
	t      *testing.T
	cmd    *exec.Cmd
	ended  chan error
	log    *bufio.Scanner
	reader *os.File // of log
	addr   string
	admin  string
}

func startUnread(t *testing.T, args ...string) *unread {
	t.Helper()
	return startUnreadWith(t, "", args...)
}

// startUnreadWith starts chatd from a shell, after setup.
func startUnreadWith(t *testing.T, setup string, args ...string) *unread {
	t.Helper()
	r, w := newPipe(t)
	u := &unread{t: t, ended: make(chan error, 1), log: bufio.NewScanner(r), reader: r}
	u.patiently()
	chatd := asChatdCommand(t, append([]string{"-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-log-level", "debug"}, args...)...)
	u.cmd = exec.CommandContext(t.Context(), "sh", append([]string{"-c", setup + "\nexec \"$@\"", "sh"}, chatd.Args...)...)
	u.cmd.Env = chatd.Env
	u.cmd.Stderr = w
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() { u.ended <- u.cmd.Wait() }()
	t.Cleanup(func() { _ = u.cmd.Process.Kill() }) // if it still runs
	listening := regexp.MustCompile(`msg="?(admin listening|listening)"? addr=(\S+)`)
	for (u.addr == "" || u.admin == "") && u.log.Scan() {
		switch m := listening.FindStringSubmatch(u.log.Text()); {
		case m == nil:
		case m[1] == "listening":
			u.addr = m[2]
		default:
			u.admin = m[2]
		}
	}
	if u.addr == "" {
		t.Fatal("chatd does not listen")
	}
	return u
}

// patiently gives the log time for the next lines.
func (u *unread) patiently() {
	u.t.Helper()
	if err := u.reader.SetReadDeadline(time.Now().Add(patience)); err != nil {
		u.t.Fatal(err)
	}
}

// says reads the log up to a line with text.
func (u *unread) says(text string) (line string) {
	u.t.Helper()
	u.patiently()
	for u.log.Scan() {
		if strings.Contains(u.log.Text(), text) {
			return u.log.Text()
		}
	}
	u.t.Fatalf("no %q in the log: %v", text, u.log.Err())
	return ""
}

// asChatdCommand is a chatd to be started.
func asChatdCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), asChatd+"=1", "GORACE=atexit_sleep_ms=10")
	return cmd
}

// lost is the number of lost lines.
func (u *unread) lost() int {
	u.t.Helper()
	return metric(u.t, u.admin, "chatd_log_lines_lost_total")
}

// metric asks a chatd for one of its metrics.
func metric(t *testing.T, admin, name string) int {
	t.Helper()
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\d+)$`).FindSubmatch(body)
	if m == nil {
		t.Fatalf("/metrics has no %s:\n%s", name, body)
	}
	n, _ := strconv.Atoi(string(m[1])) // it is a number
	return n
}

// say makes chatd log a line, by a request that it refuses.
func (u *unread) say() {
	u.t.Helper()
	conn, err := net.Dial("tcp", u.addr)
	if err != nil {
		u.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		u.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "this is not HTTP\r\n\r\n"); err != nil {
		u.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		u.t.Fatal(err)
	}
}

// sayUntilLost makes it log until lines are lost.
func (u *unread) sayUntilLost() {
	u.t.Helper()
	for deadline := time.Now().Add(4 * patience); u.lost() == 0; {
		if time.Now().After(deadline) {
			u.t.Fatal("no line is lost")
		}
		for range 200 {
			u.say()
		}
	}
}

// member is a client, which has heard itself.
func (u *unread) member() *websocket.Conn {
	u.t.Helper()
	conn, _, err := websocket.Dial(u.t.Context(), "ws://"+u.addr+"/ws", nil)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { conn.CloseNow() })
	hearItself(u.t, conn)
	return conn
}

func hearItself(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(ctx); err != nil || string(message) != "hello" {
		t.Fatalf("%q, %v", message, err)
	}
}

func (u *unread) signal(s os.Signal) {
	u.t.Helper()
	if err := u.cmd.Process.Signal(s); err != nil {
		u.t.Fatal(err)
	}
}

// await waits for the end and checks the exit status.
func (u *unread) await(status int) {
	u.t.Helper()
	select {
	case err := <-u.ended:
		if got := u.cmd.ProcessState.ExitCode(); got != status {
			u.t.Errorf("ended with %v, want status %d", err, status)
		}
	case <-time.After(patience):
		u.t.Fatal("it does not end")
	}
}

// closed waits until conn is sent away.
func closed(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("sent away with %v", err)
	}
}

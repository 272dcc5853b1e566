package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// over is an HTTP client whose connections all go to one socket.
func over(t *testing.T, network, addr string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func fetch(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r.Status, err)
	}
	return string(body)
}

// chat has a new client over c hear what it says.
func chat(t *testing.T, c *http.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://chatd/ws", &websocket.DialOptions{HTTPClient: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, said, err := conn.Read(ctx); err != nil || string(said) != "hello" {
		t.Fatalf("%q, %v", said, err)
	}
}

func TestUnixSocketServesPageAndChatOfPeersWithoutAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.sock")
	p := startChatd(t, "-addr", "unix:"+path, "-unix-mode", "0600", "-admin", "127.0.0.1:0", "-max-conns-per-ip", "1", "-trusted-proxies", "unix")
	if p.Addr != "unix:"+path {
		t.Errorf("the log says %s", p.Addr)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Error(info.Mode(), err)
	}
	c := over(t, "unix", path)
	for range 3 { // all of no address: the limit is not theirs
		fetch(t, c, "http://chatd/")
		chat(t, c) // on the connection that had the page
		chat(t, c)
	}
	if r, err := c.Get("http://chatd/ws"); err != nil || r.Body.Close() != nil || r.StatusCode != http.StatusUpgradeRequired {
		t.Fatal(r, err)
	}
	admin := over(t, "tcp", p.Admin)
	if table := fetch(t, admin, "http://"+p.Admin+"/debug/conns"); strings.Count(table, "ready") != 6 || strings.Contains(table, "invalid") {
		t.Error(table)
	}
	if table := fetch(t, admin, "http://"+p.Admin+"/debug/conns?format=json"); strings.Count(table, `"source":""`) < 6 {
		t.Error(table)
	}
	p.Stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// A unix socket tells in its own way that it takes bytes again.
func TestClientOfAUnixSocketThatReadsLateGetsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.sock")
	startChatd(t, "-addr", "unix:"+path)
	const messages, size = 200, 16 << 10 // more than the socket holds, and less than the queue
	c := over(t, "unix", path)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	join := func() *websocket.Conn {
		conn, _, err := websocket.Dial(ctx, "ws://chatd/ws", &websocket.DialOptions{HTTPClient: c})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.CloseNow() })
		conn.SetReadLimit(-1)
		return conn
	}
	listener, speaker := join(), join()
	for _, conn := range []*websocket.Conn{speaker, listener} {
		for range messages {
			if conn == speaker {
				if err := speaker.Write(ctx, websocket.MessageBinary, make([]byte, size)); err != nil {
					t.Fatal(err)
				}
			}
			if _, m, err := conn.Read(ctx); err != nil || len(m) != size {
				t.Fatal(len(m), err)
			}
		}
	}
}

func TestUnixSocketOfAServerThatWasKilledIsReplacedAndOneThatLivesIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.sock")
	killed := startChatd(t, "-addr", "unix:"+path)
	killed.ending = true // by this test
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-killed.done
	_ = killed.cmd.Wait() // it was killed
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	startChatd(t, "-addr", "unix:"+path)
	_, stderr, status := runChatd(t, nil, "-addr", "unix:"+path)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if last := lines[len(lines)-1]; status != exitFailed || !strings.HasPrefix(last, "chatd: -addr: ") || !strings.Contains(last, "address already in use") {
		t.Errorf("exit status %d:\n%s", status, stderr)
	}
	chat(t, over(t, "unix", path))
}

func TestAdminMayHaveAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	p := startChatd(t, "-admin", "unix:"+path)
	if got := fetch(t, over(t, "unix", path), "http://anything/healthz"); got != "ok\n" {
		t.Error(got)
	}
	p.Stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// passing starts a command as systemd does, with sockets.
func passing(t *testing.T, names string, files ...*os.File) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		sh, err := exec.LookPath("sh")
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path, cmd.Args = sh, append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, cmd.Args...)
		cmd.Env = append(cmd.Environ(), asChatd+"=1", "LISTEN_FDNAMES="+names, fmt.Sprintf("LISTEN_FDS=%d", len(files)))
		cmd.ExtraFiles = files // 3 and up
	}
}

// listening is a socket that listens, and its address.
func listening(t *testing.T, network, addr string) (*os.File, string) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	file, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file, ln.Addr().String()
}

func TestSocketsThatSystemdPassesAreUsed(t *testing.T) {
	clients, addr := listening(t, "tcp", "127.0.0.1:0")
	admin, adminAddr := listening(t, "tcp", "127.0.0.1:0")
	p := startChatdIn(t, passing(t, "admin:chatd.socket", admin, clients), "-addr", "unix:unused", "-max-conns-per-ip", "5", "-admin-host", "metrics.example")
	if p.Addr != addr || p.Admin != adminAddr {
		t.Errorf("it listens on %s and %s, passed were %s and %s", p.Addr, p.Admin, addr, adminAddr)
	}
	chat(t, over(t, "tcp", addr))
	if got := fetch(t, over(t, "tcp", adminAddr), "http://metrics.example/readyz"); got != "ok\n" {
		t.Error(got)
	}
}

func TestSocketsOfTLSThatSystemdPassesAreUsed(t *testing.T) {
	t.Parallel()
	args, _, _ := certified(t)
	secure, tlsAddr := listening(t, "tcp", "127.0.0.1:0")
	redirect, redirectAddr := listening(t, "tcp", "127.0.0.1:0")
	clients, addr := listening(t, "tcp", "127.0.0.1:0")
	p := startChatdIn(t, passing(t, "tls:redirect:chatd.socket", secure, redirect, clients), append(args, "-tls-addr", "unix:unused")...)
	if p.Addr != addr || p.TLS != tlsAddr || p.Redirect != redirectAddr {
		t.Errorf("it listens on %s, %s and %s, passed were %s, %s and %s", p.Addr, p.TLS, p.Redirect, addr, tlsAddr, redirectAddr)
	}
	chat(t, over(t, "tcp", addr))
	hearItself(t, p.dialTLS(t, tlsAddr))
	r, _ := readPage(t, browser(t, theCA().Pool), "http://"+redirectAddr+"/")
	if want := "https://" + tlsAddr + "/"; r.Header.Get("Location") != want {
		t.Errorf("%s, to %s, want %s", r.Status, r.Header.Get("Location"), want)
	}
}

func TestUnixSocketThatSystemdPassesIsItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatd.sock")
	clients, _ := listening(t, "unix", path)
	p := startChatdIn(t, passing(t, "", clients))
	chat(t, over(t, "unix", path))
	p.Stop()
	if _, err := os.Lstat(path); err != nil {
		t.Error("it is removed, and is systemd's: ", err)
	}
}

func TestSocketsThatSystemdCannotHaveMeantAreRefused(t *testing.T) {
	t.Parallel()
	a, _ := listening(t, "tcp", "127.0.0.1:0")
	b, _ := listening(t, "tcp", "127.0.0.1:0")
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	datagrams, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	packets, _ := listening(t, "unixpacket", filepath.Join(t.TempDir(), "packets"))
	atPath, _ := listening(t, "unix", filepath.Join(t.TempDir(), "chatd.sock"))
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	certificate, _, _ := certified(t)
	for name, tt := range map[string]struct {
		files  []*os.File
		names  string
		args   []string
		status int
		says   string
	}{
		"two for clients":          {[]*os.File{a, b}, "", nil, exitFailed, "second socket for -addr"},
		"two for TLS":              {[]*os.File{a, b}, "tls:tls", nil, exitFailed, "second socket for -tls-addr"},
		"TLS without certificates": {[]*os.File{a, b}, ":tls", nil, exitUsage, "there is no certificate"},
		"redirect to no TLS":       {[]*os.File{a, b}, ":redirect", nil, exitUsage, "there is no certificate"},
		"redirect at a path":       {[]*os.File{a, atPath}, ":redirect", certificate, exitUsage, "-tls-redirect is without effect on a unix socket"},
		"datagrams":                {[]*os.File{datagrams}, "", nil, exitFailed, "ListenStream="},
		"packets":                  {[]*os.File{packets}, "", nil, exitFailed, "it is for packets"},
		"no socket":                {[]*os.File{null}, "", nil, exitFailed, "ListenStream="},
		"unix, a limit by address": {[]*os.File{atPath}, "", []string{"-max-conns-per-ip", "5"}, exitUsage, "-trusted-proxies unix"},
	} {
		t.Run(name, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), exe, tt.args...)
			passing(t, tt.names, tt.files...)(cmd)
			out, _ := cmd.CombinedOutput() // its status is looked at
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; cmd.ProcessState.ExitCode() != tt.status || !strings.HasPrefix(last, "chatd: ") || !strings.Contains(last, tt.says) {
				t.Errorf("%v:\n%s", cmd.ProcessState, out)
			}
		})
	}
}

// systemd is the socket on which the test hears, as a service manager, what chatd tells
// it, and where that is.
func systemd(t *testing.T) (conn *net.UnixConn, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn, path
}

func TestServiceManagerIsToldOfReadinessLifeAndTheEnd(t *testing.T) {
	conn, path := systemd(t)
	next := func() string {
		t.Helper()
		b := make([]byte, 100)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	p := startChatdIn(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=100000")
	})
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := next(); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for got := next(); got != "STOPPING=1"; got = next() {
		if got != "WATCHDOG=1" {
			t.Errorf("told %s", got)
		}
	}
	<-p.done // and Stop, at the end, checks the exit status
}

// Its socket takes no more than a few states that it does not read.
func TestServiceManagerThatIsStuckHoldsUpNeitherTheStartNorTheDrain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	address := &net.UnixAddr{Net: "unixgram", Name: path}
	stuck, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	filler, err := net.DialUnix("unixgram", nil, address)
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	raw, err := filler.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Write(func(fd uintptr) bool {
		for err == nil {
			_, err = syscall.Write(int(fd), []byte("X=1"))
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
	p := startChatdIn(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=100000")
	})
	p.dial(t)
	p.Stop()
}

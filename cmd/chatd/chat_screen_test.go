package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/coder/websocket"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is a "chatd chat" in a terminal of its own.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	pty    *os.File // the user's side
	tty    *os.File // the program's
	before unix.Termios

	mu    sync.Mutex
	more  *sync.Cond
	shown strings.Builder // what was ever written
	ended bool
}

// startTerminal starts chatd chat in a terminal of 60 columns.
func startTerminal(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	user, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	c := &terminal{t: t, pty: user, tty: tty, cmd: chatCommand(t, args...)}
	c.more = sync.NewCond(&c.mu)
	c.resize(60)
	c.before = c.modes()
	c.cmd.Env = append(append(c.cmd.Env, "TERM=xterm-256color"), env...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = tty, tty, tty
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // is told of resizes
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(c.read)
	overdue := time.AfterFunc(patience, func() { tty.Close(); c.cmd.Process.Kill() })
	t.Cleanup(func() {
		overdue.Stop()
		tty.Close()
		reading.Wait()
		user.Close()
	})
	return c
}

// read notes what is shown until nobody has the terminal.
func (c *terminal) read() {
	b := make([]byte, 4096)
	for {
		n, err := c.pty.Read(b)
		c.mu.Lock()
		c.shown.Write(b[:n])
		c.ended = err != nil
		c.more.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *terminal) types(keys string) {
	c.t.Helper()
	if _, err := io.WriteString(c.pty, keys); err != nil {
		c.t.Fatal(err)
	}
}

// opens waits until it is in the room, as it tells if asked who is there. What is
// below the transcript is drawn in bits, only what has changed.
func (c *terminal) opens(who string) {
	c.t.Helper()
	c.shows("lobby")
	c.types("/who\r")
	c.shows(who)
}

// forget has shows look only at what is yet to come.
func (c *terminal) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown.Reset()
}

// raw is all that was shown, with its escape sequences.
func (c *terminal) raw() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.String()
}

// shows waits until a text was shown.
func (c *terminal) shows(text string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !strings.Contains(ansi.Strip(c.shown.String()), text) {
		if c.ended {
			c.t.Fatalf("%q was not shown, but %q", text, c.shown.String())
		}
		c.more.Wait()
	}
}

func (c *terminal) resize(columns uint16) {
	c.t.Helper()
	if err := pty.Setsize(c.pty, &pty.Winsize{Rows: 20, Cols: columns}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *terminal) modes() unix.Termios {
	c.t.Helper()
	modes, err := unix.IoctlGetTermios(int(c.tty.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return *modes
}

// ends waits for the end, with this status, and the terminal as it was before.
func (c *terminal) ends(status int) {
	c.t.Helper()
	err := c.cmd.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	if got := c.cmd.ProcessState.ExitCode(); got != status {
		c.t.Errorf("exit status %d, not %d", got, status)
	}
	if c.modes() != c.before {
		c.t.Error("the terminal is not what it was")
	}
}

func TestATalkInATerminal(t *testing.T) {
	server := startChatd(t)
	c := startTerminal(t, nil, "-name", "Ana", server.Addr)
	c.opens("1 here: Ana")
	if c.modes() == c.before {
		t.Error("the terminal is not the program's")
	}
	c.types("hullo\x7f\x7f\x7f\x7fello, all\r") // backspaces
	c.shows(" Ana: hello, all\r\n")

	bob := startPiped(t, "-name", "Bob", "-since", "now", server.Addr)
	fmt.Fprintln(bob.in, "I am \x1b]0;here\a \u202e")
	c.shows(" Bob: I am ␛]0;here␇ �\r\n")
	c.types("/who\r")
	c.shows("2 here: ")

	c.types("/name Cyd\r")
	c.shows("you are Cyd now")
	c.types("again\r")
	c.shows(" Cyd: again\r\n")
	c.types("/nonsense\r")
	c.shows("/nonsense is no command")
	c.types("/help\r")
	c.shows("/name NAME")
	c.types("//help\r")
	c.shows(" Cyd: /help\r\n")
	c.types("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[B once more\r") // up to /nonsense, down to /help
	c.shows("besides talking you can type")
	bob.in.Close()
	bob.hears("Bob: I am ␛]0;here␇ �")
	for bob.out.Scan() { // what else he heard
	}
	bob.ends(0)
	c.types("\x03")
	c.ends(0)
	if !colour.MatchString(c.raw()) {
		t.Error("names have no colours")
	}
}

func TestATerminalsLinesAreBrokenWhereItEnds(t *testing.T) {
	server := startChatd(t)
	raw := server.dial(t)
	c := startTerminal(t, nil, server.Addr)
	c.opens("2 here")
	const text = "11111111 22222222 33333333 44444444 55555555 66666666"
	raw.send(websocket.MessageText, text)
	c.shows(" 11111111 22222222 33333333 44444444 55555555\r\n")
	c.shows("      66666666\r\n")
	c.forget()
	c.resize(40)
	c.shows("lobby") // again
	raw.send(websocket.MessageText, text)
	c.shows(" 11111111 22222222 33333333\r\n")
	c.types("/quit\r")
	c.ends(0)
}

// colour is what names may have.
var colour = regexp.MustCompile(`\x1b\[[39][1-6]m`)

func TestWithoutColoursNamesHaveNone(t *testing.T) {
	server := startChatd(t)
	c := startTerminal(t, []string{"NO_COLOR=1"}, "-name", "Ana", server.Addr)
	c.opens("1 here: Ana")
	c.types("hello\r")
	c.shows(" Ana: hello\r\n")
	c.types("\x04")
	c.ends(0)
	if raw := c.raw(); colour.MatchString(raw) {
		t.Errorf("%q", raw)
	}
}

func TestATerminalIsRestoredWhenTheServerSendsUsAway(t *testing.T) {
	c := startTerminal(t, nil, "127.0.0.1:1")
	c.ends(1)
	c.shows("chatd chat: 127.0.0.1:1: connection refused")
}

func TestATerminalWhoseNetworkVanishesMissesNothingAndShowsTheMark(t *testing.T) {
	server := startChatd(t)
	network := newNetwork(t, server)
	witness := startPiped(t, server.Addr)
	c := startTerminal(t, nil, "-name", "Ana", network.Addr)
	c.shows("lobby")
	c.types("hello\r")
	witness.hears("Ana: hello")
	network.become(holds, holds) // whatever is tried from now on
	network.reset()
	server.dial(t).send(websocket.MessageText, "are you there?")
	witness.hears("are you there?")
	c.types("I am away\r")
	network.become(passes, passes)
	c.shows("back after")
	c.shows("── missed while you were away ──")
	c.shows(" are you there?\r\n")
	c.shows(" Ana: I am away\r\n")
	witness.hears("Ana: I am away")
	witness.in.Close()
	witness.ends(0)
	c.types("\x03")
	c.ends(0)
}

func TestATerminalIsRestoredWhenWeAreTerminated(t *testing.T) {
	server := startChatd(t)
	c := startTerminal(t, nil, server.Addr)
	c.opens("1 here")
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.ends(0)
}

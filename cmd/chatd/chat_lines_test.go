package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// piped is a running "chatd chat".
type piped struct {
	*exec.Cmd
	t    *testing.T
	in   io.WriteCloser
	out  *bufio.Scanner
	errs strings.Builder
}

// startPiped starts chatd chat in a pipe.
func startPiped(t *testing.T, args ...string) *piped {
	t.Helper()
	c := newPiped(t, args...)
	var err error
	if c.in, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// newPiped is a chatd chat with /dev/null as standard input, not started yet.
func newPiped(t *testing.T, args ...string) *piped {
	t.Helper()
	c := &piped{t: t, Cmd: chatCommand(t, args...)}
	c.Stderr = &c.errs
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	return c
}

func chatCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, append([]string{"chat"}, args...)...)
	cmd.Env = append(os.Environ(), asChatd+"=1", "GORACE=atexit_sleep_ms=10")
	return cmd
}

// hears waits for a line, which is to be this one.
func (c *piped) hears(want string) {
	c.t.Helper()
	if !c.out.Scan() {
		c.t.Fatalf("heard nothing more, not %q: %v %s", want, c.out.Err(), &c.errs)
	}
	if got := c.out.Text(); got != want {
		c.t.Fatalf("heard %q, not %q", got, want)
	}
}

// ends waits for the end with this status, and returns what it told.
func (c *piped) ends(status int) string {
	c.t.Helper()
	for c.out.Scan() {
		c.t.Errorf("heard %q", c.out.Text())
	}
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != status {
		c.t.Errorf("exit status %d, not %d: %s", got, status, &c.errs)
	}
	return c.errs.String()
}

func TestAPipeIntoTheChatIsSaidAndEndsWhenItIsConfirmed(t *testing.T) {
	server := startChatd(t)
	listener := startPiped(t, server.Addr)
	listener.in.Close()
	listener.ends(0) // nothing to say

	speaker := startPiped(t, "-name", "Ana", "http://"+server.Addr+"/r/side")
	fmt.Fprintf(speaker.in, "hello\n\n\x1b[31mred\r\nlast, without an end")
	speaker.in.Close()
	speaker.hears("Ana: hello")
	speaker.hears("Ana: ␛[31mred")
	speaker.hears("Ana: last, without an end")
	if told := speaker.ends(0); told != "" {
		t.Errorf("told %s", told)
	}

	late := startPiped(t, server.Addr+"/side")
	late.hears("Ana: hello") // the history
	late.hears("Ana: ␛[31mred")
	late.hears("Ana: last, without an end")
	late.in.Close()
	late.ends(0)
}

func TestVeryManyLinesThroughAPipeAreAllThereAndInOrder(t *testing.T) {
	server := startChatd(t)
	n := 100_000
	if raceDetector {
		n = 20_000
	}
	c := startPiped(t, "-name", "Ana", server.Addr)
	go func() {
		defer c.in.Close()
		w := bufio.NewWriter(c.in)
		defer w.Flush()
		for i := range n {
			fmt.Fprintln(w, i)
		}
	}()
	for i := range n {
		c.hears(fmt.Sprint("Ana: ", i))
	}
	c.ends(0)
}

func TestWithDevNullTheChatListensUntilItIsInterrupted(t *testing.T) {
	server := startChatd(t)
	server.dial(t).send(websocket.MessageText, "are you there?")
	c := newPiped(t, server.Addr)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.hears("are you there?") // without a name: a raw client has none
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	c.ends(0)
}

func TestTheChatEndsWhenNobodyReadsIt(t *testing.T) {
	server := startChatd(t)
	server.dial(t).send(websocket.MessageText, "anybody?")
	c := chatCommand(t, server.Addr)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	if err := c.Run(); err != nil {
		t.Error(err)
	}
}

func TestInJSONTheChatIsItsEvents(t *testing.T) {
	server := startChatd(t)
	c := startPiped(t, "-json", "-name", "Ana", server.Addr)
	fmt.Fprintln(c.in, "a \u009b b")
	c.in.Close()
	var types []string
	for c.out.Scan() {
		var e struct{ Type, Text, Nonce, Name string }
		if err := json.Unmarshal(c.out.Bytes(), &e); err != nil {
			t.Fatalf("%q: %v", c.out.Text(), err)
		}
		if e.Type != "members" {
			types = append(types, e.Type)
		}
		if e.Type == "say" && (e.Text != "a \u009b b" || e.Name != "Ana" || strings.Contains(c.out.Text(), "\u009b")) {
			t.Errorf("heard %q", c.out.Text())
		}
	}
	if got := strings.Join(types, " "); got != "welcome say" {
		t.Errorf("heard %s", got)
	}
	c.ends(0)
}

func TestALineThatTheServerDoesNotTakeIsToldAndTheRestIsSaid(t *testing.T) {
	server := startChatd(t, "-max-message", "100")
	c := startPiped(t, "-name", "Ana", server.Addr)
	fmt.Fprintf(c.in, "one\n%s\n%s\nfour\n", strings.Repeat("x", 101), strings.Repeat("y", 1<<20))
	c.in.Close()
	c.hears("Ana: one")
	c.hears("Ana: four")
	told := c.ends(1)
	for _, line := range []string{"line 2: too_long", "line 3: too_long", "2 lines were refused"} {
		if !strings.Contains(told, line) {
			t.Errorf("told %s", told)
		}
	}
}

func TestAChatThatCannotBeIsOneClearLine(t *testing.T) {
	cases := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"no URL", nil, 2, "URL is missing"},
		{"two URLs", []string{"localhost", "-json"}, 2, "flags come first"},
		{"no room's URL", []string{"http://localhost/nonsense"}, 2, "/r/room"},
		{"unknown flag", []string{"-nonsense", "localhost"}, 2, "-nonsense"},
		{"name", []string{"-name", strings.Repeat("x", 33), "localhost"}, 2, "-name: a name has 1 to 32"},
		{"position", []string{"-since", "yesterday", "localhost"}, 2, "-since"},
		{"nobody there", []string{"127.0.0.1:1"}, 1, "127.0.0.1:1: connection refused"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, status := runChatd(t, nil, append([]string{"chat"}, c.args...)...)
			if status != c.status || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.says) {
				t.Errorf("status %d, %q, %q", status, stdout, stderr)
			}
		})
	}
}

func TestATokenInAnAddressIsWarnedOfAndNotRepeated(t *testing.T) {
	stdout, stderr, status := runChatd(t, nil, "chat", "127.0.0.1:1/?token=secret")
	if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 2 || !strings.Contains(stderr, "127.0.0.1:1: connection refused") || strings.Contains(stderr, "secret") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
}

func TestLinesThroughANetworkThatBreaksAreAllThereOnceAndInOrder(t *testing.T) {
	t.Parallel()
	server := startChatd(t, "-history", "1000")
	network := newNetwork(t, server)
	const n, every = 2000, 400
	c := startPiped(t, "-name", "Ana", network.Addr)
	go func() {
		defer c.in.Close()
		for i := range n {
			fmt.Fprintln(c.in, i)
		}
	}()
	for i := range n {
		c.hears(fmt.Sprint("Ana: ", i))
		if i%every == every/2 {
			network.reset()
		}
	}
	if told := c.ends(0); !strings.Contains(told, "trying again") || !strings.Contains(told, "back after") {
		t.Errorf("told %s", told)
	}
}

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatd/bench/hostile"
)

// Config says where things are.
type Config struct {
	Chatd   string        // chatd's binary
	Clients string        // the directory of the clients
	Bin     string        // the directory of what was built and installed for them
	Timeout time.Duration // of one run
}

const (
	pingInterval = time.Second     // a client that is silent for so long is pinged
	grace        = 5 * time.Second // for what is under way when a client has ended
)

// expand makes a command of a client's words.
func (c Config) expand(ctx context.Context, words []string, more ...string) *exec.Cmd {
	places := strings.NewReplacer("{clients}", c.Clients, "{bin}", c.Bin)
	all := slices.Concat(words, more)
	for i, word := range all {
		all[i] = places.Replace(word)
	}
	cmd := exec.CommandContext(ctx, all[0], all[1:]...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(c.Bin, "node", "node_modules"))
	// Ctrl-C is for us, and what a client started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = grace
	return cmd
}

// version asks for the version of what is to be run, and says why there is none.
func (c Config) version(ctx context.Context, words []string) (version, missing string) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := c.expand(ctx, words)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if version = firstLine(string(out)); err == nil && version != "" {
		return version, ""
	}
	if missing = lastLine(stderr.String()); missing == "" && err != nil {
		missing = err.Error()
	}
	return "", missing
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// Run lets a client talk in one mode and returns what was wrong. The error is
// of the harness, or of chatd.
func (c Config) Run(ctx context.Context, client *Client, mode Mode) (faults []string, err error) {
	flags := append([]string{"-addr", "127.0.0.1:0", "-ping-interval", pingInterval.String()}, client.Flags...)
	if mode == Declined {
		flags = append(flags, "-compress=false")
	}
	chatd, err := hostile.StartChatd(ctx, c.Chatd, flags...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, chatd.Stop()) }()
	tap, err := newTap(ctx, chatd.Addr)
	if err != nil {
		return nil, err
	}
	var t trace
	err = c.talk(ctx, client, mode, chatd.Addr, tap, &t)
	t.wire = tap.close()
	if err != nil {
		return nil, err
	}
	return judge(t, mode, client.Fragments), nil
}

// talk runs the client and its neighbour.
func (c Config) talk(ctx context.Context, client *Client, mode Mode, addr string, tap *tap, t *trace) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	n, err := newNeighbour(ctx, addr)
	if err != nil {
		return err
	}
	defer n.conn.CloseNow()
	talking, hush := context.WithCancel(ctx)
	defer hush()
	talked := make(chan error, 1)
	go func() { talked <- n.talk(talking, tap.pinged, c.Timeout/2) }()

	how := "offer"
	if mode == Plain {
		how = "plain"
	}
	cmd := c.expand(ctx, client.Command, "ws://"+tap.listener.Addr().String()+"/ws", how)
	t.trouble = t.told.run(ctx, cmd)
	defer time.AfterFunc(grace, hush).Stop()
	if err := <-talked; err != nil {
		t.trouble = append(t.trouble, err.Error())
	}
	t.heard = n.heard
	return nil
}

// run runs a client until it ends, and returns what went wrong with that.
func (t *told) run(ctx context.Context, cmd *exec.Cmd) (trouble []string) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return []string{err.Error()}
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return []string{err.Error()}
	}
	unread := t.read(out)
	_, _ = io.Copy(io.Discard, out) // or it could not end
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		trouble = append(trouble, fmt.Sprintf("the client did not end within %s", time.Since(began).Round(time.Second)))
	case err != nil:
		trouble = append(trouble, fmt.Sprintf("the client ended with %v: %s", err, lastLine(stderr.String())))
	case unread != nil:
		trouble = append(trouble, unread.Error())
	}
	return append(trouble, t.strays...)
}

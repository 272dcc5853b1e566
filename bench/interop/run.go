package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatd/bench/certificate"
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
	switch mode {
	case Declined:
		flags = append(flags, "-compress=false")
	case Secure:
		return c.runSecure(ctx, client, flags)
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
	m := meeting{
		url: "ws://" + tap.listener.Addr().String() + "/ws", offers: mode != Plain,
		neighbour: "ws://" + chatd.Addr + "/ws", pinged: tap.pinged, hopeless: c.Timeout / 2,
	}
	var t trace
	err = c.talk(ctx, client, m, &t)
	t.wire = tap.close()
	if err != nil {
		return nil, err
	}
	return judge(t, mode, client.Fragments), nil
}

// runSecure is Run over TLS: there is no tap, which could see nothing.
func (c Config) runSecure(ctx context.Context, client *Client, flags []string) (faults []string, err error) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cert, err := certificate.Write(dir)
	if err != nil {
		return nil, err
	}
	chatd, err := hostile.StartChatd(ctx, c.Chatd, append(flags, cert.Flags()...)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, chatd.Stop()) }()
	by, err := believer(cert)
	if err != nil {
		return nil, err
	}
	defer by.CloseIdleConnections()
	url := "wss://" + chatd.Addr + "/ws"
	m := meeting{
		url: url, offers: client.Deflate == Always, env: env(cert),
		neighbour: url, by: by, hopeless: 3 * pingInterval,
	}
	var t trace
	if err := c.talk(ctx, client, m, &t); err != nil {
		return nil, err
	}
	return judgeSecure(t), nil
}

// meeting is how a client and its neighbour meet.
type meeting struct {
	url    string   // the client's
	offers bool     // permessage-deflate
	env    []string // of the client, besides ours

	neighbour string       // its URL
	by        *http.Client // its client, nil: the usual one

	pinged   <-chan struct{} // the client has answered a ping; nil: nobody sees that
	hopeless time.Duration   // after which that is not waited for any more
}

// talk runs the client and its neighbour.
func (c Config) talk(ctx context.Context, client *Client, m meeting, t *trace) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	n, err := newNeighbour(ctx, m.neighbour, m.by)
	if err != nil {
		return err
	}
	defer n.conn.CloseNow()
	talking, hush := context.WithCancel(ctx)
	defer hush()
	talked := make(chan error, 1)
	go func() { talked <- n.talk(talking, m.pinged, m.hopeless) }()

	how := "plain"
	if m.offers {
		how = "offer"
	}
	cmd := c.expand(ctx, client.Command, m.url, how)
	cmd.Env = append(cmd.Env, m.env...)
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

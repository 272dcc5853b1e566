package hostile

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Chatd is a server's process that listens on all addresses, and its admin.
type Chatd struct {
	Target        // where TLS is spoken, if it is
	plain  string // where it is not
	admin  string
	cmd    *exec.Cmd
	log    strings.Builder // to be read once done is closed
	done   chan struct{}   // its log has ended
}

// StartChatd starts program, chatd's binary, and waits until it listens: with a
// certificate, where TLS is spoken, too.
func StartChatd(ctx context.Context, program string, flags ...string) (*Chatd, error) {
	c := &Chatd{done: make(chan struct{})}
	c.TLS = slices.Contains(flags, "-tls-cert")
	if c.TLS {
		flags = append([]string{"-tls-addr", ":0"}, flags...)
	}
	c.cmd = exec.Command(program, append([]string{"-addr", ":0", "-admin", "127.0.0.1:0"}, flags...)...)
	// Ctrl-C is for us. (It is not told to die with us: that would be with the
	// thread that happens to start it.)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start chatd: %w", err)
	}
	c.PID = c.cmd.Process.Pid
	listening := make(chan [2]string, 1) // without TLS, and with it
	go func() {
		defer close(c.done)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			line := lines.Text()
			fmt.Fprintln(&c.log, line)
			field := func(name string) string {
				_, rest, _ := strings.Cut(line, " "+name+"=")
				value, _, _ := strings.Cut(rest, " ")
				return value
			}
			switch {
			case strings.Contains(line, "admin listening"):
				c.admin = field("addr")
			case strings.Contains(line, "msg=listening"):
				listening <- [2]string{near(field("addr")), near(field("tls_addr"))}
			}
		}
	}()
	select {
	case addrs := <-listening:
		c.plain, c.Addr = addrs[0], cmp.Or(addrs[1], addrs[0])
		return c, nil
	case <-c.done:
		_ = c.cmd.Wait() // the log says why
		return nil, fmt.Errorf("chatd does not start: %s", c.log.String())
	case <-ctx.Done():
		_ = c.Stop()
		return nil, ctx.Err()
	}
}

// near is an address on the loopback interface, of one that listens on all.
func near(addr string) string {
	if addr == "" {
		return ""
	}
	return "127.0.0.1" + addr[strings.LastIndexByte(addr, ':'):]
}

// urls are those of its WebSocket.
func (c *Chatd) urls() []string {
	all := []string{"ws://" + c.plain + "/ws"}
	if c.TLS {
		all = append(all, "wss://"+c.Addr+"/ws")
	}
	return all
}

// Stop sends everybody away and returns how chatd ended.
func (c *Chatd) Stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	overdue := time.AfterFunc(30*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer overdue.Stop()
	<-c.done
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("chatd ended with %w:\n%s", err, c.log.String())
	}
	return nil
}

// Log is what chatd has logged. It must have been stopped.
func (c *Chatd) Log() string { return c.log.String() }

// Metrics is the series of /metrics.
func (c *Chatd) Metrics(ctx context.Context) (map[string]float64, error) {
	return Metrics(ctx, c.admin)
}

// Metrics is the series of the server whose admin is there. (It reads all: otherwise the
// next time would take another connection, and there may be no descriptor for it.)
func Metrics(ctx context.Context, admin string) (map[string]float64, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	all := make(map[string]float64)
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		if i := strings.LastIndexByte(lines.Text(), ' '); i > 0 && lines.Text()[0] != '#' {
			if all[lines.Text()[:i]], err = strconv.ParseFloat(lines.Text()[i+1:], 64); err != nil {
				return nil, err
			}
		}
	}
	return all, lines.Err()
}

// Metric is the value of one of them.
func (c *Chatd) Metric(ctx context.Context, series string) (float64, error) {
	all, err := c.Metrics(ctx)
	v, ok := all[series]
	if err == nil && !ok {
		err = errors.New("there is no metric " + series)
	}
	return v, err
}

// Until waits for a metric to be as good says.
func (c *Chatd) Until(ctx context.Context, series string, good func(float64) bool) error {
	last := math.NaN()
	for {
		v, err := c.Metric(ctx, series)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s stays at %v", series, last)
		case err != nil || good(v):
			return err
		}
		last = v
		pause(ctx, 20*time.Millisecond)
	}
}

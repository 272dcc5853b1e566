package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"chatd/room/chattest"
)

var kills = flag.Int("data.kills", 3, "how often a chatd with -data is killed under load, for each -sync")

// kill ends chatd as a machine without memory does.
func (p *process) kill() {
	p.ending = true
	_ = p.cmd.Process.Kill() // it runs
	<-p.done
	_ = p.cmd.Wait() // it says so
}

// commits is how often the history was written.
func (p *process) commits() (n int) {
	p.t.Helper()
	for line := range strings.Lines(p.metrics()) {
		if count, ok := strings.CutPrefix(line, `chatd_data_commits_total{outcome="written"} `); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(count), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			n = int(f)
		}
	}
	return n
}

func (p *process) metrics() string {
	p.t.Helper()
	_, body := p.admin("/metrics")
	return body
}

// admin asks the admin port.
func (p *process) admin(path string) (status int, body string) {
	p.t.Helper()
	r, err := http.Get("http://" + p.Admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// acknowledged are the messages of a room that came back to who said them.
type acknowledged struct {
	mu   sync.Mutex
	text map[uint64]string // by their numbers
	last uint64
}

func (a *acknowledged) add(e *chattest.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text[e.Seq] = e.Said()
	a.last = max(a.last, e.Seq)
}

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.text)
}

// A chatd that is killed again and again while several say things has, afterwards, all
// that was acknowledged before its last sync, in the same order and under the same
// numbers, and who comes back goes on where he was.
func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	t.Parallel()
	for _, sync := range []string{"always", "20ms"} {
		t.Run(sync, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			acked := &acknowledged{text: make(map[uint64]string)}
			epoch, ledger := "", new(chattest.Ledger)
			for round := range *kills {
				p := startChatd(t, "-data", dir, "-sync", sync, "-history", "100000", "-admin", "127.0.0.1:0")
				listener := p.returns(t, ledger)
				if epoch == "" {
					epoch = listener.Welcome.Epoch
				} else if listener.Welcome.Epoch != epoch {
					t.Fatalf("round %d: the epoch is %s, and was %s", round, listener.Welcome.Epoch, epoch)
				}
				sure := p.talk(t, round, sync, acked, ledger, listener)
				checkHistory(t, dir, sync, epoch, acked, sure)
			}
			if len(ledger.Heard) == 0 {
				t.Error("nothing was heard")
			}
		})
	}
}

// returns joins as the one who has the ledger. What he heard and what is not there any
// more he is told of by a gap: then he begins anew.
func (p *process) returns(t *testing.T, ledger *chattest.Ledger) *chattest.Conn {
	t.Helper()
	since := ledger.Position()
	c, err := chattest.Dial(p.Addr, chattest.Options{Room: "a", Since: since})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if since != "" && !c.Welcome.Resumed {
		e, err := c.Next()
		if err != nil || e.Type != "gap" || e.Why != "future" && e.Why != "mismatch" {
			t.Fatalf("%+v, %v", e, err)
		}
		*ledger = chattest.Ledger{Heard: ledger.Heard}
	}
	if err := ledger.Take(c.Welcome); err != nil {
		t.Fatal(err)
	}
	return c
}

// talk has several say things until chatd is killed. It returns the number of a message
// up to which all were on disk.
func (p *process) talk(t *testing.T, round int, sync string, acked *acknowledged, ledger *chattest.Ledger, listener *chattest.Conn) (sure uint64) {
	t.Helper()
	heard, said := make(chan error, 1), make(chan struct{})
	go func() {
		for {
			e, err := listener.Next()
			if err != nil {
				heard <- nil
				return
			}
			if err := ledger.Take(e); err != nil {
				heard <- err
				return
			}
		}
	}()
	const speakers = 3
	for i := range speakers {
		c, err := chattest.Dial(p.Addr, chattest.Options{Room: "a", Since: "now"})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { said <- struct{}{} }()
			defer c.Close()
			for n := 0; ; n++ {
				nonce := fmt.Sprintf("%d-%d-%d", round, i, n)
				if c.Send(map[string]string{"type": "say", "text": nonce, "nonce": nonce}) != nil {
					return
				}
				for {
					e, err := c.Next()
					if err != nil {
						return
					}
					if e.Type == "say" && e.Nonce == nonce {
						acked.add(e)
						break
					}
				}
			}
		}()
	}
	before := acked.count()
	soon(t, func() bool { return acked.count() >= before+20+rand.IntN(50) })
	acked.mu.Lock()
	sure = acked.last
	acked.mu.Unlock()
	if sync != "always" {
		n := p.commits()
		soon(t, func() bool { return p.commits() >= n+2 }) // the second one began after that
	}
	p.kill()
	for range speakers {
		<-said
	}
	if err := <-heard; err != nil {
		t.Fatal(err)
	}
	if sync == "always" {
		sure = acked.last
	}
	return sure
}

// checkHistory compares what is there with what was acknowledged, which is forgotten if
// it may be gone.
func checkHistory(t *testing.T, dir, sync, epoch string, acked *acknowledged, sure uint64) {
	t.Helper()
	p := startChatd(t, "-data", dir, "-sync", sync, "-history", "100000")
	defer p.Stop()
	c, err := chattest.Dial(p.Addr, chattest.Options{Room: "a", Since: epoch + ".0"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !c.Welcome.Resumed || c.Welcome.Epoch != epoch {
		t.Fatalf("%+v", c.Welcome)
	}
	if err := c.Send(map[string]string{"type": "say", "text": "the end"}); err != nil {
		t.Fatal(err)
	}
	nonces := make(map[string]bool)
	for last := uint64(0); ; last++ {
		e, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == "members" {
			last--
			continue
		}
		if e.Type != "say" || e.Seq != last+1 || e.Nonce != "" && nonces[e.Nonce] {
			t.Fatalf("%+v behind %d", e, last)
		}
		nonces[e.Nonce] = true
		if e.ID == c.Welcome.ID {
			if last < sure {
				t.Fatalf("%d messages are there, %d were on disk", last, sure)
			}
			for seq := range acked.text {
				if seq > last {
					delete(acked.text, seq)
				}
			}
			acked.last = last
			return
		}
		if want := acked.text[e.Seq]; want != "" && e.Said() != want {
			t.Fatalf("message %d is %s, was %s", e.Seq, e.Said(), want)
		}
	}
}

// mount makes the directory a small disk.
func mount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("no file system of its own: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// While its disk is full a chatd takes no messages, and says so; it goes on by itself.
func TestFullDiskIsToldAndGoesOnByItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount(t, dir)
	fill, free := ballast(t, dir)
	fill()
	if _, stderr, status := runChatd(t, nil, "-addr", "127.0.0.1:0", "-data", dir); status == 0 || !strings.HasSuffix(stderr, "rooms.db can't be made: no space left on device\n") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	free()
	p := startChatd(t, "-data", dir, "-sync", "always", "-admin", "127.0.0.1:0")
	c, err := chattest.Dial(p.Addr, chattest.Options{Room: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func(nonce string) *chattest.Event {
		t.Helper()
		return p.says(c, nonce, strings.Repeat(nonce, 10_000))
	}
	if e := say("a"); e.Type != "say" {
		t.Fatalf("%+v", e)
	}
	fill()
	n := 0
	soon(t, func() bool { // pages that are free in the file are used first
		n++
		e := say(fmt.Sprint("b", n))
		return e.Type == "error" && e.Code == "unavailable" && strings.Contains(e.Message, "no messages can be taken")
	})
	soon(t, func() bool {
		status, body := p.admin("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "no space left on device")
	})
	if m := p.metrics(); !strings.Contains(m, "chatd_order_available 0\n") || strings.Contains(m, "chatd_publish_failures_total 0\n") {
		t.Error(m)
	}
	free()
	soon(t, func() bool {
		n++
		return say(fmt.Sprint("c", n)).Type == "say"
	})
	if status, body := p.admin("/readyz"); status != http.StatusOK {
		t.Error(body)
	}
	p.Stop()
	for _, line := range []string{"history can't be written", "history is written again"} {
		if !strings.Contains(p.log.String(), line) {
			t.Errorf("the log does not say that %s", line)
		}
	}
}

// ballast fills the disk of dir, and frees it.
func ballast(t *testing.T, dir string) (fill, free func()) {
	path := filepath.Join(dir, "ballast")
	fill = func() {
		t.Helper()
		if out, err := exec.Command("dd", "if=/dev/zero", "of="+path, "bs=4k").CombinedOutput(); err == nil {
			t.Fatalf("the disk is not full: %s", out)
		}
	}
	free = func() {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	return fill, free
}

// What a chatd keeps when it is started with other flags.
func TestRoomsOnDiskAreBoundByTheFlagsOfTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	begin := func(args ...string) *process { return startChatd(t, append([]string{"-data", dir}, args...)...) }
	epochs := make(map[string]string)
	p := begin()
	for _, name := range []string{"a", "b", "c"} {
		c, err := chattest.Dial(p.Addr, chattest.Options{Room: name})
		if err != nil {
			t.Fatal(err)
		}
		epochs[name] = c.Welcome.Epoch
		p.says(c, "n", "hi "+name)
		c.Close()
	}
	p.Stop()
	resumes := func(name string) bool {
		t.Helper()
		c, err := chattest.Dial(p.Addr, chattest.Options{Room: name, Since: epochs[name] + ".0"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Welcome.Resumed && c.Welcome.Epoch == epochs[name]
	}
	p = begin("-rooms", "c") // the others are kept
	if !resumes("c") {
		t.Error("c is not as it was")
	}
	p.Stop()
	p = begin("-max-rooms", "2")
	for _, name := range []string{"b", "c"} {
		if !resumes(name) {
			t.Errorf("%s is not as it was", name)
		}
	}
	p.Stop()
	if !strings.Contains(p.log.String(), "those that were silent longest are forgotten") {
		t.Error("the log says nothing of rooms that are forgotten")
	}
	p = begin()
	if resumes("a") || !resumes("b") || !resumes("c") {
		t.Error("the rooms are not those that were in use last")
	}
}

// says says something and waits until it has its place, or fails.
func (p *process) says(c *chattest.Conn, nonce, text string) *chattest.Event {
	p.t.Helper()
	if err := c.Send(map[string]string{"type": "say", "text": text, "nonce": nonce}); err != nil {
		p.t.Fatal(err)
	}
	for {
		e, err := c.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		if e.Nonce == nonce {
			return e
		}
	}
}

// Without a history there is still each room's number: who comes back after a crash knows
// whether something is missing.
func TestRoomWithoutAHistoryIsResumedAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startChatd(t, "-data", dir, "-sync", "always", "-history", "0")
	c, err := chattest.Dial(p.Addr, chattest.Options{Room: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first, last := p.says(c, "1", "first"), p.says(c, "2", "last")
	p.kill()
	p = startChatd(t, "-data", dir, "-sync", "always", "-history", "0")
	for since, resumes := range map[*chattest.Event]bool{first: false, last: true} {
		again, err := chattest.Dial(p.Addr, chattest.Options{Room: "a", Since: fmt.Sprintf("%s.%d.%d", c.Welcome.Epoch, since.Seq, since.At)})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if w := again.Welcome; w.Epoch != c.Welcome.Epoch || w.Seq != last.Seq || w.Resumed != resumes {
			t.Errorf("behind %d: %+v", since.Seq, w)
		}
	}
}

// What can't be written at the end is told, by the exit status, too.
func TestEndOnAFullDiskIsAFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount(t, dir)
	p := startChatd(t, "-data", dir, "-sync", "1h")
	c, err := chattest.Dial(p.Addr, chattest.Options{Room: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fill, _ := ballast(t, dir)
	fill()
	for i := range 5 {
		p.says(c, strconv.Itoa(i), strings.Repeat("x", 60_000))
	}
	p.ending = true
	if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.done
	_ = p.cmd.Wait() // the exit status, below
	if status := p.cmd.ProcessState.ExitCode(); status != 1 || !strings.HasSuffix(p.log.String(), "no space left on device\n") || !strings.Contains(p.log.String(), "messages could not be written") {
		t.Errorf("exit status %d: %s", status, &p.log)
	}
}

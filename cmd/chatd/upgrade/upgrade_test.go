package upgrade

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is for what should take milliseconds, on a machine that is busy.
const patience = 60 * time.Second

// process is a server that runs.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr string

	mu   sync.Mutex
	log  bytes.Buffer
	told chan struct{} // closed, and another one made, when something is logged
}

// start starts one, with more in its environment, by a command of the shell's that ends
// with "exec"; it is ended with the test.
func start(t *testing.T, how string, env ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, told: make(chan struct{})}
	p.cmd = exec.Command("sh", "-c", how+` "$@"`, "sh", exe)
	p.cmd.Env = append(append(os.Environ(), asVariable+"=server", "GORACE=atexit_sleep_ms=10"), env...)
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // that it has ended, Wait tells
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("it ends with %v:\n%s", err, &p.log)
		}
	})
	_, p.addr, _ = strings.Cut(p.says("msg=listening"), "addr=")
	return p
}

// Write takes the log.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.told)
	p.told = make(chan struct{})
	return p.log.Write(b)
}

// says waits for a line of the log with text, which it forgets, with all before it.
func (p *process) says(text string) string {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		log, told := p.log.String(), p.told
		for line := range strings.Lines(log) {
			if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
				at := strings.Index(log, line)
				p.log.Next(at + len(line))
				p.mu.Unlock()
				return strings.TrimSuffix(line, "\n")
			}
		}
		p.mu.Unlock()
		select {
		case <-told:
		case <-deadline:
			p.t.Fatalf("no %q in the log:\n%s", text, log)
		}
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// client is one who has a connection.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	said int
}

func (p *process) dial() *client {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	return &client{t: p.t, conn: conn, in: bufio.NewReader(conn)}
}

// say says something, and checks that nothing was forgotten, by the program of that
// number.
func (c *client) say(program, pid int) {
	c.t.Helper()
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write([]byte("x")); err != nil {
		c.t.Fatal(err)
	}
	c.said++
	line, err := c.in.ReadString('\n')
	if want := fmt.Sprintf("%d %d %d\n", c.said, program, pid); err != nil || line != want {
		c.t.Fatalf("%q, %v, want %q", line, err, want)
	}
}

// command runs it, and returns what it says.
func command(t *testing.T, status int, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	if got := Run(args, &out, &errs); got != status {
		t.Fatalf("exit status %d, want %d:\n%s%s", got, status, &out, &errs)
	}
	return out.String() + errs.String()
}

// ask asks p for an upgrade.
func (p *process) ask(status int, path ...string) string {
	p.t.Helper()
	return command(p.t, status, append([]string{"-pid", strconv.Itoa(p.pid())}, path...)...)
}

// descriptors is how many p has.
func (p *process) descriptors() int {
	p.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid()))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(entries)
}

// checkDescriptors checks that p has no more than it should have.
func (p *process) checkDescriptors(most int) {
	p.t.Helper()
	if n := p.descriptors(); n > most {
		p.t.Errorf("%d descriptors, at most %d are its own", n, most)
	}
}

func TestUpgradesKeepConnectionsAndLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	p := start(t, "exec")
	all := []*client{p.dial(), p.dial(), p.dial()}
	for _, c := range all {
		c.say(0, p.pid())
	}
	most := 0
	for n := range 5 {
		if n == 2 {
			if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			p.says("msg=upgraded")
		} else if said := p.ask(exitDone); !strings.Contains(said, fmt.Sprintf("%d connections carried, 0 not", len(all))) {
			t.Error(said)
		}
		p.says("msg=listening")
		for _, c := range all {
			c.say(n+1, p.pid())
		}
		late := p.dial()
		late.say(n+1, p.pid())
		all = append(all, late)
		if most == 0 {
			most = p.descriptors()
		} else {
			most++
		}
		p.checkDescriptors(most + 2) // Go's own come when they are needed
	}
}

// script makes a program that begins the test binary as something else.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// playing is a program that plays something.
func playing(t *testing.T, as string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return script(t, fmt.Sprintf(`export %s="%s" %s="$0"; exec "%s" "$@"`, asVariable, as, beginsVariable, exe))
}

func TestProgramThatAScriptBeginsTakesOver(t *testing.T) {
	t.Parallel()
	p := start(t, "exec")
	c := p.dial()
	c.say(0, p.pid())
	p.ask(exitDone, playing(t, "server"))
	c.say(1, p.pid())
	p.ask(exitDone) // from the file that the script has begun
	c.say(2, p.pid())
}

func TestProgramThatIsOfNoUseChangesNothing(t *testing.T) {
	t.Parallel()
	p := start(t, "exec")
	c := p.dial()
	c.say(0, p.pid())
	before := p.descriptors()
	notExecutable := script(t, "")
	if err := os.Chmod(notExecutable, 0o600); err != nil {
		t.Fatal(err)
	}
	noProgram := script(t, "")
	if err := os.WriteFile(noProgram, []byte("\x7fELF and nothing more"), 0o700); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ path, outcome, says string }{
		"missing":                        {filepath.Join(t.TempDir(), "nothing"), "refused", "no such file"},
		"a directory":                    {t.TempDir(), "refused", "is no file"},
		"not executable":                 {notExecutable, "refused", "is not executable"},
		"no program":                     {noProgram, "refused", "exec format error"},
		"without its interpreter":        {interpreted(t), "refused", "no such file"},
		"another program":                {"/bin/true", "refused", "it ends without an answer"},
		"another program that fails":     {"/bin/false", "refused", "exit status 1"},
		"another program that talks":     {"/bin/echo", "refused", "is no chatd that can take over"},
		"an empty script":                {script(t, ""), "refused", "it ends without an answer"},
		"a script that does not exec it": {script(t, fmt.Sprintf(`"%s" "$@"`, exe)), "refused", "has to exec it"},
		"a script that is killed":        {script(t, "kill -9 $$"), "refused", "signal: killed"},
		"it crashes":                     {playing(t, "crashes"), "refused", "panic: as it begins"},
		"it refuses a flag":              {playing(t, "refuses"), "refused", "chatd: -some-flag is not known (exit status 2)"},
		"it talks":                       {playing(t, "talks"), "refused", `it says "hello"`},
		"it shouts":                      {playing(t, "shouts"), "refused", `it says "hello hello`},
		"it says nothing":                {playing(t, "says nothing"), "refused", "it ends without an answer"},
		"it crashes as it verifies":      {playing(t, "crashes late"), "refused", "panic: as it verifies"},
		"it denies":                      {playing(t, "denies"), "refused", "chatd: -assets: they are gone (exit status 1)"},
		"it contradicts itself":          {playing(t, "contradicts itself"), "refused", "exit status 3"},
		"it is older":                    {playing(t, "older"), "refused", "the state has version 99, known are 1 to"},
		"it finds damage":                {playing(t, "damaged"), "refused", "the state is damaged"},
		"it writes into the state":       {playing(t, "clobbers"), "refused", "fatal error: fault"},
		"it can't be executed any more":  {playing(t, "locks itself out"), "failed", "permission denied"},
		"it is replaced meanwhile":       {playing(t, "replaces itself"), "refused", "its file was changed"},
	} {
		said := p.ask(exitFailed, tt.path)
		if !strings.Contains(said, tt.outcome+": ") || !strings.Contains(said, tt.says) || !strings.Contains(said, "The running server goes on.") {
			t.Errorf("%s: %s", name, said)
		}
		p.says("level=ERROR")
		c.say(0, p.pid())
		p.dial().say(0, p.pid())
	}
	p.checkDescriptors(before + 30)
	p.ask(exitDone) // and one that is of use is still taken
	c.say(1, p.pid())
}

// interpreted is a script that nothing can run.
func interpreted(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/nowhere/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProgramThatHangsIsNotWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	p := start(t, "exec", timeoutVariable+"=3s")
	c := p.dial()
	for name, path := range map[string]string{
		"from the beginning":   playing(t, "hangs"),
		"as it verifies":       playing(t, "hangs late"),
		"and leaves a process": script(t, "sleep 1000; true"),
	} {
		if said := p.ask(exitFailed, path); !strings.Contains(said, "refused: it has not said within 3s whether it can take over") {
			t.Errorf("%s: %s", name, said)
		}
		c.say(0, p.pid())
	}
}

func TestServerThatDoesNotComeToRestGoesOn(t *testing.T) {
	t.Parallel()
	p := start(t, asVariable+"=busy exec")
	c := p.dial()
	if said := p.ask(exitFailed); !strings.Contains(said, "failed: it does not come to rest") {
		t.Error(said)
	}
	c.say(0, p.pid())
}

func TestStateThatHasNoRoomIsGivenUp(t *testing.T) {
	t.Parallel()
	p := start(t, "ulimit -f 100; exec")
	c := p.dial()
	if said := p.ask(exitFailed); !strings.Contains(said, "failed: write the state: ") || !strings.Contains(said, "file too large") {
		t.Error(said)
	}
	c.say(0, p.pid())
}

func TestFlagOfTheTrialIsRefusedWithoutAState(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ env, arg, says string }{
		"no state":         {"", "-" + Flag, "has a state to be verified"},
		"no descriptor":    {"CHATD_STATE_FD=x", "-" + Flag, "no descriptor"},
		"a closed one":     {"CHATD_STATE_FD=900", "-" + Flag, "bad file descriptor"},
		"one of the first": {"CHATD_STATE_FD=1", "", "no descriptor"},
	} {
		cmd := exec.CommandContext(t.Context(), exe, tt.arg)
		cmd.Env = append(os.Environ(), asVariable+"=server", "GORACE=atexit_sleep_ms=10")
		if tt.env != "" {
			cmd.Env = append(cmd.Env, tt.env)
		}
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), tt.says) {
			t.Errorf("%s: %v\n%s", name, cmd.ProcessState, out)
		}
	}
}

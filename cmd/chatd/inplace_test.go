package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"chatd/cmd/chatd/upgrade"
	"chatd/room/carry/carrytest"
)

// asks asks p for an upgrade, and returns what chatd upgrade says.
func (p *process) asks(status int, path ...string) string {
	p.t.Helper()
	var out, errs strings.Builder
	args := append([]string{"-pid", strconv.Itoa(p.cmd.Process.Pid)}, path...)
	if got := upgrade.Run(args, &out, &errs); got != status {
		p.t.Fatalf("exit status %d, want %d:\n%s%s", got, status, &out, &errs)
	}
	return out.String() + errs.String()
}

// wrapped is a program that is chatd after script, a shell's, which ends with its
// arguments.
func wrapped(t *testing.T, script string) (path string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "chatd")
	text := "#!/bin/sh\n" + strings.ReplaceAll(script, "CHATD", "exec '"+exe+"'") + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// awaitFile waits until there is one.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	soon(t, func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// upgrades is how many had an outcome.
func (p *process) upgrades(outcome upgrade.Outcome) int {
	p.t.Helper()
	return metric(p.t.(*testing.T), p.Admin, fmt.Sprintf(`chatd_upgrades_total\{outcome="%s"\}`, outcome))
}

func TestUpgradeKeepsSocketsAndCounts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin.sock")
	p := startChatd(t, "-admin", "unix:"+path)
	admin := over(t, "unix", path)
	for n := range 3 {
		chat(t, over(t, "tcp", p.Addr))
		if said := p.asks(0); !strings.Contains(said, "is upgraded") {
			t.Error(said)
		}
		chat(t, over(t, "tcp", p.Addr))
		want := fmt.Sprintf("chatd_upgrades_total{outcome=\"done\"} %d\n", n+1)
		if body := fetch(t, admin, "http://chatd/metrics"); !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	p.Stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestUpgradeThatCannotBeChangesNothing(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	certificate, cert, _ := certified(t)
	assets := t.TempDir()
	if err := os.WriteFile(filepath.Join(assets, "index.html"), []byte("a page"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startChatd(t, append(certificate, "-admin", "127.0.0.1:0", "-assets", assets)...)
	conn := p.dialTLS(t, p.Addr)
	hearItself(t, conn)
	refused := 0
	check := func(what, says string, path ...string) {
		t.Helper()
		refused++
		if said := p.asks(1, path...); !strings.Contains(said, "chatd upgrade: refused: ") || !strings.Contains(said, says) {
			t.Errorf("%s: %s", what, said)
		}
		hearItself(t, conn)
		if got := p.upgrades(upgrade.Refused); got != refused {
			t.Errorf("%s: %d upgrades were refused", what, got)
		}
	}
	check("a flag that is not known", "chatd: flag provided but not defined: -nonsense", wrapped(t, `CHATD -nonsense "$@"`))
	check("an address that is taken", "chatd: -tls-addr: listen tcp "+taken.Addr().String(), wrapped(t, `CHATD "$@" -tls-addr `+taken.Addr().String()))
	check("a queue of none", "chatd: -queue is 0", wrapped(t, `CHATD "$@" -queue 0`))
	check("a log of another form", "chatd: -queue is 0", wrapped(t, `CHATD "$@" -log-format json -queue 0`))
	if err := os.Rename(cert, cert+".gone"); err != nil {
		t.Fatal(err)
	}
	check("the certificate is gone", "chatd: -tls-cert")
	if err := errors.Join(os.Rename(cert+".gone", cert), os.Rename(assets, assets+".gone")); err != nil {
		t.Fatal(err)
	}
	check("the assets are gone", "chatd: -assets: ")
	if err := os.Rename(assets+".gone", assets); err != nil {
		t.Fatal(err)
	}
	p.asks(0)
	hearItself(t, p.dialTLS(t, p.Addr))
}

func TestFlagsThatComeWithTheNewProgramCount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.sock"), filepath.Join(dir, "b.sock")
	p := startChatd(t, "-addr", "unix:"+a)
	path := wrapped(t, `CHATD "$@" -addr unix:`+b+` -admin 127.0.0.1:0`)
	p.asks(0, path)
	chat(t, over(t, "unix", b))
	if _, err := os.Lstat(a); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old socket is left: %v", err)
	}
	p.tells(1, "admin listening")
	path = wrapped(t, `CHATD "$@" -addr unix:`+filepath.Join(dir, "none", "c.sock"))
	if said := p.asks(1, path); !strings.Contains(said, "c.sock") {
		t.Error(said)
	}
	chat(t, over(t, "unix", b))
	p.Stop()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSocketsThatSystemdPassedStayOverUpgrades(t *testing.T) {
	t.Parallel()
	clients, addr := listening(t, "tcp", "127.0.0.1:0")
	admin, adminAddr := listening(t, "tcp", "127.0.0.1:0")
	p := startChatdIn(t, passing(t, "admin:chatd.socket", admin, clients), "-addr", "unix:unused")
	for range 2 {
		p.asks(0)
		chat(t, over(t, "tcp", addr))
		if got := fetch(t, over(t, "tcp", adminAddr), "http://"+adminAddr+"/readyz"); got != "ok\n" {
			t.Error(got)
		}
	}
}

func TestServerThatHasToGoGivesUpItsUpgrade(t *testing.T) {
	t.Parallel()
	for when, script := range map[string]string{
		"before it is frozen": "echo >\"$0.now\"; sleep 1000",
		"while it is":         "echo chatd-state ready; read go; echo >\"$0.now\"; sleep 1000",
	} {
		t.Run(when, func(t *testing.T) {
			p := startChatd(t)
			p.dial(t)
			path := wrapped(t, script)
			answer := make(chan string, 1)
			go func() {
				var out strings.Builder
				upgrade.Run([]string{"-pid", strconv.Itoa(p.cmd.Process.Pid), path}, &out, &out)
				answer <- out.String()
			}()
			awaitFile(t, path+".now")
			p.Stop()
			if said := <-answer; !strings.Contains(said, "stopped: the server has to go") {
				t.Error(said)
			}
			p.tells(1, "shutting down", "signal=terminated", "connections=1")
		})
	}
}

func TestWishesThatComeWhileOneIsFulfilledAreTheSame(t *testing.T) {
	t.Parallel()
	p := startChatd(t, "-admin", "127.0.0.1:0")
	path := wrapped(t, `echo >"$0.now"; while [ ! -e "$0.go" ]; do sleep 0.02; done; CHATD "$@"`)
	answers := make(chan string, 2)
	ask := func(path ...string) {
		var out strings.Builder
		upgrade.Run(append([]string{"-pid", strconv.Itoa(p.cmd.Process.Pid)}, path...), &out, &out)
		answers <- out.String()
	}
	go ask(path)
	awaitFile(t, path+".now")
	for n := range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		p.tells(n+1, "an upgrade is under way already")
	}
	go ask() // it is told of the same
	p.tells(3, "an upgrade is under way already")
	if err := os.WriteFile(path+".go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if said := <-answers; !strings.Contains(said, "is upgraded") {
			t.Error(said)
		}
	}
	if n := p.upgrades(upgrade.Done); n != 1 {
		t.Errorf("%d upgrades", n)
	}
}

func TestFileThatMayNotGrowIsNoEnd(t *testing.T) {
	t.Parallel()
	p := startChatdIn(t, func(cmd *exec.Cmd) {
		sh, err := exec.LookPath("sh")
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path, cmd.Args = sh, append([]string{"sh", "-c", `ulimit -f 0; exec "$0" "$@"`}, cmd.Args...)
	})
	if said := p.asks(1); !strings.Contains(said, "failed: write the state: ") {
		t.Error(said)
	}
	chat(t, over(t, "tcp", p.Addr))
}

// Its timer would go on, and its signal be the end of the next program.
func TestUpgradeWhileAProfileIsTaken(t *testing.T) {
	t.Parallel()
	p := startChatd(t, "-admin", "127.0.0.1:0")
	for range 3 {
		soon(t, func() bool { // one is taken once another one can't be
			conn, err := net.Dial("tcp", p.Admin)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if _, err := fmt.Fprintf(conn, "GET /debug/pprof/profile?seconds=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			status, _ := p.admin("/debug/pprof/profile?seconds=1")
			return status == http.StatusInternalServerError
		})
		p.asks(0)
		chat(t, over(t, "tcp", p.Addr))
	}
}

func TestServiceManagerIsToldOfUpgrades(t *testing.T) {
	t.Parallel()
	conn, path := systemd(t)
	told := func(first string) (more string) {
		t.Helper()
		for {
			b := make([]byte, 200)
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			switch said, more, _ := strings.Cut(string(b[:n]), "\n"); said {
			case first:
				return more
			case "WATCHDOG=1": // at any time
			default:
				t.Fatalf("told %s, want %s", said, first)
			}
		}
	}
	p := startChatdIn(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=100000")
	})
	told("READY=1")
	last := 0
	for _, program := range [][]string{nil, {"/bin/true"}, nil} {
		p.asks(len(program), program...) // 1 for the one that is of no use
		now, _, _ := strings.Cut(strings.TrimPrefix(told("RELOADING=1"), "MONOTONIC_USEC="), "\n")
		if at, err := strconv.Atoi(now); err != nil || at <= last {
			t.Errorf("it begins at %s, after %d", now, last)
		} else {
			last = at
		}
		told("READY=1")
	}
	for range 3 { // the watchdog is still fed
		told("WATCHDOG=1")
	}
	p.Stop()
	told("STOPPING=1")
}

func TestNoSocketIsForgotten(t *testing.T) {
	carrytest.Fields(t, sockets{}, carrytest.Carried("clients", "tls", "redirect", "admin"))
}

func TestVerifyStateIsForServersAlone(t *testing.T) {
	_, stderr, status := runChatd(t, nil, "-verify-state")
	if status != exitUsage || !strings.HasPrefix(stderr, "chatd: -verify-state is for the server") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	if _, stderr, _ := runChatd(t, nil, "-help"); strings.Contains(stderr, "-verify-state") {
		t.Error("-help speaks of it")
	}
}

// Who has been told that there was no upgrade may ask again at once, and is told of the next.
func TestWhoIsRefusedMayAskAgainAtOnce(t *testing.T) {
	t.Parallel()
	p := startChatd(t, "-admin", "127.0.0.1:0")
	for n := range 5 {
		if said := p.asks(1, "/bin/true"); !strings.Contains(said, "is no chatd that can take over") {
			t.Error(said)
		}
		if said := p.asks(1, wrapped(t, `CHATD -nonsense "$@"`)); !strings.Contains(said, "-nonsense") {
			t.Error(said)
		}
		if got := p.upgrades(upgrade.Refused); got != 2*n+2 {
			t.Errorf("%d upgrades were refused, and not %d", got, 2*n+2)
		}
	}
}

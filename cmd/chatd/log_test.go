package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLogThatNobodyReadsStopsNothing(t *testing.T) {
	t.Run("and the drain", func(t *testing.T) {
		u := startUnread(t)
		before := u.member()
		u.sayUntilLost()
		hearItself(t, before)
		after := u.member()
		u.signal(syscall.SIGTERM)
		closed(t, after)
		before.CloseNow()
		u.await(0)
	})
	t.Run("nor the second signal", func(t *testing.T) {
		u := startUnread(t, "-drain-spread", "1h")
		u.member()
		u.sayUntilLost()
		u.signal(syscall.SIGTERM)
		u.signal(syscall.SIGINT)
		u.await(exitFailed)
	})
	t.Run("nor the end of the drain's time", func(t *testing.T) {
		u := startUnread(t, "-drain-timeout", "100ms")
		u.member() // which does not answer when it is sent away
		u.sayUntilLost()
		u.signal(syscall.SIGTERM)
		u.await(0)
	})
}

func TestLogThatIsReadAgainTellsHowMuchIsLost(t *testing.T) {
	u := startUnread(t)
	u.sayUntilLost()
	lost, told := u.lost(), 0
	note := regexp.MustCompile(`level=WARN msg="log lines lost" count=(\d+)$`)
	u.patiently()
	for told < lost && u.log.Scan() {
		if m := note.FindStringSubmatch(u.log.Text()); m != nil {
			n, _ := strconv.Atoi(m[1]) // it is a number
			told += n
			lost = u.lost() // the last line may have come after it was asked for
		}
	}
	if told != lost {
		t.Errorf("%d lines are lost, the log tells of %d", lost, told)
	}
	u.signal(syscall.SIGTERM)
	for u.log.Scan() {
	}
	u.await(0)
}

func TestReaderOfTheLogMayGoAway(t *testing.T) {
	for name, setup := range map[string]string{"SIGPIPE as it is": "", "SIGPIPE ignored, as systemd does": `trap "" PIPE`} {
		t.Run(name, func(t *testing.T) {
			u := startUnreadWith(t, setup)
			u.reader.Close()
			conn := u.member()
			for deadline := time.Now().Add(patience); u.lost() == 0; u.say() {
				if time.Now().After(deadline) {
					t.Fatal("no line is lost")
				}
			}
			hearItself(t, conn)
			u.signal(syscall.SIGTERM)
			closed(t, conn)
			conn.CloseNow()
			u.await(0)
		})
	}
}

func TestServerRunsWithoutStderr(t *testing.T) {
	pid := os.Getpid()
	addr := fmt.Sprintf("127.%d.%d.%d:8080", 1+pid>>16&127, pid>>8&255, 1+pid&127) // nobody else's
	u := &unread{t: t, ended: make(chan error, 1), addr: addr}
	chatd := asChatdCommand(t, "-addr", addr, "-log-level", "debug")
	u.cmd = exec.CommandContext(t.Context(), "sh", append([]string{"-c", `exec "$@" 2>&-`, "sh"}, chatd.Args...)...)
	u.cmd.Env = chatd.Env
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { u.ended <- u.cmd.Wait() }()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	conn := u.member()
	u.say()
	hearItself(t, conn)
	u.signal(syscall.SIGTERM)
	closed(t, conn)
	conn.CloseNow()
	u.await(0)
}

// logs are those that take nothing, as files for stderr.
func logs(t *testing.T) map[string]*os.File {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { full.Close() })
	reader, gone := newPipe(t)
	reader.Close()
	_, stuck := newPipe(t)
	if _, err := stuck.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	return map[string]*os.File{"full disk": full, "pipe that nobody has": gone, "pipe that nobody reads": stuck}
}

func TestStartThatFailsEndsWhateverBecomesOfTheLog(t *testing.T) {
	for name, stderr := range logs(t) {
		for status, args := range map[int][]string{exitFailed: {"-addr", "192.0.2.1:0"}, exitUsage: {"-queue", "0"}} {
			t.Run(fmt.Sprint(name, args), func(t *testing.T) {
				cmd := asChatdCommand(t, args...)
				cmd.Stderr = stderr
				overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
				defer overdue.Stop()
				if err := cmd.Run(); cmd.ProcessState.ExitCode() != status {
					t.Errorf("ended with %v, want status %d", err, status)
				}
			})
		}
	}
}

func TestCommandsEndQuietlyWhenNobodyReadsThem(t *testing.T) {
	for _, args := range [][]string{{"-version"}, {"check"}, {"check", "-help"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			r, w := newPipe(t)
			r.Close()
			cmd := asChatdCommand(t, args...)
			var stderr strings.Builder
			cmd.Stdout, cmd.Stderr = w, &stderr
			err := cmd.Run()
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
				t.Errorf("ended with %v: %s", err, &stderr)
			}
		})
	}
}

func TestLastWordsOfACrashComeOut(t *testing.T) {
	p := startChatd(t)
	p.ending = true // by this test
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if err := p.cmd.Wait(); err == nil {
		t.Error("it ended well")
	}
	for _, says := range []string{"SIGQUIT", "goroutine ", "chatd.serve"} {
		if !strings.Contains(p.log.String(), says) {
			t.Errorf("no %q in the log:\n%s", says, &p.log)
		}
	}
}

func TestCrashEndsTheProcessThoughNobodyReadsTheLog(t *testing.T) {
	u := startUnread(t)
	u.sayUntilLost()
	stderr := fmt.Sprintf("/proc/%d/fd/2", u.cmd.Process.Pid)
	for deadline := time.Now().Add(patience); ; {
		name, err := os.Readlink(stderr)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%s, %v", name, err)
		}
		if name == "/dev/null" {
			break
		}
	}
	u.signal(syscall.SIGQUIT)
	u.await(2)
}

// A background job that writes to its terminal is stopped, if the terminal is
// so set.
func TestJobInTheBackgroundIsNotStoppedByItsLog(t *testing.T) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	master := os.NewFile(uintptr(fd), "terminal") // non-blocking: with a deadline
	defer master.Close()
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	chatd := asChatdCommand(t, "-addr", "127.0.0.1:0")
	shell := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `set -m; stty tostop; "$@" & echo job=$!; cat`, "sh"}, chatd.Args...)...)
	shell.Env = chatd.Env
	shell.Stdin, shell.Stdout, shell.Stderr = terminal, terminal, terminal
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	if err := master.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	job, listening := 0, false
	for log := bufio.NewScanner(master); !listening && log.Scan(); {
		_, _ = fmt.Sscanf(log.Text(), "job=%d", &job) // or another line
		listening = strings.Contains(log.Text(), "msg=listening")
	}
	if !listening || job == 0 {
		t.Error("it is stopped")
	}
	if job != 0 {
		_ = syscall.Kill(job, syscall.SIGKILL) // that it has ended already, the above tells
	}
	master.Close()   // the end of cat
	_ = shell.Wait() // whatever its status
}

func TestEveryLineOfTheLogIsJSONIfItShallBe(t *testing.T) {
	for _, tt := range []struct {
		env, args []string
		says      string
	}{
		{nil, []string{"-log-format", "json", "-addr", "nonsense"}, "nonsense"},
		{[]string{"CHATD_LOG_FORMAT=json"}, []string{"-queue", "0"}, "-queue is 0"},
	} {
		_, stderr, _ := runChatd(t, tt.env, tt.args...)
		var last struct{ Level, Err string }
		for line := range strings.Lines(stderr) {
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				t.Errorf("%v: %s", err, line)
			}
		}
		if last.Level != "ERROR" || !strings.Contains(last.Err, tt.says) {
			t.Errorf("%s %s: %s", tt.env, tt.args, stderr)
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatd/bench/soak"
)

const cutter = "cutter"

// cutting is a program to which chatd can be upgraded: it is that one beside it, but some of
// the clients are cut off before.
func cutting(t *testing.T, chatd string) (path string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path = filepath.Join(dir, cutter)
	if err := errors.Join(os.Symlink(exe, path), os.Symlink(chatd, filepath.Join(dir, "chatd"))); err != nil {
		t.Fatal(err)
	}
	return path
}

// cut is that program, if this process is to be one.
func cut() {
	if filepath.Base(os.Args[0]) != cutter {
		return
	}
	if !slices.Contains(os.Args, "-verify-state") { // it seems to be good
		for fd := range 5000 {
			const some = 7 // one of so many
			if who, err := unix.Getpeername(fd); err == nil && fd%some == 0 && fd > some {
				if _, ok := who.(*unix.SockaddrInet4); ok {
					unix.Shutdown(fd, unix.SHUT_RDWR)
				}
			}
		}
	}
	chatd := filepath.Join(filepath.Dir(os.Args[0]), "chatd")
	fmt.Fprintln(os.Stderr, syscall.Exec(chatd, append([]string{chatd}, os.Args[1:]...), os.Environ()))
	os.Exit(1)
}

func TestSoakFindsUpgradesThatCutClientsOff(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a quarter of a minute")
	}
	var out strings.Builder
	chatd, schedule := builtChatd(t), soak.NewSchedule(11, 2*time.Second)
	schedule.Lives = schedule.Lives[:1]
	err := runSoak(t.Context(), chatd+" -drain-timeout 2s", cutting(t, chatd), schedule, "", &out)
	if !errors.Is(err, errSoak) {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "a healthy client was cut off: hung up on") {
		t.Error(out.String())
	}
}

func TestWhatAnUpgradeSaysIsRead(t *testing.T) {
	said := "process 7 is upgraded: 1 connection carried, 2 not; nobody was served for 16.3ms\nfrom a\nto   b\n"
	if r, err := readReplaced(said); err != nil || r != (replaced{1, 2, 16300 * time.Microsecond}) {
		t.Errorf("%+v, %v", r, err)
	}
	for _, said := range []string{"", "chatd upgrade: refused: it is none", "process 7 is upgraded: 5 connections carried, 2 not"} {
		if r, err := readReplaced(said); err == nil {
			t.Errorf("%q is %+v", said, r)
		}
	}
	if _, err := upgradeInPlace("/bin/false", os.Getpid(), ""); err == nil || !strings.Contains(err.Error(), "no upgrade: exit status 1") {
		t.Error(err)
	}
}

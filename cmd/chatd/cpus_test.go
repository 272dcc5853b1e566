package main

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCPULimitsOfTheOperatorAreKept(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1")
	for _, tt := range []struct {
		args []string
		says string
	}{
		{nil, "workers=1 workers_from=GOMAXPROCS"},
		{[]string{"-workers", "3"}, "workers=3 workers_from=-workers"}, // who share the one CPU
	} {
		p := startChatd(t, append(tt.args, "-admin", "127.0.0.1:0")...)
		if n := metric(t, p.Admin, "go_sched_gomaxprocs_threads"); n != 1 {
			t.Errorf("%s: it runs with %d", tt.args, n)
		}
		p.Stop()
		if !strings.Contains(p.log.String(), tt.says) {
			t.Errorf("%s: no %q in the log:\n%s", tt.args, tt.says, &p.log)
		}
	}
}

func TestWorkersThatAreAskedForRunAtATime(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	n := runtime.NumCPU() + 2
	p := startChatd(t, "-workers", fmt.Sprint(n), "-admin", "127.0.0.1:0")
	if got := metric(t, p.Admin, "go_sched_gomaxprocs_threads"); got != n {
		t.Errorf("it runs with %d, want %d", got, n)
	}
}

func TestCPUAffinityIsKept(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	runtime.LockOSThread() // whose CPUs chatd inherits
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !all.IsSet(first) {
		first++
	}
	one.Set(first)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	p := startChatd(t)
	if err := unix.SchedSetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	from := `"CPU affinity"`
	if onlineCPUs() == 1 {
		from = "CPUs"
	}
	if says := "workers=1 workers_from=" + from; !strings.Contains(p.log.String(), says) {
		t.Errorf("no %q in the log:\n%s", says, &p.log)
	}
}

func TestWhatDecidesOnTheCPUs(t *testing.T) {
	for _, tt := range []struct {
		n, allowed, host int
		want             string
	}{
		{8, 8, 8, "CPUs"},
		{8, 8, 0, "CPUs"}, // the host does not tell
		{4, 4, 8, "CPU affinity"},
		{2, 4, 8, "CPU quota"},
		{2, 8, 8, "CPU quota"},
	} {
		if got := cpuLimit(tt.n, tt.allowed, tt.host); got != tt.want {
			t.Errorf("%d of %d of %d: %s, want %s", tt.n, tt.allowed, tt.host, got, tt.want)
		}
	}
}

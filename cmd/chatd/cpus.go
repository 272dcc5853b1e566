package main

import (
	"os"
	"runtime"
	"strconv"

	"github.com/prometheus/procfs"
)

// procsFromEnv reports whether Go takes GOMAXPROCS from the environment.
func procsFromEnv() bool {
	n, err := strconv.ParseInt(os.Getenv("GOMAXPROCS"), 10, 32)
	return err == nil && n > 0
}

// useCPUs lets as many goroutines run at a time as -workers asks for, unless
// GOMAXPROCS says otherwise. If neither is given, Go's own number stays, with
// which it follows a quota that changes while the server runs.
func (o options) useCPUs() {
	if o.given["workers"] && !procsFromEnv() {
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), o.workers))
	}
}

// workersFrom tells what decided on the number of workers.
func (o options) workersFrom() string {
	switch {
	case o.given["workers"]:
		return "-workers"
	case procsFromEnv():
		return "GOMAXPROCS"
	}
	return cpuLimit(o.workers, runtime.NumCPU(), onlineCPUs())
}

// cpuLimit tells why Go uses n CPUs, of those of the host that the process may
// run on.
func cpuLimit(n, allowed, host int) string {
	switch {
	case n < allowed:
		return "CPU quota"
	case n < host:
		return "CPU affinity"
	}
	return "CPUs"
}

// onlineCPUs is the number of the host's CPUs, or 0 if it can't be told.
func onlineCPUs() int {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0
	}
	return len(stat.CPU)
}

package check

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	_ "chatd/poller/linuxonly"
)

// Unlimited is the value of a limit that the kernel does not have, does not
// show (a container has no net.ipv4.tcp_mem), or that is switched off.
const Unlimited = math.MaxInt64

// Machine is what a host lets a process have. Sizes are in bytes.
type Machine struct {
	OpenFiles int64 // the hard RLIMIT_NOFILE: Go raises the soft one up to it when a process starts
	NrOpen    int64 // fs.nr_open: the highest RLIMIT_NOFILE
	FileMax   int64 // fs.file-max: open files of the whole host
	FilesUsed int64 // of them in use, fs.file-nr
	Watches   int64 // fs.epoll.max_user_watches, of a user

	ConntrackMax   int64 // net.netfilter.nf_conntrack_max
	ConntrackCount int64 // of them in use

	Memory      int64 // MemAvailable
	CgroupLimit int64 // the cgroup's memory limit, or that of a parent
	CgroupUsed  int64 // of it in use

	Somaxconn int64 // net.core.somaxconn
	TCPMem    int64 // net.ipv4.tcp_mem, the highest of the three
	RmemMin   int64 // net.ipv4.tcp_rmem, the first
	WmemMin   int64 // net.ipv4.tcp_wmem, the first

	InUse int64 // descriptors of the chatds that run already: connections, but for a few
}

// Read reads the limits of the host whose file system is at root ("/"), and
// the descriptor limit of this process. A limit that is not there is
// Unlimited; one that makes no sense is an error.
func Read(root string) (Machine, error) {
	var m Machine
	proc, err := procfs.NewFS(filepath.Join(root, "proc"))
	if err != nil {
		return m, fmt.Errorf("read the host's limits: %w", err)
	}
	if m.OpenFiles, err = openFiles(); err != nil {
		return m, err
	}
	for _, s := range []struct {
		name  string
		field int // of those in the file
		unit  int64
		none  int64 // if there is no such file
		to    *int64
	}{
		{"fs.nr_open", 0, 1, Unlimited, &m.NrOpen},
		{"fs.file-max", 0, 1, Unlimited, &m.FileMax},
		{"fs.file-nr", 0, 1, 0, &m.FilesUsed},
		{"fs.epoll.max_user_watches", 0, 1, Unlimited, &m.Watches},
		{"net.netfilter.nf_conntrack_max", 0, 1, Unlimited, &m.ConntrackMax},
		{"net.netfilter.nf_conntrack_count", 0, 1, 0, &m.ConntrackCount},
		{"net.core.somaxconn", 0, 1, Unlimited, &m.Somaxconn},
		{"net.ipv4.tcp_mem", 2, int64(os.Getpagesize()), Unlimited, &m.TCPMem},
		{"net.ipv4.tcp_rmem", 0, 1, 4096, &m.RmemMin},
		{"net.ipv4.tcp_wmem", 0, 1, 4096, &m.WmemMin},
	} {
		if *s.to, err = sysctl(proc, s.name, s.field, s.unit, s.none); err != nil {
			return m, err
		}
	}
	if m.ConntrackMax == 0 { // the kernel's way to say: no limit
		m.ConntrackMax = Unlimited
	}
	info, err := proc.Meminfo()
	switch {
	case err != nil:
		return m, fmt.Errorf("read /proc/meminfo: %w", err)
	case info.MemAvailableBytes == nil:
		return m, errors.New("read /proc/meminfo: it has no MemAvailable")
	}
	m.Memory = clamp(*info.MemAvailableBytes)
	self, err := proc.Self()
	if err != nil {
		return m, fmt.Errorf("find this process in /proc: %w", err)
	}
	if m.CgroupLimit, m.CgroupUsed, err = cgroupMemory(root, self); err != nil {
		return m, err
	}
	m.InUse, err = inUse(proc, self)
	return m, err
}

// inUse is how many descriptors the other processes of self's name have.
func inUse(proc procfs.FS, self procfs.Proc) (int64, error) {
	name, err := self.Comm()
	if err != nil {
		return 0, fmt.Errorf("read this process's name: %w", err)
	}
	all, err := proc.AllProcs()
	if err != nil {
		return 0, fmt.Errorf("list the processes: %w", err)
	}
	var sum int64
	for _, p := range all {
		if other, err := p.Comm(); err != nil || other != name || p.PID == self.PID {
			continue // err: it has ended
		}
		n, err := p.FileDescriptorsLen()
		switch {
		case errors.Is(err, fs.ErrPermission):
			return 0, fmt.Errorf("count the connections of %s, process %d (ask as root): %w", name, p.PID, fs.ErrPermission)
		case err == nil: // if not, it has ended
			sum += int64(n)
		}
	}
	return sum, nil
}

func openFiles() (int64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the file descriptor limit: %w", err)
	}
	return clamp(limit.Max), nil
}

// sysctl is a field of a setting, in units; none if there is no such setting.
func sysctl(proc procfs.FS, name string, field int, unit, none int64) (int64, error) {
	values, err := proc.SysctlInts(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return none, nil
	case err != nil:
		return 0, fmt.Errorf("read sysctl %s: %w", name, err)
	case len(values) <= field:
		return 0, fmt.Errorf("read sysctl %s: %d numbers, need %d", name, len(values), field+1)
	case values[field] < 0:
		return 0, fmt.Errorf("read sysctl %s: %d is negative", name, values[field])
	case int64(values[field]) > Unlimited/unit:
		return Unlimited, nil
	}
	return int64(values[field]) * unit, nil
}

// clamp is n, or Unlimited for what is beyond it, as RLIM_INFINITY.
func clamp(n uint64) int64 {
	return int64(min(n, Unlimited))
}

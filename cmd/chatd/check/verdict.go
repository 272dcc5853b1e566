package check

import (
	"cmp"
	"fmt"
	"os"
	"slices"
)

// What one idle connection takes, in bytes. The kernel's part was measured on
// Linux 6.18 (x86-64) by accepting 8,000 connections over the loopback
// interface, adding them to an epoll, and comparing /proc/slabinfo before and
// after; with the waste in a slab's pages, each took
//
//	TCP               2521   struct tcp_sock
//	sock_inode_cache   862   struct socket and its inode
//	filp, dentry       390   struct file and its name
//	eventpoll          208   epi, wait queue entry and head
//	security           184   of the sock, inode and file
//
// together 4165; buffers none. (Linux 6.1: 3827, by half of what bench/million
// saw for both ends.) chatd's own part is what bench/million saw, 219, and room
// for the descriptor table.
const (
	kernelPerConn = 4200
	chatdPerConn  = 256
	bytesPerConn  = kernelPerConn + chatdPerConn
)

const (
	// reservedFiles is how many descriptors chatd leaves for what is no client's.
	reservedFiles = 64
	// maxNrOpen is the highest fs.nr_open that Linux takes.
	maxNrOpen = 1<<31 - 64
	// maxTarget keeps products with bytesPerConn and buffers within an int64.
	maxTarget = 1 << 40
	// stormBacklog is as many as the kernels of this century take everywhere.
	stormBacklog = 65535
)

// A Wall is a limit of the host, and the connections that it has room for.
type Wall struct {
	Name  string // as in "file descriptor limit" or "fs.nr_open"
	Value string // what it is now, with its unit if it is no count
	Conns int64  // connections that it has room for
	What  string // what it limits, in a line
	Hard  bool   // no connection beyond it; if not, it is a hint: something gets slower

	raise func(conns int64) string
}

// Raise is the command that moves the wall so far that there is room for conns
// connections, or what to do if none does; "" if there is room.
func (w Wall) Raise(conns int64) string {
	if conns <= w.Conns {
		return ""
	}
	return w.raise(conns)
}

// Verdict is how many connections a host holds, and why not more.
type Verdict struct {
	Conns  int64  // connections, idle, that the host holds: those of the first wall
	InUse  int64  // descriptors of the chatds that run already: of Conns, but for a few
	Walls  []Wall // hard ones, the lowest first
	Hints  []Wall // others, the lowest first
	Target int64  // the connections that advice is for; at first, what the host's memory has room for
}

// First is the wall that more connections meet first.
func (v Verdict) First() Wall {
	return v.Walls[0]
}

// Verdict weighs the machine's limits.
func (m Machine) Verdict() Verdict {
	v := Verdict{InUse: m.InUse, Target: m.memoryFor()}
	limits := slices.Concat(m.walls(), m.hints(), []Wall{m.conntrack()})
	slices.SortStableFunc(limits, func(a, b Wall) int { return cmp.Compare(a.Conns, b.Conns) })
	for _, w := range limits {
		switch {
		case w.Conns > maxTarget: // as good as none
		case w.Hard:
			v.Walls = append(v.Walls, w)
		default:
			v.Hints = append(v.Hints, w)
		}
	}
	v.Conns = v.First().Conns
	return v
}

// walls are the hard ones. What chatd takes already counts as room.
func (m Machine) walls() []Wall {
	otherFiles := max(0, m.FilesUsed-m.InUse)
	otherMemory := max(0, m.CgroupUsed-m.InUse*bytesPerConn)
	return []Wall{{
		Name: "file descriptor limit", Value: count(m.OpenFiles), Conns: roomFor(m.OpenFiles, reservedFiles, 1),
		What: "descriptors of this process (RLIMIT_NOFILE); a connection is one",
		Hard: true,
		raise: func(conns int64) string {
			n := min(conns+reservedFiles, maxNrOpen)
			command := fmt.Sprintf("ulimit -n %d # or LimitNOFILE=%[1]d in the systemd unit", n)
			if n > m.NrOpen {
				command = setNrOpen(n) + " && " + command
			}
			return command
		},
	}, {
		Name: "fs.nr_open", Value: count(m.NrOpen), Conns: roomFor(m.NrOpen, reservedFiles, 1),
		What: "the highest descriptor limit that a process can be given",
		Hard: true,
		raise: func(conns int64) string {
			return setNrOpen(min(conns+reservedFiles, maxNrOpen))
		},
	}, {
		Name: "fs.file-max", Value: count(m.FileMax), Conns: roomFor(m.FileMax, otherFiles+reservedFiles, 1),
		What: fmt.Sprintf("open files of the whole host, %d in use; root is exempt", m.FilesUsed),
		Hard: true,
		raise: func(conns int64) string {
			return fmt.Sprintf("sysctl -w fs.file-max=%d", conns+otherFiles+reservedFiles)
		},
	}, {
		Name: "fs.epoll.max_user_watches", Value: count(m.Watches), Conns: roomFor(m.Watches, reservedFiles, 1),
		What: "descriptors that one user's processes may wait for",
		Hard: true,
		raise: func(conns int64) string {
			return fmt.Sprintf("sysctl -w fs.epoll.max_user_watches=%d", conns+reservedFiles)
		},
	}, {
		Name: "memory", Value: mebibytes(m.Memory), Conns: m.memoryFor(),
		What: fmt.Sprintf("available; an idle connection takes %d bytes, %d of them the kernel's", bytesPerConn, kernelPerConn),
		Hard: true,
		raise: func(conns int64) string {
			return fmt.Sprintf("# more memory: %s available, not %s", mebibytes((conns-m.InUse)*bytesPerConn), mebibytes(m.Memory))
		},
	}, {
		Name: "cgroup memory limit", Value: mebibytes(m.CgroupLimit), Conns: roomFor(m.CgroupLimit, otherMemory, bytesPerConn),
		What: fmt.Sprintf("%s in use; the kernel's part of a connection counts, too", mebibytes(m.CgroupUsed)),
		Hard: true,
		raise: func(conns int64) string {
			n := (otherMemory+conns*bytesPerConn-1)>>20 + 1 // rounded up
			return fmt.Sprintf("systemctl set-property chatd.service MemoryMax=%dM # or docker run -m, or the pod's memory limit", n)
		},
	}}
}

// conntrack is a wall where the firewall tracks connections, and a hint where
// it could: the module is loaded, but no rule asks for it.
func (m Machine) conntrack() Wall {
	others := max(0, m.ConntrackCount-m.InUse)
	w := Wall{
		Name: "net.netfilter.nf_conntrack_max", Value: count(m.ConntrackMax), Conns: roomFor(m.ConntrackMax, others, 1),
		What: fmt.Sprintf("connections that the firewall tracks, %d now; packets of others are lost", m.ConntrackCount),
		Hard: m.ConntrackCount > 0,
		raise: func(conns int64) string {
			return fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d # or do not track chatd's port", conns+others)
		},
	}
	if !w.Hard {
		w.What = "connections that the firewall would track; it tracks none now"
	}
	return w
}

func (m Machine) hints() []Wall {
	buffers := m.RmemMin + m.WmemMin
	return []Wall{{
		Name: "net.core.somaxconn", Value: count(m.Somaxconn), Conns: m.Somaxconn,
		What: "connections at a time that wait to be accepted; in a storm, others try again after a second",
		raise: func(int64) string {
			if m.Somaxconn >= stormBacklog {
				return ""
			}
			return fmt.Sprintf("sysctl -w net.core.somaxconn=%d", stormBacklog)
		},
	}, {
		Name: "net.ipv4.tcp_mem", Value: mebibytes(m.TCPMem), Conns: roomFor(m.TCPMem, 0, buffers),
		What: fmt.Sprintf("of all sockets' buffers; beyond it, each is kept to %d bytes", buffers),
		raise: func(conns int64) string {
			page := int64(os.Getpagesize())
			pages := min(conns*buffers, m.Memory/2) / page // the sockets need memory, too
			if pages*page <= m.TCPMem {
				return ""
			}
			return fmt.Sprintf("sysctl -w net.ipv4.tcp_mem='%d %d %d'", pages/2, pages/4*3, pages)
		},
	}}
}

// roomFor is how many times per fits into limit beside taken.
func roomFor(limit, taken, per int64) int64 {
	if limit == Unlimited {
		return Unlimited
	}
	return max(0, limit-taken) / max(1, per)
}

// memoryFor is how many connections the host has memory for; never Unlimited,
// so that there is always a wall.
func (m Machine) memoryFor() int64 {
	return min(maxTarget, m.InUse+m.Memory/bytesPerConn)
}

func setNrOpen(n int64) string {
	return fmt.Sprintf("sysctl -w fs.nr_open=%d", n)
}

package check

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ample is a host on which memory is the first wall.
var ample = map[string]string{
	"proc/1/cgroup":                             "0::/chat/room\n",
	"proc/1/comm":                               "chatd\n",
	"proc/meminfo":                              "MemTotal:       8388608 kB\nMemAvailable:   4194304 kB\n",
	"proc/sys/fs/nr_open":                       "1073741816\n",
	"proc/sys/fs/file-max":                      "9223372036854775807\n",
	"proc/sys/fs/file-nr":                       "1000\t0\t9223372036854775807\n",
	"proc/sys/fs/epoll/max_user_watches":        "5000000\n",
	"proc/sys/net/core/somaxconn":               "4096\n",
	"proc/sys/net/ipv4/tcp_mem":                 "190000\t250000\t380000\n",
	"proc/sys/net/ipv4/tcp_rmem":                "4096\t131072\t6291456\n",
	"proc/sys/net/ipv4/tcp_wmem":                "4096\t16384\t4194304\n",
	"proc/sys/net/netfilter/nf_conntrack_max":   "2000000\n",
	"proc/sys/net/netfilter/nf_conntrack_count": "500\n",
}

const absent = "\x00" // as a file's text: there is none

// host is the root of ample with changes.
func host(t *testing.T, changes map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := maps.Clone(ample)
	maps.Copy(files, changes)
	for name, text := range files {
		if text == absent {
			continue
		}
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("1", filepath.Join(root, "proc/self")); err != nil {
		t.Fatal(err)
	}
	return root
}

// read reads such a host; its process may open 10 million files.
func read(t *testing.T, changes map[string]string) Machine {
	t.Helper()
	m, err := Read(host(t, changes))
	if err != nil {
		t.Fatal(err)
	}
	m.OpenFiles = 10_000_000
	return m
}

func TestSettingsThatAreNotThereLimitNothing(t *testing.T) {
	m := read(t, map[string]string{
		"proc/1/cgroup":                             absent,
		"proc/sys/fs/nr_open":                       absent,
		"proc/sys/fs/file-nr":                       absent,
		"proc/sys/fs/epoll/max_user_watches":        absent,
		"proc/sys/net/core/somaxconn":               absent,
		"proc/sys/net/ipv4/tcp_mem":                 absent,
		"proc/sys/net/ipv4/tcp_wmem":                absent,
		"proc/sys/net/netfilter/nf_conntrack_max":   absent,
		"proc/sys/net/netfilter/nf_conntrack_count": absent,
	})
	v := m.Verdict()
	if got := names(v.Walls); got != "memory, file descriptor limit" {
		t.Errorf("walls: %s", got)
	}
	if len(v.Hints) > 0 {
		t.Errorf("hints: %s", names(v.Hints))
	}
}

func TestCgroupLimits(t *testing.T) {
	const gib = 1 << 30
	for name, c := range map[string]struct {
		files map[string]string
		left  int64
	}{
		"none": {nil, Unlimited},
		"v2, unlimited": {map[string]string{
			"sys/fs/cgroup/chat/room/memory.max": "max\n",
		}, Unlimited},
		"v2, less what is used, but not file pages": {map[string]string{
			"sys/fs/cgroup/chat/room/memory.max":     "2147483648\n",
			"sys/fs/cgroup/chat/room/memory.current": "1610612736\n",
			"sys/fs/cgroup/chat/room/memory.stat":    "anon 1073741824\ninactive_file 536870912\n",
		}, gib},
		"v2, of a parent": {map[string]string{
			"sys/fs/cgroup/chat/room/memory.max": "max\n",
			"sys/fs/cgroup/chat/memory.max":      "1073741824\n",
			"sys/fs/cgroup/chat/memory.current":  "0\n",
			"sys/fs/cgroup/chat/memory.stat":     "inactive_file 0\n",
		}, gib},
		"v2, overdrawn": {map[string]string{
			"sys/fs/cgroup/chat/room/memory.max":     "1024\n",
			"sys/fs/cgroup/chat/room/memory.current": "4096\n",
			"sys/fs/cgroup/chat/room/memory.stat":    "inactive_file 0\n",
		}, -3072},
		"v1": {map[string]string{
			"proc/1/cgroup": "5:cpu,cpuacct:/x\n4:memory:/pod\n0::/\n",
			"sys/fs/cgroup/memory/pod/memory.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/pod/memory.usage_in_bytes": "1000\n",
			"sys/fs/cgroup/memory/pod/memory.stat":           "inactive_file 7\ntotal_inactive_file 1000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
		}, gib},
		"v1 in a container, which sees the host's path": {map[string]string{
			"proc/1/cgroup": "4:memory:/docker/4711\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "0\n",
			"sys/fs/cgroup/memory/memory.stat":           "total_inactive_file 0\n",
		}, gib},
	} {
		if m := read(t, c.files); m.CgroupLimit-m.CgroupUsed != c.left {
			t.Errorf("%s: %d of %d bytes are used, want %d left", name, m.CgroupUsed, m.CgroupLimit, c.left)
		}
	}
}

func TestDescriptorsOfOtherChatdsAreInUse(t *testing.T) {
	m := read(t, map[string]string{
		"proc/1/fd/0":  "", // this one
		"proc/70/comm": "chatd\n", "proc/70/fd/0": "", "proc/70/fd/1": "",
		"proc/71/comm": "chatd\n", "proc/71/fd/0": "",
		"proc/72/comm": "nginx\n", "proc/72/fd/0": "",
		"proc/73/comm": "chatd\n", // it is ending
	})
	if m.InUse != 3 {
		t.Errorf("%d descriptors are in use, want 3", m.InUse)
	}
}

func TestGarbageIsAnErrorThatNamesItsSource(t *testing.T) {
	for _, c := range []struct{ file, text, named string }{
		{"proc/sys/fs/nr_open", "many\n", "fs.nr_open"},
		{"proc/sys/fs/nr_open", "", "fs.nr_open"},
		{"proc/sys/fs/nr_open", "-1\n", "fs.nr_open"},
		{"proc/sys/fs/file-max", "99999999999999999999\n", "fs.file-max"},
		{"proc/sys/fs/file-nr", "x y z\n", "fs.file-nr"},
		{"proc/sys/net/ipv4/tcp_mem", "1 2\n", "net.ipv4.tcp_mem"},
		{"proc/sys/net/netfilter/nf_conntrack_max", "\xff\xfe", "nf_conntrack_max"},
		{"proc/meminfo", "MemAvailable: lots kB\n", "meminfo"},
		{"proc/meminfo", "MemTotal: 1 kB\n", "MemAvailable"},
		{"proc/meminfo", absent, "meminfo"},
		{"proc/1/cgroup", "no colons\n", "/proc/self/cgroup"},
		{"sys/fs/cgroup/chat/memory.max", "lots\n", "cgroup /chat"},
		{"sys/fs/cgroup/chat/memory.max", "-5\n", "cgroup /chat"},
		{"sys/fs/cgroup/chat/memory.max", "1000\n", "memory.current"},
	} {
		_, err := Read(host(t, map[string]string{c.file: c.text}))
		if err == nil || !strings.Contains(err.Error(), c.named) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s is %q: error %v, want a line that names %s", c.file, c.text, err, c.named)
		}
	}
	usage := map[string]string{"sys/fs/cgroup/chat/memory.max": "1000\n", "sys/fs/cgroup/chat/memory.current": "10\n"}
	for _, stat := range []string{"anon 5\n", "inactive_file some\n"} {
		usage["sys/fs/cgroup/chat/memory.stat"] = stat
		if _, err := Read(host(t, usage)); err == nil || !strings.Contains(err.Error(), "inactive_file") {
			t.Errorf("memory.stat is %q: error %v", stat, err)
		}
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("no /proc at all: no error")
	}
}

func TestThisMachineIsRead(t *testing.T) {
	m, err := Read("/")
	if err != nil {
		t.Fatal(err)
	}
	if m.OpenFiles < 3 || m.NrOpen < 64 || m.FilesUsed < 3 || m.Memory < 1<<20 || m.Somaxconn < 1 {
		t.Errorf("this machine's limits make no sense: %+v", m)
	}
	v := m.Verdict()
	if v.Conns < 1 || v.Conns > m.OpenFiles {
		t.Errorf("%d connections with %d descriptors", v.Conns, m.OpenFiles)
	}
	t.Log(v)
}

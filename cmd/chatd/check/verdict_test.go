package check

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
)

func names(walls []Wall) string {
	var all []string
	for _, w := range walls {
		all = append(all, w.Name)
	}
	return strings.Join(all, ", ")
}

// wall is v's wall or hint of that name.
func wall(t *testing.T, v Verdict, name string) Wall {
	t.Helper()
	for _, w := range append(v.Walls, v.Hints...) {
		if w.Name == name {
			return w
		}
	}
	t.Fatalf("no %s among %s; %s", name, names(v.Walls), names(v.Hints))
	return Wall{}
}

func TestEachLimitCanBeTheFirstWall(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Machine)
		conns  int64
		raise  string // to 100,000
	}{
		{"memory", func(m *Machine) { m.Memory = 50_000 * bytesPerConn }, 50_000, "# more memory: 424 MiB available, not 212 MiB"},
		{"cgroup memory limit", func(m *Machine) { m.CgroupLimit, m.CgroupUsed = 1<<30, 1<<30-50_000*bytesPerConn-7 }, 50_000, "systemctl set-property chatd.service MemoryMax=1237M #"},
		{"file descriptor limit", func(m *Machine) { m.OpenFiles = 50_000 }, 49_936, "ulimit -n 100064 # or LimitNOFILE=100064"},
		{"fs.nr_open", func(m *Machine) { m.NrOpen = 50_000 }, 49_936, "sysctl -w fs.nr_open=100064"},
		{"fs.file-max", func(m *Machine) { m.FileMax = 50_000 }, 48_936, "sysctl -w fs.file-max=101064"},
		{"fs.epoll.max_user_watches", func(m *Machine) { m.Watches = 50_000 }, 49_936, "sysctl -w fs.epoll.max_user_watches=100064"},
		{"net.netfilter.nf_conntrack_max", func(m *Machine) { m.ConntrackMax = 50_000 }, 49_500, "sysctl -w net.netfilter.nf_conntrack_max=100500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := read(t, nil)
			c.change(&m)
			v := m.Verdict()
			first := v.First()
			if first.Name != c.name || first.Conns != c.conns || v.Conns != c.conns || !first.Hard {
				t.Fatalf("first wall %+v, %d connections; want %s, %d", first, v.Conns, c.name, c.conns)
			}
			if got := first.Raise(100_000); !strings.HasPrefix(got, c.raise) {
				t.Errorf("raise it: %q, want %q", got, c.raise)
			}
			if got := first.Raise(c.conns); got != "" {
				t.Errorf("there is room for %d, but the advice is %q", c.conns, got)
			}
			for i := 1; i < len(v.Walls); i++ {
				if v.Walls[i-1].Conns > v.Walls[i].Conns {
					t.Errorf("walls are not sorted: %s", names(v.Walls))
				}
			}
		})
	}
}

// What the advice says must be enough, and not too much.
func TestAdviceMovesTheWallWhereItShould(t *testing.T) {
	m := read(t, nil)
	m.OpenFiles, m.NrOpen, m.FileMax, m.Watches, m.ConntrackMax = 1000, 1000, 1500, 1000, 1000
	const want = 100_000
	v := m.Verdict()
	set := func(name, format string, to ...any) {
		t.Helper()
		if _, err := fmt.Sscanf(wall(t, v, name).Raise(want), format, to...); err != nil {
			t.Errorf("%s: %q: %v", name, wall(t, v, name).Raise(want), err)
		}
	}
	set("file descriptor limit", "sysctl -w fs.nr_open=%d && ulimit -n %d", &m.NrOpen, &m.OpenFiles)
	set("fs.nr_open", "sysctl -w fs.nr_open=%d", &m.NrOpen)
	set("fs.file-max", "sysctl -w fs.file-max=%d", &m.FileMax)
	set("fs.epoll.max_user_watches", "sysctl -w fs.epoll.max_user_watches=%d", &m.Watches)
	set("net.netfilter.nf_conntrack_max", "sysctl -w net.netfilter.nf_conntrack_max=%d", &m.ConntrackMax)
	for _, w := range m.Verdict().Walls {
		if !strings.Contains(w.Name, "memory") && w.Conns != want {
			t.Errorf("%s has room for %d after the advice for %d", w.Name, w.Conns, want)
		}
	}
}

func TestTableOpensTheWayForTheDescriptorLimit(t *testing.T) {
	m := read(t, nil)
	m.OpenFiles, m.NrOpen = 1000, 1000
	var out bytes.Buffer
	if err := m.Verdict().Print(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.HasPrefix(text, "This host holds about 936 idle connections. The first wall: file descriptor limit.\n") {
		t.Errorf("the first line is not the verdict:\n%s", text)
	}
	if !strings.Contains(text, "\n  sysctl -w fs.nr_open=963925 && ulimit -n 963925 # or LimitNOFILE=963925 in the systemd unit\n") {
		t.Errorf("fs.nr_open is not raised before the limit that it bounds:\n%s", text)
	}
	if strings.Count(text, "sysctl -w fs.nr_open") > 1 {
		t.Errorf("it says so twice:\n%s", text)
	}
}

func TestMemoryLimitIsAdvisedForWhatIsUsedAndForWhatIsToCome(t *testing.T) {
	for _, c := range []struct {
		limit, used, conns int64
		max                int64 // MiB
	}{
		{1024 << 20, 900 << 20, 100_000, 900 + 425}, // 424.96
		{1024 << 20, 900 << 20, 29_180, 1025},       // 29,179 fit
		{1024 << 20, 0, 1 << 20, 4456},
		{1024 << 20, 2048 << 20, 1, 2049}, // overdrawn
	} {
		m := read(t, nil)
		m.CgroupLimit, m.CgroupUsed = c.limit, c.used
		want := fmt.Sprintf("systemctl set-property chatd.service MemoryMax=%dM ", c.max)
		raise := wall(t, m.Verdict(), "cgroup memory limit").Raise(c.conns)
		if !strings.HasPrefix(raise, want) || c.max<<20 < c.limit {
			t.Errorf("%d of %d bytes are used, for %d connections: %q, want %q", c.used, c.limit, c.conns, raise, want)
		}
	}
}

func TestAMemoryLimitBelowTheHostsMemoryIsToldHowToMove(t *testing.T) {
	v := read(t, map[string]string{
		"sys/fs/cgroup/chat/room/memory.max":     "1073741824\n",
		"sys/fs/cgroup/chat/room/memory.current": "943718400\n",
		"sys/fs/cgroup/chat/room/memory.stat":    "inactive_file 0\n",
	}).Verdict()
	if v.First().Name != "cgroup memory limit" || v.Conns != 29_179 || v.Target != 4<<30/bytesPerConn {
		t.Errorf("%s, advice for %d", v, v.Target)
	}
	// 4096 MiB are available besides the 900 that are used.
	if want := "raise it: systemctl set-property chatd.service MemoryMax=4996M "; !strings.Contains(v.String(), want) {
		t.Errorf("%q, want %q", v, want)
	}
}

// Beside a chatd with 100,000 connections the verdict is what it was before
// they came, and so is the advice.
func TestVerdictBesideARunningChatdIsTheSame(t *testing.T) {
	empty := read(t, nil)
	empty.OpenFiles, empty.NrOpen, empty.Watches = 150_000, 160_000, 170_000
	empty.FileMax, empty.ConntrackMax = 180_000, 190_000
	empty.CgroupLimit, empty.CgroupUsed = 1<<30, 100<<20

	busy := empty
	const n = 100_000
	busy.InUse = n
	busy.FilesUsed += n
	busy.ConntrackCount += n
	busy.Memory -= n * bytesPerConn
	busy.CgroupUsed += n * bytesPerConn

	was, is := empty.Verdict(), busy.Verdict()
	if is.Conns != was.Conns || is.Target != was.Target || names(is.Walls) != names(was.Walls) {
		t.Errorf("%s: %s\nwas %s: %s", is, names(is.Walls), was, names(was.Walls))
	}
	for i, w := range is.Walls {
		before := was.Walls[i]
		if w.Conns != before.Conns {
			t.Errorf("%s: room for %d, was %d", w.Name, w.Conns, before.Conns)
		}
		if raise := w.Raise(2_000_000); w.Name != "memory" && raise != before.Raise(2_000_000) {
			t.Errorf("%s: %q, was %q", w.Name, raise, before.Raise(2_000_000))
		}
	}
	if want := fmt.Sprintf("holds about %d idle connections, with the %d descriptors that chatd has now;", was.Conns, n); !strings.Contains(is.String(), want) {
		t.Errorf("%q, want %q", is, want)
	}
	if want := "# more memory: 8074 MiB available, not 3671 MiB"; wall(t, is, "memory").Raise(2_000_000) != want {
		t.Errorf("%q, want %q", wall(t, is, "memory").Raise(2_000_000), want)
	}
	if !strings.Contains(fmt.Sprint(is.LogAttrs()), fmt.Sprint("in_use=", n)) {
		t.Errorf("the log does not say how many are here: %v", is.LogAttrs())
	}
}

// A chatd of another cgroup, or whose port the firewall does not track.
func TestWhatIsNotCountedAsUsedIsNotCountedBack(t *testing.T) {
	m := read(t, nil)
	m.InUse = 100_000
	m.CgroupLimit, m.CgroupUsed = 100_000*bytesPerConn, 1<<20
	v := m.Verdict()
	if got := wall(t, v, "cgroup memory limit").Conns; got != 100_000 {
		t.Errorf("the cgroup's limit has room for %d", got)
	}
	if got := wall(t, v, "net.netfilter.nf_conntrack_max").Conns; got != m.ConntrackMax {
		t.Errorf("the firewall has room for %d", got)
	}
}

func TestBacklogAndBuffersAreHintsNotWalls(t *testing.T) {
	m := read(t, map[string]string{
		"proc/sys/net/core/somaxconn": "128\n",
		"proc/sys/net/ipv4/tcp_mem":   "100 200 300\n",
	})
	v := m.Verdict()
	if v.First().Name != "memory" {
		t.Errorf("first wall %s", v.First().Name)
	}
	if got := wall(t, v, "net.core.somaxconn").Raise(10_000); got != "sysctl -w net.core.somaxconn=65535" {
		t.Errorf("somaxconn: %q", got)
	}
	if got := wall(t, v, "net.ipv4.tcp_mem").Raise(10_000); !strings.HasPrefix(got, "sysctl -w net.ipv4.tcp_mem='") {
		t.Errorf("tcp_mem: %q", got)
	}
	m.Somaxconn, m.TCPMem = stormBacklog, m.Memory/2
	v = m.Verdict()
	for _, name := range []string{"net.core.somaxconn", "net.ipv4.tcp_mem"} {
		if got := wall(t, v, name).Raise(100_000_000); got != "" {
			t.Errorf("%s is as high as it should be, but the advice is %q", name, got)
		}
	}
}

func TestConntrackThatTracksNothingIsAHint(t *testing.T) {
	m := read(t, map[string]string{
		"proc/sys/net/netfilter/nf_conntrack_max":   "100\n",
		"proc/sys/net/netfilter/nf_conntrack_count": "0\n",
	})
	v := m.Verdict()
	if w := wall(t, v, "net.netfilter.nf_conntrack_max"); w.Hard || v.First().Name != "memory" {
		t.Errorf("%+v; first wall %s", w, v.First().Name)
	}
	m = read(t, map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "0\n"})
	if strings.Contains(names(m.Verdict().Walls), "conntrack") {
		t.Error("nf_conntrack_max=0 means no limit, but it is a wall")
	}
}

func TestAnyMachineHasAVerdict(t *testing.T) {
	most := Machine{math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64,
		math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64,
		math.MaxInt32}
	for _, m := range []Machine{{}, most} {
		v := m.Verdict()
		v.Target = maxTarget
		var out bytes.Buffer
		if err := v.Print(&out); err != nil || v.Conns < 0 || v.String() == "" {
			t.Errorf("%+v: %v, %v", m, v, err)
		}
	}
}

func TestVerdictIsALineOfTheLog(t *testing.T) {
	m := read(t, nil)
	m.OpenFiles, m.NrOpen = 20_000, 30_000
	v := m.Verdict()
	v.Target = 30_000
	const want = "this host holds about 19936 idle connections; first wall: file descriptor limit 20000; raise it: sysctl -w fs.nr_open=30064 && ulimit -n 30064"
	if !strings.HasPrefix(v.String(), want) {
		t.Errorf("%q, want %q", v, want)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.LogAttrs(t.Context(), slog.LevelInfo, "capacity", v.LogAttrs()...)
	if !strings.Contains(out.String(), `msg=capacity connections=19936 first_wall="file descriptor limit" now=20000 raise="sysctl -w fs.nr_open=30064 && ulimit -n 30064`) {
		t.Errorf("log: %s", out.String())
	}
}

// The objects that a connection is made of must be within the estimate, and
// most of it, on the kernel that the test runs on.
func TestEstimateFitsTheKernelsObjects(t *testing.T) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	info, err := proc.SlabInfo()
	if err != nil {
		t.Skip("the sizes of the kernel's objects are not to be read:", err)
	}
	var sum int64
	found := 0
	for _, slab := range info.Slabs {
		switch slab.Name {
		case "TCP", "sock_inode_cache", "filp", "dentry":
			sum += slab.ObjSize
			found++
		}
	}
	if found < 4 {
		t.Skip("the kernel does not tell these objects apart")
	}
	if sum > kernelPerConn || sum < kernelPerConn*2/3 {
		t.Errorf("the objects of a connection are %d bytes; the estimate is %d", sum, kernelPerConn)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

const (
	size    = 128 // bytes of the message
	spare   = 50_000
	largest = 10 // slabs in the report
	// idling is long enough for the server to have tidied up.
	idling = 15 * time.Second
	// patience is several times what a million take.
	patience = 4 * time.Minute
)

// serverFlags differ from the defaults in one thing: the clients do not answer
// pings, which would double what they have to do.
var serverFlags = []string{"-addr", fmt.Sprint("127.0.0.1:", port), "-ping-interval", "1h"}

// guest is what runs as init inside of the guest.
type guest struct {
	clients int
	began   time.Time
	server  *exec.Cmd
	stat    procfs.Proc
	report  Report
}

// becomeGuest does everything and switches the guest off.
func becomeGuest(clients int) {
	g := &guest{clients: clients, began: time.Now()}
	if err := g.run(); err != nil {
		g.say("failed: %v", err)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func (g *guest) say(format string, args ...any) {
	fmt.Printf("%s%6.1f s  %s\n", said, time.Since(g.began).Seconds(), fmt.Sprintf(format, args...))
}

func (g *guest) run() error {
	if err := g.prepare(); err != nil {
		return err
	}
	if err := g.startServer(); err != nil {
		return err
	}
	if err := g.measure(); err != nil {
		return err
	}
	g.report.Took = time.Since(g.began).Seconds()
	b, err := json.MarshalIndent(&g.report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile("/"+resultFile, append(b, '\n'), 0o644)
}

// prepare makes a system of the bare kernel.
func (g *guest) prepare() error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	files := uint64(2*g.clients + spare)
	for name, value := range map[string]string{
		"fs/nr_open":                         fmt.Sprint(files),
		"fs/file-max":                        fmt.Sprint(2 * files),
		"net/core/somaxconn":                 "65535",
		"net/ipv4/tcp_max_syn_backlog":       "65535",
		"net/ipv4/ip_local_port_range":       "1024 65535",
		"net/ipv4/tcp_mem":                   "4000000 4000000 4000000",
		"net/ipv4/tcp_max_tw_buckets":        "65536",
		"net/ipv4/tcp_slow_start_after_idle": "0",
	} {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
			return err
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: files, Max: files}); err != nil {
		return fmt.Errorf("raise the descriptor limit to %d: %w", files, err)
	}
	return loopbackUp()
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring up the loopback interface: %w", err)
	}
	return nil
}

const serverLog = "/tmp/chatd.log"

func (g *guest) startServer() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	version, err := exec.Command("/chatd", "-version").Output()
	if err != nil {
		return fmt.Errorf("run chatd: %w", err)
	}
	g.report = Report{
		Started: g.began, Clients: g.clients, Message: size,
		Kernel: unix.ByteSliceToString(u.Release[:]), Server: strings.TrimPrefix(strings.TrimSpace(string(version)), "chatd "),
		Command: fmt.Sprintf("make million N=%d", g.clients),
	}
	log, err := os.Create(serverLog)
	if err != nil {
		return err
	}
	defer log.Close()
	g.server = exec.Command("/chatd", serverFlags...)
	g.server.Stderr = log
	g.server.Env = append(os.Environ(), "GODEBUG=gctrace=1")
	if err := g.server.Start(); err != nil {
		return err
	}
	for !bytes.Contains(g.log(), []byte("msg=listening")) {
		if p, err := procfs.NewProc(g.server.Process.Pid); err != nil || zombie(p) {
			return fmt.Errorf("chatd does not start: %s", g.log())
		}
		time.Sleep(10 * time.Millisecond) // nothing tells of a line in a file
	}
	if g.stat, err = procfs.NewProc(g.server.Process.Pid); err != nil {
		return err
	}
	g.say("chatd %s is up", g.report.Server)
	return nil
}

func zombie(p procfs.Proc) bool {
	s, err := p.Stat()
	return err != nil || s.State == "Z"
}

func (g *guest) log() []byte {
	b, _ := os.ReadFile(serverLog) // an empty one says enough
	return b
}

// serverStatus is the server's memory, by the names of /proc/PID/status.
func (g *guest) serverStatus() (map[string]int64, error) {
	return readFields(fmt.Sprintf("/proc/%d/status", g.server.Process.Pid))
}

// cpu is the server's processor time so far.
func (g *guest) cpu() time.Duration {
	s, err := g.stat.Stat()
	if err != nil {
		return 0
	}
	return time.Duration(s.CPUTime() * float64(time.Second))
}

func (g *guest) measure() error {
	before, err := g.serverStatus()
	if err != nil {
		return err
	}
	g.report.RSSBefore = before["VmRSS"]
	memory, err := readFields("/proc/meminfo")
	if err != nil {
		return err
	}
	c := crowd{patience: patience}
	if err := g.connect(&c); err != nil {
		return err
	}
	if err := g.idle(memory["MemFree"]); err != nil {
		return err
	}
	if err := g.upgrade(); err != nil {
		return err
	}
	if err := g.broadcast(&c); err != nil {
		return err
	}
	return g.close(&c)
}

// often is how many clients pass between two looks at the clock, which is a
// system call in the guest.
const often = 1000

// nowAndThen is how often the guest tells how far it is.
const nowAndThen = 5 * time.Second

// teller returns a function that says how many of all are done, now and then.
func (g *guest) teller(what string) func(done int) {
	told := time.Now()
	return func(done int) {
		if done%often == 0 && time.Since(told) > nowAndThen {
			told = time.Now()
			g.say("%d of %d %s", done, g.clients, what)
		}
	}
}

func (g *guest) connect(c *crowd) error {
	r := &g.report
	began, cpu := time.Now(), g.cpu()
	if err := c.connect(g.clients, g.teller("connected")); err != nil {
		return err
	}
	r.Connecting = time.Since(began).Seconds()
	r.Held = len(c.fds)
	r.HandshakeCPU = (g.cpu() - cpu).Seconds() * 1e6 / float64(r.Held)
	g.say("%d connected, %.0f a second", r.Held, float64(r.Held)/r.Connecting)
	return nil
}

// idle looks at what everybody takes while nothing happens.
func (g *guest) idle(unused int64) error {
	r := &g.report
	g.say("idle for %s", idling)
	time.Sleep(idling)
	status, err := g.serverStatus()
	if err != nil {
		return err
	}
	r.RSS, r.RSSAnon, r.RSSFile, r.RSSPeak = status["VmRSS"], status["RssAnon"], status["RssFile"], status["VmHWM"]
	r.GC = parseGC(g.log())
	slabs, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return err
	}
	r.Slabs = parseSlabs(slabs, largest)
	own, err := readFields("/proc/self/status")
	if err != nil {
		return err
	}
	memory, err := readFields("/proc/meminfo")
	if err != nil {
		return err
	}
	r.Slab, r.SlabUnreclaimable = memory["Slab"], memory["SUnreclaim"]
	if r.Sockets, err = countSockets(); err != nil {
		return err
	}
	r.KernelMemory = unused - memory["MemFree"] - status["RssAnon"] - own["RssAnon"]
	g.say("chatd has %.1f MiB resident, %.0f bytes a connection", float64(r.RSS)/(1<<20), float64(r.RSS)/float64(r.Held))
	return nil
}

// carried is what the command says of an upgrade.
var carried = regexp.MustCompile(`(\d+) connections? carried, .* served for (\S+)`)

// upgrade replaces the server's program by itself, with everybody connected.
func (g *guest) upgrade() error {
	out, err := exec.Command("/chatd", "upgrade", "-pid", fmt.Sprint(g.server.Process.Pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("upgrade: %w: %s", err, out)
	}
	said := carried.FindSubmatch(out)
	if said == nil {
		return fmt.Errorf("upgrade: not understood: %s", out)
	}
	unserved, err := time.ParseDuration(string(said[2]))
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(string(said[1])) // digits
	g.report.Upgrade = &Upgrade{Carried: n, Unserved: unserved.Seconds()}
	g.say("%d are carried by an upgrade, nobody was served for %.1f s", n, unserved.Seconds())
	return nil
}

// broadcast sends one message and waits until all have it.
func (g *guest) broadcast(c *crowd) error {
	r := &g.report
	cpu, tell := g.cpu(), g.teller("have the message")
	o, err := c.broadcast(size, func(done uint64) { tell(int(done)) })
	if err != nil {
		return err
	}
	r.Delivered, r.Faults = o.delivered, o.faults
	r.First, r.Last = o.first.Seconds(), o.last.Seconds()
	r.DeliveryCPU = (g.cpu() - cpu).Seconds() * 1e6 / float64(max(1, r.Delivered))
	g.say("%d of %d have the message, the last after %.1f s", r.Delivered, r.Held, r.Last)
	return nil
}

// close hangs up and waits for the server to be rid of everybody.
func (g *guest) close(c *crowd) error {
	began := time.Now()
	g.say("hanging up")
	g.report.Faults.Duplicated = c.close(g.teller("hung up"))
	g.say("all have hung up, chatd is told to end")
	if err := g.server.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := g.server.Wait(); err != nil {
		return fmt.Errorf("chatd ended with %w: %s", err, g.log())
	}
	g.report.Closing = time.Since(began).Seconds()
	g.say("chatd has ended")
	return nil
}

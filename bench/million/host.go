package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	_ "chatd/poller/linuxonly"
)

const (
	kernel = "linux.uml" // of Debian's package user-mode-linux
	shm    = "/dev/shm"  // where the guest's memory is, as a file

	// What the guest needs: most of it is the kernel's, for both ends of each
	// connection.
	guestBase    = 1 << 30 // bytes
	guestPerConn = 12_500
	hostSpare    = 1 << 30 // left for the host

	// said marks the guest's own lines among its kernel's.
	said = "» "
	// resultFile is where the guest leaves its report, in its root.
	resultFile = "result.json"
)

// host boots the guest and writes the report.
type host struct {
	clients     int
	server, out string
}

func (h *host) run(ctx context.Context) error {
	memory := int64(guestBase + guestPerConn*h.clients)
	fmt.Printf("%d connections need %s (package user-mode-linux), %.1f GiB free in %s and as much free memory, and up to %s.\n",
		h.clients, kernel, gib(memory), shm, deadline)
	if err := h.check(memory); err != nil {
		return err
	}
	root, err := h.makeRoot()
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := h.boot(ctx, root, memory); err != nil {
		return err
	}
	return h.report(root)
}

// check says what is missing, before anything is begun.
func (h *host) check(memory int64) error {
	if _, err := exec.LookPath(kernel); err != nil {
		return fmt.Errorf("%s is missing: apt-get install user-mode-linux", kernel)
	}
	if _, err := os.Stat(h.server); err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(shm, &fs); err != nil {
		return fmt.Errorf("%s: %w", shm, err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < memory {
		return fmt.Errorf("%s has %.1f GiB free, %.1f are needed: mount it larger, or try N=%d", shm, gib(free), gib(memory), h.fitting(free))
	}
	info, err := readFields("/proc/meminfo")
	if err != nil {
		return err
	}
	if free := info["MemAvailable"] - hostSpare; free < memory {
		return fmt.Errorf("%.1f GiB of memory are free, %.1f are needed: try N=%d", gib(info["MemAvailable"]), gib(memory+hostSpare), h.fitting(free))
	}
	return nil
}

// fitting is a round number of connections for which so much memory is enough.
func (h *host) fitting(free int64) int {
	const round = 10_000
	return max(round, int(free-guestBase)/guestPerConn/round*round)
}

func gib(n int64) float64 { return float64(n) / (1 << 30) }

// makeRoot makes the directory that is the guest's root.
func (h *host) makeRoot() (root string, err error) {
	if root, err = os.MkdirTemp("", "million"); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(root)
		}
	}()
	for _, dir := range []string{"proc", "sys", "dev", "tmp"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			return "", err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	for from, to := range map[string]string{self: "init", h.server: "chatd"} {
		b, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(root, to), b, 0o755); err != nil {
			return "", err
		}
	}
	return root, nil
}

// boot runs the guest to its end, and shows what it says.
func (h *host) boot(ctx context.Context, root string, memory int64) error {
	cmd := exec.CommandContext(ctx, kernel,
		fmt.Sprintf("mem=%dM", memory>>20), "rootfstype=hostfs", "rootflags="+root, "rw", "init=/init",
		"con=null", "con0=null,fd:1", "quiet", "thash_entries=1048576", "--", "-n", strconv.Itoa(h.clients))
	// The memory's file is unlinked while it is used, so nothing is left of it.
	cmd.Env = append(os.Environ(), "TMPDIR="+shm)
	// The guest is several processes: all of them go when it has to end early.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	console, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	// The guest ends with the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := stayOnOneCPU(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	rest := show(console)
	err = cmd.Wait()
	switch _, missing := os.Stat(filepath.Join(root, resultFile)); {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not done after %s", deadline)
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case missing != nil:
		return fmt.Errorf("the guest ended without a result (%v); its console said:\n%s", err, strings.Join(rest, "\n"))
	}
	return nil // a guest that powers off need not end with status 0
}

// stayOnOneCPU keeps this thread, and what it starts, on one CPU. The guest's
// processes hand over to each other for each of its system calls: without
// waking another CPU for it they are five times as fast.
func stayOnOneCPU() error {
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("read the CPU affinity: %w", err)
	}
	last := 0 // interrupts like the first
	for i, found := 0, 0; found < allowed.Count(); i++ {
		if allowed.IsSet(i) {
			last, found = i, found+1
		}
	}
	one.Set(last)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("set the CPU affinity: %w", err)
	}
	return nil
}

// show prints what the guest says, and returns the last lines that its kernel
// said.
func show(console io.Reader) (rest []string) {
	for lines := bufio.NewScanner(console); lines.Scan(); {
		if line, ok := strings.CutPrefix(lines.Text(), said); ok {
			fmt.Println(line)
		} else if rest = append(rest, lines.Text()); len(rest) > 20 {
			rest = rest[1:]
		}
	}
	return rest
}

// report writes what the guest has found out, in two forms, and fails if it is
// not what it should be.
func (h *host) report(root string) error {
	b, err := os.ReadFile(filepath.Join(root, resultFile))
	if err != nil {
		return err
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	r.Commit = "unknown"
	if commit, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output(); err == nil {
		r.Commit = strings.TrimSpace(string(commit))
	}
	if b, err = json.MarshalIndent(&r, "", "  "); err != nil {
		return err
	}
	b = append(b, '\n')
	if err := os.MkdirAll(h.out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(h.out, "report.json"), b, 0o644); err != nil {
		return err
	}
	text := r.markdown()
	if err := os.WriteFile(filepath.Join(h.out, "REPORT.md"), []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Print("\n", text)
	return r.verdict()
}

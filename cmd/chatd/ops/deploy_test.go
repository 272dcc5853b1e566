package ops

import (
	"debug/elf"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// settings are the lines "key=value" or "key = value" of a file, in order.
func settings(t *testing.T, file string) (all [][2]string) {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, file))) {
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			all = append(all, [2]string{strings.TrimSpace(key), strings.TrimSpace(value)})
		}
	}
	return all
}

// unit is the last value of a setting of chatd.service, or of Environment's.
func unit(t *testing.T, key string) (value string) {
	t.Helper()
	found := false
	for _, s := range settings(t, "chatd.service") {
		if s[0] == "Environment" {
			s[0], s[1], _ = strings.Cut(s[1], "=")
		}
		if s[0] == key {
			value, found = s[1], true
		}
	}
	if !found {
		t.Fatalf("chatd.service has no %s", key)
	}
	return value
}

func TestVariablesOfTheEnvironmentAreFlags(t *testing.T) {
	for _, file := range []string{"chatd.service", "Dockerfile", "README.md", "cluster/chatd.conf", "cluster/compose.yaml"} {
		names := regexp.MustCompile(`\bCHATD_([A-Z_]*[A-Z])\b`).FindAllStringSubmatch(string(readFile(t, file)), -1)
		if len(names) < 2 {
			t.Errorf("%s: only %d variables were found", file, len(names))
		}
		for _, m := range names {
			option := strings.ToLower(strings.ReplaceAll(m[1], "_", "-"))
			if !slices.Contains(strings.Fields(flags()), option) {
				t.Errorf("%s sets %s, but there is no -%s", file, m[0], option)
			}
		}
	}
}

func TestSystemdWaitsForTheDrain(t *testing.T) {
	seconds := func(key string) time.Duration {
		d, err := time.ParseDuration(unit(t, key))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	drain := seconds("CHATD_DRAIN_SPREAD") + seconds("CHATD_DRAIN_TIMEOUT")
	if got := seconds("TimeoutStopSec"); got < drain+5*time.Second {
		t.Errorf("TimeoutStopSec is %s, the drain takes up to %s", got, drain)
	}
	if got := unit(t, "KillSignal"); got != "SIGTERM" {
		t.Errorf("KillSignal is %s: only SIGTERM drains", got)
	}
}

func TestSystemdTakesTheUnits(t *testing.T) {
	text := string(readFile(t, "chatd.service"))
	program := unit(t, "ExecStart")
	if unit(t, "ExecPaths") != filepath.Dir(program) {
		t.Errorf("ExecPaths is not where %s is", program)
	}
	if reload := unit(t, "ExecReload"); reload != program+" upgrade -pid $MAINPID" {
		t.Errorf("ExecReload is %s", reload)
	}
	here, err := os.Executable() // verify wants it to be there
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	service, socket := filepath.Join(dir, "chatd.service"), filepath.Join(dir, "chatd.socket")
	if err := os.WriteFile(service, []byte(strings.ReplaceAll(text, program, here)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(socket, readFile(t, "chatd.socket"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := run(t, "systemd-analyze", "verify", "--man=no", service, socket); strings.Contains(string(out), "chatd.s") {
		t.Errorf("systemd complains:\n%s", out)
	}
}

func TestSystemdHearsTheServer(t *testing.T) {
	if got := unit(t, "Type"); got != "notify" {
		t.Errorf("Type is %s: readiness is not waited for", got)
	}
	if got := unit(t, "RestrictAddressFamilies"); !slices.Contains(strings.Fields(got), "AF_UNIX") {
		t.Errorf("RestrictAddressFamilies is %s: it can't be told anything", got)
	}
}

func TestUnitAllowsTheSystemCallsOfTheServer(t *testing.T) {
	calls := map[string]bool{}
	var expand func(set string, allowed bool)
	expand = func(set string, allowed bool) {
		if !strings.HasPrefix(set, "@") {
			calls[set] = allowed
			return
		}
		for line := range strings.Lines(string(run(t, "systemd-analyze", "syscall-filter", set))) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "#"), line == set:
			case strings.HasPrefix(line, "@"):
				expand(line, allowed)
			default:
				calls[line] = allowed
			}
		}
	}
	for _, s := range settings(t, "chatd.service") {
		if s[0] == "SystemCallFilter" {
			sets, denied := strings.CutPrefix(s[1], "~")
			for set := range strings.FieldsSeq(sets) {
				expand(set, !denied)
			}
		}
	}
	for call := range strings.FieldsSeq(`accept4 bind clone clone3 close connect dup3 epoll_create1 epoll_ctl epoll_pwait
		eventfd2 exit_group fcntl futex getrandom getrlimit getsockname getsockopt gettid io_uring_enter
		io_uring_register io_uring_setup listen madvise mmap mprotect munmap nanosleep openat poll prlimit64 read
		readv recvfrom rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sendmsg sendto setitimer
		newfstatat setrlimit setsockopt shutdown sigaltstack socket tgkill timer_create timer_settime
		timer_delete umask uname unlinkat write writev
		fdatasync flock fstat fsync ftruncate mkdirat pread64 pwrite64 renameat
		memfd_create close_range execve vfork dup pipe2 setpgid kill waitid wait4 pidfd_send_signal`) { // for -data, and an upgrade
		if !calls[call] {
			t.Errorf("the unit denies %s", call)
		}
	}
	for _, call := range []string{"mount", "ptrace", "setuid", "bpf", "init_module", "reboot"} {
		if calls[call] {
			t.Errorf("the unit allows %s", call)
		}
	}
}

func TestEachSysctlExistsAndHasAReason(t *testing.T) {
	all := settings(t, "sysctl.conf")
	if len(all) < 5 {
		t.Fatalf("only %d settings were found", len(all))
	}
	text := string(readFile(t, "sysctl.conf"))
	_, err := os.Stat("/proc/sys/net/ipv4/tcp_mem")
	contained := err != nil // a container does not see all of them
	for _, s := range all {
		for number := range strings.FieldsSeq(s[1]) {
			if _, err := strconv.Atoi(number); err != nil {
				t.Errorf("%s: %v", s[0], err)
			}
		}
		if !regexp.MustCompile(`(?m)^#.*\n` + regexp.QuoteMeta(s[0]) + ` =`).MatchString(text) {
			t.Errorf("%s has no comment above it", s[0])
		}
		name := filepath.Join("/proc/sys", strings.ReplaceAll(s[0], ".", "/"))
		if _, err := os.Stat(name); err != nil && !contained {
			t.Errorf("the kernel has no %s", s[0])
		}
	}
}

// Prometheus itself listens on 9090.
func TestAdminPortIsTheSameEverywhereAndNotThatOfPrometheus(t *testing.T) {
	const port = "9080"
	for file, places := range map[string][]string{
		"chatd.service": {`CHATD_ADMIN=127\.0\.0\.1:(\d+)`},
		"Dockerfile":    {`CHATD_ADMIN=:(\d+)`, `EXPOSE 8080 (\d+)`},
		"README.md":     {`name: admin, containerPort: (\d+)`, `targets: \["127\.0\.0\.1:(\d+)"\]`},
	} {
		text := string(readFile(t, file))
		for _, place := range places {
			if m := regexp.MustCompile(place).FindStringSubmatch(text); m == nil || m[1] != port {
				t.Errorf("%s: %s is %q, want port %s", file, place, m, port)
			}
		}
		if strings.Contains(text, "9090") {
			t.Errorf("%s speaks of port 9090", file)
		}
	}
}

func TestImageIsMadeOfTheSourceAlone(t *testing.T) {
	left := strings.Fields(string(readFile(t, "Dockerfile.dockerignore")))
	for name := range strings.FieldsSeq(string(readFile(t, "../../../.gitignore"))) {
		name = strings.Trim(name, "/")
		if !slices.ContainsFunc(left, func(pattern string) bool {
			match, err := filepath.Match(pattern, name)
			return match && err == nil
		}) {
			t.Errorf("%s is copied into the image's build", name)
		}
	}
}

func TestImageRunsTheBinaryThatItsBuildMakes(t *testing.T) {
	text := string(readFile(t, "Dockerfile"))
	find := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + pattern + `$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no line %s", pattern)
		}
		return m[1]
	}
	built := find(`RUN CGO_ENABLED=0 go build .*-o (\S+) \./cmd/chatd`)
	if copied := find(`COPY --from=build (\S+) /chatd`); copied != built {
		t.Errorf("%s is built, %s is copied", built, copied)
	}
	find(`(FROM scratch)`)
	find(`ENTRYPOINT \["(/chatd)"\]`)
	if user := find(`USER (\d+):\d+`); user == "0" {
		t.Error("it runs as root")
	}
	for port := range strings.FieldsSeq(find(`EXPOSE (.*)`)) {
		if !strings.Contains(text, "=:"+port) {
			t.Errorf("nothing is told to listen on %s", port)
		}
	}

	binary := filepath.Join(t.TempDir(), "chatd")
	command := strings.Replace(find(`RUN (.*go build.*)`), built, binary, 1)
	run(t, "sh", "-c", "cd ../../.. && "+command)
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a dynamic loader, and scratch has none")
		}
	}
	if out := run(t, binary, "-version"); !strings.HasPrefix(string(out), "chatd ") {
		t.Errorf("-version: %s", out)
	}
}

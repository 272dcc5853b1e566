package main

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newcomer does what README.md says, in its order.
type newcomer struct {
	*testing.T
	bin    string // the directory of the programs
	server *process
	ear    *ear // what curl hears, from when it is begun on
}

// trial is a command of README.md that is run; the first one starts the server. It
// returns what the command prints.
type trial func(n *newcomer, command string) (printed string)

// trials are all commands of README.md. Those that take long are only looked at, or are
// smaller here.
var trials = map[string]trial{
	"make run":   (*newcomer).serve,
	"make test":  (*newcomer).plan,
	"make bench": (*newcomer).plan,
	"bin/chatd chat -name Ana http://localhost:8080/r/tea":          (*newcomer).chat,
	"date | bin/chatd chat -name clock http://localhost:8080/r/tea": (*newcomer).tellTheTime,
	"curl -N http://localhost:8080/rooms/tea/events":                (*newcomer).listen,
	"bin/chatd upgrade": (*newcomer).upgrade,
	"bin/chatd check":   (*newcomer).run,
	"bin/chatbench idle -clients 10000 -pid $(pidof chatd)":    smaller("-clients 4000 -duration 400ms"),
	"bin/chatbench flood -outstanding 128 -pid $(pidof chatd)": smaller("-clients 50 -duration 500ms -warmup 100ms"),
	"bin/chatbench stuck -size 2048 -pid $(pidof chatd)":       smaller("-clients 50 -stuck 50 -duration 500ms -warmup 100ms"),
}

func TestReadmeDoesWhatItSays(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines >= 120 {
		t.Errorf("it has %d lines: what is more than a first look belongs elsewhere", lines)
	}
	n := &newcomer{T: t, bin: t.TempDir()}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", n.bin+"/", "./cmd/chatd", "./bench/chatbench")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	missing := maps.Clone(trials)
	for _, c := range commandsOf(string(text)) {
		trial := trials[c.command]
		if trial == nil {
			t.Errorf("%q is not known here: say in trials how it is run", c.command)
			continue
		}
		delete(missing, c.command)
		t.Log(c.command)
		printed := trial(n, c.command)
		for _, line := range c.prints {
			if !alike(line).MatchString(printed) {
				t.Errorf("%s does not print %q:\n%s", c.command, line, printed)
			}
		}
	}
	for command := range missing {
		t.Errorf("%q is in trials, and not in README.md", command)
	}
	n.visit(string(text))
}

// command is one of a document, and the lines that it is said to print, among others.
type command struct {
	command string
	prints  []string
}

var (
	blocks = regexp.MustCompile(`(?m)^ {4,}(\S.*)$`)
	spans  = regexp.MustCompile("`((?:make|go|git|curl|bin/\\w+|chatd) [^`]+|bin/\\w+)`")
)

// commandsOf are those of a text in Markdown: the lines of indented blocks, each with a
// comment perhaps, and those in the prose. A line of a block that is a comment is what the
// command before it prints. Fenced blocks are none.
func commandsOf(text string) (all []command) {
	for line := range strings.Lines(fence.ReplaceAllString(text, "")) {
		m := blocks.FindStringSubmatch(line)
		if m == nil {
			for _, m := range spans.FindAllStringSubmatch(line, -1) {
				if !slices.ContainsFunc(all, func(c command) bool { return c.command == m[1] }) {
					all = append(all, command{command: m[1]})
				}
			}
			continue
		}
		if printed, ok := strings.CutPrefix(m[1], "# "); ok && len(all) > 0 {
			last := &all[len(all)-1]
			last.prints = append(last.prints, printed)
			continue
		}
		one, _, _ := strings.Cut(m[1], " # ")
		all = append(all, command{command: strings.TrimSpace(one)})
	}
	return all
}

func TestCommandsOfADocumentAreFound(t *testing.T) {
	got := commandsOf("Say `make all` or `all`.\n\n    make all    # everything\n\n1. In a list:\n\n       ls | wc\n       # 42 files\n\n```text\n    none\n```\nSee `bin/chatd`.\n")
	want := []command{{"make all", nil}, {"make all", nil}, {"ls | wc", []string{"42 files"}}, {"bin/chatd", nil}}
	if !slices.EqualFunc(got, want, func(a, b command) bool { return a.command == b.command && slices.Equal(a.prints, b.prints) }) {
		t.Errorf("%q, want %q", got, want)
	}
}

var (
	number   = regexp.MustCompile(`[1-9][0-9.,]*|0\.[0-9]+`)
	duration = regexp.MustCompile(`(NUMBER)(µs|ms|s)\b`)
	gap      = regexp.MustCompile(` +`)
)

// alike finds lines that differ from this one in figures and gaps alone. What is none, 0,
// has to stay so.
func alike(line string) *regexp.Regexp {
	line = number.ReplaceAllString(line, "NUMBER")
	line = duration.ReplaceAllString(line, "DURATION")
	line = regexp.QuoteMeta(line)
	line = strings.NewReplacer("DURATION", `[0-9.]+(µs|ms|s)`, "NUMBER", `-?[0-9][0-9.,]*`).Replace(line)
	return regexp.MustCompile(`(?m)^` + gap.ReplaceAllString(line, `\s+`))
}

func TestLinesWithOtherFiguresAreAlike(t *testing.T) {
	for line, is := range map[string]bool{
		"process 7 is upgraded: 12 connections carried, 0 not; nobody was served for 1.2s": true,
		"process 7 is upgraded: 12 connections carried, 1 not; nobody was served for 1.2s": false,
		"process 7 was upgraded: 3 connections carried, 0 not; nobody was served for 1ms":  false,
	} {
		if alike("process 6022 is upgraded: 3 connections carried, 0 not; nobody was served for 16.6ms").MatchString(line) != is {
			t.Errorf("%q: want %t", line, is)
		}
	}
	if !alike("server CPU     0.06 µs a delivery").MatchString("more\nserver CPU  10.5 µs a delivery (user 1)\n") {
		t.Error("a line among others is not found")
	}
}

// here is a command with what is another one here: programs, port, process.
func (n *newcomer) here(command string) string {
	return strings.NewReplacer(
		"bin/", n.bin+"/",
		"localhost:8080", n.server.Addr,
		"$(pidof chatd)", strconv.Itoa(n.server.cmd.Process.Pid),
	).Replace(command)
}

// shell is a shell that runs a command where README.md is.
func (n *newcomer) shell(command string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(n.Context(), patience)
	n.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // all that it runs
	return cmd
}

// end runs cmd to its end, which has to be a good one.
func (n *newcomer) end(cmd *exec.Cmd) (printed string) {
	n.Helper()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		n.Fatalf("%s: %v\n%s%s", cmd.Args[2], err, out, &errs)
	}
	return string(out)
}

func (n *newcomer) run(command string) string { return n.end(n.shell(n.here(command))) }

// smaller runs a command of chatbench with these flags, too.
func smaller(flags string) trial {
	return func(n *newcomer, command string) string {
		return n.run(command + " -url ws://localhost:8080/ws " + flags)
	}
}

// plan looks at what make would do.
func (n *newcomer) plan(command string) (printed string) {
	target := strings.TrimPrefix(command, "make ")
	if printed = n.end(n.shell("make -n " + target)); printed == "" {
		n.Errorf("%s does nothing", command)
	}
	return printed
}

// serve does what make would: but the port is a free one, and the program is built.
func (n *newcomer) serve(command string) (printed string) {
	if n.server != nil { // it is said more than once
		return ""
	}
	printed = n.plan(command)
	if lines := strings.Split(strings.TrimSpace(printed), "\n"); lines[len(lines)-1] != "bin/chatd -addr :8080" {
		n.Fatalf("%s ends with %q", command, lines)
	}
	n.server = startChatdIn(n.T, func(cmd *exec.Cmd) { cmd.Path = filepath.Join(n.bin, "chatd") })
	n.server.dialRoom(n.T, "tea")
	n.server.dialRoom(n.T, "tea")
	return printed
}

// say says something in a pipe.
func (n *newcomer) say(command, text string) (printed string) {
	cmd := n.shell(n.here(command))
	cmd.Stdin = strings.NewReader(text + "\n")
	return n.end(cmd)
}

func (n *newcomer) chat(command string) (printed string) {
	if printed = n.say(command, "hello"); !strings.Contains(printed, "Ana: hello\n") {
		n.Errorf("%s, and hello, prints\n%s", command, printed)
	}
	return printed
}

func (n *newcomer) tellTheTime(command string) (printed string) {
	if printed = n.run(command); !regexp.MustCompile(`(?m)^clock: .*[0-9]:[0-9]`).MatchString(printed) {
		n.Errorf("%s prints\n%s", command, printed)
	}
	return printed
}

// ear is a command that goes on, and prints lines.
type ear struct {
	*exec.Cmd
	lines chan string
}

// listen begins to listen: what was said is heard first.
func (n *newcomer) listen(command string) string {
	cmd := n.shell("exec " + n.here(command))
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.Fatal(err)
	}
	l := &ear{cmd, make(chan string, 1000)}
	go func() {
		defer close(l.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			l.lines <- lines.Text()
		}
	}()
	n.Cleanup(func() {
		_ = cmd.Cancel()
		for range l.lines {
		}
		_ = cmd.Wait() // it was killed
	})
	n.ear = l
	n.hears("hello")
	return ""
}

// hears waits until something is heard.
func (n *newcomer) hears(text string) {
	n.Helper()
	overdue := time.After(patience)
	for {
		select {
		case line, ok := <-n.ear.lines:
			if !ok {
				n.Fatalf("%s has ended", n.ear.Args[2])
			}
			if strings.Contains(line, text) {
				return
			}
		case <-overdue:
			n.Fatalf("%q is not heard", text)
		}
	}
}

// upgrade upgrades this server: who listens goes on, and hears what is said then.
func (n *newcomer) upgrade(command string) (printed string) {
	printed = n.run(command + " -pid $(pidof chatd)")
	n.say("bin/chatd chat -name Bob http://localhost:8080/r/tea", "after it")
	n.hears("after it")
	return printed
}

// visit visits the addresses of the server that a text names.
func (n *newcomer) visit(text string) {
	defer http.DefaultClient.CloseIdleConnections()
	pages := regexp.MustCompile(`<(http://localhost:8080[^>]*)>`).FindAllStringSubmatch(text, -1)
	for _, m := range pages {
		r, err := http.Get(n.here(m[1]))
		if err != nil {
			n.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(body), "<html") {
			n.Errorf("%s: %s %v\n%s", m[1], r.Status, err, body)
		}
	}
	if len(pages) == 0 {
		n.Error("no page of the server is named")
	}
}

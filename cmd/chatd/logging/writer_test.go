package logging

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	signal.Ignore(syscall.SIGPIPE)
	goleak.VerifyTestMain(m)
}

const patience = 30 * time.Second

// numbered writes "line 0", "line 1" and so on.
type numbered struct {
	*Writer
	next int
}

func (n *numbered) write() {
	fmt.Fprintf(n, "line %d\n", n.next)
	n.next++
}

// flood writes until lines are lost.
func (n *numbered) flood(t *testing.T) {
	t.Helper()
	for n.Lost() < 1000 {
		if n.next > 1_000_000 {
			t.Fatal("a million lines, and few are lost")
		}
		n.write()
	}
}

// end writes until a line is taken, and then the last one.
func (n *numbered) end() {
	for lost := n.Lost(); ; lost = n.Lost() {
		if n.write(); n.Lost() == lost {
			break
		}
		runtime.Gosched()
	}
	fmt.Fprintln(n, "end")
}

// awaitLost waits until so many lines are lost.
func awaitLost(t *testing.T, w *Writer, lost uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); w.Lost() != lost; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d lines are lost, want %d", w.Lost(), lost)
		}
	}
}

// pipe is a blocking one, as those between processes are, or with flags.
func pipe(t *testing.T, flags int) (r *os.File, w int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], flags|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	return owned(t, fds)
}

func socket(t *testing.T) (r *os.File, w int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return owned(t, fds)
}

// terminal is one whose output is stopped, as with ^S, until resume is called.
func terminal(t *testing.T) (r *os.File, w int, resume func()) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	must(err)
	must(unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	must(err)
	slave, err := unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	must(err)
	must(unix.IoctlSetInt(slave, unix.TCXONC, unix.TCOOFF))
	r, w = owned(t, [2]int{master, slave})
	return r, w, func() { must(unix.IoctlSetInt(slave, unix.TCXONC, unix.TCOON)) }
}

func owned(t *testing.T, fds [2]int) (r *os.File, w int) {
	r = os.NewFile(uintptr(fds[0]), "")
	t.Cleanup(func() {
		r.Close()
		unix.Close(fds[1])
	})
	return r, fds[1]
}

var lostLines = regexp.MustCompile(`^time=\S+ level=WARN msg="log lines lost" count=(\d+)$`)

// account reads lines up to "end" and checks that each from 0 on is there, or
// told to be lost, in its place. It returns how many there were and how many of
// them are lost.
func account(t *testing.T, r io.Reader) (all int, lost uint64) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if m := lostLines.FindStringSubmatch(lines.Text()); m != nil {
			n, _ := strconv.Atoi(m[1]) // it is a number
			all += n
			lost += uint64(n)
			continue
		}
		if lines.Text() == "end" {
			return all, lost
		}
		if want := fmt.Sprintf("line %d", all); lines.Text() != want {
			t.Errorf("%q, want %q", lines.Text(), want)
			return all, lost
		}
		all++
	}
	t.Error("the log ends early")
	return all, lost
}

func TestLinesThatNobodyReadsAreLostCountedAndToldInTheirPlace(t *testing.T) {
	none := func() {}
	for name, open := range map[string]func(*testing.T) (*os.File, int, func()){
		"pipe":              func(t *testing.T) (*os.File, int, func()) { r, w := pipe(t, 0); return r, w, none },
		"non-blocking pipe": func(t *testing.T) (*os.File, int, func()) { r, w := pipe(t, unix.O_NONBLOCK); return r, w, none },
		"socket":            func(t *testing.T) (*os.File, int, func()) { r, w := socket(t); return r, w, none },
		"stopped terminal":  terminal,
	} {
		t.Run(name, func(t *testing.T) {
			r, fd, resume := open(t)
			w := numbered{Writer: NewWriter(fd, Text)}
			w.flood(t)
			resume()
			var all int
			var lost uint64
			read := make(chan bool)
			go func() {
				all, lost = account(t, r)
				close(read)
			}()
			w.end()
			<-read
			w.Close()
			<-w.done
			if all != w.next || lost != w.Lost() {
				t.Errorf("%d lines and %d of them told to be lost; it was %d and %d", all, lost, w.next, w.Lost())
			}
		})
	}
}

func TestCrashDoesNotWaitForALogThatIsStuck(t *testing.T) {
	r, fd := pipe(t, 0)
	awaitFile := func(prefix string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; runtime.Gosched() {
			switch name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); {
			case err != nil:
				t.Fatal(err)
			case strings.HasPrefix(name, prefix):
				return
			case time.Now().After(deadline):
				t.Fatalf("the descriptor is %s, want %s", name, prefix)
			}
		}
	}
	w := numbered{Writer: NewWriter(fd, Text)}
	w.flood(t)
	awaitFile("/dev/null")
	read := make(chan bool)
	go func() {
		account(t, r)
		close(read)
	}()
	awaitFile("pipe:")
	w.end()
	<-read
	w.Close()
	<-w.done
}

func TestCloseDoesNotWaitForAReaderThatIsStuck(t *testing.T) {
	r, fd := pipe(t, 0)
	w := numbered{Writer: NewWriter(fd, Text)}
	w.flood(t)
	w.Close()
	select {
	case <-w.done:
		t.Error("it could write")
	default:
	}
	w.Close() // a second time, as whoever hurries does
	r.Close()
	<-w.done
}

func TestCloseWritesWhatWaits(t *testing.T) {
	r, fd := pipe(t, 0)
	w := numbered{Writer: NewWriter(fd, Text)}
	for range 100 {
		w.write()
	}
	w.end()
	w.Close()
	if all, lost := account(t, r); all != w.next || lost != 0 {
		t.Errorf("%d lines, %d lost, want %d", all, lost, w.next)
	}
}

func TestFlushWritesWhatWaits(t *testing.T) {
	r, fd := pipe(t, 0)
	w := numbered{Writer: NewWriter(fd, Text)}
	for range 3 {
		for range 10 {
			w.write()
		}
		w.Flush()
		b := make([]byte, 4096) // all is there already
		n, err := r.Read(b)
		if want := fmt.Sprintf("line %d\n", w.next-1); err != nil || !strings.HasSuffix(string(b[:n]), want) {
			t.Fatalf("%q, %v", b[:n], err)
		}
	}
	w.Close()
	<-w.done
	w.Flush() // does not wait for what nobody does
}

// What goes on with the descriptor is another program, which has its log there.
func TestFlushLeavesTheDescriptorAsItWas(t *testing.T) {
	r, fd := pipe(t, 0)
	w := numbered{Writer: NewWriter(fd, Text)}
	w.flood(t)
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil || time.Now().After(deadline) {
			t.Fatal(name, err)
		} else if name == os.DevNull {
			break
		}
	}
	w.Flush()
	if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil || !strings.HasPrefix(name, "pipe:") {
		t.Error(name, err)
	}
	w.Close()
	r.Close()
	<-w.done
}

func TestReaderThatGoesAwayAndAnotherThatComes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	first.Close()
	w := numbered{Writer: NewWriter(fd, Text)}
	for range 3 {
		w.write()
	}
	awaitLost(t, w.Writer, 3)
	second, err := os.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	w.end()
	if all, lost := account(t, second); all != 4 || lost != 3 {
		t.Errorf("%d lines, %d lost", all, lost)
	}
	w.Close()
}

func TestFileThatIsFullAndThenHasRoom(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	setLimit := func(most uint64) {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: most, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
	}
	defer setLimit(limit.Cur)
	setLimit(10) // in the middle of the second line
	w := numbered{Writer: NewWriter(int(file.Fd()), Text)}
	w.write()
	w.write()
	awaitLost(t, w.Writer, 1)
	setLimit(limit.Cur)
	w.end()
	w.Close()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(`(?m)^lin$\n`).ReplaceAll(text, nil) // what was written of the lost one
	if all, lost := account(t, bytes.NewReader(whole)); all != 3 || lost != 1 {
		t.Errorf("%d lines, %d lost:\n%s", all, lost, text)
	}
}

func TestLogThatTakesNothingIsCounted(t *testing.T) {
	full, err := unix.Open("/dev/full", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(full)
	for name, fd := range map[string]int{"full disk": full, "closed descriptor": -1} {
		t.Run(name, func(t *testing.T) {
			w := numbered{Writer: NewWriter(fd, Text)}
			w.write()
			w.write()
			awaitLost(t, w.Writer, 2)
			w.Close()
			<-w.done
		})
	}
}

func TestLinesOfProcessesThatShareAPipeDontMix(t *testing.T) {
	long := strings.Repeat("x", pipeBuf)
	for _, tt := range []struct{ lines, first string }{
		{"a\nb\n", "a\nb\n"},
		{long[2:] + "\n" + "b\n", long[2:] + "\n"},
		{long + "\nb\n", long + "\n"},
		{long, long},
	} {
		if first := atomically([]byte(tt.lines)); string(first) != tt.first {
			t.Errorf("%d bytes first, want %d", len(first), len(tt.first))
		}
	}
}

func TestALineCostsNoAllocation(t *testing.T) {
	fd, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	w := NewWriter(fd, Text)
	defer w.Close()
	line := []byte("a line\n")
	if n := testing.AllocsPerRun(1000, func() { _, _ = w.Write(line) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNoLineIsTakenBeforeAnEarlierOneThatIsLost(t *testing.T) {
	w := &Writer{wake: make(chan struct{}, 1)} // nothing is written out
	for _, size := range []int{capacity - 10, 100, 5} {
		_, _ = w.Write(append(bytes.Repeat([]byte("x"), size-1), '\n')) // never fails
	}
	if len(w.pending) != capacity-10 || w.dropped != 2 {
		t.Errorf("%d bytes are taken, %d lines lost", len(w.pending), w.dropped)
	}
}

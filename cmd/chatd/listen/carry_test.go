package listen

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"chatd/poller"
	"chatd/room/carry"
	"chatd/room/carry/carrytest"
)

// carried is s as the next program has it, with a descriptor of its own.
func carried(t *testing.T, s *Socket, lent bool) *Socket {
	t.Helper()
	fd, err := poller.Dup(s.Listener.(*net.UnixListener))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := carry.NewWriter(&b)
	s.Carry(w, fd)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := carry.NewReader(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	next, err := Restore(r, lent)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { next.Close() })
	return next
}

func TestSocketGoesOverWithItsFile(t *testing.T) {
	path := socketPath(t)
	s := openAt(t, path)
	next := carried(t, s, false)
	if next.At() != s.At() || next.At().Path != path {
		t.Errorf("it is at %s, and was at %s", next.At(), s.At())
	}
	s.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := next.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its file is left: %v", err)
	}
}

func TestSocketThatIsLentLeavesTheFile(t *testing.T) {
	path := socketPath(t)
	lent := carried(t, openAt(t, path), true)
	if err := errors.Join(lent.Remove(), lent.Close()); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestSocketThatCannotBeIsRefused(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	for what, s := range map[string]struct {
		at string
		fd int
	}{
		"no address":    {"nonsense", 1 << 20},
		"no descriptor": {"", 1 << 20},
		"a pipe":        {"", fds[0]},
		"one of all":    {"", 2},
	} {
		var b bytes.Buffer
		w := carry.NewWriter(&b)
		w.String(s.at)
		w.Uint(0)
		w.Uint(0)
		w.FD(s.fd)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := carry.NewReader(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(r, false); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

func TestNoFieldOfASocketIsForgotten(t *testing.T) {
	carrytest.Fields(t, Socket{}, carrytest.Carried("at", "made"), carrytest.Rebuilt("Listener", "it is made of the descriptor"))
}

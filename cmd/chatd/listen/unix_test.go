package listen

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "x.sock") }

func openAt(t *testing.T, path string) *Socket {
	t.Helper()
	s, err := Open(Address{Path: path}, 0o620)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestUnixSocketHasItsMode(t *testing.T) {
	path := socketPath(t)
	openAt(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o620 {
		t.Fatal(info.Mode(), err)
	}
}

func TestSocketThatWasLeftBehindIsReplaced(t *testing.T) {
	path := socketPath(t)
	openAt(t, path).Close() // which leaves its file, like a server that is killed
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestPathThatIsTakenIsAnError(t *testing.T) {
	live := socketPath(t)
	openAt(t, live)
	if _, err := Open(Address{Path: live}, 0o660); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("another server listens: %v", err)
	}
	file := socketPath(t)
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Address{Path: file}, 0o660); err == nil {
		t.Error("a file is replaced")
	}
	link := socketPath(t)
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, filepath.Dir(file)} {
		if err := (Address{Path: path}).Check(); err == nil {
			t.Errorf("%s could be a socket", path)
		}
	}
	datagrams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "y.sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	if _, err := Open(Address{Path: datagrams.LocalAddr().String()}, 0o660); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a socket for datagrams is there: %v", err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "mine" {
		t.Errorf("%q, %v", content, err)
	}
}

func TestSocketRemovesItsOwnFileAlone(t *testing.T) {
	path := socketPath(t)
	first := openAt(t, path)
	moved := path + ".old"
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	second := openAt(t, path)
	if err := first.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("the other's file is gone")
	}
	if err := errors.Join(second.Remove(), second.Remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}

func TestModesWithWhichSomebodyCanConnectAreTaken(t *testing.T) {
	for _, s := range []string{"", "8", "1000", "-1", "rw", "0", "0444", "0555"} {
		var m Mode
		if err := m.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is %o", s, m)
		}
	}
	var m Mode
	if err := m.UnmarshalText([]byte("660")); err != nil || m != 0o660 {
		t.Error(m, err)
	}
	if text, err := m.MarshalText(); err != nil || string(text) != "0660" {
		t.Errorf("%s, %v", text, err)
	}
}

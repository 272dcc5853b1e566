package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"chatd/poller"
)

// Mode is who may connect to a unix socket: whoever may write to it. Its text
// is octal.
type Mode fs.FileMode

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04o", m), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	switch {
	case err != nil || n > 0o777:
		return errors.New("must be octal, 0600 to 0777")
	case n&0o222 == 0:
		return errors.New("lets nobody connect: that takes the permission to write, as 0660")
	}
	*m = Mode(n)
	return nil
}

// openUnix listens at the path of a. A socket that is there and nobody listens on was
// left behind by a server that had no time to remove it.
func openUnix(a Address, mode Mode) (*Socket, error) {
	path := a.Path
	ln, err := bind(path, mode)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove a socket that nobody listens on: %w", err)
		}
		ln, err = bind(path, mode)
	}
	if err != nil {
		return nil, err
	}
	made, err := inodeOf(path)
	if err != nil {
		ln.Close()
		return nil, err
	}
	return &Socket{ln, a, made}, nil
}

// bind makes the socket with its mode at once: there is no moment in which
// others may connect.
func bind(path string, mode Mode) (net.Listener, error) {
	defer syscall.Umask(syscall.Umask(0o777 &^ int(mode)))
	ln, err := poller.Open("unix", path)
	if err != nil {
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // whoever takes it over closes it
	return ln, nil
}

// dialTimeout is for a server that is too busy even to be connected to: then it
// lives.
const dialTimeout = time.Second

// abandoned reports whether path is a socket on which nobody listens.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

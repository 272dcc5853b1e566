package listen

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"chatd/poller"
)

// Socket is a socket that listens.
type Socket struct {
	net.Listener
	at   Address // where Open was to listen; nowhere: others opened it
	made inode   // of its file, if it has one that we made
}

// inode tells a file from others of its name.
type inode struct{ device, number uint64 }

// inodeOf is that of the file at path.
func inodeOf(path string) (inode, error) {
	var s unix.Stat_t
	if err := unix.Lstat(path, &s); err != nil {
		return inode{}, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return inode{uint64(s.Dev), s.Ino}, nil
}

// At is where Open was to listen; nowhere if others opened it.
func (s *Socket) At() Address { return s.at }

// Open listens at a; a unix socket's file gets mode.
func Open(a Address, mode Mode) (*Socket, error) {
	if a.Path != "" {
		return openUnix(a, mode)
	}
	ln, err := poller.Open("tcp", a.String())
	if err != nil {
		return nil, err
	}
	return &Socket{Listener: ln, at: a}, nil
}

// Remove removes the socket's file, if Open made it and it is still the
// socket's. It is called before the socket is closed: while that listens, nobody
// else takes the path.
func (s *Socket) Remove() error {
	if s == nil || s.made == (inode{}) {
		return nil
	}
	path, made := s.Addr().String(), s.made
	s.made = inode{}
	if now, err := inodeOf(path); err != nil || now != made {
		return nil // it is another's by now, or nobody's
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the socket: %w", err)
	}
	return nil
}

package listen

import (
	"fmt"
	"io/fs"
	"net"
	"os"

	"chatd/poller"
)

// Socket is a socket that listens.
type Socket struct {
	net.Listener
	made fs.FileInfo // its file, if it has one that we made
}

// Open listens at a; a unix socket's file gets mode.
func Open(a Address, mode Mode) (*Socket, error) {
	if a.Path != "" {
		return openUnix(a.Path, mode)
	}
	ln, err := poller.Open("tcp", a.String())
	if err != nil {
		return nil, err
	}
	return &Socket{Listener: ln}, nil
}

// Remove removes the socket's file, if Open made it and it is still the
// socket's. It is called before the socket is closed: while that listens, nobody
// else takes the path.
func (s *Socket) Remove() error {
	if s == nil || s.made == nil {
		return nil
	}
	path, made := s.Addr().String(), s.made
	s.made = nil
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, made) {
		return nil // it is another's by now, or nobody's
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the socket: %w", err)
	}
	return nil
}

package listen

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"chatd/room/carry"
)

// Carry writes the socket for the program that replaces this one. Its descriptor is fd,
// which is open for as long as this program runs.
func (s *Socket) Carry(w *carry.Writer, fd int) {
	w.String(s.at.String())
	w.Uint(s.made.device)
	w.Uint(s.made.number)
	w.FD(fd)
}

// Restore takes over a socket that Carry wrote. Lent says that it stays the other
// program's: its file is not removed.
func Restore(r *carry.Reader, lent bool) (*Socket, error) {
	s := new(Socket)
	text := r.String()
	s.made = inode{r.Uint(), r.Uint()}
	fd := r.FD()
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := s.at.UnmarshalText([]byte(text)); err != nil {
		return nil, fmt.Errorf("%q %w", text, err)
	}
	if lent {
		s.made = inode{}
	}
	file := os.NewFile(uintptr(fd), text)
	if file == nil {
		return nil, errors.New("it has no descriptor")
	}
	var err error
	if s.Listener, err = listening(file); err != nil {
		return nil, err
	}
	return s, nil
}

// FD is the socket's descriptor, until it is closed, or another one has taken it over.
func (s *Socket) FD() (fd int, err error) {
	raw, err := s.Listener.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	err = raw.Control(func(s uintptr) { fd = int(s) })
	return fd, err
}

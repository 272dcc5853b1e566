package listen

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Inherited are the sockets that systemd passed (sd_listen_fds(3)); nil where
// there is none.
type Inherited struct{ Clients, TLS, Redirect, Admin *Socket }

// named is the socket that a FileDescriptorName= means, and the flag that it is
// instead of.
func (in *Inherited) named(name string) (socket **Socket, flag string) {
	switch name {
	case "tls":
		return &in.TLS, "-tls-addr"
	case "redirect":
		return &in.Redirect, "-tls-redirect"
	case "admin":
		return &in.Admin, "-admin"
	}
	return &in.Clients, "-addr" // the name is that of the unit, if nobody gave one
}

// Inherit takes the sockets that were passed to this process. The variables that tell
// of them are gone afterwards.
func Inherit() (Inherited, error) {
	var in Inherited
	for _, file := range activation.Files(true) {
		to, flag := in.named(file.Name())
		if *to != nil {
			return Inherited{}, fmt.Errorf("systemd passed a second socket for %s: there may be one with FileDescriptorName=tls, redirect and admin each, and one that is called otherwise", flag)
		}
		ln, err := listening(file)
		if err != nil {
			return Inherited{}, fmt.Errorf("systemd passed %s as a socket to listen on (ListenStream=, Accept=no): %w", file.Name(), err)
		}
		*to = &Socket{Listener: ln}
	}
	return in, nil
}

// listening is the socket of file, which it closes.
func listening(file *os.File) (net.Listener, error) {
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	listens, kind := 0, 0
	var noAnswer, noKind error
	if err := raw.Control(func(fd uintptr) {
		listens, noAnswer = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		kind, noKind = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
	}); err != nil {
		return nil, err
	}
	switch err := cmp.Or(noAnswer, noKind); {
	case err != nil:
		return nil, err
	case listens == 0:
		return nil, errors.New("it does not listen")
	case kind != unix.SOCK_STREAM: // packets are cut where the buffer of who reads them ends
		return nil, errors.New("it is for packets")
	}
	return net.FileListener(file)
}

package poller

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file is the seam to the kernel. None of these calls can block: the
// sockets are non-blocking. So they go without the Go scheduler's bookkeeping
// (RawSyscall), which costs about a third of a small send.

// WouldBlock is the result of a read or send that the socket can't serve now.
const WouldBlock = -int(unix.EAGAIN)

// sysSend writes p to fd. It returns the number of bytes taken or -errno.
func sysSend(fd int32, p []byte) int {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n)
		}
		if errno != unix.EINTR {
			return -int(errno)
		}
	}
}

// sysRead reads into p. It returns the number of bytes, 0 at the end of the
// stream, or -errno.
func sysRead(fd int32, p []byte) int {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n)
		}
		if errno != unix.EINTR {
			return -int(errno)
		}
	}
}

// sysAccept takes a connection from the listening socket fd.
func sysAccept(fd int) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0,
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

func sysShutdownWrite(fd int32) {
	syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
}

func sysClose(fd int32) {
	syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// Dup returns a descriptor of c's socket that c does not know of.
func Dup(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, failed := -1, error(nil)
	if err := raw.Control(func(s uintptr) {
		fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return -1, err
	}
	return fd, failed
}

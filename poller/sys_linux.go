package poller

import (
	"net/netip"
	"syscall"
	"time"
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

// sysAccept takes a connection from the listening socket fd. It stays open over an exec, so
// whoever begins a program has to say what it gets.
func sysAccept(fd int) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0,
		unix.SOCK_NONBLOCK, 0, 0)
	return int(n), errno
}

// sysWatch has the epoll set tell of events of fd.
func sysWatch(set int, fd int32, events uint32) unix.Errno {
	ev := unix.EpollEvent{Events: events, Fd: fd}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(set), unix.EPOLL_CTL_ADD, uintptr(fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

func sysUnwatch(set int, fd int32) {
	syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(set), unix.EPOLL_CTL_DEL, uintptr(fd), 0, 0, 0)
}

// sysReadable reports whether fd has something to give: a listening socket a
// connection, an epoll set an event. It takes nothing.
func sysReadable(fd int) bool {
	p, now := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}, unix.Timespec{}
	n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL,
		uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno != 0 || n > 0 // to try is never wrong
}

// sysReadableOf calls found for each of the sockets fds that has something to give, or is at
// its end.
func sysReadableOf(fds []unix.PollFd, found func(i int, ended bool)) {
	for i := range fds {
		fds[i].Events = unix.POLLIN | unix.POLLRDHUP
	}
	n, _ := unix.Poll(fds, 0) // if it fails, nothing is found
	for i := range fds {
		if told := fds[i].Revents; n > 0 && told != 0 {
			found(i, told&^unix.POLLIN != 0)
		}
	}
}

// sysNarrow makes the receive buffer of fd as small as the kernel allows. Else
// it grows to megabytes where a peer sends without end.
func sysNarrow(fd int32) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 0) // best effort
}

func sysShutdownWrite(fd int32) {
	syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
}

func sysClose(fd int32) {
	syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// sysPeer is the address that the socket fd is connected to. (The x/sys
// function allocates three times; this is called for each connection.)
func sysPeer(fd int32) netip.AddrPort {
	var sa unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := syscall.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}
	}
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), swapped(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&sa))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), swapped(in.Port))
	}
	return netip.AddrPort{}
}

// sysUnix reports whether the socket fd is of the Unix domain.
func sysUnix(fd int32) bool {
	domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_UNIX
}

// swapped is a port in the order of the network's bytes.
func swapped(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// sysTraffic is the kernel's count of payload bytes.
func sysTraffic(fd int32) (in, out uint64) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, 0
	}
	return info.Bytes_received, info.Bytes_acked
}

// sysProgress is what the kernel knows of the TCP connection fd.
func sysProgress(fd int) (p Progress, known bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return p, false
	}
	if p.Waiting, err = unix.IoctlGetInt(fd, unix.SIOCOUTQ); err != nil {
		return p, false
	}
	if p.Unread, err = unix.IoctlGetInt(fd, unix.SIOCINQ); err != nil {
		return p, false
	}
	p.Acked, p.Unsent, p.Window = info.Bytes_acked, int(info.Notsent_bytes), int(info.Snd_wnd)
	quiet := time.Duration(info.Last_ack_recv) * time.Millisecond
	if info.Unacked == 0 {
		// What was acknowledged last was sent before, and no answer to a probe of
		// a window that is shut has acknowledged anything.
		quiet = max(quiet, time.Duration(info.Last_data_sent)*time.Millisecond-time.Duration(info.Rtt)*time.Microsecond)
	}
	p.Quiet = quiet
	return p, true
}

// Dup returns a descriptor of c's socket that c does not know of. As those that a Listener
// accepts it stays open over an exec.
func Dup(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, failed := -1, error(nil)
	if err := raw.Control(func(s uintptr) {
		fd, failed = unix.FcntlInt(s, unix.F_DUPFD, 0)
	}); err != nil {
		return -1, err
	}
	return fd, failed
}

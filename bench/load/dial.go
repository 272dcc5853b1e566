package load

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sys/unix"
)

// perSource is how many connections come from one address of the loopback
// range: fewer than there are ports.
const perSource = 15000

// Target is a server's WebSocket.
type Target struct {
	addr    *net.TCPAddr
	request []byte
	accept  string
}

// The sample key of RFC 6455 §1.3: the same for all, as nothing depends on it.
const (
	secKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	secAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// NewTarget understands a ws: URL. Header is sent with each handshake.
func NewTarget(rawURL string, header http.Header) (*Target, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("-url: %w", err)
	}
	if u.Scheme != "ws" || u.Host == "" {
		return nil, fmt.Errorf("-url is %q: must be ws://host:port/path", rawURL)
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "80")
	}
	addr, err := net.ResolveTCPAddr("tcp", host)
	if err != nil {
		return nil, fmt.Errorf("-url: %w", err)
	}
	if addr.IP == nil {
		addr.IP = net.IPv4(127, 0, 0, 1)
	}
	if addr.IP.To4() == nil {
		return nil, fmt.Errorf("-url: %s is not an IPv4 address", addr.IP)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", u.RequestURI(), u.Host, secKey)
	if err := header.Write(&b); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	return &Target{addr: addr, request: []byte(b.String()), accept: secAccept}, nil
}

// connect opens the n-th connection. On the loopback interface they come from
// several addresses, so that ports don't run out.
//
// To a stuck client, kernels should send no more than over a real network:
// with the loopback's packets of 64 KiB they would buffer megabytes for each.
func (t *Target) connect(n int, kind Kind) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if t.addr.IP.IsLoopback() {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // ports are spread better with it
		source := 2 + n/perSource
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(source >> 8), byte(source)}})
		if err != nil {
			return -1, fmt.Errorf("bind a socket: %w", err)
		}
	}
	if kind == Stuck {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1460) // it only gets stuck later without
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)   // as above
	}
	if err = unix.Connect(fd, &unix.SockaddrInet4{Port: t.addr.Port, Addr: [4]byte(t.addr.IP.To4())}); err != nil {
		return -1, fmt.Errorf("connect to %s: %w", t.addr, err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // only latency depends on it
	// Acknowledging every other delivery only saves about a tenth of what a
	// client costs.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_NONBLOCK)
	return fd, err
}

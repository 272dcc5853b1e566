package load

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/sys/unix"
)

// perSource is how many connections come from one address of the loopback
// range: fewer than there are ports.
const perSource = 15000

// Target is a server's WebSocket.
type Target struct {
	addr        netip.AddrPort
	tls         *tls.Config // nil: plain
	dialect     dialect
	path, query string // of the request
	host, more  string // of its head: whose it is, and lines for whatever is asked for
}

// The sample key of RFC 6455 §1.3: the same for all, as nothing depends on it.
const (
	secKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	secAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	upgrade   = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + secKey + "\r\nSec-WebSocket-Version: 13\r\n"
)

// NewTarget understands a ws: or wss: URL, where that dialect is spoken. Header is sent
// with each handshake.
func NewTarget(rawURL, dialect string, header http.Header) (*Target, error) {
	d := dialects[dialect]
	if d == nil {
		return nil, fmt.Errorf("there is no dialect %q", dialect)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("-url: %w", err)
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if port == "" || u.Host == "" {
		return nil, fmt.Errorf("-url is %q: must be ws://host:port/path, or wss://host:port/path", rawURL)
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), port)
	}
	resolved, err := net.ResolveTCPAddr("tcp4", host)
	if err != nil {
		return nil, fmt.Errorf("-url: %w", err)
	}
	if resolved.IP == nil {
		resolved.IP = net.IPv4(127, 0, 0, 1)
	}
	addr := netip.AddrPortFrom(resolved.AddrPort().Addr().Unmap(), uint16(resolved.Port))
	var b strings.Builder
	if err := header.Write(&b); err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(u.RequestURI(), "?")
	if u.RawQuery != "" || u.ForceQuery {
		query = "?" + query
	}
	t := &Target{addr: addr, dialect: d, path: path, query: query, host: "Host: " + u.Host + "\r\n", more: b.String()}
	if u.Scheme == "wss" {
		t.tls = secureConfig(u.Hostname())
	}
	return t, nil
}

// Resume has each connection by TLS resume the session of one before it, once there is
// one. It is called before any connects, and reports whether there is TLS.
func (t *Target) Resume() bool {
	if t.tls != nil {
		t.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return t.tls != nil
}

// request is the handshake for the room of that name, behind the path, with more
// to the query and the head.
func (t *Target) request(room, query, head string) []byte {
	path := t.path
	if room != "" {
		path = strings.TrimSuffix(path, "/") + "/" + room
	}
	switch {
	case query != "" && t.query != "":
		query = t.query + "&" + query
	case query != "":
		query = "?" + query
	default:
		query = t.query
	}
	return []byte("GET " + path + query + " HTTP/1.1\r\n" + t.host + upgrade + t.more + head + "\r\n")
}

// room is the path of the room of that name in chatd's HTTP API, or else of the
// WebSocket's own.
func (t *Target) room(name string) string {
	before, own, _ := strings.Cut(t.path, "/ws")
	return before + "/rooms/" + cmp.Or(name, strings.TrimPrefix(own, "/"), "lobby")
}

// get is the request for a path, with more to its head.
func (t *Target) get(path, head string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\n" + t.host + t.more + head + "\r\n")
}

// appendPost appends the request to which body is posted, with more to its head.
func (t *Target) appendPost(b []byte, path, kind, head string, body []byte) []byte {
	b = fmt.Appendf(b, "POST %s HTTP/1.1\r\n%s%s%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, t.host, t.more, head, kind, len(body))
	return append(b, body...)
}

// connect opens the connection of that number, and makes its TLS handshake; see newSecure
// for in.
func (t *Target) connect(n int, kind Kind, in *[inSize]byte) (fd int, s *secure, err error) {
	fd, err = Dial(t.addr, n/perSource, kind.narrow())
	if err != nil || t.tls == nil {
		return fd, nil, err
	}
	if s, err = newSecure(fd, t.tls, in); err != nil {
		unix.Close(fd)
		return -1, nil, fmt.Errorf("the TLS handshake with %s: %w", t.addr, err)
	}
	return fd, s, nil
}

// Dial connects a socket that does not block, on the loopback interface from the
// address of that number, as one runs out of ports.
//
// A narrow one is for a client that gets stuck, or lags: kernels should send it no more
// than over a real network. With the loopback's packets of 64 KiB they would
// buffer megabytes for each.
func Dial(addr netip.AddrPort, source int, narrow bool) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if addr.Addr().IsLoopback() {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // ports are spread better with it
		source += 2
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(source >> 8), byte(source)}})
		if err != nil {
			return -1, fmt.Errorf("bind a socket: %w", err)
		}
	}
	if narrow {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1460) // it only gets stuck later without
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)   // as above
	}
	if err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return -1, fmt.Errorf("connect to %s: %w", addr, err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // only latency depends on it
	// Acknowledging every other delivery only saves about a tenth of what a
	// client costs.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_NONBLOCK)
	return fd, err
}

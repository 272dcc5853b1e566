package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// MaxHeader is how long a PROXY header may be, in bytes: of version 2, with all
// that it says of TLS.
const MaxHeader = v2Fixed + 4096

const (
	v1Most  = 107 // bytes of a header of version 1, its line's end included
	v2Fixed = 16  // bytes of one of version 2 before what it counts itself
)

var (
	v1Begin = []byte("PROXY ")
	v2Begin = proxyproto.SIGV2
)

// ErrNoHeader is that of bytes that are no PROXY header, nor can become one.
var ErrNoHeader = errors.New("no PROXY header")

func init() {
	proxyproto.V1AcceptIPv4InTCP6 = true // as nginx's stream module writes it
	proxyproto.MaxV2HeaderSize = MaxHeader - v2Fixed
}

// ReadHeader reads the PROXY header, of version 1 or 2, that b must begin with;
// b is all the bytes that have come so far. N is its length, 0 if it is not
// whole yet. Client is the zero value if the proxy speaks for nobody whose
// address is known: for itself, as in a health check, or for a Unix socket's
// peer.
func ReadHeader(b []byte) (client netip.AddrPort, n int, err error) {
	n, ok := headerLength(b)
	switch {
	case !ok:
		return client, 0, ErrNoHeader
	case n == 0 || n > len(b):
		return client, 0, nil
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b[:n]), v1Most+1))
	if err != nil {
		return client, 0, errors.Join(ErrNoHeader, err)
	}
	if h.Command.IsLocal() {
		return client, n, nil
	}
	if ip, _, known := h.IPs(); known {
		addr, _ := netip.AddrFromSlice(ip)
		port, _, _ := h.Ports()
		client = netip.AddrPortFrom(addr.Unmap(), uint16(port))
	}
	return client, n, nil
}

// headerLength is how long the header is that b begins with, 0 if that can't be
// told yet; ok is false if it is none.
func headerLength(b []byte) (n int, ok bool) {
	switch {
	case begins(b, v1Begin):
		n = 1 + bytes.IndexByte(b[:min(len(b), v1Most)], '\n')
		return n, n > 0 || len(b) < v1Most
	case !begins(b, v2Begin):
		return 0, false
	case len(b) < v2Fixed:
		return 0, true
	}
	n = v2Fixed + int(binary.BigEndian.Uint16(b[v2Fixed-2:]))
	return n, n <= MaxHeader
}

// begins reports whether b begins with start, or may do so once there is more.
func begins(b, start []byte) bool {
	n := min(len(b), len(start))
	return bytes.Equal(b[:n], start[:n])
}

package proxy

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"chatd/room/fuzzcorpus"
)

// v2 is a header of version 2.
func v2(command, family byte, payload string) string {
	b := append([]byte(nil), proxyproto.SIGV2...)
	b = append(b, command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	return string(b) + payload
}

const (
	v2IPv4 = "\xcb\x00\x71\x07\x0a\x00\x00\x01\xd6\xd8\x00\x50" // 203.0.113.7:55000 to 10.0.0.1:80
	v2IPv6 = "\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xd6\xd8\x00\x50"
	tlv = "\x02\x00\x0cchat.example\x04\x00\x01\x00"
)

// In front of a request, however the bytes come.
func TestHeaderSaysWhoTheProxySpeaksFor(t *testing.T) {
	const v6 = "[2001:db8:1::7]:55000"
	for _, tt := range []struct{ name, header, client string }{
		{"v1 IPv4", "PROXY TCP4 203.0.113.7 10.0.0.1 55000 80\r\n", "203.0.113.7:55000"},
		{"v1 IPv6", "PROXY TCP6 2001:db8:1::7 2001:db8:1::1 55000 80\r\n", v6},
		{"v1 IPv4 in IPv6", "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:10.0.0.1 55000 80\r\n", "203.0.113.7:55000"},
		{"v1 of families that are not the same", "PROXY TCP6 2001:db8:1::7 10.0.0.1 55000 80\r\n", v6},
		{"v1 of nobody", "PROXY UNKNOWN\r\n", ""},
		{"v1 of nobody, with what is to be ignored", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", ""},
		{"v2 IPv4", v2(0x21, 0x11, v2IPv4), "203.0.113.7:55000"},
		{"v2 IPv6", v2(0x21, 0x21, v2IPv6), v6},
		{"v2 with more", v2(0x21, 0x11, v2IPv4+tlv), "203.0.113.7:55000"},
		{"v2 as large as it may be", v2(0x21, 0x11, v2IPv4+strings.Repeat("x", MaxHeader-v2Fixed-len(v2IPv4))), "203.0.113.7:55000"},
		{"v2 of the proxy itself", v2(0x20, 0x00, ""), ""},
		{"v2 of the proxy itself, with more", v2(0x20, 0x00, tlv), ""},
		{"v2 of the proxy itself, with addresses", v2(0x20, 0x11, v2IPv4), ""},
		{"v2 of a Unix socket's peer", v2(0x21, 0x31, strings.Repeat("\x00", 216)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := tt.header + "GET /ws HTTP/1.1\r\n"
			for i := range all {
				client, n, err := ReadHeader([]byte(all[:i]))
				switch whole := i >= len(tt.header); {
				case err != nil:
					t.Fatalf("after %d bytes: %v", i, err)
				case !whole && (n != 0 || client.IsValid()):
					t.Fatalf("after %d bytes: %d are the header, of %v", i, n, client)
				case whole && n != len(tt.header):
					t.Fatalf("%d bytes are the header, want %d", n, len(tt.header))
				case whole && (tt.client == "" && client.IsValid() || tt.client != "" && client.String() != tt.client):
					t.Fatalf("the client is %v, want %q", client, tt.client)
				}
			}
		})
	}
}

func TestWhatIsNoHeaderIsFoundAsSoonAsItCanBe(t *testing.T) {
	for _, tt := range []struct {
		name, bytes string
		at          int // so many bytes show it
	}{
		{"a request", "GET / HTTP/1.1\r\n\r\n", 1},
		{"a request of a method that begins the same", "PUT / HTTP/1.1\r\n\r\n", 2},
		{"TLS", "\x16\x03\x01\x02\x00", 1},
		{"v1 with a tab", "PROXY\tTCP4", 6},
		{"v1 without an end", "PROXY UNKNOWN" + strings.Repeat(" ", 200), 107},
		{"v1 without a carriage return", "PROXY UNKNOWN\n", 14},
		{"v1 in lower case", "proxy UNKNOWN\r\n", 1},
		{"v1 of another family", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", 32},
		{"v1 of too few parts", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", 30},
		{"v1 with an address that is none", "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", 30},
		{"v1 with a port that is none", "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", 36},
		{"v2 of another version", v2(0x31, 0x11, v2IPv4), 28},
		{"v2 with another command", v2(0x22, 0x11, v2IPv4), 28},
		{"v2 with another family", v2(0x21, 0x41, v2IPv4), 28},
		{"v2 shorter than its addresses", v2(0x21, 0x11, "short"), 21},
		{"v2 of nobody", v2(0x21, 0x00, ""), 16},
		{"v2 larger than it may be", v2(0x21, 0x11, strings.Repeat("x", MaxHeader-v2Fixed+1)), 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range len(tt.bytes) + 1 {
				_, n, err := ReadHeader([]byte(tt.bytes[:i]))
				if n != 0 || (err != nil) != (i >= tt.at) {
					t.Fatalf("after %d bytes: %d, %v; want an error after %d", i, n, err, tt.at)
				}
			}
		})
	}
}

// What the library writes is read, and more bytes never change what was found.
func FuzzReadHeader(f *testing.F) {
	fuzzcorpus.Add(f)
	f.Add([]byte("PROXY TCP4 203.0.113.7 10.0.0.1 55000 80\r\nGET"), []byte{203, 0, 113, 7}, uint16(1))
	f.Add([]byte(v2(0x21, 0x11, v2IPv4+tlv)), make([]byte, 16), uint16(55000))
	f.Fuzz(func(t *testing.T, b, addr []byte, port uint16) {
		client, n, err := ReadHeader(b)
		if n > len(b) || n > MaxHeader || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(b), err)
		}
		for i := range min(len(b), 200) {
			c, m, e := ReadHeader(b[:i])
			if (e != nil || m != 0) && (c != client || m != n || (e != nil) != (err != nil)) {
				t.Fatalf("the first %d bytes are %d, %v, %v, the whole is %d, %v, %v", i, m, c, e, n, client, err)
			}
		}
		ip, ok := netip.AddrFromSlice(addr)
		if !ok {
			return
		}
		for version := range byte(2) {
			from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, port))
			written, err := proxyproto.HeaderProxyFromAddrs(version+1, from, from).Format()
			if err != nil {
				t.Fatal(err)
			}
			client, n, err := ReadHeader(append(written, b...))
			if want := netip.AddrPortFrom(ip.Unmap(), port); err != nil || n != len(written) || client != want {
				t.Fatalf("%q: %d, %v, %v, want %v", written, n, client, err, want)
			}
		}
	})
}

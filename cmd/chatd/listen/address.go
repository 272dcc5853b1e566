// Package listen opens the sockets that a server listens on: at a host and
// port, at a path, or as the service manager opened them.
//
//	address.go    Address: what a flag says, and why it can't be
//	socket.go     Open: a socket at an Address
//	unix.go       those with a path: their mode, and what an earlier server left behind
//	inherited.go  Inherit: the sockets that systemd passes
//	carry.go      those that the program before this one has left open
//
// It serves nothing.
package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is where to listen: a host and port, or the path of a unix socket.
// The zero value is nowhere. Its text is host:port or unix:/path.
type Address struct {
	Host string // empty: all addresses
	Port string // in digits
	Path string
}

// unixPrefix marks a path.
const unixPrefix = "unix:"

// maxPath is how long the path of a unix socket may be (unix(7)).
const maxPath = 107

// String is the address as a flag has it.
func (a Address) String() string {
	switch {
	case a.Path != "":
		return unixPrefix + a.Path
	case a.Port != "":
		return net.JoinHostPort(a.Host, a.Port)
	}
	return ""
}

// Name is the address of a socket in the same form.
func Name(addr net.Addr) string {
	if addr.Network() == "unix" {
		return unixPrefix + addr.String()
	}
	return addr.String()
}

// MarshalText implements encoding.TextMarshaler.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. An error says what to write.
func (a *Address) UnmarshalText(text []byte) error {
	parsed, err := parse(string(text))
	if err == nil {
		*a = parsed
	}
	return err
}

func parse(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, unixPrefix); ok {
		return parsePath(path)
	}
	ip, err := netip.ParseAddr(s)
	switch {
	case s == "":
		return Address{}, nil
	case strings.Contains(s, "://"):
		return Address{}, errors.New("must be host:port or unix:/path, not a URL")
	case strings.ContainsAny(s, ", \t\r\n"):
		return Address{}, errors.New("must be one address, host:port or unix:/path")
	case strings.Contains(s, "/"):
		return Address{}, errors.New("must be host:port, or unix: before a path")
	case err == nil && ip.Is6():
		return Address{}, errors.New("has an IPv6 address without brackets: write it as [::1]:8080")
	case err == nil:
		return Address{}, fmt.Errorf("lacks a port: write %s", net.JoinHostPort(s, "8080"))
	case strings.Trim(s, "0123456789") == "":
		return Address{}, fmt.Errorf("must be host:port: write :%s for all of this host's addresses", s)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, errors.New("must be host:port, as :8080 or 127.0.0.1:8080 or [::1]:8080, or unix:/path")
	}
	if err := checkHost(host); err != nil {
		return Address{}, err
	}
	n, err := net.LookupPort("tcp", port)
	if err != nil || port == "" || strings.Trim(port[:1], "+-") == "" {
		return Address{}, fmt.Errorf("has the port %q: must be 0 to 65535, or the name of a service", port)
	}
	return Address{Host: host, Port: strconv.Itoa(n)}, nil
}

// checkHost refuses what no resolver would know.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return nil
	}
	if host == "*" {
		return errors.New("has * for a host: leave it out for all of this host's addresses, as :8080")
	}
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if rest := strings.Trim(host, allowed); rest != "" || strings.Trim(host, "0123456789.") == "" || strings.Contains("."+host, "..") {
		return fmt.Errorf("has the host %q, which is neither an IP address nor a name", host)
	}
	return nil
}

func parsePath(path string) (Address, error) {
	switch {
	case path == "" || strings.HasSuffix(path, "/"):
		return Address{}, errors.New("must be unix:/path, of the socket's file")
	case strings.HasPrefix(path, "@"):
		return Address{}, errors.New("must be unix:/path: an abstract socket has no permissions")
	case strings.ContainsRune(path, 0):
		return Address{}, errors.New("has a zero byte in its path")
	case len(path) > maxPath:
		return Address{}, fmt.Errorf("has a path of %d bytes, and the system's limit for sockets is %d", len(path), maxPath)
	}
	return Address{Path: path}, nil
}

// Check reports why there can't be a socket at a path.
func (a Address) Check() error {
	if a.Path == "" {
		return nil
	}
	dir := filepath.Dir(a.Path)
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	info, err := os.Lstat(a.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there, and is no socket: remove it or choose another path", a.Path)
	}
	return nil
}

// Overlaps reports whether only one of two sockets can listen there.
func (a Address) Overlaps(b Address) bool {
	if a.Path != "" || b.Path != "" {
		return a.Path != "" && b.Path != "" && filepath.Clean(a.Path) == filepath.Clean(b.Path)
	}
	return a.Port == b.Port && a.Port != "" && a.Port != "0" &&
		(strings.EqualFold(a.Host, b.Host) || a.wildcard() || b.wildcard())
}

// wildcard reports whether it is all of the host's addresses. Package net takes
// 0.0.0.0 for both kinds of IP, too.
func (a Address) wildcard() bool {
	ip, err := netip.ParseAddr(a.Host)
	return a.Host == "" || err == nil && ip.IsUnspecified()
}

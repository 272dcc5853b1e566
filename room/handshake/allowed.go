package handshake

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Origin is an origin that may connect, or its host alone.
type Origin struct {
	Scheme string // in lower case; empty: any
	Host   string // in lower case, IPv6 in brackets
	Port   string // empty: the scheme's default, or none
}

// String is the origin as browsers write it.
func (o Origin) String() string {
	s := o.Host
	if o.Scheme != "" {
		s = o.Scheme + "://" + s
	}
	if o.Port != "" {
		s += ":" + o.Port
	}
	return s
}

// Those that have no host: any origin, pages without one (RFC 6454 §7.1), and
// pages from a file, as some web views call them.
var withoutHost = map[string]Origin{
	"*":       {Host: "*"},
	"null":    {Host: "null"},
	"file://": {Scheme: "file"},
}

// defaultPorts are those of the schemes that have one.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// pageSchemes are where pages come from: the web, extensions of browsers, and
// the shells of apps.
var pageSchemes = []string{"https", "http", "chrome-extension", "moz-extension", "safari-web-extension", "capacitor", "ionic", "tauri", "app"}

// ParseOrigin reads what an operator writes for an origin: https://host:port,
// the host alone, with a port or without, or *. What no browser would ever send
// is an error, which says what to write instead.
func ParseOrigin(s string) (Origin, error) {
	s = strings.TrimSpace(s)
	if o, ok := withoutHost[strings.ToLower(s)]; ok {
		return o, nil
	}
	switch {
	case s == "":
		return Origin{}, errors.New("must not be empty: write https://host, host or *")
	case strings.ContainsAny(s, ",; \t\r\n|"):
		return Origin{}, errors.New("is a list: each origin stands alone (repeat the flag; its variable takes commas)")
	case strings.Contains(s, "*"):
		return Origin{}, errors.New("is a pattern, and there are none: name each origin, or write * alone, which allows all")
	}
	scheme, rest, err := cutScheme(s)
	if err != nil {
		return Origin{}, err
	}
	o := Origin{Scheme: scheme}
	authority := rest
	if i := strings.IndexAny(rest, `/?#\`); i >= 0 {
		authority = rest[:i]
	}
	_, address, named := strings.Cut(authority, "@")
	switch {
	case named:
		return Origin{}, fmt.Errorf("has a user's name, which no origin has: write %s", Origin{Scheme: scheme, Host: address})
	case authority == "":
		return Origin{}, errors.New("has no host: write https://host, host or *")
	case authority != rest:
		return Origin{}, fmt.Errorf("goes on behind the host and port, where an origin ends: write %s", Origin{Scheme: scheme, Host: authority})
	}
	if o.Host, o.Port, err = splitPort(authority); err != nil {
		return Origin{}, err
	}
	if o.Host, err = canonicalHost(o.Host); err != nil {
		return Origin{}, err
	}
	if o.Port == defaultPorts[scheme] {
		o.Port = "" // browsers leave it out
	}
	return o, nil
}

// cutScheme takes the scheme, if there is one, from what follows it.
func cutScheme(s string) (scheme, rest string, err error) {
	scheme, rest, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !ok {
		first, after, _ := strings.Cut(s, ":")
		switch first = strings.ToLower(first); {
		case strings.HasPrefix(s, "//"):
			return "", "", fmt.Errorf("lacks a scheme: write https:%s", s)
		case strings.HasPrefix(after, "/") || defaultPorts[first] != "" && !isNumber(after):
			return "", "", fmt.Errorf("lacks // behind the scheme: write %s://%s", first, strings.TrimLeft(after, "/"))
		}
		return "", s, nil
	}
	switch {
	case scheme == "":
		return "", "", fmt.Errorf("lacks a scheme: write https%s", s)
	case scheme == "ws" || scheme == "wss":
		page := map[string]string{"ws": "http", "wss": "https"}[scheme]
		return "", "", fmt.Errorf("is a WebSocket's address, and an origin is its page's: write %s://%s", page, rest)
	case !slices.Contains(pageSchemes, scheme):
		return "", "", fmt.Errorf("has the scheme %q, which is no page's: it may be %s; without a scheme, a host is allowed by any", scheme, strings.Join(pageSchemes, ", "))
	}
	return scheme, rest, nil
}

// splitPort takes the port, if there is one, from the host before it.
func splitPort(authority string) (host, port string, err error) {
	if _, err := netip.ParseAddr(authority); err == nil && strings.Contains(authority, ":") {
		return "", "", fmt.Errorf("has an IPv6 address without brackets: write [%s]", authority)
	}
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, "", nil
	}
	host, port = authority[:i], authority[i+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", "", fmt.Errorf("has the port %q: must be 1 to 65535, or left out with its colon", port)
	}
	return host, strconv.FormatUint(n, 10), nil
}

// canonicalHost is host as browsers write it.
func canonicalHost(host string) (string, error) {
	if host == "" {
		return "", errors.New("has no host: write https://host, host or *")
	}
	if address, ok := strings.CutPrefix(host, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(address, "]"))
		if err != nil || !ip.Is6() || ip.Zone() != "" || !strings.HasSuffix(address, "]") {
			return "", fmt.Errorf("has %s for an IPv6 address, and it is none", host)
		}
		if ip.Is4In6() {
			b := ip.As16()
			return fmt.Sprintf("[::ffff:%x:%x]", uint16(b[12])<<8|uint16(b[13]), uint16(b[14])<<8|uint16(b[15])), nil
		}
		return "[" + ip.String() + "]", nil
	}
	labels := strings.Split(strings.ToLower(host), ".")
	if n := len(labels); n > 1 && labels[n-1] == "" { // of the root
		labels = labels[:n-1]
	}
	for _, label := range labels {
		switch {
		case label == "" && labels[0] == "":
			return "", errors.New("begins with a dot, and a host stands for itself alone: name each, or write * alone, which allows all")
		case label == "":
			return "", fmt.Errorf("has the host %s, with nothing between two dots", host)
		}
		for _, c := range label {
			switch {
			case c > 0x7f:
				return "", fmt.Errorf("has the host %s: write it as browsers do, in ASCII (xn--…)", host)
			case !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'):
				return "", fmt.Errorf("has %q in its host", c)
			}
		}
	}
	if isNumber(labels[len(labels)-1]) { // then it is an IPv4 address, or nothing
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is4() {
			return "", fmt.Errorf("has %s for an IPv4 address, and it is none", host)
		}
	}
	return strings.ToLower(host), nil
}

// isNumber reports whether s is made of digits alone.
func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

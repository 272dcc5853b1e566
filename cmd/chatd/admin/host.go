package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// names are what the admin is called by. They keep a page of another host from
// reading it through a browser that is let in: the page could have its own name
// lead here (DNS rebinding), but then that name is what the browser asks for. An
// IP address can't be led anywhere, and a request without a host is no
// browser's.
type names struct {
	any   bool       // a unix socket, to which no browser gets
	ip    netip.Addr // that is listened on; unspecified: all, and those that lead here through NAT
	hosts []string   // in lower case
}

func newNames(addr net.Addr, hosts []string) names {
	n := names{hosts: []string{"localhost"}}
	for _, host := range hosts {
		n.hosts = append(n.hosts, canonical(host))
	}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		n.ip = tcp.AddrPort().Addr().Unmap()
	} else {
		n.any = true
	}
	return n
}

// has reports whether a request for host, as its header has it, is for the
// admin. The port says nothing: it may be another's that leads here.
func (n *names) has(host string) bool {
	name := canonical(hostname(host))
	if n.any || host == "" || slices.Contains(n.hosts, name) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (n.ip.IsUnspecified() || ip.Unmap().WithZone("") == n.ip.WithZone(""))
}

// canonical is a host's name in lower case, without the dot of the root.
func canonical(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// hostname is host without its port and brackets.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// guard answers requests for other hosts itself.
func (n *names) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.has(r.Host) {
			http.Error(w, "this is not a host of the admin port: ask for its IP address or localhost, or start chatd with -admin-host NAME", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

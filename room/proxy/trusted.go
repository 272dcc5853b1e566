package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Unix is the name of peers that connect through a Unix socket: who may do so
// is a matter of its mode.
const Unix = "unix"

// Trusted is the addresses of the proxies that are believed. The zero value is
// none. It implements [flag.Value].
type Trusted struct {
	Unix     bool // peers on Unix sockets, which have no address
	networks []netip.Prefix
}

// None reports whether nobody is trusted.
func (t *Trusted) None() bool { return !t.Unix && !t.Networks() }

// Networks reports whether any address is trusted.
func (t *Trusted) Networks() bool { return len(t.networks) > 0 }

// Has reports whether addr is a trusted proxy's.
func (t *Trusted) Has(addr netip.Addr) bool {
	for _, n := range t.networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// Set adds the networks, addresses and names of a list with commas.
func (t *Trusted) Set(list string) error {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == Unix {
			t.Unix = true
			continue
		}
		n, err := network(item)
		if err != nil {
			return err
		}
		if !slices.Contains(t.networks, n) {
			t.networks = append(t.networks, n)
		}
	}
	return nil
}

// network is that of an address with a prefix length, or of one address. Values
// that would match nobody, or others than they seem to, are refused.
func network(item string) (netip.Prefix, error) {
	none := netip.Prefix{}
	if item == "" {
		return none, fmt.Errorf("an element of the list is empty: write networks as 10.0.0.0/8, addresses, or %s, with commas between them", Unix)
	}
	addr, err := netip.ParseAddr(item)
	n := netip.PrefixFrom(addr, addr.BitLen())
	if err != nil {
		if n, err = netip.ParsePrefix(item); err != nil {
			return none, fmt.Errorf("%q is neither a network as 10.0.0.0/8 or 2001:db8::/32, nor an address, nor %s", item, Unix)
		}
		addr = n.Addr()
	}
	switch {
	case addr.Zone() != "":
		return none, fmt.Errorf("%q has a zone, which peers' addresses have not: write %s", item, addr.WithZone(""))
	case addr.Is4In6() && n.Bits() >= 96:
		return none, fmt.Errorf("%q would match nobody: write %s", item, netip.PrefixFrom(addr.Unmap(), n.Bits()-96).Masked())
	case n != n.Masked():
		return none, fmt.Errorf("%q has bits behind its prefix: write %s", item, n.Masked())
	}
	return n, nil
}

// String implements flag.Value: what Set takes.
func (t *Trusted) String() string {
	var items []string
	if t.Unix {
		items = append(items, Unix)
	}
	for _, n := range t.networks {
		items = append(items, n.String())
	}
	return strings.Join(items, ",")
}

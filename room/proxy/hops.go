package proxy

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// Client is who the request with this head comes from. By is the trusted peer
// that passed it on, and the answer if it doesn't say for whom.
//
// A proxy that writes one of the two fields lets a client's own in the other
// through. So where both are there they must agree, or none is believed.
func (t *Trusted) Client(head []byte, by netip.AddrPort) netip.AddrPort {
	forwarded, forwardedFor := hops{trusted: t}, hops{trusted: t}
	for line := range bytes.SplitSeq(head, []byte{'\n'}) {
		switch name, value, _ := bytes.Cut(line, []byte{':'}); {
		case is(name, "Forwarded"):
			forwarded.forwarded(value)
		case is(name, "X-Forwarded-For"):
			forwardedFor.forwardedFor(value)
		}
	}
	client := forwarded.client
	switch {
	case !forwarded.said:
		client = forwardedFor.client
	case forwardedFor.said && forwardedFor.client.Addr() != client.Addr():
		return by
	}
	if !client.IsValid() {
		return by
	}
	return client
}

// hops follows a list of those who passed a request on, from the farthest to
// the nearest: each is what the next one says of the one before it.
type hops struct {
	trusted *Trusted
	said    bool           // there is a list
	client  netip.AddrPort // the nearest that is not trusted, or the farthest that can be known; the zero value: unknown
}

// add is one hop nearer. The zero value is one that is unknown, or hidden: then
// those before it are not to be believed either.
func (h *hops) add(hop netip.AddrPort) {
	h.said = true
	if !hop.IsValid() || !h.client.IsValid() || !h.trusted.Has(hop.Addr()) {
		h.client = hop
	}
}

// forwardedFor adds those of a line of X-Forwarded-For.
func (h *hops) forwardedFor(value []byte) {
	for item := range bytes.SplitSeq(value, []byte{','}) {
		if item = bytes.TrimSpace(item); len(item) > 0 {
			h.add(parseNode(string(item)))
		}
	}
}

// parseNode reads an address with or without a port (RFC 7239 §6), the zero value if it
// is unknown, hidden or none.
func parseNode(s string) netip.AddrPort {
	host, port := s, ""
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if host, port, ok = strings.Cut(inner, "]"); !ok || !strings.Contains(host, ":") {
			return netip.AddrPort{}
		}
		if port, ok = strings.CutPrefix(port, ":"); !ok && port != "" {
			return netip.AddrPort{}
		}
	} else if strings.Count(s, ":") == 1 {
		host, port, _ = strings.Cut(s, ":")
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}
	}
	number := uint64(0)
	if port != "" && port[0] != '_' { // else it is hidden
		if number, err = strconv.ParseUint(port, 10, 16); err != nil {
			return netip.AddrPort{}
		}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number))
}

// is reports whether b is the word s, of ASCII letters in any case.
func is(b []byte, s string) bool {
	return len(b) == len(s) && bytes.EqualFold(b, []byte(s))
}

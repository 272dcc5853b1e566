package room

import (
	"net/netip"

	"chatd/poller"
	"chatd/room/handshake"
	"chatd/room/proxy"
)

// pagesPerChat is how many connections that ask for pages an address may have
// for each that chats: a browser fetches over up to six, and some more are on
// their way.
const pagesPerChat = 8

// peer is the address of whoever uses the connection: the client that a proxy
// speaks for, or else the socket's peer.
func (c *client) peer() netip.AddrPort {
	if c.has(statusProxied) {
		return c.server.sources.client(c.source.Load())
	}
	return c.Peer()
}

// trusted reports whether that is a proxy that is believed.
func (c *client) trusted() bool {
	t := &c.server.config.TrustedProxies
	if t.None() {
		return false
	}
	if addr := c.peer().Addr(); addr.IsValid() {
		return t.Has(addr)
	}
	return t.Unix && c.Unix()
}

// counted counts the connection among those of its address and reports whether
// there are not too many of them.
func (c *client) counted(use use) bool {
	limit := c.server.config.MaxConnsPerSource
	if limit == 0 {
		return true
	}
	if use == usePage {
		limit *= pagesPerChat
	}
	place, ok := c.server.sources.count(c.source.Load(), c.peer().Addr(), use, limit)
	c.source.Store(place)
	return ok
}

// arrived counts a connection that is new. That of a proxy carries requests of
// many clients, or is to say whose it is.
func (c *client) arrived() bool {
	return c.server.config.MaxConnsPerSource == 0 || c.trusted() || c.counted(usePage)
}

// cameBack says of a connection that net/http had what its source tells.
func (c *client) cameBack() {
	c.status.Or(statusIntroduced)
	if c.server.sources.client(c.source.Load()).IsValid() {
		c.status.Or(statusProxied)
	}
}

// admitted counts a client that is to join, by who it is according to the head
// of its request.
func (c *client) admitted(head []byte) bool {
	if c.trusted() {
		by := c.peer()
		if client := c.server.config.TrustedProxies.Client(head, by); client != by {
			c.speaksFor(client)
		}
	}
	return c.counted(useChat)
}

func (c *client) speaksFor(client netip.AddrPort) {
	c.source.Store(c.server.sources.speakFor(c.source.Load(), client))
	c.status.Or(statusProxied)
}

// wantsHeader reports whether a PROXY header has to come before the HTTP head.
func (c *client) wantsHeader() bool {
	return c.server.config.ProxyProtocol && !c.has(statusIntroduced)
}

// feedHeader looks at the PROXY header, and what follows it, and returns how
// many bytes it used.
func (c *client) feedHeader(w *poller.Worker, b []byte) int {
	client, n, err := proxy.ReadHeader(b)
	switch {
	case err != nil:
		c.refuse(w, handshake.NoProxyHeader)
		return len(b)
	case n == 0:
		return 0
	}
	c.status.Or(statusIntroduced)
	if client.IsValid() {
		c.speaksFor(client)
		if !c.arrived() {
			c.refuse(w, handshake.SourceLimit)
			return len(b)
		}
	}
	if len(b) == poller.ScratchSize {
		c.Schedule() // more may have come than there was room for
	}
	return n + c.feedHead(w, b[n:])
}

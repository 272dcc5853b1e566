package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"

	"chatd/cmd/chatd/listen"
)

// sockets are what the server listens on.
type sockets struct{ clients, admin *listen.Socket } // admin: nil if there is none

// openSockets opens those of the flags, but for those that systemd passed.
func openSockets(o options, log *slog.Logger) (sockets, error) {
	inherited, err := listen.Inherit()
	if err != nil {
		return sockets{}, err
	}
	var s sockets
	if s.clients, err = openSocket("addr", inherited.Clients, o.addr, o, log); err != nil {
		return s, err
	}
	if s.admin, err = openSocket("admin", inherited.Admin, o.admin, o, log); err != nil {
		s.remove(log)
	}
	return s, err
}

// openSocket is the socket of a flag: the inherited one, one at a, or nil if that is
// nowhere.
func openSocket(flag string, inherited *listen.Socket, a listen.Address, o options, log *slog.Logger) (*listen.Socket, error) {
	if inherited != nil {
		log.Info("systemd passed the socket, the flag's address is not used", "flag", flag, "socket", listen.Name(inherited.Addr()))
		return inherited, nil
	}
	if a == (listen.Address{}) {
		return nil, nil
	}
	socket, err := listen.Open(a, o.unixMode)
	if err != nil {
		return nil, fmt.Errorf("-%s: %w", flag, err)
	}
	return socket, nil
}

// contradicted refuses flags that are without effect on the sockets that there
// are, whoever opened them.
func (s sockets) contradicted(o options) error {
	byPath, trusted := onPath(s.clients), o.trustedProxies
	switch {
	case byPath && o.maxConnsPerIP > 0 && !trusted.Unix:
		return errors.New("-max-conns-per-ip is without effect on a unix socket, whose peers have no address, unless the proxy behind it is believed: -trusted-proxies unix")
	case byPath && !trusted.None() && !trusted.Unix:
		return errors.New("-trusted-proxies names nobody who can connect: the peers of a unix socket have no address, and are called unix")
	case !byPath && trusted.Unix && !trusted.Networks():
		return errors.New("-trusted-proxies names nobody who can connect: unix is for the peers of a unix socket, others have addresses, as 127.0.0.1")
	case o.given["admin-host"] && s.admin == nil:
		return errors.New("-admin-host is without effect: there is no -admin")
	case o.given["admin-host"] && onPath(s.admin):
		return errors.New("-admin-host is without effect: -admin is a unix socket, which answers to any name")
	}
	return nil
}

// onPath reports whether s is a unix socket.
func onPath(s *listen.Socket) bool { return s.Addr().Network() == "unix" }

// remove removes the files of unix sockets. It may be called again.
func (s sockets) remove(log *slog.Logger) {
	if err := errors.Join(s.clients.Remove(), s.admin.Remove()); err != nil {
		log.Warn("a unix socket is left behind", "err", err)
	}
}

// adminNames are what the admin port is called by, as far as flags say.
func (o options) adminNames() []string {
	if o.admin.Host == "" {
		return o.adminHosts
	}
	return append(o.adminHosts, o.admin.Host)
}

// checkAddresses refuses addresses where nothing can listen, and what
// contradicts them.
func (o options) checkAddresses() error {
	none := listen.Address{}
	if o.addr == none {
		return errors.New("-addr is empty: write host:port, as :8080 for all of this host's addresses, or unix:/path")
	}
	for name, a := range map[string]listen.Address{"addr": o.addr, "admin": o.admin} {
		if err := a.Check(); err != nil {
			return fmt.Errorf("-%s is %s: %w", name, a, err)
		}
	}
	switch {
	case o.admin.Overlaps(o.addr):
		return fmt.Errorf("-admin is %s: must not be the same as -addr, %s", o.admin, o.addr)
	case o.given["unix-mode"] && cmp.Or(o.addr.Path, o.admin.Path) == "":
		return errors.New("-unix-mode is for unix sockets, and neither -addr nor -admin is unix:/path")
	}
	return nil
}

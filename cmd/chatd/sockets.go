package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"

	"chatd/cmd/chatd/certs"
	"chatd/cmd/chatd/listen"
	"chatd/cmd/chatd/upgrade"
	"chatd/poller"
	"chatd/room/carry"
)

// sockets are what the server listens on. But for clients, each is nil if there is none.
type sockets struct{ clients, tls, redirect, admin *listen.Socket }

// openSockets opens those of the flags, but for those that systemd passed, and those of the
// program that this one replaces, if there was one.
func openSockets(o options, before *upgrade.State, log *slog.Logger) (sockets, error) {
	inherited, err := listen.Inherit()
	if err == nil && before != nil {
		inherited, err = restoreSockets(before, o, log)
	}
	if err != nil {
		return sockets{}, err
	}
	var s sockets
	if s.clients, err = openSocket("addr", inherited.Clients, o.addr, o, log); err != nil {
		return s, err
	}
	for _, more := range []struct {
		flag      string
		inherited *listen.Socket
		at        listen.Address
		to        **listen.Socket
	}{{"tls-addr", inherited.TLS, o.tls.Addr, &s.tls}, {"tls-redirect", inherited.Redirect, o.tls.Redirect, &s.redirect}, {"admin", inherited.Admin, o.admin, &s.admin}} {
		if *more.to, err = openSocket(more.flag, more.inherited, more.at, o, log); err != nil {
			s.remove(log)
			break
		}
	}
	return s, err
}

// forClients are those that clients come by; the one that speaks TLS is last.
func (s sockets) forClients() []*listen.Socket {
	if s.tls == nil {
		return []*listen.Socket{s.clients}
	}
	return []*listen.Socket{s.clients, s.tls}
}

// openSocket is the socket of a flag: the inherited one, one at a, or nil if that is
// nowhere.
func openSocket(flag string, inherited *listen.Socket, a listen.Address, o options, log *slog.Logger) (*listen.Socket, error) {
	if inherited != nil {
		if inherited.At() == (listen.Address{}) {
			log.Info("systemd passed the socket, the flag's address is not used", "flag", flag, "socket", listen.Name(inherited.Addr()))
		}
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

// carry writes the sockets for the program that replaces this one; l has taken over those
// for clients.
func (s sockets) carry(w *carry.Writer, l listeners) error {
	w.Section("sockets")
	for _, socket := range []*listen.Socket{s.clients, s.tls, s.redirect, s.admin} {
		w.Bool(socket != nil)
		if socket == nil {
			continue
		}
		fd, taken := l.fd(socket)
		if !taken {
			var err error
			if fd, err = socket.FD(); err != nil {
				return fmt.Errorf("%s: %w", listen.Name(socket.Addr()), err)
			}
		}
		socket.Carry(w, fd)
	}
	return nil
}

// restoreSockets takes over those of the program before, as far as the flags still want
// them: what a flag says counts if it says something else than there. Those that systemd
// passed stay.
func restoreSockets(before *upgrade.State, o options, log *slog.Logger) (in listen.Inherited, err error) {
	r := before.Process
	r.Section("sockets")
	for _, old := range []struct {
		flag string
		at   listen.Address
		to   **listen.Socket
	}{{"addr", o.addr, &in.Clients}, {"tls-addr", o.tls.Addr, &in.TLS}, {"tls-redirect", o.tls.Redirect, &in.Redirect}, {"admin", o.admin, &in.Admin}} {
		if !r.Bool() {
			continue
		}
		socket, err := listen.Restore(r, before.Trial)
		switch {
		case err != nil:
			return in, fmt.Errorf("-%s: take over the socket: %w", old.flag, err)
		case socket.At() == (listen.Address{}) || socket.At() == old.at:
			*old.to = socket
			continue
		}
		log.Info("the flag has changed, and the old socket is closed", "flag", old.flag, "was", socket.At(), "is", old.at)
		if err := errors.Join(socket.Remove(), socket.Close()); err != nil {
			log.Warn("the old socket is not closed well", "flag", old.flag, "err", err)
		}
	}
	return in, r.Close()
}

// others is how many connections there may be besides those of clients.
func (s sockets) others() int {
	if s.redirect == nil {
		return 0
	}
	return certs.RedirectConns
}

// leadTo sends to secure who comes without TLS; it is nil if there is no socket for
// them.
func (s sockets) leadTo(secure *poller.Listener, log *slog.Logger) *certs.Redirect {
	if s.redirect == nil {
		return nil
	}
	return certs.NewRedirect(s.redirect, secure.Addr(), log)
}

// contradicted refuses flags that are without effect on the sockets that there
// are, whoever opened them.
func (s sockets) contradicted(o options) error {
	trusted := o.trustedProxies
	byPath, byAddress := false, false
	for _, socket := range s.forClients() {
		byPath, byAddress = byPath || onPath(socket), byAddress || !onPath(socket)
	}
	switch {
	case !o.tls.On() && (s.tls != nil || s.redirect != nil): // systemd's: flags were checked
		return errors.New("systemd passed a socket named tls or redirect, and there is no certificate, of -tls-cert and -tls-key, or by -acme-domain")
	case s.redirect != nil && onPath(s.redirect):
		return errors.New("-tls-redirect is without effect on a unix socket: browsers come by host and port")
	case !byAddress && o.maxConnsPerIP > 0 && !trusted.Unix:
		return errors.New("-max-conns-per-ip is without effect on a unix socket, whose peers have no address, unless the proxy behind it is believed: -trusted-proxies unix")
	case !byAddress && !trusted.None() && !trusted.Unix:
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
	if err := errors.Join(s.clients.Remove(), s.tls.Remove(), s.admin.Remove()); err != nil {
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
	type named struct {
		name string
		at   listen.Address
	}
	all := []named{{"addr", o.addr}, {"tls-addr", o.tls.Addr}, {"tls-redirect", o.tls.Redirect}, {"admin", o.admin}}
	for i, a := range all {
		if err := a.at.Check(); err != nil {
			return fmt.Errorf("-%s is %s: %w", a.name, a.at, err)
		}
		for _, before := range all[:i] {
			if a.at.Overlaps(before.at) {
				return fmt.Errorf("-%s is %s: must not be the same as -%s, %s", a.name, a.at, before.name, before.at)
			}
		}
	}
	if o.given["unix-mode"] && cmp.Or(o.addr.Path, o.tls.Addr.Path, o.admin.Path) == "" {
		return errors.New("-unix-mode is for unix sockets, and none of -addr, -tls-addr and -admin is unix:/path")
	}
	return nil
}

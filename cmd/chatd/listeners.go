package main

import (
	"log/slog"

	"chatd/cmd/chatd/listen"
	"chatd/poller"
	"chatd/room"
)

// listeners are those that clients come by. One of them may speak TLS.
type listeners struct {
	all  []*poller.Listener
	tls  *poller.Listener // nil: none does
	from []*listen.Socket // of all
}

// listen takes over the sockets that clients come by. Without one of its own, TLS is
// spoken on the only one.
func (s sockets) listen(overTLS bool, log *slog.Logger) (l listeners, err error) {
	for _, socket := range s.forClients() {
		listener, err := poller.Adopt(socket.Listener, log)
		if err != nil {
			return l, err
		}
		l.all, l.from = append(l.all, listener), append(l.from, socket)
		if overTLS {
			l.tls = listener
		}
	}
	return l, nil
}

// start begins to accept for server.
func (l listeners) start(epoll *poller.Poller, pool *poller.Pool, server *room.Server) error {
	for _, listener := range l.all {
		var side poller.Acceptor = server
		if listener == l.tls {
			side = server.Secure()
		}
		if err := listener.Start(epoll, pool, side); err != nil {
			return err
		}
	}
	return nil
}

// fd is the descriptor of a socket that was taken over.
func (l listeners) fd(of *listen.Socket) (fd int, taken bool) {
	for i, socket := range l.from {
		if socket == of {
			return l.all[i].FD(), true
		}
	}
	return -1, false
}

// resume has those accept again that had to wait.
func (l listeners) resume() {
	for _, listener := range l.all {
		listener.Resume()
	}
}

// close stops accepting.
func (l listeners) close() {
	for _, listener := range l.all {
		listener.Close()
	}
}

// attrs are where clients come, for the log.
func (l listeners) attrs() []any {
	attrs := []any{"addr", listen.Name(l.all[0].Addr())}
	if l.tls != nil {
		attrs = append(attrs, "tls_addr", listen.Name(l.tls.Addr()))
	}
	return attrs
}

package main

import (
	"context"
	"log/slog"

	"chatd/poller"
	"chatd/room"
	"chatd/room/carry"
)

// whole is the server as another program goes on with it: with what tells it of its
// sockets.
type whole struct {
	*room.Server
	epoll     *poller.Poller
	listeners listeners
	log       *slog.Logger
}

// Freeze implements upgrade.Carrier.
func (s whole) Freeze(ctx context.Context) error {
	if err := s.Server.Freeze(ctx); err != nil {
		return err
	}
	for _, l := range s.listeners.all {
		l.Leave()
	}
	return nil
}

// Thaw implements upgrade.Carrier.
func (s whole) Thaw() {
	for _, l := range s.listeners.all {
		if err := l.Return(); err != nil {
			s.log.Error("nobody is accepted any more", "addr", l.Addr(), "err", err)
		}
	}
	s.Server.Thaw()
}

// Carry implements upgrade.Carrier.
func (s whole) Carry(w *carry.Writer) {
	s.Server.Carry(w)
	w.Section("poller")
	w.FD(s.epoll.Set())
}

// restore reads what Carry has written: all but the set, which is -1 in a state of version 1.
func (s whole) restore(r *carry.Reader) (set int, err error) {
	if err := s.Server.Restore(r); err != nil {
		return -1, err
	}
	if r.Version() == 1 {
		return -1, r.Err()
	}
	r.Section("poller")
	return r.FD(), r.Err()
}

// inherit has the sockets watched by the set of the program before, if there is one.
// Otherwise each is put into a new one.
func (s whole) inherit(set int) {
	if set < 0 {
		return
	}
	if err := s.epoll.Inherit(set); err != nil {
		s.log.Warn("each connection is watched anew, which takes longer", "err", err)
	}
}

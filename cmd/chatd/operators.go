package main

import (
	"log/slog"

	"chatd/cmd/chatd/admin"
	"chatd/cmd/chatd/listen"
	"chatd/room"
)

// operators is the server's side for those who run it; nil if it has none.
type operators struct {
	admin  *admin.Admin
	source admin.Source // the histograms, which the room fills
}

// newOperators has the admin on socket, if there is one, and config fill its
// histograms.
func newOperators(socket *listen.Socket, hosts []string, config *room.Config, log *slog.Logger) *operators {
	if socket == nil {
		return nil
	}
	o := &operators{admin: admin.New(socket, hosts, log), source: admin.Source{PassTime: admin.NewPassTime(), PlaceTime: admin.NewPlaceTime(), Lag: admin.NewLag()}}
	config.PassTime, config.PlaceTime, config.Lag = o.source.PassTime, o.source.PlaceTime, o.source.Lag
	return o
}

// start shows s.
func (o *operators) start(s admin.Source) {
	if o != nil {
		s.PassTime, s.PlaceTime, s.Lag = o.source.PassTime, o.source.PlaceTime, o.source.Lag
		o.admin.Start(s)
	}
}

func (o *operators) close() {
	if o != nil {
		o.admin.Close()
	}
}

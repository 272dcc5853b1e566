package main

import (
	"log/slog"

	"chatd/cmd/chatd/admin"
	"chatd/room"
)

// operators is the server's side for those who run it; nil if it has none.
type operators struct {
	admin  *admin.Admin
	source admin.Source // the histograms, which the room fills
}

// listenAdmin opens addr, if it is not empty, and has config fill histograms.
func listenAdmin(addr string, config *room.Config, log *slog.Logger) (*operators, error) {
	if addr == "" {
		return nil, nil
	}
	a, err := admin.Listen(addr, log)
	if err != nil {
		return nil, err
	}
	o := &operators{admin: a, source: admin.Source{PassTime: admin.NewPassTime(), Lag: admin.NewLag()}}
	config.PassTime, config.Lag = o.source.PassTime, o.source.Lag
	return o, nil
}

// start shows s.
func (o *operators) start(s admin.Source) {
	if o != nil {
		s.PassTime, s.Lag = o.source.PassTime, o.source.Lag
		o.admin.Start(s)
	}
}

func (o *operators) close() {
	if o != nil {
		o.admin.Close()
	}
}

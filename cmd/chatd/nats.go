package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatd/cmd/chatd/admin"
	"chatd/room/order/jetstream"
)

// natsStart is how long the start waits for NATS.
const natsStart = 5 * time.Second

// sharedGrace is for how long a room without members stays with this node: while it does,
// all that is said in it elsewhere comes here.
const sharedGrace = 30 * time.Second

// checkNATS refuses values that can't work.
func (o options) checkNATS() error {
	if len(o.nats.URLs) > 0 && o.data != "" {
		return errors.New("-nats and -data are both given: rooms have one order, from one of them")
	}
	return o.nats.Check(o.given)
}

// shared is where rooms' orders come from with -nats, and what it shows; nil: not from
// there. A NATS that is not there yet is waited for by the server that runs: it is not
// ready until then.
func (o options) shared(log *slog.Logger) (*jetstream.Source, *admin.NATS, error) {
	if len(o.nats.URLs) == 0 {
		return nil, nil, nil
	}
	if o.secret == "" && o.secretFile == "" {
		log.Warn("-nats without -secret or -secret-file: a client that comes back to another node is somebody else there, and may say twice what it was not sure of; give all nodes the same")
	}
	shown := admin.NewNATS()
	c := o.nats.Config(o.history, o.historyAge, o.maxMessage)
	c.Log, c.PublishTime = log, shown.PublishTime
	ctx, cancel := context.WithTimeout(context.Background(), natsStart)
	defer cancel()
	s, err := jetstream.Open(ctx, c)
	if err != nil {
		return nil, nil, fmt.Errorf("-nats: %w", err)
	}
	shown.Stats = s.Stats
	return s, shown, nil
}

// closeShared ends it behind the last message.
func closeShared(s *jetstream.Source, log *slog.Logger) {
	if s == nil {
		return
	}
	if err := s.Close(); err != nil {
		log.Error("not all that was said is kept", "err", err)
	}
}

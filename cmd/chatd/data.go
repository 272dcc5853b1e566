package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatd/room"
	"chatd/room/order"
	"chatd/room/order/stored"
)

// syncing is how long what was acknowledged may not be on disk; 0: no time.
type syncing time.Duration

// The bounds on it: in a shorter time no disk writes, and longer nobody should trust.
const (
	minSync = 10 * time.Millisecond
	maxSync = time.Hour
)

// MarshalText implements encoding.TextMarshaler.
func (s syncing) MarshalText() ([]byte, error) {
	if s == 0 {
		return []byte("always"), nil
	}
	return []byte(time.Duration(s).String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *syncing) UnmarshalText(text []byte) error {
	if string(text) == "always" {
		*s = 0
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < minSync || d > maxSync {
		return fmt.Errorf("must be always, or a time from %s to %s, as 1s", minSync, maxSync)
	}
	*s = syncing(d)
	return nil
}

// checkData refuses values that make no sense.
func (o options) checkData() error {
	switch {
	case o.given["data"] && o.data == "":
		return errors.New("-data is empty: name a directory")
	case o.given["sync"] && o.data == "":
		return errors.New("-sync is without effect: without -data nothing is on disk")
	}
	return nil
}

// store is what -data keeps; nil: nothing.
func (o options) store(log *slog.Logger) (*stored.Store, error) {
	if o.data == "" {
		return nil, nil
	}
	begun := time.Now()
	s, err := stored.Open(o.data, time.Duration(o.sync), log)
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	st := s.Stats()
	log.Info("history opened", "data", o.data, "rooms", st.Rooms, "messages", st.Messages, "bytes", st.Bytes, "sync", o.sync, "took", time.Since(begun).Round(time.Millisecond))
	return s, nil
}

// openRooms has the server open what the store keeps. What are more than there may be
// lose their histories, those first that were silent longest.
func openRooms(server *room.Server, s *stored.Store, maxRooms int, log *slog.Logger) error {
	if s == nil {
		return nil
	}
	names := s.Rooms()
	if more := len(names) - maxRooms; maxRooms > 0 && more > 0 {
		log.Warn("more rooms were kept than there may be: those that were silent longest are forgotten", "rooms", len(names), "max_rooms", maxRooms)
		for _, name := range names[:more] {
			s.Leave(name)
		}
		names = names[more:]
	}
	return server.Open(context.Background(), names)
}

// closeStore ends the store behind the last message, and adds to err why that is not on
// disk.
func closeStore(s *stored.Store, err *error) {
	if s == nil {
		return
	}
	if failed := s.Close(); failed != nil && *err == nil {
		*err = fmt.Errorf("-data: %w", failed)
	}
}

// flushStore has all on disk that the store has taken.
func flushStore(s *stored.Store) error {
	if s == nil {
		return nil
	}
	if err := s.Flush(); err != nil {
		return fmt.Errorf("-data: %w", err)
	}
	return nil
}

// nowhere is the order of the rooms of a program that is only tried: nobody is ever told
// anything there.
type nowhere struct{}

func (nowhere) Enter(string, order.Room)              {}
func (nowhere) Publish(string, uint64, order.Message) {}
func (nowhere) Forget(string, uint64)                 {}
func (nowhere) Leave(string)                          {}
func (nowhere) Ready() error                          { return nil }
func (nowhere) Close() error                          { return nil }

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatd/bench/load"
	"chatd/bench/result"
)

// What the scenario rooms compares many rooms with.
const (
	versusFlood  = "flood"
	versusSingle = "single"
	versusRaw    = "raw"
)

// rooms sends at a rate over all rooms, and in turn does so beside a flooded
// room, in a single one, or in raw frames of the same length. Each run has clients of its own. The pairs' runs
// take turns at being the first.
func (s *scenario) rooms(ctx context.Context, run *result.Run) error {
	run.Rooms = &result.Rooms{Versus: s.versus}
	files := s.server.files()
	if s.versus == versusRaw {
		s.progress.prefix = "how long frames are: "
		if err := s.try(ctx); err != nil {
			return err
		}
		s.rid(ctx, files)
	}
	for i := range s.pairs {
		var p result.Pair
		s.progress.prefix = fmt.Sprintf("pair %d of %d: ", i+1, s.pairs)
		both := []func() error{
			func() error { return s.base(ctx, &p.Base) },
			func() error { return s.against(ctx, &p.Against) },
		}
		if i%2 == 1 {
			slices.Reverse(both)
		}
		for _, one := range both {
			if err := one(); err != nil {
				return err
			}
			s.rid(ctx, files)
		}
		for _, r := range []*result.Run{&p.Base, &p.Against} {
			run.Seconds += r.Seconds
			run.Messages += r.Messages
			run.Deliveries += r.Deliveries
			run.Faults.Add(r.Faults)
			run.Busy = max(run.Busy, r.Busy)
			run.Warnings = append(run.Warnings, r.Warnings...)
		}
		if ctx.Err() != nil {
			break // what was cut short is no pair
		}
		run.Rooms.Pairs = append(run.Rooms.Pairs, p)
	}
	return nil
}

// rid waits until the server is rid of a run's clients, so that the next one does
// not pay for them: until it has so many descriptors again, or no fewer.
func (s *scenario) rid(ctx context.Context, files int) {
	last, changed := s.server.files(), time.Now()
	for last > files && time.Since(changed) < time.Second && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
		if now := s.server.files(); now != last {
			last, changed = now, time.Now()
		}
	}
}

// try finds out how long frames are.
func (s *scenario) try(ctx context.Context) error {
	short := *s
	short.duration = min(s.duration, time.Second)
	var run result.Run
	if err := short.part(ctx, &run); err != nil {
		return err
	}
	s.framed(&run)
	return nil
}

// framed has raw frames be as long as those of run. (They get longer as numbers
// do.)
func (s *scenario) framed(run *result.Run) {
	s.rawBytes = max(load.PayloadBytes(run.FrameBytes), load.MinMessage(load.Raw))
}

// base is the single room, the many without the flood, or those with raw frames.
func (s *scenario) base(ctx context.Context, run *result.Run) (err error) {
	one := *s
	switch s.versus {
	case versusRaw:
		one.dialect, one.params.MessageBytes = load.Raw, s.rawBytes
		if one.target, err = load.NewTarget(s.url, load.Raw, s.header); err != nil {
			return err
		}
	case versusSingle:
		one.params.Clients, one.params.Rooms, one.params.Senders = s.params.Clients/s.params.Rooms, 1, 1
	}
	return one.part(ctx, run)
}

// against is what the base is compared with.
func (s *scenario) against(ctx context.Context, run *result.Run) error {
	if s.versus != versusFlood {
		defer s.framed(run)
		return s.part(ctx, run)
	}
	f, err := startFlood(s)
	if err != nil {
		return err
	}
	defer f.helper.stop()
	beside := *s
	beside.beside = f
	if err := beside.part(ctx, run); err != nil {
		return err
	}
	return f.end(run)
}

// part is one run.
func (s *scenario) part(ctx context.Context, run *result.Run) error {
	run.Schema, run.Scenario, run.Started, run.Params = result.Schema, "fanout", time.Now(), s.params
	run.Params.Outstanding = 0
	if s.dialect != load.Raw {
		run.Dialect = s.dialect
	}
	return s.fanout(ctx, run)
}

// flood is one more room, in which as many messages as it may hold are always
// under way. Its clients are in a process of their own, which gets the time that
// all others leave: what the machine lacks is taken from the flood. A nil flood is
// none.
type flood struct {
	helper      *helper
	clients     int
	outstanding int
}

func startFlood(s *scenario) (f *flood, err error) {
	f = &flood{clients: s.params.Clients / s.params.Rooms, outstanding: s.params.Outstanding}
	config := s.fleet(load.Rooms{First: s.params.Rooms, Count: 1}, load.AtOnce)
	config.Senders = 1
	f.helper, err = startHelper(config, "chrt", "--idle", "0")
	if err != nil {
		return nil, err
	}
	if err := f.helper.call("Connect", ConnectArgs{0, f.clients, load.Healthy}, &struct{}{}); err != nil {
		f.helper.stop()
		return nil, err
	}
	time.Sleep(settling)
	return f, nil
}

// begin starts the flood.
func (f *flood) begin() error {
	if f == nil {
		return nil
	}
	return f.helper.call("Flood", f.outstanding, &struct{}{})
}

func (f *flood) delivered() (uint64, error) {
	if f == nil {
		return 0, nil
	}
	var n load.Counts
	err := f.helper.call("Counts", struct{}{}, &n)
	return n.Delivered, err
}

// end ends the flood and adds what its clients found to the run's.
func (f *flood) end(run *result.Run) error {
	var sent load.Sent
	if err := f.helper.call("Stop", struct{}{}, &sent); err != nil {
		return err
	}
	drain(sent.Deliveries(load.Rooms{}, f.clients), func() uint64 {
		n, _ := f.delivered() // one that died is found out below
		return n
	})
	var found Findings
	if err := f.helper.call("Report", sent, &found); err != nil {
		return err
	}
	run.Faults.Add(found.Verdict.Sum())
	for _, line := range found.Verdict.Lines() {
		run.Warnings = append(run.Warnings, "in the flooded room: "+line)
	}
	if run.Flood.Achieved == 0 {
		return errors.New("the flooded room heard nothing")
	}
	return nil
}

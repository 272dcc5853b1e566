package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"chatd/bench/hostile"
	"chatd/bench/load"
)

// What is said where some lag: enough for those that read nothing between upgrades to be
// behind, and so little that only who is stuck is dropped.
const (
	busyBytes = 16 << 10
	busyRate  = 10 // messages per second, in each room
)

// paced sends while during runs.
func (u *upgradeRun) paced(ctx context.Context, during func()) {
	all := func() { pace(ctx, u.senders, u.params.Rate, during) }
	if len(u.busy) == 0 {
		all()
		return
	}
	pace(ctx, u.busy, busyRate*float64(len(u.busy)), all)
}

// rest is what is between upgrades: those that lag read, those that are stuck and were
// dropped are replaced.
func (u *upgradeRun) rest(ctx context.Context) error {
	for _, p := range u.parts {
		if !p.slow() {
			continue
		}
		p.wake(true)
		gone := p.counts().Dropped + p.params.Clients + p.stuck - p.came
		if err := p.come(ctx, gone, load.Stuck); err != nil {
			return err
		}
	}
	wait(ctx, u.every/2)
	for _, p := range u.parts {
		p.wake(false)
	}
	wait(ctx, u.every-u.every/2)
	return nil
}

// dropped looks whether those that are stuck were cut off for nothing else. (Hostile peers
// may be dropped as slow, too.)
func (u *upgradeRun) dropped(ctx context.Context) error {
	metrics, err := hostile.Metrics(ctx, u.admin)
	if err != nil {
		return err
	}
	cut := 0
	for _, p := range u.parts {
		cut += p.counts().Dropped
	}
	if slow := metrics[`chatd_dropped_total{reason="slow_consumer"}`] + metrics[`chatd_dropped_total{reason="write_timeout"}`]; float64(cut) > slow {
		return fmt.Errorf("%d of those that are stuck were cut off, and %.0f clients dropped as slow", cut, slow)
	}
	return nil
}

// besides has hostile peers at it while during runs, each kind in a process of its own.
func (u *upgradeRun) besides(ctx context.Context, plain, secure string, during func(context.Context) error) error {
	if u.params.HostilePeers == 0 {
		return during(ctx)
	}
	var kinds []*hostile.Kind
	for _, k := range hostile.Kinds {
		if k.Beside() {
			kinds = append(kinds, k)
		}
	}
	ctx, stop := context.WithCancelCause(ctx)
	var attack sync.WaitGroup
	all, rooms := u.params.HostilePeers, 0
	for _, p := range u.parts {
		rooms += p.params.Rooms
	}
	for i, k := range kinds {
		peers := all*(i+1)/len(kinds) - all*i/len(kinds)
		if peers == 0 {
			continue
		}
		t := hostile.Target{Addr: plain, PID: u.pid, Rooms: rooms}
		if k.Way == hostile.Secured || k.Way == hostile.AnyWay && i%2 == 0 {
			t.Addr, t.TLS = secure, true
		}
		attack.Go(func() {
			if err := attackElsewhere(ctx, k, t, peers); err != nil {
				stop(fmt.Errorf("%s: %w", k.Name, err))
			}
		})
	}
	err := during(ctx)
	cause := context.Cause(ctx)
	stop(nil)
	attack.Wait()
	return errors.Join(err, cause)
}

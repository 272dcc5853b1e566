package poller

import (
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
)

// spin is a Task that asks for itself again, always.
type spin struct {
	Task
	runs atomic.Int64
	stop atomic.Bool
}

func (s *spin) Run(*Worker) {
	if s.runs.Add(1); !s.stop.Load() {
		s.Schedule()
	}
}

func (s *spin) Panicked(*Worker, any) {}

func TestFrozenPoolStandsStill(t *testing.T) {
	for _, busy := range []int{0, 1, 10} {
		pool := NewPool(3, NewPlain, slog.New(slog.DiscardHandler))
		p, err := New(pool, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		all := make([]spin, busy)
		for i := range all {
			all[i].Init(pool, &all[i])
			all[i].Schedule()
		}
		late := new(spin)
		late.stop.Store(true)
		late.Init(pool, late)
		for round := range 200 {
			pool.Freeze()
			var runs int64
			for i := range all {
				runs += all[i].runs.Load()
			}
			late.Schedule()
			for i := range all {
				runs -= all[i].runs.Load()
			}
			if runs != 0 || late.runs.Load() != int64(round) {
				t.Fatalf("%d Tasks: something ran in round %d", busy, round)
			}
			pool.Thaw()
			for late.runs.Load() != int64(round+1) {
				runtime.Gosched()
			}
		}
		for i := range all {
			all[i].stop.Store(true)
		}
		p.Close()
		pool.Close()
	}
}

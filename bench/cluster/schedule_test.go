package cluster

import (
	"reflect"
	"testing"
	"time"
)

func TestSeedDecidesTheSchedule(t *testing.T) {
	a, b := NewSchedule(7, time.Minute, 3, 3, 4), NewSchedule(7, time.Minute, 3, 3, 4)
	if !reflect.DeepEqual(a, b) {
		t.Error("two schedules of one seed differ")
	}
	if c := NewSchedule(8, time.Minute, 3, 3, 4); reflect.DeepEqual(a.Lanes, c.Lanes) {
		t.Error("another seed makes the same schedule")
	}
}

func TestScheduleHasEverythingWithinItsBounds(t *testing.T) {
	for seed := range uint64(200) {
		const nodes, servers, streams = 3, 5, 4
		var found [kinds]bool
		for _, lane := range NewSchedule(seed, 2*time.Minute, nodes, servers, streams).Lanes {
			over := time.Duration(0)
			for i := range lane {
				f := &lane[i]
				found[f.Kind] = true
				most := nodes
				switch f.Kind {
				case KillServer, StopServer, PauseServer:
					most = servers
				case StepDown:
					most = streams
				}
				if f.Start < over || f.Length < 0 || f.Start+f.Length > 2*time.Minute+overhang || len(f.Targets) == 0 || f.Targets[len(f.Targets)-1] >= most {
					t.Errorf("seed %d: %+v", seed, f)
				}
				over = f.Start + f.Length
			}
		}
		found[Restore] = true // it is not done at random
		for k, is := range found {
			if !is {
				t.Errorf("seed %d: nothing of %q", seed, Kind(k))
			}
		}
	}
}

package soak

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestSeedDecidesTheSchedule(t *testing.T) {
	a, b := NewSchedule(7, 10*time.Minute), NewSchedule(7, 10*time.Minute)
	if !reflect.DeepEqual(a, b) {
		t.Error("two schedules of one seed differ")
	}
	if c := NewSchedule(8, 10*time.Minute); reflect.DeepEqual(a.Lives, c.Lives) {
		t.Error("another seed makes the same schedule")
	}
}

func TestScheduleHasEverythingWithinItsBounds(t *testing.T) {
	for seed := range uint64(200) {
		for _, length := range []time.Duration{5 * time.Second, 10 * time.Minute} {
			s := NewSchedule(seed, length)
			if len(s.Lives) < 2 || s.Lives[0].Gentle || !s.Lives[1].Gentle {
				t.Fatalf("seed %d: %d lives, or the wrong ones are gentle", seed, len(s.Lives))
			}
			all, found := time.Duration(0), make(map[Kind]bool)
			for i := range s.Lives {
				l := &s.Lives[i]
				all += l.Length
				checkLife(t, l, found)
			}
			if all != length {
				t.Fatalf("seed %d: %s of phases, not %s", seed, all, length)
			}
			if length == 10*time.Minute && len(found) != int(kinds) {
				t.Errorf("seed %d: only %v", seed, found)
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

// checkLife looks for phases that could not be carried out, or too many
// connections at any time.
func checkLife(t *testing.T, l *Life, found map[Kind]bool) {
	t.Helper()
	first := 0 // upgrades of the warm-up
	for _, p := range l.Warmup {
		if p.Kind == Upgrade {
			first++
		}
	}
	if more := slices.ContainsFunc(l.Phases, func(p Phase) bool { return p.Kind == Upgrade }); more != (first == 1) {
		t.Errorf("%d upgrades in the warm-up, others %v", first, more)
	}
	for _, phases := range [][]Phase{l.Warmup, l.Phases, {l.Births}, {l.Restart}} {
		for i := range phases {
			p := &phases[i]
			found[p.Kind] = true
			at, atOnce := p.Start, 0
			for _, q := range phases {
				if q.Start <= at && at < q.Start+q.Length {
					atOnce += q.Clients
				}
			}
			switch {
			case p.Kind == Upgrade && (p.Start < 0 || p.Start > l.Length):
				t.Errorf("an upgrade at %s in a life of %s", p.Start, l.Length)
			case p.Kind == Upgrade:
			case p.Length <= 0 || p.Start < 0 || p.Start+p.Length > max(l.Length, longestWarmup):
				t.Errorf("%v from %s for %s in a life of %s", p.Kind, p.Start, p.Length, l.Length)
			case p.Clients < 1 || p.Publishers > p.Clients || p.Gentle != l.Gentle:
				t.Errorf("%+v", p)
			case p.Rooms < 1 || p.Rooms > mostRooms:
				t.Errorf("%v in %d rooms", p.Kind, p.Rooms)
			case p.Publishers > 0 && (p.Rate == 0) == (p.Window == 0):
				t.Errorf("%v sends by a rate of %g and a window of %d", p.Kind, p.Rate, p.Window)
			case p.Kind != Hostile && p.Kind != Stuck && p.Kind != Births && (p.Least < minMessage || p.Most < p.Least || p.Most > mostMessage):
				t.Errorf("%v of %d to %d bytes", p.Kind, p.Least, p.Most)
			case l.Gentle && (p.Kind == Stuck || p.Kind == Hostile):
				t.Errorf("%v in a gentle life", p.Kind)
			case atOnce > 5100:
				t.Errorf("%d connections at %s", atOnce, at)
			}
		}
	}
}

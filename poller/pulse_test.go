package poller

import (
	"log/slog"
	"testing"
	"time"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

func armed(t *testing.T, p *pulse) bool {
	t.Helper()
	var left unix.ItimerSpec
	if err := unix.TimerfdGettime(p.timer, &left); err != nil {
		t.Fatal(err)
	}
	return left.Value.Nano() > 0 || sysReadable(p.timer) // it may just have gone off
}

func TestPulseBeatsWhileTurnsFollowOneAnother(t *testing.T) {
	p := new(pulse)
	if err := p.open(); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p.timer)
	now := time.Now()
	p.turn(now)
	if p.turn(now.Add(pulseWithin)); armed(t, p) {
		t.Error("turns that are far from one another have it beat")
	}
	if p.turn(now.Add(pulseWithin + pulseTime)); !armed(t, p) {
		t.Error("turns that follow one another do not have it beat")
	}
}

// Each beat has to be told of, though nobody reads the timer.
func TestPulseGoesOnUntilTurnsStayAway(t *testing.T) {
	pool := NewPool(0, NewPlain, slog.New(slog.DiscardHandler))
	defer pool.Close()
	poller, err := New(pool, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer poller.Close()
	p := new(pulse)
	if err := p.open(); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p.timer)
	p.beats, p.last = true, time.Now().Add(time.Hour/2) // turns come until the fourth beat
	beats, over := 0, make(chan struct{})
	err = poller.addOther(p.timer, alarm, func(ev netpoll.EpollEvent) {
		if beats++; beats == 4 {
			p.last = p.last.Add(-time.Hour)
		}
		if p.beat(ev); !p.beats {
			close(over)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	p.arm()
	<-over
	poller.removeOther(p.timer) // else it is told of the poller's end
	if beats != 4 {
		t.Errorf("it beats %d times, want 4", beats)
	}
}

package main

import (
	"testing"
	"time"

	"chatd/room"
)

func TestTicksThatNobodyTookAreMadeUpForUnlessTheProcessStoodStill(t *testing.T) {
	begun := time.Now()
	c := clock{begun: begun}
	at, told := time.Duration(0), 0
	for _, step := range []struct {
		passed time.Duration
		want   int
	}{
		{room.TickInterval, 1},
		{room.TickInterval + room.TickInterval/2, 1}, // late
		{room.TickInterval / 2, 1},                   // and the next is on time
		{5 * room.TickInterval, 5},                   // somebody held it up
		{time.Hour, int(catchUp / room.TickInterval)},
		{room.TickInterval, 1},
	} {
		at += step.passed
		if n := c.due(begun.Add(at)); n != step.want {
			t.Errorf("%v after the last: %d ticks, want %d (%d told)", step.passed, n, step.want, told)
		} else {
			told += n
		}
	}
}

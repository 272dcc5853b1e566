package main

import (
	"time"

	"chatd/room"
)

// clock tells how many ticks of the server's clock are due. A ticker alone does
// not: it drops those that nobody is there to take, and each would make all
// intervals longer by one.
type clock struct {
	begun  time.Time
	ticked time.Duration // of the time since then
}

// catchUp is how far behind the server's clock may be and be put forward. What is
// more was a time in which the process did not run, which is nobody's silence.
const catchUp = time.Second

// due is how many ticks have passed at now that were not told before.
func (c *clock) due(now time.Time) int {
	behind := now.Sub(c.begun) - c.ticked
	if behind > catchUp {
		c.ticked += behind - catchUp
		behind = catchUp
	}
	n := behind / room.TickInterval
	c.ticked += n * room.TickInterval
	return int(n)
}

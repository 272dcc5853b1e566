package main

import (
	"os"
	"runtime/debug"
	"time"

	"chatd/room"
)

// A room at work allocates next to nothing, so a heap that is collected early
// costs little time, and saves what handshakes leave behind. GOGC in the
// environment wins.
const garbagePercent = 50

func limitGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}

const (
	calmTicks = uint32(time.Second / room.TickInterval)
	// noteworthy is the share of the connections, and the number, that must
	// have come or gone for a collection to be worth its while.
	noteworthyShare = 8
	noteworthy      = 1000
	// calmChange is how many may come or go in a tick when it is calm: a few
	// always do. A crowd that comes by TLS is some hundreds a second.
	calmChange = 10
)

// tidier gives memory back to the system when many connections have come or
// gone and it is calm again. Otherwise the heap would keep the size it had at
// the busiest moment. It belongs to the goroutine that ticks.
type tidier struct {
	last    int64  // connections at the last tick
	tidied  int64  // connections at the last collection
	calm    uint32 // ticks in which few came or went
	collect func() // in a goroutine of its own: it takes its time
}

func (t *tidier) tick(conns int64) {
	last := t.last
	t.last = conns
	if max(conns-last, last-conns) > calmChange {
		t.calm = 0
		return
	}
	t.calm++
	change := max(conns-t.tidied, t.tidied-conns)
	if t.calm >= calmTicks && change >= max(noteworthy, t.tidied/noteworthyShare) {
		t.tidied = conns
		go t.collect()
	}
}

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
)

// tidier gives memory back to the system when many connections have come or
// gone and it is calm again. Otherwise the heap would keep the size it had at
// the busiest moment. It belongs to the goroutine that ticks.
type tidier struct {
	last    int64  // connections at the last tick
	tidied  int64  // connections at the last collection
	calm    uint32 // ticks without a change
	collect func() // in a goroutine of its own: it takes its time
}

func (t *tidier) tick(conns int64) {
	if conns != t.last {
		t.last, t.calm = conns, 0
		return
	}
	t.calm++
	change := max(conns-t.tidied, t.tidied-conns)
	if t.calm == calmTicks && change >= max(noteworthy, t.tidied/noteworthyShare) {
		t.tidied = conns
		go t.collect()
	}
}

package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// The monotonic clock as all processes of the machine see it.
var (
	clockBase  = time.Now()
	clockStart = readClock()
)

func readClock() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // it can't fail with this clock
	}
	return ts.Nano()
}

// Now is the time in nanoseconds.
func Now() int64 { return clockStart + int64(time.Since(clockBase)) }

package room

import (
	"math"
	"time"
)

// This file says what time is here. The clock counts ticks of TickInterval, and
// what happens is stamped with the last one: up to a tick too early. So n ticks
// on a stamp are more than n-1 and at most n TickIntervals. What must not come
// later than a flag says comes [within] so many ticks, what must not come sooner
// is [past] so many, which is less than two ticks later than the flag says.
//
//	flag               what comes                       when
//	-ping-interval     a ping, or a comment             within: up to an eighth sooner, so that members are looked at seldom
//	 … twice           what was silent is given up      past
//	-idle-timeout      what sends no message is closed  past, and up to a sixteenth later for the same reason; never who reads events
//	-write-timeout     what takes nothing is closed     past; a page's connection exactly, by the time of day
//	-handshake-timeout what sends no head is refused    past
//	-drain-timeout     what does not take all is closed past; the shutdown's end: exactly, by the time of day
//	-drain-spread      the last are sent away           within
//	(a token's exp)    its client is sent away          past, by the time of day, and up to a second and a tick later
//	-rate-…            a paused client is read again    in the tick in which its debt is paid, but see minPause
//	(lingerTimeout)    what does not hang up is closed  past; while it takes bytes, again, within -drain-timeout in all
//	(idleTimeout)      an idle page's connection closed exactly, by the time of day, as all that net/http does
//
// The tests are in time_test.go, a row each, but for net/http's.
//
// Whoever is about to be given up because it is silent, or takes nothing, is
// looked at once more through the kernel's eyes: see [poller.Progress]. What has
// come and was not read is no silence; what the peer has acknowledged, it has
// taken. Before that, nobody asks the kernel.

// times are what Config says, in ticks.
type times struct {
	ping  uint32 // silence with which a ping is due; 0: never
	lost  uint32 // silence with which a client is given up
	idle  uint32 // time without a message with which it is closed; 0: never
	write uint32 // time with which a socket that takes nothing is given up; 0: never
	// doubt is how long a ping may go unanswered before the kernel is asked what
	// became of it, and then the time between two such questions.
	doubt uint32
	// sweep is the least time between two looks at all members of a shard.
	sweep uint32
}

func timesOf(c Config) times {
	t := times{sweep: math.MaxUint32}
	if c.PingInterval > 0 {
		t.ping, t.lost = within(c.PingInterval), past(2*c.PingInterval)
		t.doubt = max(1, t.ping/8)
		t.sweep = t.doubt
	}
	if c.IdleTimeout > 0 {
		t.idle = past(c.IdleTimeout)
		t.sweep = min(t.sweep, max(1, t.idle/16))
	}
	if c.WriteTimeout > 0 {
		t.write = past(c.WriteTimeout)
	}
	return t
}

// within is so many ticks that no more than d passes, but one at least.
func within(d time.Duration) uint32 { return max(1, uint32(d/TickInterval)) }

// past is so many ticks that no less than d passes.
func past(d time.Duration) uint32 {
	return uint32((d+TickInterval-1)/TickInterval) + 1
}

// after is the first tick at which at least d will have passed.
func (s *Server) after(d time.Duration) uint32 { return s.now.Load() + past(d) }

// ago is the tick d before now, or the next one.
func ago(now uint32, d time.Duration) uint32 {
	return now - uint32(min(d/TickInterval, time.Duration(now)))
}

// stallDeadline is when a socket that takes nothing from tick from on is given
// up.
func (s *Server) stallDeadline(from uint32) uint32 {
	if s.times.write == 0 {
		return math.MaxUint32
	}
	return from + s.times.write
}

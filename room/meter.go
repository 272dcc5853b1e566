package room

import (
	"time"

	"chatd/room/carry"
)

// ticksPerSecond is the unit of the meters: rates are tokens per second, time
// comes in ticks, so a token is this many units.
const ticksPerSecond = uint32(time.Second / TickInterval)

// cost is what was used up of each limit, in units.
type cost [limits]int64

// rates are how many tokens a connection gets in a second, for each limit; 0:
// any amount. What it saves up is worth a second.
type rates [limits]int64

// meter is a token bucket for each limit (what it has used, rather than what it
// has left, so that the zero value is full). A message is charged when it has
// been taken, so the last one may overdraw; then the next is not taken until
// the debt is paid.
type meter struct {
	at    uint32 // the tick up to which used has drained
	until uint32 // the tick from which the session goes on
	used  cost
}

func (m *meter) carry(w *carry.Writer) {
	w.Uint(uint64(m.at))
	w.Uint(uint64(m.until))
	for _, used := range m.used {
		w.Uint(uint64(used))
	}
}

// restore reads what carry has written. Of what is not limited any more nothing was used.
func (m *meter) restore(r *carry.Reader, rates *rates) {
	m.at, m.until = r.Uint32(), r.Uint32()
	for i := range m.used {
		used := int64(r.UpTo(1 << 60)) // with a debt that can be counted
		if rates[i] > 0 {
			m.used[i] = used
		}
	}
}

// drain gives back what has come in until the tick now.
func (m *meter) drain(now uint32, r *rates) {
	elapsed := int64(now - m.at)
	m.at = now
	for i, used := range m.used {
		switch rate := r[i]; {
		case used == 0:
		case elapsed > used/rate: // their product may be too large
			m.used[i] = 0
		default:
			m.used[i] -= elapsed * rate
		}
	}
}

// use books n tokens.
func (m *meter) use(r *rates, limit int, n int) {
	if r[limit] > 0 {
		m.used[limit] += int64(n) * int64(ticksPerSecond)
	}
}

// overdrawn reports whether a limit is exceeded.
func (m *meter) overdrawn(r *rates) bool {
	for i, used := range m.used {
		if used > r[i]*int64(ticksPerSecond) {
			return true
		}
	}
	return false
}

// debt is the limit that takes longest to be kept again, and for how many ticks.
func (m *meter) debt(r *rates) (limit int, ticks uint32) {
	for i, used := range m.used {
		if over := used - r[i]*int64(ticksPerSecond); over > 0 {
			if wait := uint32(min((over+r[i]-1)/r[i], maxPause)); wait > ticks {
				limit, ticks = i, wait
			}
		}
	}
	return limit, ticks
}

// maxPause is far within what the clock can count, in ticks.
const maxPause = 1 << 30

func (m *meter) atRest() bool { return m.used == cost{} }

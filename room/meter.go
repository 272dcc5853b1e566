package room

import "time"

// ticksPerSecond is the unit of the meters: rates are tokens per second, time
// comes in ticks, so a token is this many units.
const ticksPerSecond = uint32(time.Second / TickInterval)

// cost is what was read, for each limit: messages, bytes, control frames.
type cost [limits]int64

// rates are how much a connection may send in a second, for each limit; 0: any
// amount. What it saves up is worth a second.
type rates [limits]int64

// meter is a token bucket for each limit (what it has used, rather than what it
// has left, so that the zero value is full). A read is charged when it is done,
// so it may overdraw; then the socket is not read until the debt is paid.
type meter struct {
	at    uint32 // the tick up to which used has drained
	until uint32 // the tick from which the socket is read again
	used  cost   // in units
}

// charge books c at the tick now. It returns the limit that is exceeded, and
// for how many ticks.
func (m *meter) charge(now uint32, r *rates, c cost) (limit int, ticks uint32) {
	elapsed := int64(now - m.at)
	m.at = now
	for i, rate := range r {
		if rate == 0 {
			continue
		}
		m.used[i] = max(0, m.used[i]-elapsed*rate) + c[i]*int64(ticksPerSecond)
		if over := m.used[i] - rate*int64(ticksPerSecond); over > 0 {
			if wait := uint32((over + rate - 1) / rate); wait > ticks {
				limit, ticks = i, wait
			}
		}
	}
	return limit, ticks
}

func (m *meter) atRest() bool { return m.used == cost{} }

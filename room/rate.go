package room

import (
	"sync/atomic"

	"chatd/room/carry"
)

// rateSeconds is over how many seconds a room's rate is measured.
const rateSeconds = 10

// rateMeter counts a room's messages in each of the last seconds. The hub writes
// it, anybody may read it. A room that was quiet for so long has none.
type rateMeter struct {
	// slots[s%rateSeconds] is for the second s: that in the high half, the
	// messages in the low one.
	slots [rateSeconds]atomic.Uint64
}

func (m *rateMeter) carry(w *carry.Writer) {
	for i := range m.slots {
		w.Uint(m.slots[i].Load())
	}
}

func (m *rateMeter) restore(r *carry.Reader) {
	for i := range m.slots {
		m.slots[i].Store(r.Uint())
	}
}

// add counts n messages in a second.
func (m *rateMeter) add(second uint32, n int) {
	slot := &m.slots[second%rateSeconds]
	count := uint64(n)
	if old := slot.Load(); uint32(old>>32) == second {
		count += old & (1<<32 - 1)
	}
	slot.Store(uint64(second)<<32 | count)
}

// sum is how many there were in the seconds up to the given one.
func (m *rateMeter) sum(second uint32) (n uint64) {
	for i := range m.slots {
		if slot := m.slots[i].Load(); second-uint32(slot>>32) < rateSeconds {
			n += slot & (1<<32 - 1)
		}
	}
	return n
}

// rate is the room's messages a second over the last rateSeconds.
func (h *hub) rate() float64 {
	m := h.meter.Load()
	if m == nil {
		return 0
	}
	return float64(m.sum(h.server.now.Load()/ticksPerSecond)) / rateSeconds
}

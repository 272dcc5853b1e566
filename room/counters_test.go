package room

import (
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestTalliesShareNoCacheLine(t *testing.T) {
	const line = 64
	all := make(workerCounters, 2)
	end := uintptr(unsafe.Pointer(&all[0])) + unsafe.Offsetof(all[0].throttled) + unsafe.Sizeof(all[0].throttled)
	if gap := uintptr(unsafe.Pointer(&all[1])) - end; gap < line {
		t.Errorf("%d bytes between the counters of two workers", gap)
	}
}

// BenchmarkCount is what counting a step of a pass costs, up to 256 deliveries,
// by several workers at a time: each for itself, and, to compare, together.
func BenchmarkCount(b *testing.B) {
	b.Run("each for itself", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			t := new(counters)
			for pb.Next() {
				t.delivered.Add(256)
				t.sent.Add(256 << 7)
			}
		})
	})
	b.Run("together", func(b *testing.B) {
		var delivered, sent atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				delivered.Add(256)
				sent.Add(256 << 7)
			}
		})
	})
}

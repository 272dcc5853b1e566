package stored

import (
	"fmt"
	"testing"
	"time"

	"chatd/room/order"
)

// What a message costs from publishing until it is on disk, and what then is forgotten:
// each room keeps 10.
func BenchmarkPublish(b *testing.B) {
	for name, sync := range map[string]time.Duration{"1s": time.Second, "always": 0} {
		for _, rooms := range []int{1, 1000, 100_000} {
			b.Run(fmt.Sprintf("sync=%s/rooms=%d", name, rooms), func(b *testing.B) {
				s := open(b, b.TempDir(), sync)
				all := make([]*counting, rooms)
				names := make([]string, rooms)
				slots := make(chan struct{}, 1024) // as many as a room may have under way
				for i := range all {
					names[i] = fmt.Sprint("room", i)
					all[i] = &counting{slots: slots}
					s.Enter(names[i], all[i])
				}
				m := said(1)
				m.Payload = make([]byte, 133)
				b.ResetTimer()
				for i := range b.N {
					slots <- struct{}{}
					s.Publish(names[i%rooms], uint64(i+1), m)
					if seq := i/rooms + 1; seq > 10 {
						s.Forget(names[i%rooms], uint64(seq-10))
					}
				}
				for range cap(slots) {
					slots <- struct{}{}
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// counting is a room that gives back slots.
type counting struct{ slots chan struct{} }

func (c *counting) Begin(uint32, order.Point, []order.Message) {}
func (c *counting) Place(uint64, order.Message)                { <-c.slots }
func (c *counting) Miss(order.Point)                           {}
func (c *counting) Fail(uint64, error)                         { <-c.slots }

// What is there after a restart: 256 MiB of memory for the histories, about, of 10,000
// rooms.
func BenchmarkOpen(b *testing.B) {
	const rooms, each = 10_000, 100
	dir := b.TempDir()
	s := open(b, dir, time.Second)
	m := said(1)
	m.Payload = make([]byte, 133)
	c := &counting{slots: make(chan struct{}, rooms*each)}
	for i := range rooms {
		s.Enter(fmt.Sprint("room", i), c)
	}
	for range each {
		for i := range rooms {
			c.slots <- struct{}{}
			s.Publish(fmt.Sprint("room", i), 1, m)
		}
	}
	s.Close()
	size := s.Stats().Bytes
	b.ResetTimer()
	for range b.N {
		s := open(b, dir, time.Second)
		for _, name := range s.Rooms() {
			s.Enter(name, c)
		}
		if n := s.Stats().Messages; n != rooms*each {
			b.Fatal(n)
		}
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(size)/(rooms*each), "disk-B/message")
}

package room

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/frame"
)

// timed is a model with these settings.
func timed(change func(*Config)) *model {
	m := newModel()
	change(&m.server.config)
	m.server.times = timesOf(m.server.config)
	m.server.shardSize = shardSize
	m.server.now.Store(1000)
	return m
}

// ticksUntil is how many ticks go by until something is so.
func (m *model) ticksUntil(t *testing.T, so func() bool) (n uint32) {
	t.Helper()
	for ; !so(); n++ {
		if n > 100_000 {
			t.Fatal("never")
		}
		m.server.Tick()
		m.settle()
	}
	return n
}

func (m *model) pings(i int) int { return bytes.Count(m.net[i].got, frame.Ping) }

// The rows of the table in time.go: how many ticks go by on the stamp of what
// happened last. What must not come sooner than d comes at the first tick with
// which d has passed for sure.
func TestWhatAFlagSaysComesInTime(t *testing.T) {
	floor := func(d time.Duration) uint32 { return uint32(d / TickInterval) }
	sure := func(d time.Duration) uint32 { return uint32((d+TickInterval-1)/TickInterval) + 1 }
	for _, row := range []struct {
		name        string
		least, most func(d time.Duration) uint32
		measure     func(t *testing.T, d time.Duration) uint32
	}{
		{"-ping-interval", floor, floor, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) { c.PingInterval = d })
			m.join(1<<20, false)
			return m.ticksUntil(t, func() bool { return m.pings(0) == 1 })
		}},
		{"twice -ping-interval", func(d time.Duration) uint32 { return sure(2 * d) }, func(d time.Duration) uint32 { return sure(2 * d) }, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) { c.PingInterval = d })
			m.join(1<<20, false)
			return m.ticksUntil(t, func() bool { return m.server.dropped(PingTimeout) == 1 })
		}},
		{"-idle-timeout", sure, sure, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) { c.IdleTimeout = d })
			m.join(1<<20, false)
			return m.ticksUntil(t, func() bool { return m.server.dropped(Idle) == 1 })
		}},
		{"-write-timeout", sure, sure, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) { c.WriteTimeout = d })
			m.join(16, false)
			m.publishOne("more than it takes")
			return m.ticksUntil(t, func() bool { return m.server.dropped(WriteTimeout) == 1 })
		}},
		{"-handshake-timeout", sure, sure, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) { c.HandshakeTimeout = d })
			c := &client{server: m.server, slot: -1, born: m.server.now.Load()}
			c.Attach(0, m.pool, &stub{c: c})
			m.server.pending.signal(nil, c, eventHandshake)
			m.settle()
			return m.ticksUntil(t, func() bool { return c.has(statusExpired) })
		}},
		{"-drain-timeout", sure, sure, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) { c.DrainTimeout = d })
			m.join(16, false)
			m.publishOne("more than it takes")
			m.leave(0, &mail{bytes: goodbye[GoingAway]})
			m.settle()
			return m.ticksUntil(t, func() bool { return m.stubs[0].released })
		}},
		{"-drain-spread", func(time.Duration) uint32 { return 1 }, func(d time.Duration) uint32 { return max(1, floor(d)) }, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) { c.DrainSpread = d })
			for range 3 {
				m.join(1<<20, false)
			}
			m.server.spread()
			m.settle()
			return m.ticksUntil(t, func() bool { return m.server.members.Load() == 0 })
		}},
		{"lingering", func(time.Duration) uint32 { return sure(lingerTimeout) }, func(time.Duration) uint32 { return sure(lingerTimeout) }, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) { c.DrainTimeout = d })
			c := &client{server: m.server, slot: -1}
			c.Attach(0, m.pool, &stub{c: c})
			m.server.pending.signal(nil, c, eventLinger)
			m.settle()
			return m.ticksUntil(t, func() bool { return c.has(statusExpired) })
		}},
		{"a token's exp", floor, func(d time.Duration) uint32 { return sure(d) + ticksPerSecond }, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(*Config) {})
			m.server.clock = func() int64 { return int64(m.server.now.Load()) * TickInterval.Milliseconds() }
			m.joinUntil(1<<20, rawStream, m.server.clock()+d.Milliseconds())
			return m.ticksUntil(t, func() bool { return m.server.dropped(TokenExpired) == 1 })
		}},
		{"-rate-messages", func(d time.Duration) uint32 { return max(minPause, floor(d)) }, func(d time.Duration) uint32 { return max(minPause, floor(d)+1) }, func(t *testing.T, d time.Duration) uint32 {
			m := timed(func(c *Config) {})
			m.server.rates[limitMessages] = 100
			m.join(1<<30, false)
			c := m.clients[0]
			in := c.remember() // it owes what it may send in d
			in.meter.at, in.meter.used[limitMessages] = m.server.now.Load(), 100*int64(ticksPerSecond+floor(d))
			c.pause(m.server.counters.of(nil))
			resumed := false
			m.stubs[0].onRun = func() { resumed = true }
			return m.ticksUntil(t, func() bool { return resumed && !c.mustWait(nil) })
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, d := range []time.Duration{
				TickInterval, 550 * time.Millisecond, time.Second, 5500 * time.Millisecond, 54 * time.Second, 10 * time.Minute,
			} {
				if n := row.measure(t, d); n < row.least(d) || n > row.most(d) {
					t.Errorf("%v: after %d ticks, want %d to %d", d, n, row.least(d), row.most(d))
				}
			}
		})
	}
}

// Members that were heard of at different times are looked at together now and
// then: that makes no ping late, and few of them early; and nobody who has not sent
// a message is closed too soon, or much too late.
func TestManyMembersAreEachPingedAndClosedInTime(t *testing.T) {
	const members = 50
	m := timed(func(c *Config) {
		c.PingInterval = 5500 * time.Millisecond
		c.IdleTimeout = time.Minute
		c.RateControls = 0
	})
	r := rand.New(rand.NewPCG(1, 2))
	times := &m.server.times
	pings, last := make([]int, members), make([]uint32, members)
	for i := range members {
		m.join(1<<20, false)
		last[i] = m.server.now.Load()
		for range r.IntN(4) {
			m.server.Tick()
			m.settle()
		}
	}
	spoke := append([]uint32(nil), last...)
	closed := 0
	for closed < members {
		m.server.Tick()
		m.settle()
		now := m.server.now.Load()
		for i, c := range m.clients {
			if pings[i] < 0 {
				continue
			}
			if c.has(statusLeft) {
				if n := now - spoke[i]; n < times.idle || n > times.idle+times.idle/16 {
					t.Fatalf("client %d: closed after %d ticks, want %d, and a sixteenth more at most: %v", i, n, times.idle, m.server.Stats().Dropped)
				}
				closed++
				pings[i] = -1
				continue
			}
			n := now - last[i]
			if m.pings(i) > pings[i] {
				if n < times.ping-times.doubt {
					t.Errorf("client %d: a ping after %d ticks, too early", i, n)
				}
				pings[i]++
				c.phase = phaseOpen
				c.heard.Store(now)
				c.feed(m.worker, []byte(masked(ws.OpPong, true, "")))
				last[i] = now
				continue
			}
			if n >= times.ping {
				t.Fatalf("client %d: no ping after %d ticks", i, n)
			}
		}
	}
	if m.server.dropped(Idle) != members {
		t.Errorf("dropped %v", m.server.Stats().Dropped)
	}
}

// BenchmarkSweep looks at all members of a shard, none of which is due for
// anything.
func BenchmarkSweep(b *testing.B) {
	for _, shards := range []int{1, 50} {
		b.Run(fmt.Sprint("members=", shards*shardSize), func(b *testing.B) {
			m := timed(func(c *Config) { c.PingInterval = 54 * time.Second })
			m.worker.Sender = sink{}
			for range shards * shardSize {
				m.join(0, false)
			}
			now := m.server.now.Load() + 1
			b.ReportAllocs()
			for b.Loop() {
				for _, s := range m.server.shards.all() {
					s.sweep(m.worker, now)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*shards*shardSize), "ns/member")
		})
	}
}

// A tick wakes a worker only if something is to be done.
func TestTickOfAQuietServerRunsNothing(t *testing.T) {
	m := newModel()
	for range 5 {
		m.join(1000, false)
	}
	c := m.clients[0]
	m.leave(0, new(mail))
	m.settle()
	m.server.pending.signal(nil, c, eventLinger)
	m.settle()
	quiet := 0
	for range past(lingerTimeout) {
		if m.server.Tick(); m.pool.Queued() == 0 {
			quiet++
		}
		m.settle()
	}
	if most := int(past(lingerTimeout)); quiet < most/2 {
		t.Errorf("%d of %d ticks scheduled nothing", quiet, most)
	}
	if c.status.Load()&statusExpired == 0 {
		t.Error("the one whose time was over was not told")
	}
}

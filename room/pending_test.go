package room

import (
	"testing"

	"golang.org/x/sys/unix"
)

// released are n clients that their shards have released.
func (m *model) released(tb testing.TB, n int) (clients []*client) {
	tb.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	for range n {
		fd, err := unix.FcntlInt(uintptr(pair[0]), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			tb.Fatal(err)
		}
		c := &client{server: m.server, slot: -1, phase: phaseLeaving}
		c.source.Store(-1)
		c.Attach(fd, m.pool, c)
		c.status.Or(statusMember | statusLeft | statusReleased | statusLinger)
		clients = append(clients, c)
	}
	m.server.conns.Add(int64(n))
	return clients
}

// Whoever is taken in as pending when the server goes away has missed that those
// who are there are told.
func TestLobbyTellsThoseThatComeLateToGo(t *testing.T) {
	for _, test := range []struct {
		stage            uint32
		lingering, early bool // so is what happens
	}{
		{serving, false, false}, {serving, true, false},
		{closing, false, true}, {closing, true, false},
		{aborting, false, true}, {aborting, true, true},
	} {
		m := newModel()
		l, c := &m.server.pending, m.released(t, 1)[0]
		m.server.stage.Store(test.stage)
		l.Run(m.worker)
		l.keep(c, 1000, 1000, test.lingering)
		defer c.Close()
		if got := c.has(statusExpired); got != test.early {
			t.Errorf("stage %d, lingering %v: told %v", test.stage, test.lingering, got)
		}
	}
}

// All leave at once, and those that don't hang up are cut off at the end.
func BenchmarkAbort(b *testing.B) {
	const conns = 10_000
	for b.Loop() {
		m := newModel()
		clients := m.released(b, conns)
		m.server.enter(closing)
		for _, c := range clients {
			c.Schedule()
		}
		m.settle()
		m.server.enter(aborting)
		m.settle()
		if n := m.server.Conns(); n != 0 {
			b.Fatalf("%d are left", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*conns), "ns/conn")
}

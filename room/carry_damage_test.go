package room

import (
	"bytes"
	"fmt"
	"testing"

	"chatd/poller"
	"chatd/room/carry"
	"chatd/room/carry/carrytest"
)

// sourced is a model whose rooms' order comes from a Source, if it is to.
func sourced(ordered bool) *model {
	m := newModel()
	if ordered {
		m.source = newModelOrder(m)
		m.server.config.Order = m.source
	}
	return m
}

// lastOps is a model after the schedule of the seed: it has members of all kinds, behind and
// not, and some who have not come in yet, or linger.
func lastOps(t *testing.T, seed uint64, ordered bool) *model {
	t.Helper()
	m := sourced(ordered)
	m.mixed, m.server.record = true, 1
	for k, o := range schedule(seed) {
		m.do(o)
		if wrong := m.compare(); wrong != "" {
			t.Fatalf("seed %d, step %d, %v: %s", seed, k, o, wrong)
		}
	}
	for i, of := range []phase{phaseHead, phaseHead, phaseLeaving, phaseLinger} {
		c := &client{server: m.server, slot: -1, phase: of}
		c.source.Store(-1)
		c.Attach(firstFD+len(m.clients)+i, m.pool, &stub{c: c})
		if of == phaseHead {
			c.in = &inbound{tail: []byte("GET /ws HTTP/1.1\r\nHo")}
		} else {
			c.status.Or(statusMember | statusLeft | statusReleased | statusLinger)
		}
		m.server.pending.keep(c, 1000, 2000, of != phaseHead)
	}
	return m
}

// goesOn has a server go on that was restored from anything: somebody says something in each
// room, and time passes. Its sessions do nothing.
func (m *model) goesOn(s *Server) {
	m.server = s
	s.eachClient(func(c *client) {
		st := &stub{c: c, grant: c.grant()}
		if cs := c.chat(); cs != nil {
			cs.client = c
			c.Handover(chatStub{st, cs})
		} else {
			c.Handover(st)
		}
	})
	s.revive()
	m.settle()
	s.directory.rooms.Scan(func(name string, _ *hub) bool {
		m.talk(name, nil, "", "still there?")
		return true
	})
	for range 2 * ticksPerSecond {
		s.Tick()
		m.settle()
	}
}

// A program may have written anything: who reads it has an error, or goes on.
func TestStateThatCannotBeIsRefusedOrGoneOnWith(t *testing.T) {
	withoutSockets(t)
	last := uint64(4)
	if raceDetector { // which finds nothing: all of it is one goroutine
		last = 1
	}
	for seed := uint64(1); seed <= last; seed++ {
		ordered := seed%2 == 0
		before := lastOps(t, seed, ordered)
		goes, refused := 0, 0
		carrytest.Damage(t, func(w *carry.Writer) {
			before.server.Carry(w)
		}, func(r *carry.Reader) {
			m := sourced(ordered)
			m.worker = poller.NewWorker(m.pool, sink{})
			s := m.server
			if s.Restore(r) != nil || r.Close() != nil {
				refused++
				return
			}
			goes++
			if m.goesOn(s); m.panics.Len() > 0 {
				panic(fmt.Sprint("later: ", string(bytes.TrimSpace(m.panics.Bytes()))))
			}
		})
		t.Logf("seed %d: %d states are refused, %d are gone on with", seed, refused, goes)
	}
}

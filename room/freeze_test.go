package room

import (
	"testing"

	"chatd/poller"
)

// Those who go on after an upgrade are not woken while the next one waits for rest: the
// workers would have no end of work.
func TestNobodyIsWokenWhileTheServerIsToBeFrozen(t *testing.T) {
	m := newModel()
	m.join(1000, false)
	m.settle()
	k := &waking{server: m.server, rest: []*poller.Conn{&m.clients[0].Conn}}
	k.Init(m.server.pool, k)
	m.server.still.Store(true)
	if k.Run(nil); len(k.rest) != 1 || m.pool.Queued() > 0 {
		t.Errorf("%d are left to be woken, %d tasks wait", len(k.rest), m.pool.Queued())
	}
	m.server.still.Store(false)
	for len(k.rest) > 0 {
		k.Run(nil)
	}
	if m.pool.Queued() == 0 || k.rest != nil {
		t.Errorf("%d tasks wait; whoever is gone is held: %t", m.pool.Queued(), k.rest != nil)
	}
}

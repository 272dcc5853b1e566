package room

import (
	"bytes"
	"fmt"
	"log/slog"

	"chatd/poller"
	"chatd/room/carry"
)

// upgrade has another program go on with the server: its state is written, and read into
// objects that know nothing of those before.
func (m *model) upgrade() {
	if m.wrong != "" {
		return
	}
	restless := m.restless
	m.restless = false // until it is done
	defer func() { m.restless = restless }()
	if why := m.server.unsettled(); why != "" {
		m.wrong = "the server does not come to rest: " + why
		return
	}
	var state bytes.Buffer
	w := carry.NewWriter(&state)
	m.server.Carry(w)
	if err := w.Close(); err != nil {
		m.wrong = err.Error()
		return
	}
	before := m.server
	m.pool = poller.NewPool(0, nil, slog.New(slog.NewTextHandler(m.panics, &slog.HandlerOptions{Level: slog.LevelError})))
	m.worker = poller.NewWorker(m.pool, &m.net)
	s := &Server{freed: func() {}}
	s.init(before.config, m.pool)
	s.shardSize, s.stepSize, s.slice, s.stretch, s.record, s.clock = before.shardSize, before.stepSize, before.slice, before.stretch, before.record, before.clock
	m.server = s
	r, err := carry.NewReader(state.Bytes())
	if err == nil {
		err = s.Restore(r)
	}
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		m.wrong = err.Error()
		return
	}
	clear(state.Bytes()) // nothing may hang on it
	known := make(map[int32]bool)
	s.eachClient(func(c *client) {
		i := c.FD() - firstFD
		known[i] = true
		m.adopt(int(i), c)
	})
	for i, st := range m.stubs {
		if !known[int32(i)] && !st.released {
			m.wrong = fmt.Sprintf("client %d is not carried", i)
		}
	}
	s.revive()
	m.settle()
}

// mayUpgrade reports whether the server can be frozen while there is something to be done:
// nothing is on its way, but Tasks may wait for a worker.
func (m *model) mayUpgrade() bool {
	if m.source != nil || m.wrong != "" || m.pool.Queued() == 0 || m.server.unsettled() != "" {
		return false
	}
	for i, c := range m.clients {
		if c.has(statusReleased) != m.stubs[i].released { // it has no owner
			return false
		}
	}
	return true
}

// adopt has client i's stub go on with c.
func (m *model) adopt(i int, c *client) {
	st := m.stubs[i]
	m.clients[i], st.c, st.grant = c, c, c.grant()
	if cs := c.chat(); cs != nil {
		cs.client = c
		c.Handover(chatStub{st, cs})
	} else {
		c.Handover(st)
	}
}

package room

import (
	"bytes"
	"fmt"
	"testing"

	"chatd/poller"
	"chatd/room/carry"
)

// BenchmarkRestore reads the state of 18,000 members in 300 rooms, and reports what it is
// to write it, too.
func BenchmarkRestore(b *testing.B) {
	const members, rooms = 18_000, 300
	m := newModel()
	m.server.shardSize, m.worker.Sender = shardSize, sink{}
	for i := range members {
		c := &client{server: m.server, slot: -1}
		c.source.Store(-1)
		c.Attach(firstFD+i, m.pool, &stub{c: c})
		m.server.directory.joins.Put(&change{client: c, room: fmt.Sprint("room-", i%rooms)})
	}
	m.server.directory.Schedule()
	m.settle()
	var state bytes.Buffer
	write := func() {
		state.Reset()
		w := carry.NewWriter(&state)
		m.server.Carry(w)
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			write()
		}
		b.SetBytes(int64(state.Len()))
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			s := &Server{freed: func() {}}
			s.init(m.server.config, poller.NewPool(0, nil, nil))
			r, err := carry.NewReader(state.Bytes())
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Restore(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

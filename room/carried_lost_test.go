package room

import (
	"bytes"
	"context"
	"reflect"
	"testing"

	"github.com/gobwas/ws"

	"chatd/room/carry"
	"chatd/room/handshake"
	"chatd/room/position"
)

// One that is behind is told how many there are, also in a room where all is compressed.
func TestCountOfMembersIsCarriedWhereAllAreCompressed(t *testing.T) {
	withoutSockets(t)
	m := newModel()
	m.arrive(handshake.DefaultRoom, 1<<20, chatDeflated, position.Since{})
	m.settle()
	m.net[0].free, m.refs[0].free = 0, 0
	m.arrive(handshake.DefaultRoom, 1<<20, chatDeflated, position.Since{})
	m.settle()
	for range 2 * ticksPerSecond {
		m.tick()
	}
	if o := m.clients[0].out; o == nil || o.readers[0].given == o.readers[0].roster.given() {
		t.Fatalf("nobody is behind: %+v", o)
	}
	m.upgrade()
	if d := m.finish(); d != "" {
		t.Error(d)
	}
}

// A room that nobody is in any more goes, though its Task had not seen that.
func TestRoomThatHasJustEmptiedGoesAfterAnUpgrade(t *testing.T) {
	withoutSockets(t)
	m := newModel()
	m.arrive(handshake.DefaultRoom, 1<<20, rawStream, position.Since{})
	m.settle()
	m.enter(0, "a", 0)
	m.settle()
	c, h, answer := m.clients[0], m.hub("a"), m.text("out of a")
	m.refs[0].exit("a", answer)
	c.roster.Load().shard.leaveRoom(m.worker, &change{client: c, leaves: true, hub: h, answer: answer, limit: h.log.Head().Seq})
	if !h.has(hubEmptied) {
		t.Fatal("somebody is there")
	}
	m.upgrade()
	if n := m.server.directory.rooms.Len(); n != 1 {
		t.Errorf("%d rooms", n)
	}
	if d := m.finish(); d != "" {
		t.Error(d)
	}
}

// How a join has ended is carried if the session has not seen it.
func TestEntryThatHasEndedIsCarried(t *testing.T) {
	withoutSockets(t)
	m := newModel()
	a, b := newHub(m.server, "a"), newHub(m.server, "b")
	for _, y := range []stays{
		{hubs: []*hub{a}, last: a},
		{hubs: []*hub{a}, last: a, entry: &change{hub: b}, nonce: "n"},
		{hubs: []*hub{a, b}, entry: &change{late: true}, nonce: "n"},
	} {
		var state bytes.Buffer
		w := carry.NewWriter(&state)
		y.carry(&carrier{Writer: w, hubs: map[*hub]int{a: 1, b: 2}})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := carry.NewReader(state.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		var got stays
		got.restore(&restorer{Reader: r, hubs: []*hub{nil, a, b}})
		if err := r.Close(); err != nil || !reflect.DeepEqual(got, y) {
			t.Errorf("%+v, %v, want %+v", got, err, y)
		}
	}
}

// Who was not read because the server was about to be frozen is read when it goes on.
func TestThoseThatWereNotReadAreReadAfterAThaw(t *testing.T) {
	s := startServer(t)
	member, begun := s.join(), s.greeted(s.dial())
	s.still.Store(true)
	member.say(text("one"))
	s.until(func() bool { return !s.halted.Empty() })
	begun.say(upgradeRequest)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	s.Thaw()
	begun.joined()
	member.say(text("two"))
	member.expect(ws.OpText, "one")
	member.expect(ws.OpText, "two")
}

package room

import (
	"bytes"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/frame"
	"chatd/room/handshake"
)

// eager is a session that says something as soon as it is told that it is a
// member, on another worker: while the shard is still in the middle of it.
type eager struct {
	network
	c    *client
	pong []byte
}

func (e *eager) Send(fd int32, p []byte) int {
	if e.pong != nil && e.c.status.Load()&statusMember != 0 {
		e.c.send(nil, &mail{bytes: e.pong})
		e.pong = nil
	}
	return e.network.Send(fd, p)
}

func TestMembershipIsToldAfterTheHandshakesAnswerIsWritten(t *testing.T) {
	m := newModel()
	e := &eager{pong: frame.AppendPong(nil, []byte("early"))}
	m.worker.Sender = e
	c := &client{server: m.server, slot: -1}
	st := &stub{c: c}
	c.Attach(firstFD, m.pool, st)
	e.c, e.network = c, network{{free: 1000}}
	told := false
	st.onRun = func() {
		if c.status.Load()&statusMember != 0 && !bytes.Equal(e.network[0].got, []byte("answer")) {
			t.Errorf("told with %q written", e.network[0].got)
		}
		told = true
	}
	c.status.Or(statusWaiting)
	m.server.directory.joins.Put(&change{client: c, room: handshake.DefaultRoom, answer: []byte("answer")})
	m.server.directory.Schedule()
	m.settle()
	if e.pong == nil {
		t.Error("a member before the answer was written")
	}
	if !told || !bytes.Equal(e.network[0].got, []byte("answer")) {
		t.Errorf("told %v, written %q", told, e.network[0].got)
	}
}

// A signal for the shard that comes after the client was released must not
// swallow what the session then asks of the pending ones' Task.
func TestLateSignalForTheShardDoesNotKeepAClientFromTheLobby(t *testing.T) {
	for name, late := range map[string]uint32{"writable": eventWritable, "mail": eventMail} {
		m := newModel()
		m.join(1000, false)
		c := m.clients[0]
		m.leave(0, new(mail))
		m.settle()
		if c.status.Load()&statusReleased == 0 {
			t.Fatal("not released")
		}
		c.signal(nil, late)
		m.server.pending.signal(m.worker, c, eventLinger)
		m.settle()
		if n := len(m.server.pending.list); n != 1 {
			t.Errorf("%s: %d clients linger in the lobby, want 1", name, n)
		}
		c.signal(nil, late)
		m.server.pending.signal(m.worker, c, eventGone)
		m.settle()
		if n := len(m.server.pending.list); n != 0 {
			t.Errorf("%s: %d clients left in the lobby", name, n)
		}
	}
}

// An event for the pending ones that goes by way of the shard may come after the last
// one, which doesn't.
func TestClosedClientIsNotKeptByAnEventThatComesLate(t *testing.T) {
	m := newModel()
	m.join(1000, false)
	c, l := m.clients[0], &m.server.pending
	m.leave(0, new(mail))
	m.settle()
	late := eventLinger // taken by the shard, which then has to wait
	c.Attach(0, m.pool, c)
	c.gone(nil)
	m.settle()
	c.roster.Load().shard.handle(nil, c, late)
	m.settle()
	if n := len(l.list); n != 0 {
		t.Errorf("%d clients in the lobby, for ever", n)
	}
}

func TestNothingTakesThePlaceOfTheHandshakesAnswer(t *testing.T) {
	m := newModel()
	m.join(0, false)
	pong := frame.AppendPong(nil, []byte("early"))
	m.tell(0, &mail{bytes: pong})
	m.free(0, 1000)
	if got, want := m.net[0].got, append([]byte("HTTP/1.1 101\r\n\r\n"), pong...); !bytes.Equal(got, want) {
		t.Errorf("written %q, want %q", got, want)
	}
}

func TestPingOfOursDoesNotReplaceAnAnswer(t *testing.T) {
	m := newModel()
	m.server.times = timesOf(Config{PingInterval: time.Second})
	m.join(16, false) // takes the handshake's answer and no more
	part := frame.AppendPong(nil, []byte("first"))
	pong := frame.AppendPong(nil, []byte("second"))
	m.free(0, 1)
	m.tell(0, &mail{bytes: part}) // begun
	m.tell(0, &mail{bytes: pong})
	for range 15 {
		m.do(op{kind: opTick})
	}
	m.free(0, 1000)
	if got, want := m.net[0].got, append(part, pong...); !bytes.HasSuffix(got, want) {
		t.Errorf("written %q, want %q at the end", got, want)
	}
}

func TestUnsentPongGoesOutBeforeTheFarewell(t *testing.T) {
	m := newModel()
	m.join(1000, false)
	m.net[0].got = nil
	c := m.clients[0]
	pong := frame.AppendPong(nil, []byte("p"))
	bye := frame.AppendClose(nil, ws.StatusProtocolError, "")
	c.send(nil, &mail{bytes: pong}) // not looked at before the hub has dealt with the leave
	p := newPost(false)
	p.leaver, p.last = c, &mail{bytes: bye, leaving: newLeaving(m.lobby())}
	m.lobby().inbox.Put(p)
	m.lobby().Run(poller.NewWorker(m.pool, &m.net))
	m.settle()
	if want := append(pong, bye...); !bytes.Equal(m.net[0].got, want) {
		t.Errorf("written %q, want %q", m.net[0].got, want)
	}
}

package room

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestDrainSendsMembersAwayBitByBitWhileTheOthersTalk(t *testing.T) {
	const members, spread = 100, 20 // ticks
	s := startServer(t, func(c *Config) { c.DrainSpread = spread * TickInterval })
	peers := make([]*peer, members)
	for i := range peers {
		peers[i] = s.join()
	}
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	s.until(s.Draining)
	for range spread / 2 {
		s.Tick()
		for range 2 { // once the shard answers again it has seen the tick
			if _, _, err := s.Connections(t.Context(), 0, members); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := s.Stats().Members; n < members*4/10 || n > members*6/10 {
		t.Errorf("%d of %d members at half time", n, members)
	}
	first := peers[0] // the first that came are the last that go
	first.say(text("still here"))
	first.expect(ws.OpText, "still here")
	s.until(func() bool {
		s.Tick()
		return s.Stats().Members == 0
	})
	for i, p := range peers[1:] {
		f, err := p.frame()
		for err == nil && f.Header.OpCode == ws.OpText {
			f, err = p.frame()
		}
		if code, _ := ws.ParseCloseFrameData(f.Payload); err != nil || code != ws.StatusGoingAway {
			t.Fatalf("client %d: %v %q, %v", i, f.Header.OpCode, f.Payload, err)
		}
		p.Close()
	}
	first.expectReason(GoingAway)
	first.Close()
	s.until(func() bool {
		s.Tick()
		return len(done) == 1
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Dropped["going_away"] != members || st.Due != st.Delivered {
		t.Errorf("%+v", st)
	}
}

// Whoever talks without end does not keep the server from going away, and what
// has been taken from them comes before the close frame.
// The last message may get into the log after a shard has looked for one, and
// before it sends its members away.
func TestLastMessageBeforeTheEndIsDelivered(t *testing.T) {
	m := newModel()
	m.join(1<<20, false)
	p := newPost(false)
	p.add(m.server.counters.of(nil), ws.OpText, []byte("last words"))
	m.lobby().backlog.Add(int64(len(p.frames.plain)))
	m.lobby().inbox.Put(p)
	m.lobby().append(m.worker)
	s := m.server.shards.all()[0]
	m.server.enter(closing)
	s.closeAll(m.worker, closing)
	if got := m.net[0].got; !bytes.HasSuffix(got, append([]byte("last words"), goodbye[GoingAway]...)) {
		t.Errorf("written %q", got)
	}
}

func TestStagesOnlyRise(t *testing.T) {
	m := newModel()
	for _, step := range [][2]uint32{{draining, draining}, {aborting, aborting}, {closing, aborting}, {draining, aborting}} {
		if m.server.enter(step[0]); m.server.stage.Load() != step[1] {
			t.Errorf("stage %d, want %d", m.server.stage.Load(), step[1])
		}
	}
}

func TestShutdownIsNotHeldUpByThoseWhoKeepTalking(t *testing.T) {
	s := startServer(t)
	var wg sync.WaitGroup
	for range 4 {
		p := s.join()
		wg.Go(func() {
			for {
				if _, err := io.WriteString(p.Conn, text(long)); err != nil {
					return
				}
			}
		})
		wg.Go(func() {
			defer p.Close()
			for {
				f, err := p.frame()
				if err != nil {
					t.Error(err)
					return
				}
				if f.Header.OpCode == ws.OpClose {
					if code, _ := ws.ParseCloseFrameData(f.Payload); code != ws.StatusGoingAway {
						t.Errorf("close code %d", code)
					}
					return
				}
			}
		})
	}
	s.until(func() bool { return s.Stats().Messages > 1000 })
	s.shutdown()
	wg.Wait()
	if st := s.Stats(); st.Due != st.Delivered+st.Lost || st.Lost != 0 {
		t.Errorf("due %d, delivered %d, lost %d", st.Due, st.Delivered, st.Lost)
	}
}

func TestFewMembersAreSentAwayOverTheWholeTime(t *testing.T) {
	const members, spread = 6, 60 // ticks
	m := newModel()
	m.server.shardSize = members
	for range members {
		m.join(1<<20, false)
	}
	m.server.drainTo.Store(m.server.now.Load() + spread)
	m.server.enter(draining)
	m.settle()
	for n := range uint32(spread) {
		left := float64(m.server.members.Load())
		if want := members * (1 - float64(n)/spread); left < want-2 || left > want+2 {
			t.Errorf("%v members after %d of %d ticks", left, n, spread)
		}
		m.do(op{kind: opTick})
	}
}

func TestQuestionsAreNotLeftOverWhenNobodyAnswers(t *testing.T) {
	m := newModel() // whose Tasks run when they are told to
	m.join(1000, false)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, _, err := m.server.LogSize(ctx); err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	m.settle()
	if m.server.asked.Load() != nil {
		t.Error("a question is left over")
	}
}

package room

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/chat"
	"chatd/room/order"
	"chatd/room/position"
)

// What goes wrong in a room whose order is another one's: by the test's clock and in its
// order, with sockets that are simulated.

// heldModel is a model whose rooms' orders are the test's.
func heldModel(t *testing.T) (*model, *heldOrder) {
	if ring || overTLS {
		t.Skip("its sockets are simulated")
	}
	m, o := newModel(), &heldOrder{rooms: make(map[string]*heldRoom)}
	m.server.config.Order = o
	m.server.config.History = 10
	return m, o
}

// steps runs all that is to be done. The reference knows nothing of it.
func (m *model) steps() {
	for m.pool.Step(m.worker) {
	}
	m.ways = nil
}

// comes has a client come that takes all.
func (m *model) comes(room string, x stream) {
	m.arrive(room, 1<<30, x, position.Since{})
	m.steps()
}

// heard is all that client i was told.
func (m *model) heard(i int) string { return string(m.net[i].got) }

// outside is an errand that publishes, which is on its way to the hub.
func (m *model) outside(h *hub, text, nonce string) *errand {
	e := &errand{post: newPost(false), done: make(chan error, 2)}
	e.post.errand = e
	a := newAuthor("outside", "")
	e.post.say(m.server.counters.of(nil), nil, said{&a, nonce}, []byte(text))
	h.publish(nil, e.post)
	return e
}

// outcome is what came of an errand, once.
func (e *errand) outcome(t *testing.T) error {
	t.Helper()
	if len(e.done) != 1 {
		t.Errorf("there are %d answers", len(e.done))
		return nil
	}
	return <-e.done
}

// atRest checks that nothing is under way in a room.
func (h *hub) atRest(t *testing.T) {
	t.Helper()
	if y := &h.order.window; !h.quiet() || y.said != 0 || y.bytes != 0 || len(y.list) != 0 || len(y.hashes) != 0 || h.posts != nil || h.order.coming.bytes != 0 {
		t.Errorf("something is under way: %d bytes, %+v, %+v", h.backlog.Load(), y, h.order.coming)
	}
}

func TestWhatIsSaidInARoomThatWasLeftIsRefused(t *testing.T) {
	m, o := heldModel(t)
	m.comes("a", rawStream)
	r := o.rooms["a"]
	r.inside.Begin(1, order.Point{}, nil)
	m.steps()
	h := m.hub("a")
	m.tell(0, &mail{broken: true}) // its shard lets go of it, while its session has yet to say something
	if !r.left || m.hub("a") != nil {
		t.Fatal("the room is still there")
	}
	m.comes("a", rawStream)
	if o.rooms["a"] == r {
		t.Fatal("the room is not entered again")
	}
	e := m.outside(h, "too late", "n")
	look := &errand{post: newPost(false), done: make(chan error, 1), visit: func(*hub) {}}
	look.post.errand = look
	h.publish(nil, look.post)
	m.steps()
	if err := e.outcome(t); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if err := look.outcome(t); err != nil {
		t.Error(err)
	}
	if len(r.published)+len(o.rooms["a"].published) > 0 {
		t.Error("it was published in the room that has its name")
	}
	h.atRest(t)
}

func TestTagsThatNobodyWaitsForMeanNothing(t *testing.T) {
	m, o := heldModel(t)
	m.comes("a", rawStream)
	r := o.rooms["a"]
	r.inside.Fail(1, errors.New("nothing was published"))
	r.inside.Begin(1, order.Point{}, nil)
	r.inside.Place(7, elsewhere(1, "one"))
	m.steps()
	h := m.hub("a")
	e := m.outside(h, "two", "")
	m.exit(0, "a") // waits behind it
	m.steps()
	tag := r.published[0].tag
	r.inside.Fail(tag+1, errors.New("that is no message"))
	r.inside.Fail(tag+2, errors.New("there is none"))
	m.steps()
	for range 2 {
		r.inside.Fail(tag, errors.New("no"))
	}
	r.inside.Place(tag, elsewhere(2, "after all"))
	m.steps()
	if err := e.outcome(t); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	h.atRest(t)
	if n := m.pool.Panics(); n > 0 {
		t.Error(m.panics)
	}
}

// Wherever it panics, each message is heard or told to be missing, and its author knows
// what became of it.
func TestPanicInAnOrderedRoomIsTold(t *testing.T) {
	for k := 1; ; k++ {
		m, o := heldModel(t)
		m.comes("a", chatStream)
		r := o.rooms["a"]
		r.inside.Begin(1, order.Point{}, nil)
		m.steps()
		h, calls := m.hub("a"), 0
		m.server.clock = func() int64 {
			if calls++; calls == k {
				panic("planted fault")
			}
			return m.clock
		}
		e := m.outside(h, "first", "n")
		m.steps()
		placed := len(r.published) == 1
		if placed {
			first := r.published[0]
			first.m.Seq, first.m.At = 2, 1002
			r.inside.Place(first.tag, first.m)
			m.steps()
		}
		r.inside.Place(0, elsewhere(5, "next"))
		m.steps()
		if calls < k {
			if k == 1 {
				t.Error("it never panicked")
			}
			return
		}
		got := m.heard(0)
		if strings.Count(got, `"first"`)+strings.Count(got, `"to":2,`) != 1 && placed {
			t.Errorf("%d: the first message is not told of: %s", k, got)
		}
		if strings.Count(got, `"next"`)+strings.Count(got, `"to":5,`) != 1 {
			t.Errorf("%d: the next message is not told of: %s", k, got)
		}
		if err := e.outcome(t); (err == nil) != strings.Contains(got, `"first"`) {
			t.Errorf("%d: %v, and %s", k, err, got)
		}
		h.atRest(t)
	}
}

// What waits too long is let go of, and yet who said it knows that it has its place.
func TestWhatIsLetGoOfIsToldOnce(t *testing.T) {
	m, o := heldModel(t)
	m.comes("a", chatStream)
	r := o.rooms["a"]
	r.inside.Begin(1, order.Point{}, nil)
	m.steps()
	h := m.hub("a")
	taken, failed := m.outside(h, "mine", "1"), m.outside(h, "never", "2")
	m.steps()
	large := func(seq uint64) order.Message {
		return order.Message{Seq: seq, At: 1, Payload: bytes.Repeat([]byte{'x'}, maxComing/8)}
	}
	for seq := range uint64(14) {
		r.inside.Place(0, large(seq+1))
	}
	mine := r.published[0]
	mine.m.Seq, mine.m.At = 20, 1020
	r.inside.Place(mine.tag, mine.m)
	r.inside.Fail(r.published[1].tag, errors.New("no"))
	r.inside.Miss(order.Point{Seq: 30})
	var kept []order.Message
	r.inside.(order.Keeper).Recall(func(_ order.Point, k []order.Message) { kept = k })
	h.Run(m.worker) // before any shard
	h.atRest(t)
	if err := taken.outcome(t); err != nil || taken.receipt != (Receipt{Seq: 20, At: 1020, Epoch: 1}) {
		t.Errorf("%+v, %v", taken.receipt, err)
	}
	if err := failed.outcome(t); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if len(kept) == 0 {
		t.Error("another node was told nothing")
	}
	r.inside.Place(0, elsewhere(31, "after"))
	m.steps()
	got := m.heard(0)
	if strings.Count(got, `{"type":"gap","room":"a","from":5,"to":30,"why":"history"}`) != 1 || strings.Count(got, `"gap"`) != 1 || !strings.Contains(got, `"after"`) {
		t.Errorf("%d bytes, with %d gaps", len(got), strings.Count(got, `"gap"`))
	}
	// So it is with what an epoch begins with.
	var begin []order.Message
	for seq := range uint64(20) {
		begin = append(begin, elsewhere(seq+4, "kept"))
	}
	r.inside.Begin(2, order.Point{Seq: 3}, begin)
	for seq := range uint64(10) {
		r.inside.Place(0, large(seq+101))
	}
	m.net[0].got = nil
	h.Run(m.worker)
	h.atRest(t)
	if !h.order.begun {
		t.Error("the room did not begin")
	}
	r.inside.Place(0, elsewhere(111, "after"))
	m.steps()
	got = m.heard(0)
	for _, want := range []string{
		`{"type":"gap","room":"a","from":1,"to":3,"why":"epoch","epoch":"00000002"}`,
		`{"type":"gap","room":"a","from":7,"to":110,"why":"history"}`,
		`"after"`,
	} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s is told %d times: %.2000s", want, strings.Count(got, want), got)
		}
	}
}

// An order may begin anew before anybody was there.
func TestOrderThatBeginsTwiceBeforeAnybodyIsIn(t *testing.T) {
	m, o := heldModel(t)
	m.comes("a", chatStream)
	r := o.rooms["a"]
	r.inside.Begin(1, order.Point{Seq: 7}, []order.Message{elsewhere(9, "of the first")})
	r.inside.Place(0, elsewhere(10, "of the first"))
	r.inside.Begin(2, order.Point{Seq: 1}, []order.Message{elsewhere(2, "of the second")})
	m.steps()
	got := m.heard(0)
	if !strings.Contains(got, `"epoch":"00000002","seq":1,`) || strings.Contains(got, "first") || strings.Contains(got, `"gap"`) || !strings.Contains(got, "of the second") {
		t.Error(got)
	}
	if st := m.server.Stats(); st.KeptMessages != 1 {
		t.Errorf("%+v", st)
	}
}

// What is under way when an order begins anew has an end, too.
func TestOrderThatBeginsAnewWhileSomethingIsUnderWay(t *testing.T) {
	m, o := heldModel(t)
	m.comes("a", chatStream)
	r := o.rooms["a"]
	r.inside.Begin(1, order.Point{}, nil)
	m.steps()
	h := m.hub("a")
	e, f := m.outside(h, "placed later", "1"), m.outside(h, "fails", "2")
	m.steps()
	r.inside.Begin(2, order.Point{Seq: 4}, nil)
	p := r.published[0]
	p.m.Seq, p.m.At = 5, 1005
	r.inside.Place(p.tag, p.m)
	r.inside.Fail(r.published[1].tag, errors.New("no"))
	m.steps()
	if err := e.outcome(t); err != nil || e.receipt != (Receipt{Seq: 5, At: 1005, Epoch: 2}) {
		t.Errorf("%+v, %v", e.receipt, err)
	}
	if err := f.outcome(t); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	h.atRest(t)
}

func TestRoomThatNeverBeganIsLeftWhenNobodyWaits(t *testing.T) {
	m, o := heldModel(t)
	m.server.config.HandshakeTimeout = time.Second
	m.comes("a", chatStream)
	r := o.rooms["a"]
	e := m.outside(m.hub("a"), "hi", "")
	look := &errand{room: "a", post: newPost(false), visit: func(*hub) { t.Error("there is nothing to look at") }}
	m.server.begin(look)
	m.steps()
	if len(e.done)+len(look.done) > 0 || r.left {
		t.Fatal("it is too early")
	}
	h := m.hub("a")
	m.seconds(3)
	for _, e := range []*errand{e, look} {
		if err := e.outcome(t); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	}
	if !m.clients[0].has(statusLate) || !r.left || m.hub("a") != nil {
		t.Error("the room is still there")
	}
	h.atRest(t)
	r.inside.Begin(1, order.Point{}, []order.Message{elsewhere(1, "too late")})
	m.steps()
	if st := m.server.Stats(); st.Rooms != 0 || st.KeptMessages != 0 {
		t.Errorf("%+v", st)
	}
}

func TestServerThatGoesAwayWaitsForWhatIsUnderWay(t *testing.T) {
	for _, fails := range []bool{false, true} {
		m, o := heldModel(t)
		m.comes("a", rawStream)
		r := o.rooms["a"]
		r.inside.Begin(1, order.Point{}, nil)
		m.steps()
		m.outside(m.hub("a"), "last words", "")
		m.steps()
		m.comes("b", rawStream) // never begins
		m.server.enter(closing)
		m.seconds(3)
		if bytes.Contains(m.net[0].got, goodbye[GoingAway]) {
			t.Fatal("it did not wait")
		}
		if !m.clients[1].has(statusLate) {
			t.Error("who waits for a room is not refused")
		}
		p, want := r.published[0], goodbye[GoingAway]
		if p.m.Seq, p.m.At = 1, 1; fails {
			r.inside.Fail(p.tag, errors.New("no"))
		} else {
			r.inside.Place(p.tag, p.m)
			want = append([]byte("last words"), want...)
		}
		m.seconds(1)
		if !bytes.HasSuffix(m.net[0].got, want) {
			t.Errorf("%q", m.net[0].got)
		}
	}
}

// Beyond its memory a room lets go of the oldest, and says so to the Source.
func TestOrderedRoomLosesHistoryToTheOthers(t *testing.T) {
	const size = 1000
	m, o := heldModel(t)
	m.server.config.History, m.server.config.HistoryMemory = 100, 40<<10
	m.comes("a", rawStream)
	r := o.rooms["a"]
	r.inside.Begin(1, order.Point{}, nil)
	m.steps()
	for n := range 60 {
		r.inside.Place(0, order.Message{Seq: uint64(3*n + 1), At: m.clock, Payload: bytes.Repeat([]byte{'x'}, size)})
		m.steps()
	}
	m.seconds(3)
	h, kept := m.hub("a"), m.kept("a")
	want := uint64(3*(60-kept-1) + 1) // the last that is not kept
	if kept == 0 || kept > 40 || r.forgot != want || len(h.order.numbers.runs) > kept+1 {
		t.Errorf("%d are kept, up to %d it was told to forget, want %d; %d runs", kept, r.forgot, want, len(h.order.numbers.runs))
	}
	if st := m.server.Stats(); st.KeptBytes > 40<<10 {
		t.Errorf("%d bytes are kept", st.KeptBytes)
	}
	m.arrive("a", 1<<30, chatStream, position.Since{Kind: position.At, Position: position.Position{Epoch: 1, Seq: 1, At: -1}})
	m.steps()
	if gap := fmt.Sprintf(`{"type":"gap","room":"a","from":2,"to":%d,"why":"history"}`, want); !strings.Contains(m.heard(1), gap) {
		t.Errorf("%.500s", m.heard(1))
	}
	m.server.config.HistoryMemory = 1
	m.seconds(3)
	if st := m.server.Stats(); st.KeptBytes != 0 || r.forgot != 3*59+1 || cap(h.order.numbers.runs) > 8 {
		t.Errorf("%d bytes are kept, up to %d it was told to forget", st.KeptBytes, r.forgot)
	}
}

func TestOrderedRoomWithoutHistory(t *testing.T) {
	s, o := startOrdered(t, withHistory(0))
	ana := s.asks("/a")
	r := o.room("a")
	r.inside.Begin(1, order.Point{Seq: 4, At: 1004}, []order.Message{elsewhere(6, "six")})
	ana.welcomed(event{"type": "welcome", "seq": 6})
	ana.sends(`{"type":"say","text":"hi","nonce":"n"}`)
	r.place(9, 1009)
	ana.hears(event{"type": "say", "seq": 9, "nonce": "n"})
	for since, want := range map[string][]event{
		"":                {{"type": "welcome", "seq": 9}},
		"now":             {{"type": "welcome", "seq": 9}},
		"00000001.9.1009": {{"type": "welcome", "seq": 9, "resumed": true}},
		"00000001.9.1008": {{"type": "welcome", "seq": 9, "resumed": false}, {"type": "gap", "from": 1, "to": 9, "why": "mismatch"}},
		"00000001.6.1006": {{"type": "welcome", "seq": 9, "resumed": false}, {"type": "gap", "from": 7, "to": 9, "why": "history"}},
	} {
		c := s.asks("/a?since=" + since)
		c.welcomed(want[0])
		if len(want) > 1 {
			c.hears(want[1])
		}
		c.leaves()
	}
	if x, err := s.Messages(t.Context(), "a", position.Since{}, 10); err != nil || len(x.known) != 0 {
		t.Error(x, err)
	}
}

// The time of a gap may not be known; who comes from another node may know it.
func TestGapOfWhichNobodyKnowsTheTime(t *testing.T) {
	s, o := startOrdered(t, withHistory(2), func(c *Config) { c.HistoryAge = time.Hour })
	ana := s.asks("/a?since=now")
	r := o.room("a")
	r.inside.Begin(1, order.Point{Seq: 1}, []order.Message{elsewhere(3, "three")})
	ana.welcomed(event{"type": "welcome", "seq": 3})
	r.inside.Miss(order.Point{Seq: 6})
	ana.hears(event{"type": "gap", "from": 4, "to": 6})
	comes := func(since string, want ...event) {
		t.Helper()
		c := s.asks("/a?since=" + since)
		c.welcomed(want[0])
		for _, e := range want[1:] {
			c.hears(e)
		}
		c.leaves()
	}
	comes("00000001.1.1001", event{"seq": 1, "resumed": false}, event{"type": "say", "seq": 3}, event{"type": "gap", "from": 4, "to": 6})
	comes("00000001.6.1006", event{"seq": 6, "resumed": true})
	// Once it is the first that is kept it is nothing for those who are new, and a part of
	// what others have missed.
	r.inside.Place(0, elsewhere(8, "eight"))
	ana.hears(event{"type": "say", "seq": 8})
	comes("", event{"seq": 6, "resumed": false}, event{"type": "say", "seq": 8})
	comes("00000001.2", event{"seq": 6, "resumed": false}, event{"type": "gap", "from": 3, "to": 6, "why": "history"}, event{"type": "say", "seq": 8})
	comes("00000001.3.1003", event{"seq": 6, "resumed": false}, event{"type": "gap", "from": 4, "to": 6, "why": "history"}, event{"type": "say", "seq": 8})
	since, _ := position.ParseSince("00000001.0")
	x, err := s.Messages(t.Context(), "a", since, 10)
	if err != nil || x.Gap != (chat.Gap{From: 1, To: 6, Why: chat.History}) || len(x.known) != 1 || x.known[0].Seq != 8 {
		t.Error(x, err)
	}
	if st := s.Stats(); st.Skipped != 1 {
		t.Errorf("%+v", st)
	}
}

// A reader of events comes back with the id of the last one, whatever numbers there are
// between.
func TestEventsGoOnBehindTheirIDsThoughThereAreHoles(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	ana := s.asks("/a")
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, []order.Message{elsewhere(3, "three")})
	ana.welcomed(event{"type": "welcome"})
	l := s.listen(eventsRequest("a/events"))
	l.hearsText("three")
	ids := []string{l.last}
	r.inside.Miss(order.Point{Seq: 6})
	l.hears(event{"type": "gap", "from": 4, "to": 6})
	ids = append(ids, l.last)
	r.inside.Place(0, elsewhere(8, "eight"))
	r.inside.Place(0, elsewhere(9, "nine"))
	l.hearsText("eight")
	ids = append(ids, l.last)
	if want := "[00000001.3.1003 00000001.6 00000001.8.1008]"; fmt.Sprint(ids) != want {
		t.Errorf("%v, want %s", ids, want)
	}
	for i, id := range ids {
		l := s.listen(eventsRequest("a/events", "Last-Event-ID: "+id))
		if i == 0 {
			l.hears(event{"type": "gap", "from": 4, "to": 6})
		}
		if i < 2 {
			l.hearsText("eight")
		}
		l.hearsText("nine")
	}
}

// A raw client can't be told of a gap, but it goes on, and what it says is heard.
func TestRawClientsGoOnBehindAGap(t *testing.T) {
	m, o := heldModel(t)
	for range 2 {
		m.comes("a", rawStream)
	}
	m.net[1].free = len(m.net[1].got) // takes nothing more for now
	m.net[1].free = 0
	r := o.rooms["a"]
	r.inside.Begin(1, order.Point{}, nil)
	m.steps()
	r.inside.Place(0, elsewhere(1, "one"))
	r.inside.Miss(order.Point{Seq: 4})
	r.inside.Place(0, elsewhere(5, "five"))
	m.steps()
	m.net[1].free = 1 << 20
	m.clients[1].Writable(nil)
	m.steps()
	want := string(ws.MustCompileFrame(ws.NewTextFrame([]byte("one")))) + "\x8a\x00" + string(ws.MustCompileFrame(ws.NewTextFrame([]byte("five"))))
	for i := range 2 {
		if !strings.HasSuffix(m.heard(i), want) {
			t.Errorf("client %d: %q", i, m.heard(i))
		}
	}
}

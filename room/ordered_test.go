package room

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/chat"
	"chatd/room/order"
	"chatd/room/position"
)

// heldOrder is a Source that does what a test tells it, and nothing by itself.
type heldOrder struct {
	s *testServer

	mu    sync.Mutex
	rooms map[string]*heldRoom
}

// heldRoom is a room that was entered.
type heldRoom struct {
	order     *heldOrder
	name      string
	inside    order.Room
	published []heldMessage // that have no place yet
	forgot    uint64
	left      bool
}

type heldMessage struct {
	tag uint64
	m   order.Message
}

func (o *heldOrder) Enter(name string, inside order.Room) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rooms[name] = &heldRoom{order: o, name: name, inside: inside}
}

func (o *heldOrder) Publish(name string, tag uint64, m order.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.rooms[name]
	if r.left {
		panic("the room was left")
	}
	r.published = append(r.published, heldMessage{tag, m})
}

func (o *heldOrder) Forget(name string, seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rooms[name].forgot = seq
}

func (o *heldOrder) Leave(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rooms[name].left = true
}

func (o *heldOrder) Ready() error { return nil }
func (o *heldOrder) Close() error { return nil }

// room waits for the room to be entered.
func (o *heldOrder) room(name string) (r *heldRoom) {
	o.s.t.Helper()
	o.s.until(func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		r = o.rooms[name]
		return r != nil
	})
	return r
}

// take waits for the next message that is published.
func (r *heldRoom) take() (p heldMessage) {
	r.order.s.t.Helper()
	r.order.s.until(func() bool {
		r.order.mu.Lock()
		defer r.order.mu.Unlock()
		if len(r.published) == 0 {
			return false
		}
		p, r.published = r.published[0], r.published[1:]
		return true
	})
	return p
}

// place gives the next message that is published its place.
func (r *heldRoom) place(seq uint64, at int64) {
	r.order.s.t.Helper()
	p := r.take()
	p.m.Seq, p.m.At = seq, at
	r.inside.Place(p.tag, p.m)
}

// elsewhere is a message that came from another node.
func elsewhere(seq uint64, text string) order.Message {
	return order.Message{ID: "far", Name: "Far", Payload: []byte(text), Seq: seq, At: int64(1000 + seq)}
}

// startOrdered starts a server whose rooms' orders are the test's.
func startOrdered(t *testing.T, change ...func(*Config)) (*testServer, *heldOrder) {
	o := &heldOrder{rooms: make(map[string]*heldRoom)}
	s := startServer(t, append(change, func(c *Config) { c.Order = o })...)
	o.s = s
	s.setClock(5000)
	return s, o
}

// asks sends a handshake whose answer waits.
func (s *testServer) asks(target string) *chatPeer {
	c := &chatPeer{peer: s.dial()}
	c.peer.say(chatRequest(target))
	return c
}

// welcomed reads the answer and the welcome.
func (c *chatPeer) welcomed(want event) {
	c.t.Helper()
	c.joined()
	w := c.hears(want)
	c.id, c.epoch, c.seq = w["id"].(string), w["epoch"].(string), int(w["seq"].(float64))
}

func TestNobodyComesInBeforeTheOrderHasBegun(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	ana, bob := s.asks("/a"), s.asks("/a?since=000000aa.7.1007")
	late := s.asks("/a?since=000000aa.3")
	o.room("a").inside.Begin(0xaa, order.Point{Seq: 5, At: 1005}, []order.Message{elsewhere(7, "seven"), elsewhere(9, "nine")})
	ana.welcomed(event{"type": "welcome", "epoch": "000000aa", "seq": 5, "resumed": false})
	ana.hears(event{"type": "say", "seq": 7, "at": 1007, "id": "far", "name": "Far", "text": "seven"})
	ana.hears(event{"type": "say", "seq": 9, "text": "nine"})
	bob.welcomed(event{"type": "welcome", "seq": 7, "resumed": true})
	bob.hears(event{"type": "say", "seq": 9})
	late.welcomed(event{"type": "welcome", "seq": 5, "resumed": false})
	late.hears(event{"type": "gap", "from": 4, "to": 5, "why": "history"})
	late.hears(event{"type": "say", "seq": 7})
	if f, err := s.Figures(t.Context(), "a"); err != nil || f.Seq != 9 || f.Epoch != 0xaa {
		t.Error(f, err)
	}
	if st := s.Stats(); st.Messages != 0 || st.KeptMessages != 2 {
		t.Errorf("%+v: what was there is not new", st)
	}
	for since, want := range map[string]event{
		"000000aa.5.1005": {"seq": 5, "resumed": true}, // the last that is not kept
		"000000aa.6":      {"seq": 5, "resumed": true}, // of a gap's end: nothing is missing
		"000000aa.8":      {"seq": 7, "resumed": true},
		"000000aa.8.1008": {"seq": 5, "resumed": false}, // there is no such message
		"000000aa.9.1008": {"seq": 5, "resumed": false},
		"000000aa.10":     {"seq": 5, "resumed": false},
		"000000ab.9":      {"seq": 5, "resumed": false},
		"now":             {"seq": 9, "resumed": false},
	} {
		c := s.asks("/a?since=" + since)
		c.welcomed(want)
		c.leaves()
	}
}

func TestMessageIsToldWhenItHasItsPlace(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	ana, raw := s.asks("/a?since=now"), s.dial()
	raw.say(strings.Replace(upgradeRequest, "/ws", "/ws/a", 1))
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, nil)
	ana.welcomed(event{"type": "welcome"})
	raw.joined()
	ana.sends(`{"type":"say","text":"hi","nonce":"n"}`)
	p := r.take()
	if p.m.ID != ana.id || p.m.Nonce != "n" || string(p.m.Payload) != "hi" || p.m.Binary {
		t.Errorf("%+v", p.m)
	}
	r.inside.Place(0, elsewhere(3, "first"))
	p.m.Seq, p.m.At = 4, 2000
	r.inside.Place(p.tag, p.m)
	ana.hears(event{"type": "say", "seq": 3, "text": "first"})
	ana.hears(event{"type": "say", "seq": 4, "at": 2000, "text": "hi", "nonce": "n"})
	raw.expect(ws.OpText, "first")
	raw.expect(ws.OpText, "hi")
	r.inside.Place(0, elsewhere(5, "no text\xff"))
	raw.expect(ws.OpBinary, "no text\xff")
	ana.hears(event{"type": "say", "seq": 5, "data": "bm8gdGV4dP8="})
	raw.say(masked(ws.OpBinary, true, "\x01"))
	r.place(6, 2001)
	raw.expect(ws.OpBinary, "\x01")
	ana.hears(event{"type": "say", "seq": 6, "data": "AQ=="})

	type answer struct {
		r   Receipt
		err error
	}
	answers := make(chan answer)
	go func() {
		r, err := s.NewPublisher("token").Publish(t.Context(), "a", chat.Publication{Text: []byte("out"), Nonce: "1"})
		answers <- answer{r, err}
	}()
	r.place(9, 3000)
	if a := <-answers; a.err != nil || a.r != (Receipt{Seq: 9, At: 3000, Epoch: 1}) {
		t.Errorf("%+v", a)
	}
	if again, err := s.NewPublisher("token").Publish(t.Context(), "a", chat.Publication{Text: []byte("out"), Nonce: "1"}); err != nil || again != (Receipt{Seq: 9, At: 3000, Epoch: 1, Again: true}) {
		t.Errorf("%+v, %v", again, err)
	}
	// What somebody said is heard though he leaves before it has its place.
	ana.hears(event{"type": "say", "seq": 9})
	ana.sends(`{"type":"say","text":"bye"}`)
	ana.peer.say(masked(ws.OpClose, true, "\x03\xe8"))
	r.place(10, 3001)
	ana.hears(event{"type": "say", "seq": 10, "text": "bye"})
	ana.expectCloseAfterEvents(ws.StatusNormalClosure)
}

func TestWhatOneSaysIsKnownToBeHis(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	ana, raw := s.asks("/a?since=now"), s.dial()
	raw.say(strings.Replace(upgradeRequest, "/ws", "/ws/a", 1))
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, nil)
	ana.welcomed(event{"type": "welcome"})
	raw.joined()
	seq := uint64(0)
	by := func() uintptr {
		t.Helper()
		p := r.take()
		seq++
		p.m.Seq, p.m.At = seq, int64(seq)
		r.inside.Place(p.tag, p.m)
		return p.m.By
	}
	ana.sends(`{"type":"say","text":"1"}`)
	anas := by()
	ana.sends(`{"type":"name","name":"Anna"}`)
	ana.sends(`{"type":"say","text":"2"}`)
	again := by()
	raw.say(masked(ws.OpText, true, "3"))
	raws := by()
	raw.say(masked(ws.OpText, true, "4"))
	rawAgain := by()
	answered := make(chan error)
	go func() {
		_, err := s.NewPublisher("token").Publish(t.Context(), "a", chat.Publication{Text: []byte("5")})
		answered <- err
	}()
	outside := by()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if anas == 0 || anas != again || raws == 0 || raws != rawAgain || anas == raws || outside != 0 {
		t.Errorf("%x %x, %x %x, %x", anas, again, raws, rawAgain, outside)
	}
}

func TestMessageWithoutAPlaceIsToldToItsAuthor(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	ana, raw := s.asks("/a"), s.dial()
	raw.say(strings.Replace(upgradeRequest, "/ws", "/ws/a", 1))
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, nil)
	ana.welcomed(event{"type": "welcome"})
	raw.joined()
	ana.sends(`{"type":"say","text":"hi","nonce":"n"}`)
	r.inside.Fail(r.take().tag, errors.New("nobody is there"))
	if e := ana.hearsError(chat.Unavailable); e["nonce"] != "n" {
		t.Error(e)
	}
	raw.say(text("lost"))
	r.inside.Fail(r.take().tag, errors.New("nobody is there"))
	failed := make(chan error)
	go func() {
		_, err := s.NewPublisher("token").Publish(t.Context(), "a", chat.Publication{Text: []byte("out")})
		failed <- err
	}()
	r.inside.Fail(r.take().tag, errors.New("nobody is there"))
	if err := <-failed; !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	ana.sends(`{"type":"say","text":"again","nonce":"n"}`)
	r.place(1, 1)
	ana.hears(event{"type": "say", "seq": 1, "text": "again", "nonce": "n"})
	raw.expect(ws.OpText, "again")
	if st := s.Stats(); st.Unplaced != 3 || st.Messages != 1 || st.Rejected["unavailable"] != 1 {
		t.Errorf("%+v", st)
	}
}

func TestWhatIsSaidTwiceIsHeardOnce(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	ana := s.asks("/a")
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, nil)
	ana.welcomed(event{"type": "welcome"})
	ana.sends(`{"type":"say","text":"hi","nonce":"n"}`)
	ana.sends(`{"type":"say","text":"hi","nonce":"n"}`) // waits for what comes of the first
	first := r.take()
	first.m.Seq, first.m.At = 5, 5
	r.inside.Place(first.tag, first.m)
	ana.hears(event{"type": "say", "seq": 5})
	// It came twice by way of another node.
	first.m.Seq = 6
	r.inside.Place(0, first.m)
	r.inside.Place(0, elsewhere(7, "next"))
	hears := func(want event) {
		t.Helper()
		e := ana.next()
		for e.has(event{"type": "say", "seq": 5}) { // that it was said is told again, perhaps
			e = ana.next()
		}
		if !e.has(want) {
			t.Fatalf("got %v, want %v", e, want)
		}
	}
	hears(event{"type": "say", "seq": 7})
	ana.sends(`{"type":"say","text":"hi","nonce":"m"}`)
	r.inside.Fail(r.take().tag, errors.New("no"))
	hears(event{"type": "error", "code": string(chat.Unavailable)})
	ana.sends(`{"type":"say","text":"hi","nonce":"m"}`)
	r.place(8, 8)
	hears(event{"type": "say", "seq": 8, "nonce": "m"})
}

func TestOrderThatBeginsAnewIsToldByAGap(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	ana := s.asks("/a")
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, []order.Message{elsewhere(1, "one"), elsewhere(2, "two")})
	ana.welcomed(event{"type": "welcome", "epoch": "00000001"})
	ana.hearsText("one", "two")
	listener := s.listen(bareRequest("a/events"))
	listener.hearsText("one", "two")
	r.inside.Begin(2, order.Point{Seq: 3, At: 1003}, []order.Message{elsewhere(4, "four")})
	ana.hears(event{"type": "gap", "room": "a", "from": 1, "to": 3, "why": "epoch", "epoch": "00000002"})
	ana.hears(event{"type": "say", "seq": 4, "text": "four"})
	bob := s.asks("/a?since=00000001.2.1002")
	bob.welcomed(event{"type": "welcome", "epoch": "00000002", "seq": 3, "resumed": false})
	bob.hears(event{"type": "gap", "from": 1, "to": 3, "why": "epoch"})
	bob.hears(event{"type": "say", "seq": 4})
	eve := s.asks("/a?since=00000002.3.1003")
	eve.welcomed(event{"type": "welcome", "seq": 3, "resumed": true})
	eve.hears(event{"type": "say", "seq": 4})
	if e := listener.hears(event{"type": "gap", "to": 3, "epoch": "00000002"}); e.id != "00000002.3" {
		t.Error(e)
	}
	if e := listener.hears(event{"type": "say", "text": "four"}); e.id != "00000002.4.1004" {
		t.Error(e)
	}
}

func TestWhatIsMissedIsToldOnceToEverybody(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	ana := s.asks("/a")
	raw := s.dial()
	raw.say(strings.Replace(upgradeRequest, "/ws", "/ws/a", 1))
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, []order.Message{elsewhere(2, "two")})
	ana.welcomed(event{"type": "welcome"})
	raw.joined()
	ana.hearsText("two")
	r.inside.Miss(order.Point{Seq: 6, At: 1006})
	ana.hears(event{"type": "gap", "from": 3, "to": 6, "why": "history"})
	r.inside.Miss(order.Point{Seq: 6, At: 1006}) // known
	r.inside.Place(0, elsewhere(8, "eight"))
	ana.hears(event{"type": "say", "seq": 8})
	raw.expect(ws.OpPong, "") // says nothing
	raw.expect(ws.OpText, "eight")
	for since, want := range map[string][]event{
		"":                {{"type": "welcome", "seq": 0}, {"type": "say", "seq": 2}, {"type": "gap", "from": 3, "to": 6}, {"type": "say", "seq": 8}},
		"00000001.0":      {{"type": "welcome", "seq": 0, "resumed": false}, {"type": "say", "seq": 2}, {"type": "gap", "from": 3, "to": 6}, {"type": "say", "seq": 8}},
		"00000001.2.1002": {{"type": "welcome", "seq": 6, "resumed": false}, {"type": "gap", "from": 3, "to": 6}, {"type": "say", "seq": 8}},
		"00000001.4.1004": {{"type": "welcome", "seq": 6, "resumed": false}, {"type": "gap", "from": 5, "to": 6}, {"type": "say", "seq": 8}}, // who was on another node
		"00000001.6":      {{"type": "welcome", "seq": 6, "resumed": true}, {"type": "say", "seq": 8}},
		"00000001.6.1006": {{"type": "welcome", "seq": 6, "resumed": true}, {"type": "say", "seq": 8}},
		"00000001.7":      {{"type": "welcome", "seq": 6, "resumed": true}, {"type": "say", "seq": 8}},
		"00000001.8.1008": {{"type": "welcome", "seq": 8, "resumed": true}},
	} {
		for _, offer := range []string{"", "Sec-WebSocket-Extensions: permessage-deflate"} {
			c := &chatPeer{peer: s.dial()}
			lines := []string{}
			if offer != "" {
				lines = append(lines, offer)
			}
			c.peer.say(chatRequest("/a?since="+since, lines...))
			c.joined()
			for _, e := range want {
				if got := c.next(); !got.has(e) {
					t.Errorf("since %s: %v, want %v", since, got, e)
				}
			}
			c.leaves()
		}
	}
	part := func(since string, limit int) (seqs []uint64, x *Excerpt) {
		at, _ := position.ParseSince(since)
		x, err := s.Messages(t.Context(), "a", at, limit)
		if err != nil {
			t.Fatal(err)
		}
		for m := range x.All() {
			seqs = append(seqs, m.Seq)
		}
		return seqs, x
	}
	if seqs, x := part("00000001.0", 10); len(seqs) != 1 || seqs[0] != 2 || x.Missing {
		t.Error(seqs, x)
	}
	if seqs, x := part("00000001.2", 10); len(seqs) != 1 || seqs[0] != 8 || x.Gap != (chat.Gap{From: 3, To: 6, Why: chat.History}) {
		t.Error(seqs, x)
	}
	if seqs, x := part("", 10); len(seqs) != 1 || seqs[0] != 8 || x.Missing {
		t.Error(seqs, x)
	}
}

func TestRoomThatNobodyNeedsLeavesTheOrder(t *testing.T) {
	s, o := startOrdered(t, withHistory(2))
	ana := s.asks("/a")
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, []order.Message{elsewhere(1, "1"), elsewhere(2, "2"), elsewhere(3, "3")})
	ana.welcomed(event{"type": "welcome", "seq": 1})
	ana.hearsText("2", "3")
	told := func(left bool, forgot uint64) func() bool {
		return func() bool {
			s.Tick()
			o.mu.Lock()
			defer o.mu.Unlock()
			return r.left == left && r.forgot == forgot
		}
	}
	s.until(told(false, 1))
	ana.leaves()
	s.setClock(5000 + 25*time.Hour.Milliseconds())
	s.until(told(true, 3))
}

func TestRoomThatOthersShareIsLeftAfterAWhile(t *testing.T) {
	s, o := startOrdered(t, withHistory(10), func(c *Config) { c.OrderGrace = time.Second })
	ana := s.asks("/a")
	r := o.room("a")
	r.inside.Begin(1, order.Point{}, []order.Message{elsewhere(1, "1")})
	ana.welcomed(event{"type": "welcome"})
	ana.hearsText("1")
	left := func() bool {
		s.Tick()
		o.mu.Lock()
		defer o.mu.Unlock()
		return r.left
	}
	for range 5 * ticksPerSecond {
		if left() {
			t.Fatal("it was left while somebody was there")
		}
	}
	ana.leaves()
	s.until(left)
	if r.forgot != 0 {
		t.Error("it is not one node's to forget what others share")
	}
	if st := s.Stats(); st.KeptMessages != 0 {
		s.until(func() bool { return s.Stats().KeptMessages == 0 })
	}
	s.asks("/a")
	s.until(func() bool { return o.room("a") != r })
	o.room("a").inside.Begin(1, order.Point{}, nil)
}

// All that was said in a room may have become too old while the process was down: who
// was there before comes back to its number.
func TestRoomOfWhichNothingIsKeptWaitsForItsMembersAfterAStart(t *testing.T) {
	s, o := startOrdered(t, withHistory(10))
	if err := s.Open(t.Context(), []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	a, b := o.room("a"), o.room("b")
	s.setClock(1005 + 25*time.Hour.Milliseconds())
	left := func(r *heldRoom) bool {
		s.Tick()
		o.mu.Lock()
		defer o.mu.Unlock()
		return r.left
	}
	for _, r := range []*heldRoom{a, b} {
		r.inside.Begin(7, order.Point{Seq: 4, At: 1004}, []order.Message{elsewhere(5, "old")})
		s.until(func() bool { f, err := s.Figures(t.Context(), r.name); return err == nil && f.Epoch == 7 && f.Seq == 5 })
	}
	for range returnGrace / TickInterval / 2 {
		if left(a) {
			t.Fatal("nobody had time to come back")
		}
	}
	ana := s.asks("/a?since=00000007.5.1005")
	ana.welcomed(event{"type": "welcome", "seq": 5, "resumed": true})
	s.until(func() bool { return left(b) })
	if left(a) {
		t.Error("it was left while somebody was there")
	}
	ana.leaves()
	s.until(func() bool { return left(a) })
}

func TestRoomWhoseOrderCannotBeReachedIsRefused(t *testing.T) {
	s, o := startOrdered(t)
	c := s.asks("/a")
	ana := s.asks("/b")
	o.room("b").inside.Begin(1, order.Point{}, nil)
	ana.welcomed(event{"type": "welcome"})
	ana.sends(`{"type":"join","room":"a","nonce":"n"}`)
	o.room("a")
	answered, published := make(chan *http.Response), make(chan error)
	go func() { // not by response: a Fatal there would end nothing
		r, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Error(err)
			r = new(http.Response)
		}
		answered <- r
	}()
	go func() {
		_, err := s.NewPublisher("token").Publish(t.Context(), "a", chat.Publication{Text: []byte("x")})
		published <- err
	}()
	for n := 0; n < 2; {
		select {
		case r := <-answered:
			if n++; r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
				t.Error(r.Status)
			}
		case err := <-published:
			if n++; !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		case <-time.After(time.Millisecond):
			s.Tick()
		}
	}
	ana.hearsError(chat.Unavailable)
	s.until(func() bool { // it is of no use to anybody
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.rooms["a"].left
	})
}

func TestMembersThatAreTooFarBehindAreToldOfAGap(t *testing.T) {
	if ring || overTLS {
		t.Skip("its sockets are simulated")
	}
	m := newModel()
	m.source = newModelOrder(m)
	m.server.config.Order = m.source
	m.server.config.History = 10
	m.arrive("a", 1<<30, chatStream, position.Since{})
	m.settle()
	h, inside := m.hub("a"), m.source.room("a").inside
	const size = maxComing / 8
	for n := range 12 {
		inside.Place(0, order.Message{Seq: uint64(n + 1), At: 1, Payload: bytes.Repeat([]byte{'x'}, size)})
	}
	h.Run(m.worker) // before any shard
	if head := h.log.Head().Seq; head != modelQueue+1 || h.order.coming.bytes != 0 {
		t.Errorf("%d in the log, %d bytes wait", head, h.order.coming.bytes)
	}
	inside.Place(0, order.Message{Seq: 13, At: 1, Payload: []byte("after")})
	m.settle()
	got := string(m.net[0].got)
	for _, want := range []string{`"seq":4,`, `{"type":"gap","room":"a","from":5,"to":12,"why":"history"}`, `"seq":13,`} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s is told %d times", want, strings.Count(got, want))
		}
	}
}

func TestRoomTellsAnotherNodeWhatItKeeps(t *testing.T) {
	s, o := startOrdered(t, withHistory(3))
	c := s.asks("/lobby")
	r := o.room("lobby")
	recall := func() (behind order.Point, texts string) {
		t.Helper()
		done := make(chan struct{})
		r.inside.(order.Keeper).Recall(func(b order.Point, kept []order.Message) {
			defer close(done)
			behind = b
			for _, m := range kept {
				texts += fmt.Sprint(m.Seq, m.ID, m.Name, m.At, string(m.Payload), " ")
			}
		})
		<-done
		return behind, texts
	}
	check := func(behind order.Point, texts string) {
		t.Helper()
		if b, got := recall(); b != behind || got != texts {
			t.Errorf("behind %+v: %s, want %+v: %s", b, got, behind, texts)
		}
	}
	r.inside.Begin(7, order.Point{Seq: 10}, []order.Message{elsewhere(12, "a")})
	c.joined()
	check(order.Point{Seq: 10}, "12farFar1012a ")
	for seq := uint64(13); seq < 16; seq++ {
		r.inside.Place(0, elsewhere(seq, "b"))
	}
	check(order.Point{Seq: 12, At: 1012}, "13farFar1013b 14farFar1014b 15farFar1015b ")
	r.inside.Miss(order.Point{Seq: 20})
	r.inside.Place(0, elsewhere(21, "c"))
	check(order.Point{Seq: 20}, "21farFar1021c ")
}

func TestMessageThatIsThereTwiceIsHeardOnceThoughTheFirstIsNotKeptAnyMore(t *testing.T) {
	s, o := startOrdered(t, withHistory(2))
	ana := s.asks("/a")
	again := func(seq uint64) order.Message {
		m := elsewhere(seq, "again")
		m.Nonce = "n"
		return m
	}
	o.room("a").inside.Begin(0xaa, order.Point{}, []order.Message{again(1), elsewhere(2, "two"), again(3), elsewhere(4, "four")})
	ana.welcomed(event{"seq": 1})
	ana.hearsText("two", "four")
	if st := s.Stats(); st.KeptMessages != 2 {
		t.Errorf("%+v", st)
	}
}

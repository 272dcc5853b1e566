package room

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"chatd/room/order"
	"chatd/room/position"
)

// counting counts something of a room, as its hub's Task knows it.
func (s *testServer) counting(room string, count func(*ordered) int) func() int {
	return func() (n int) {
		s.t.Helper()
		h := s.directory.room(room)
		if err := s.ask(s.t.Context(), &h.Task, func() { n = count(h.order) }); err != nil {
			s.t.Fatal(err)
		}
		return n
	}
}

func TestWhoHasHeardMoreElsewhereWaits(t *testing.T) {
	s, o, _ := startShared(t)
	stays := s.asks("/a")
	r := o.room("a").inside
	r.Begin(0xaa, order.Point{}, []order.Message{elsewhere(1, "one")})
	stays.welcomed(event{"seq": 0})
	ana, eve := s.asks("/a?since=000000aa.3.1003"), s.asks("/a?since=000000aa.9")
	held := s.counting("a", func(o *ordered) int { return len(o.held) })
	s.until(func() bool { return held() == 2 })
	parts := make(chan error)
	go func() {
		at, _ := position.ParseSince("000000aa.3.1003")
		x, err := s.Messages(t.Context(), "a", at, 10)
		if err == nil && x.Missing {
			err = fmt.Errorf("%+v is missing", x.Gap)
		}
		parts <- err
	}()
	r.Place(0, elsewhere(2, "two"))
	stays.hearsText("one", "two")
	if n := held(); n != 2 {
		t.Errorf("%d wait", n)
	}
	r.Place(0, elsewhere(3, "three"))
	ana.welcomed(event{"seq": 3, "resumed": true})
	if err := <-parts; err != nil {
		t.Error(err)
	}
	s.until(func() bool { s.Tick(); return held() == 0 }) // there is no such message
	eve.welcomed(event{"resumed": false})
	eve.hears(event{"type": "gap", "from": 1, "why": "future"})

	bob := s.asks("/a?since=000000aa.9")
	s.until(func() bool { return held() == 1 })
	r.Begin(0xbb, order.Point{}, []order.Message{elsewhere(1, "anew")})
	bob.welcomed(event{"epoch": "000000bb", "resumed": false})
	bob.hears(event{"type": "gap", "from": 1, "to": 0, "why": "epoch"})
	bob.hearsText("anew")
}

// askedOrder is one that is asked how far a room is.
type askedOrder struct {
	*heldOrder
	asked chan func(last uint64, err error)
}

func (o *askedOrder) Ask(_ string, answer func(last uint64, err error)) { o.asked <- answer }

// answer answers the next question.
func (o *askedOrder) answer(last uint64, err error) {
	o.s.t.Helper()
	o.s.until(func() bool {
		o.s.Tick()
		select {
		case answer := <-o.asked:
			answer(last, err)
			return true
		default:
			return false
		}
	})
}

// startAsked has a room a that is at 7.
func startAsked(t *testing.T) (*testServer, *askedOrder, order.Room) {
	o := &askedOrder{&heldOrder{rooms: make(map[string]*heldRoom)}, make(chan func(uint64, error), 100)}
	s := startServer(t, withHistory(10), func(c *Config) {
		c.Order, c.Nodes, c.OrderGrace = o, &heldNodes{here: make(map[string]int), elsewhere: make(map[string]int)}, time.Second
	})
	o.s = s
	s.config.Nodes.(*heldNodes).s = s
	s.setClock(5000)
	ana := s.asks("/a?since=now")
	r := o.room("a").inside
	r.Begin(0xaa, order.Point{Seq: 5, At: 1005}, []order.Message{elsewhere(7, "seven")})
	ana.welcomed(event{"type": "welcome", "seq": 7})
	return s, o, r
}

func TestWhoHasHeardWhatThereIsWaitsForIt(t *testing.T) {
	s, o, r := startAsked(t)
	bob := s.asks("/a?since=000000aa.9.1009")
	o.answer(0, errors.New("nobody knows"))
	o.answer(9, nil)
	r.Place(0, elsewhere(9, "nine"))
	bob.welcomed(event{"type": "welcome", "seq": 9, "resumed": true})
}

func TestWhoHasHeardMoreElsewhereWaitsThoughTheRoomHasYetToBegin(t *testing.T) {
	s, o, _ := startShared(t)
	bob := s.asks("/a?since=000000aa.3.1003")
	r := o.room("a").inside
	waits := s.counting("a", func(o *ordered) int { return len(o.waits) })
	s.until(func() bool { return waits() == 1 })
	r.Begin(0xaa, order.Point{}, []order.Message{elsewhere(1, "one"), elsewhere(2, "two")})
	s.until(func() bool { return waits() == 0 })
	r.Place(0, elsewhere(3, "three"))
	bob.welcomed(event{"seq": 3, "resumed": true})
}

func TestWhoHasHeardWhatThereIsNotIsToldSo(t *testing.T) {
	s, o, _ := startAsked(t)
	bob := s.asks("/a?since=000000aa.9.1009")
	o.answer(7, nil)
	bob.welcomed(event{"type": "welcome", "seq": 5, "resumed": false})
	bob.hears(event{"type": "gap", "from": 1, "to": 5, "why": "future"})
}

func TestWhoHasHeardWhatNobodyKnowsOfIsRefused(t *testing.T) {
	s, _, _ := startAsked(t)
	bob := s.asks("/a?since=000000aa.9.1009")
	answered := make(chan *http.Response)
	go func() { answered <- bob.response() }()
	s.until(func() bool {
		s.Tick()
		select {
		case r := <-answered:
			if r.StatusCode != http.StatusServiceUnavailable {
				t.Error(r.Status)
			}
			return true
		default:
			return false
		}
	})
}

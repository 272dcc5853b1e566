package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"chatd/room/order"
)

func TestHistoryOfWhichAPartIsLostOnItsWayIsReadAgain(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a := open(t, url, single)
	first := enter(t, a, "lobby")
	say(a, "lobby", "a", 1, 5)
	first.untilPlaced(t, 5)
	a.Leave("lobby")
	nc, _ := admin(t, url)
	eventually(t, "nobody to have the room", func() bool {
		_, err := nc.Request("h.0.lobby", nil, wait)
		return errors.Is(err, nats.ErrNoResponders)
	})
	p := newProxy(t, url)
	b := open(t, p.url, single)
	var answers atomic.Int32
	p.setAll(func(subject string) int { // that nobody has the room, and what is read then
		if strings.HasPrefix(subject, b.replies.inbox) && answers.Add(1) == 4 {
			return drop
		}
		return pass
	})
	r := enter(t, b, "lobby")
	if r.kept != 5 {
		t.Errorf("%d messages: %q", r.kept, r.all())
	}
}

func TestAnswersThatNobodyTakesAreInNobodysWay(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	s := open(t, url, single)
	r := enter(t, s, "lobby")
	const messages = 900
	for i := range messages {
		s.Publish("lobby", uint64(i+1), order.Message{Payload: []byte("x")})
	}
	r.untilPlaced(t, messages)
	errEnough := errors.New("enough")
	body := fmt.Appendf(nil, `{"seq":1,"next_by_subj":"c.0.lobby","batch":%d}`, messages)
	for range 3 {
		err := s.replies.ask(t.Context(), "$JS.API.DIRECT.GET.chat-0", body, wait, func(*nats.Msg) (bool, error) {
			eventually(t, "more than can wait", func() bool {
				s.replies.mu.Lock()
				defer s.replies.mu.Unlock()
				for _, a := range s.replies.asked {
					return len(a.answers) == cap(a.answers)
				}
				return false
			})
			return true, errEnough
		})
		if !errors.Is(err, errEnough) {
			t.Error(err)
		}
	}
	all, _, err := s.partitions[0].after(t.Context(), "lobby", 1, everything)
	if err != nil || len(all) != messages {
		t.Errorf("%d messages, %v", len(all), err)
	}
	last, top, err := s.partitions[0].after(t.Context(), "lobby", 1, 10)
	if err != nil || len(last) < 11 || len(last) > 21 || last[len(last)-1].Seq != messages || top != messages {
		t.Errorf("%d messages, %v", len(last), err)
	}
}

func TestGapThatCanNotBeFilledIsInNobodysWay(t *testing.T) {
	t.Parallel()
	s := open(t, server(t).URL, single)
	r := s.partitions[0].reader
	stuck := newMember(s, "stuck", nil)
	var tried atomic.Int32
	for range readsAtOnce + 1 {
		r.add(&job{m: stuck, read: func(context.Context) error {
			tried.Add(1)
			return errBehind
		}})
	}
	eventually(t, "some tries", func() bool { return tried.Load() > 3*readsAtOnce })
	for i := range 20 {
		enter(t, s, fmt.Sprint("room-", i))
	}
	stuck.round.Add(1) // nobody wants to know any more
	eventually(t, "nothing to read", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.busy == 0 && len(r.gaps) == 0
	})
}

func TestPeerThatIsBehindIsNotBelieved(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a, b := open(t, url), open(t, url)
	behind := &forgetful{newRecorder(), 3}
	a.Enter("lobby", behind)
	behind.untilBegun(t)
	say(a, "lobby", "a", 1, 5)
	behind.untilPlaced(t, 5)
	answered := a.Stats().PeersAnswered
	eventually(t, "a question", func() bool {
		r := enter(t, b, "lobby")
		b.Leave("lobby")
		if r.kept != 5 {
			t.Errorf("%d messages", r.kept)
		}
		return a.Stats().PeersAnswered > answered
	})
	if got := b.Stats(); got.PeersAsked != 0 {
		t.Errorf("%+v", got)
	}
}

func TestRoomThatHasNotBegunAnewTellsItsOldEpoch(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	s := open(t, url, single)
	r := enter(t, s, "lobby")
	say(s, "lobby", "a", 1, 3)
	r.untilSaid(t, 3)
	p := s.partitions[0]
	p.mu.Lock()
	p.life.generation++ // as when the stream was just found to be another
	p.mu.Unlock()
	nc, _ := admin(t, url)
	answers := make(chan *nats.Msg, 10)
	inbox := nats.NewInbox()
	if _, err := nc.ChanSubscribe(inbox, answers); err != nil {
		t.Fatal(err)
	}
	for {
		if err := nc.PublishRequest("h.0.lobby", inbox, nil); err != nil {
			t.Fatal(err)
		}
		m := <-answers
		if m.Header.Get("Status") != "" {
			continue // it does not answer others yet
		}
		for m.Header.Get(headerCount) == "" {
			m = <-answers
		}
		if epoch := m.Header.Get(headerEpoch); epoch != fmt.Sprint(r.epoch) {
			t.Errorf("epoch %s, want %d", epoch, r.epoch)
		}
		return
	}
}

// forgetful tells others of its first messages only.
type forgetful struct {
	*recorder
	most int
}

func (f *forgetful) Recall(answer func(behind order.Point, kept []order.Message)) {
	f.recorder.Recall(func(behind order.Point, kept []order.Message) { answer(behind, kept[:min(len(kept), f.most)]) })
}

func TestPeerThatDoesNotAnswerIsNotAskedForAWhile(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	nc, _ := admin(t, url)
	asked := make(chan *nats.Msg, 100)
	if _, err := nc.ChanSubscribe("h.>", asked); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	s := open(t, url)
	enter(t, s, "lobby")
	s.peers.silent.Store(time.Now().Add(time.Hour).UnixNano()) // as if it were just now
	for i := range 50 {
		enter(t, s, fmt.Sprint("room-", i))
	}
	if len(asked) != 1 {
		t.Errorf("asked %d times", len(asked))
	}
}

func TestPeerThatSaysAnythingIsNotBelieved(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	nc, _ := admin(t, url)
	s := open(t, url, single)
	l, _ := s.partitions[0].lifeNow()
	epoch := fmt.Sprint(l.epoch("lobby"))
	at := time.Now().UTC().Format(time.RFC3339Nano)
	one := func(seq string) *nats.Msg {
		return &nats.Msg{Header: nats.Header{headerSequence: {seq}, headerTime: {at}}, Data: []byte("made up")}
	}
	end := func(epoch, behind, count string) *nats.Msg {
		return &nats.Msg{Header: nats.Header{headerEpoch: {epoch}, headerBehind: {behind}, headerCount: {count}}}
	}
	m := newMember(s, "lobby", nil)
	for what, answer := range map[string][]*nats.Msg{
		"backwards":        {one("7"), one("6"), end(epoch, "5", "2")},
		"before its place": {one("7"), end(epoch, "7", "1")},
		"one is missing":   {one("7"), end(epoch, "6", "2")},
		"another epoch":    {one("7"), end("17", "6", "1")},
		"what is not kept": {one("7"), end(epoch, "6", "1")},
		"nothing":          {{}},
		"it has nothing":   {{Header: nats.Header{headerCount: {"-"}}}},
	} {
		sub, err := nc.Subscribe("h.0.lobby", func(q *nats.Msg) {
			for _, m := range answer {
				_ = q.RespondMsg(m) // else nothing is told
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.peers.history(t.Context(), m, l); !errors.Is(err, errOther) {
			t.Errorf("%s: %v", what, err)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}

// What others publish with headers that the server sets, too, is told by the server's.
func TestHeadersOfOthersAreNotTakenForTheServers(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a := open(t, url, single)
	r := enter(t, a, "lobby")
	_, js := admin(t, url)
	forged := &nats.Msg{Subject: "c.0.lobby", Data: []byte("forged"), Header: nats.Header{
		headerSequence: {"999999"}, headerBefore: {"77"}, headerTime: {"yesterday"}, headerSubject: {"c.0.other"},
		headerPending: {"8"}, "Status": {"404"},
	}}
	say(a, "lobby", "a", 1, 1)
	r.untilSaid(t, 1)
	if _, err := js.PublishMsg(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	r.untilSaid(t, 2)
	say(a, "lobby", "b", 2, 1)
	r.untilSaid(t, 3)
	r.check(t)
	a.Leave("lobby")
	b := open(t, url, single)
	late := enter(t, b, "lobby")
	if late.kept != 3 || late.said[1].Seq != 2 || len(r.misses) > 0 {
		t.Errorf("%q, missed %v", late.all(), r.misses)
	}
	equal(t, r, late)
}

// Headers that are none can't be read by anybody: such a message is not there.
func TestMessageThatNobodyCanReadIsSkipped(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	a := open(t, url, single)
	r := enter(t, a, "lobby")
	say(a, "lobby", "a", 1, 1)
	r.untilSaid(t, 1)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := "NATS/1.0\r\nno header\r\n\r\n"
	if _, err := fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true}\r\nHPUB c.0.lobby %d %d\r\n%sbad\r\nPING\r\n", len(head), len(head)+3, head); err != nil {
		t.Fatal(err)
	}
	_, js := admin(t, url)
	eventually(t, "it to be stored", func() bool {
		stream, err := js.Stream(t.Context(), "chat-0")
		return err == nil && stream.CachedInfo().State.LastSeq == 2
	})
	say(a, "lobby", "b", 2, 1)
	r.untilSaid(t, 2)
	a.Leave("lobby")
	b := open(t, url, single)
	late := enter(t, b, "lobby")
	if late.kept != 2 || late.said[1].Seq != 3 || len(r.misses) > 0 {
		t.Errorf("%q, missed %v", late.all(), r.misses)
	}
	equal(t, r, late)
	say(b, "lobby", "c", 1, 1)
	late.untilSaid(t, 3)
	late.check(t)
}

func TestWhatOthersSayOfThemselvesIsWithinBounds(t *testing.T) {
	at := time.Now().UTC().Format(time.RFC3339Nano)
	parse := func(name, value string) entry {
		e, ok := parseEntry(&nats.Msg{Header: nats.Header{headerSequence: {"1"}, headerTime: {at}, name: {value}}})
		if !ok {
			t.Errorf("%s %q can't be read", name, value)
		}
		return e
	}
	long := strings.Repeat("x", 300)
	for _, bad := range []string{long, "\xff", "%ff", "%zz"} {
		if e := parse(headerID, bad); e.ID != "" {
			t.Errorf("id %q", e.ID)
		}
		if e := parse(headerNonce, bad); e.Nonce != "" {
			t.Errorf("nonce %q", e.Nonce)
		}
		if e := parse(headerName, bad); e.Name != "" {
			t.Errorf("name %q", e.Name)
		}
	}
	if e := parse(headerName, "a%0Ab"); e.Name != "" {
		t.Errorf("name %q", e.Name)
	}
}

func TestMessageThatIsTooLargeIsMissed(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	small := func(c *Config) { c.Partitions, c.MaxMessage = 1, 1000 }
	a := open(t, url, small)
	r := enter(t, a, "lobby")
	_, js := admin(t, url)
	say(a, "lobby", "a", 1, 1)
	r.untilSaid(t, 1)
	if _, err := js.Publish(t.Context(), "c.0.lobby", make([]byte, 2000)); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "c.0.lobby", make([]byte, 2000+headersMost)); err == nil {
		t.Error("the stream takes any size")
	}
	say(a, "lobby", "b", 2, 1)
	r.untilSaid(t, 2)
	if len(r.misses) != 1 || r.misses[0].Seq != 2 || r.said[1].Seq != 3 {
		t.Errorf("missed %v, %q", r.misses, r.all())
	}
	a.Leave("lobby")
	b := open(t, url, small)
	if late := enter(t, b, "lobby"); late.kept != 1 || late.behind.Seq != 2 || late.said[0].Seq != 3 {
		t.Errorf("behind %+v: %q", late.behind, late.all())
	}
}

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"chatd/room/chattest"
)

// 200 clients are cut at random, at any point of their being there, while 5 others
// publish. Each of them ends with all messages, but for those that a gap told it
// are missing, because the history is shorter than what it was away for.
func TestClientsCutAtRandomMissNothingThatTheyAreNotTold(t *testing.T) {
	const clients, writers, history = 200, 5, 500
	each, listens, misses := 4_000, 2*history, 16*history
	if raceDetector { // with which it is slow to check each event 200 times
		each, listens, misses = 1_000, history/2, 4*history
	}
	total := writers * each
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("seed", seed)
		}
	})
	addr := startChat(t, "-history", strconv.Itoa(history))
	room := newProgress()
	fire := make([]*survivor, clients)
	var begun, done sync.WaitGroup
	begun.Add(clients)
	for i := range fire {
		fire[i] = &survivor{addr: addr, total: uint64(total), listens: listens, misses: misses, room: room, rng: rand.New(rand.NewPCG(seed, uint64(i)))}
		done.Go(func() {
			if err := fire[i].live(begun.Done); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	began := time.Now()
	begun.Wait()
	for i := range writers {
		done.Go(func() {
			if err := publish(addr, i, each, room); err != nil {
				t.Errorf("writer %d: %v", i, err)
				room.reach(uint64(total)) // nobody waits for what does not come
			}
		})
	}
	done.Wait()
	t.Logf("%v", time.Since(began))

	heard := make([]*chattest.Event, total+1) // by number
	next := map[string]int{}
	cuts, resumed, gaps := 0, 0, 0
	for i, c := range fire {
		missing := 0
		for _, gap := range c.ledger.Gaps {
			missing += int(gap.To - gap.From + 1)
		}
		if got := len(c.ledger.Heard) + missing; got != total && !t.Failed() {
			t.Errorf("client %d heard %d and was told that it misses %d", i, len(c.ledger.Heard), missing)
		}
		for _, e := range c.ledger.Heard {
			if heard[e.Seq] == nil {
				heard[e.Seq] = e
			}
			if heard[e.Seq] != e { // the same bytes are the same event
				t.Fatalf("client %d heard %+v as message %d, others %+v", i, e, e.Seq, heard[e.Seq])
			}
		}
		cuts, resumed, gaps = cuts+c.cuts, resumed+c.ledger.Resumed, gaps+len(c.ledger.Gaps)
	}
	for seq, e := range heard[1:] {
		if e == nil {
			t.Fatalf("nobody heard message %d", seq+1)
		}
		var who, n int
		if _, err := fmt.Sscanf(e.Said(), "text writer %d says %d", &who, &n); err != nil || n != next[e.ID] || e.Nonce != strconv.Itoa(n) {
			t.Fatalf("message %d is %q with nonce %q, want number %d of its writer", seq+1, e.Said(), e.Nonce, next[e.ID])
		}
		next[e.ID]++
	}
	t.Logf("%d cuts: %d resumed, %d gaps", cuts, resumed, gaps)
	if resumed < clients || gaps < clients {
		t.Errorf("%d cuts: %d resumed and %d gaps are not what this is about", cuts, resumed, gaps)
	}
}

// progress is how many messages a room has had, for those who wait for more.
type progress struct {
	mu   sync.Mutex
	more sync.Cond // at is larger
	at   uint64    // guarded by mu
}

func newProgress() *progress {
	p := new(progress)
	p.more.L = &p.mu
	return p
}

func (p *progress) reach(at uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at > p.at {
		p.at = at
		p.more.Broadcast()
	}
}

// wait returns when the room has had so many messages.
func (p *progress) wait(at uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.at < at {
		p.more.Wait()
	}
}

// survivor is a client that is cut at random, and returns until it has heard all.
type survivor struct {
	addr    string
	total   uint64 // messages that there will be
	listens int    // to so many events at most, until it is cut
	misses  int    // so many at most, when it stays away
	room    *progress
	rng     *rand.Rand

	ledger chattest.Ledger
	cuts   int
}

func (s *survivor) live(begun func()) error {
	begin := sync.OnceFunc(begun)
	defer begin()
	session, id := "", ""
	for s.ledger.Position() == "" || s.ledger.Seq() < s.total {
		c, err := chattest.Dial(s.addr, chattest.Options{
			Since: s.ledger.Position(), Session: session, Compress: s.rng.IntN(10) == 0,
		})
		if err != nil {
			return err
		}
		if id != "" && c.Welcome.ID != id {
			return fmt.Errorf("it was %s, and is %s in the same session", id, c.Welcome.ID)
		}
		id, session = c.Welcome.ID, c.Welcome.Session
		begin()
		err = s.listen(c)
		c.Cut()
		if err != nil {
			return err
		}
		if s.cuts++; s.rng.IntN(2) == 0 { // it is away for longer, mostly than the history
			s.room.wait(min(s.total, s.ledger.Seq()+uint64(s.rng.IntN(s.misses))))
		}
	}
	return nil
}

// listen hears events until it is time to be cut, or it is.
func (s *survivor) listen(c *chattest.Conn) error {
	if err := s.ledger.Take(c.Welcome); err != nil {
		return err
	}
	events := s.rng.IntN(s.listens)
	if s.rng.IntN(4) == 0 {
		events %= 4 // in the middle of what it begins with
	}
	for range events {
		e, err := c.Next()
		switch {
		case errors.Is(err, chattest.ErrNoEvent), chattest.TimedOut(err):
			return err
		case err != nil:
			return nil // it was cut, as somebody who is too slow
		}
		if err := s.ledger.Take(e); err != nil {
			return err
		}
		if s.ledger.Seq() == s.total {
			return nil
		}
	}
	return nil
}

// publish says n messages, not many of which are on their way at a time.
func publish(addr string, writer, n int, room *progress) error {
	c, err := chattest.Dial(addr, chattest.Options{Name: "writer " + strconv.Itoa(writer)})
	if err != nil {
		return err
	}
	defer c.Close()
	for sent, confirmed := 0, 0; confirmed < n; {
		for ; sent < n && sent < confirmed+32; sent++ {
			text := fmt.Sprintf("writer %d says %d", writer, sent)
			if err := c.Send(map[string]string{"type": "say", "text": text, "nonce": strconv.Itoa(sent)}); err != nil {
				return err
			}
		}
		e, err := c.Next()
		switch {
		case err != nil:
			return err
		case e.Type == "error":
			return fmt.Errorf("%s: %s", e.Code, e.Message)
		case e.Type != "say":
			continue
		case e.ID == c.Welcome.ID:
			if e.Nonce != strconv.Itoa(confirmed) {
				return fmt.Errorf("message %s is confirmed, want %d", e.Nonce, confirmed)
			}
			confirmed++
		}
		room.reach(e.Seq)
	}
	return nil
}

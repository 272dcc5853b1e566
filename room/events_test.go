package room

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"chatd/room/deflate"
	"chatd/room/handshake"
	"chatd/room/position"
)

// carriers are the requests for events over either version of HTTP.
var carriers = map[string]func(target string, lines ...string) string{"HTTP/1.1": eventsRequest, "HTTP/1.0": bareRequest}

func TestEventsAreTheHistoryAndThenWhatIsSaid(t *testing.T) {
	for version, request := range carriers {
		t.Run(version, func(t *testing.T) {
			s := startServer(t, withHistory(2))
			ana := s.chat("?name=Ana")
			for _, words := range []string{"one", "two", "three"} {
				ana.says(words)
				ana.hearsText(words)
			}
			l := s.listen(request("lobby/events"))
			if l.retry < comebackMin || l.retry > comebackMax {
				t.Errorf("retry: %d", l.retry)
			}
			e := l.hears(event{"type": "say", "room": "lobby", "seq": 2, "text": "two", "id": ana.id, "name": "Ana"})
			if p, ok := position.Parse(e.id); !ok || e.id != fmt.Sprintf("%s.2.%.0f", ana.epoch, e.data["at"]) {
				t.Errorf("id %q, %+v", e.id, p)
			}
			l.hearsText("three")
			raw := s.join()
			ana.says("more, with \"quotes\"\n\r\u2028and 𝄞 lines")
			l.hearsText("more, with \"quotes\"\n\r\u2028and 𝄞 lines")
			raw.say(masked(ws.OpBinary, true, "\x00\xff"))
			l.hears(event{"type": "say", "seq": 5, "data": "AP8=", "id": nil})
		})
	}
}

func TestReaderComesBackByItsLastEvent(t *testing.T) {
	for version, request := range carriers {
		t.Run(version, func(t *testing.T) {
			s := startServer(t, withHistory(3))
			first := s.listen(request("lobby/events"))
			s.talk(1, 3)
			first.hearsText(numbers(1, 3)...)
			last := first.last
			first.Close()

			s.talk(4, 6)
			s.listen(request("lobby/events", "Last-Event-ID: "+last)).hearsText(numbers(4, 6)...)
			s.listen(request("lobby/events?since=now", "Last-Event-ID: "+last)).hearsText(numbers(4, 6)...)
			s.listen(request("lobby/events?since=" + last)).hearsText(numbers(4, 6)...)

			s.talk(7, 7)
			gone := s.listen(request("lobby/events", "Last-Event-ID: "+last))
			if e := gone.hears(event{"type": "gap", "room": "lobby", "from": 4, "to": 4, "why": "history"}); e.id != "" {
				t.Errorf("a gap has the id %q", e.id)
			}
			gone.hearsText(numbers(5, 7)...)

			s.listen(request("lobby/events", "Last-Event-ID: 1")).hearsText(numbers(5, 7)...)
			now := s.listen(request("lobby/events?since=now", "Last-Event-ID: 1"))
			s.talk(8, 8)
			now.hearsText("8")
		})
	}
}

func TestMembersAreToldWithoutAnID(t *testing.T) {
	s := startServer(t)
	l := s.listen(eventsRequest("lobby/events"))
	l.hearsMembers(1)
	second := s.listen(bareRequest("lobby/events"))
	s.until(func() bool { s.Tick(); return s.room().population.Load() == 2 })
	tickUntil := func(done chan bool) {
		s.until(func() bool { s.Tick(); return len(done) == 1 })
	}
	for _, l := range []*listener{l, second} {
		done := make(chan bool, 1)
		go func() { l.hearsMembers(2); done <- true }()
		tickUntil(done)
		if l.last != "" {
			t.Errorf("the id %q", l.last)
		}
	}
	// Only who speaks is named; all are counted.
	ana := s.chat("?name=Ana")
	ana.sends(`{"type":"who","room":"lobby"}`)
	e := ana.hears(event{"type": "who", "count": 3})
	if named, _ := e["members"].([]any); len(named) != 1 {
		t.Errorf("%v", e)
	}
}

// Nobody tells a reader when it comes how many members there are. It has to learn
// even if one leaves just then, so that they are as many as before.
func TestReaderThatComesAsOneLeavesIsToldTheNumber(t *testing.T) {
	m := timed(func(*Config) {})
	come := func() {
		m.arrive(handshake.DefaultRoom, 1<<20, eventStream, position.Since{})
		m.settle()
		m.at(m.clock + 2000)
	}
	come()
	come()
	h := m.lobby()
	h.population.Add(-1) // as the shard of one that leaves has it, just before it tells
	come()
	if got := m.net[2].got; !bytes.Contains(got, []byte(`"count":2`)) {
		t.Errorf("%q", got)
	}
	h.population.Add(1)
}

func TestReaderThatSaysAnythingLeaves(t *testing.T) {
	for name, more := range map[string]string{"a line": "\r\n", "a request": eventsRequest("lobby/events"), "a frame": text("hi")} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			l := s.listen(eventsRequest("lobby/events"))
			l.say(more)
			if !l.ends() {
				t.Error("the answer breaks off")
			}
			l.Close()
			together := s.listen(bareRequest("lobby/events") + more)
			together.ends()
			together.Close()
			s.until(func() bool { return s.Stats().Conns == 0 })
			if st := s.Stats(); st.Dropped["protocol"] != 2 || st.Messages != 0 {
				t.Errorf("%+v", st)
			}
			if d := s.Disconnects()[0]; d.Code != 0 {
				t.Errorf("code %d", d.Code)
			}
		})
	}
}

func TestReaderThatHangsUpIsGone(t *testing.T) {
	s := startServer(t)
	for _, hangUp := range []func(net.Conn) error{net.Conn.Close, func(c net.Conn) error { return c.(interface{ CloseWrite() error }).CloseWrite() }} {
		l := s.listen(eventsRequest("lobby/events"))
		if err := hangUp(l.Conn); err != nil {
			t.Fatal(err)
		}
		s.until(func() bool { return s.Stats().Conns == 0 })
	}
	if st := s.Stats(); len(s.Disconnects()) > 0 || st.Joined != 2 {
		t.Errorf("%+v", st)
	}
}

func TestHeadOfEventsMakesNobodyAMember(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	p.say(strings.Replace(eventsRequest("side/events"), "GET", "HEAD", 1))
	r, err := http.ReadResponse(p.r, &http.Request{Method: http.MethodHead})
	if err != nil || r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(r, err)
	}
	p.expectEnd()
	p.Close()
	s.until(func() bool { return s.Stats().Conns == 0 })
	if st := s.Stats(); st.Joined != 0 || st.Rooms != 0 || len(s.Disconnects()) > 0 {
		t.Errorf("%+v", st)
	}
}

func TestEventsMayFollowAPageOnTheSameConnection(t *testing.T) {
	s := startServer(t)
	p := s.dial()
	p.say("GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n")
	p.response()
	p.say(eventsRequest("lobby/events"))
	l := p.listens()
	s.join().say(text("hi"))
	l.hearsText("hi")
}

func TestRefusedReaderIsToldAsAProgramIs(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConnsPerSource, c.MaxRooms = 2, 1 })
	refused := func(request string, status int) {
		t.Helper()
		p := s.dial()
		p.say(request)
		r := p.response()
		var problem struct{ Status int }
		if err := json.NewDecoder(r.Body).Decode(&problem); err != nil || problem.Status != status || r.StatusCode != status {
			t.Errorf("%s, %+v, %v, want %d", r.Status, problem, err, status)
		}
		if retry := r.Header.Get("Retry-After"); (status == 429 || status == 503) != (retry != "") {
			t.Errorf("%d: Retry-After %q", status, retry)
		}
		p.expectEnd()
		p.Close()
	}
	s.listen(eventsRequest("lobby/events"))
	refused(eventsRequest("side/events"), http.StatusServiceUnavailable)
	s.listen(bareRequest("lobby/events"))
	refused(eventsRequest("lobby/events"), http.StatusTooManyRequests)
	refused(eventsRequest("lobby/events?since=7"), http.StatusBadRequest)
}

func TestPageOfAnotherOriginMayReadEventsIfItIsAllowed(t *testing.T) {
	s := startServer(t, func(c *Config) { c.AllowOrigin = []string{"https://friend.example"} })
	for origin, want := range map[string]string{"https://friend.example": "https://friend.example", "http://chat.example": "http://chat.example", "https://evil.example": "", "": ""} {
		p := s.dial()
		p.say(strings.Replace(eventsRequest("lobby/events", "Origin: "+origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: last-event-id"), "GET", "OPTIONS", 1))
		r := p.response()
		h := r.Header
		if r.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != want || h.Get("Allow") != "GET, HEAD, OPTIONS" || h.Get("Vary") != "Origin" {
			t.Errorf("%s: %s %v", origin, r.Status, h)
		}
		if strings.Contains(h.Get("Access-Control-Allow-Headers"), "Last-Event-ID") != (want != "") {
			t.Errorf("%s: %v", origin, h)
		}
		p.Close()
	}
}

func TestReaderThatIsStuckIsDroppedBetweenTwoEvents(t *testing.T) {
	for version, request := range carriers {
		t.Run(version, func(t *testing.T) {
			s := startServer(t, withHistory(0))
			l := s.listen(request("lobby/events"))
			speaker := s.join()
			big := strings.Repeat("x", 32<<10)
			for s.Stats().Dropped["slow_consumer"] == 0 {
				speaker.say(text(big))
				speaker.expect(ws.OpText, big)
			}
			seq := 0.
			r := bufio.NewReader(l.head.Body)
			l.lines = bufio.NewReader(io.MultiReader(l.lines, r))
			all, err := io.ReadAll(l.lines)
			if (err == nil) != (version == "HTTP/1.0") {
				t.Errorf("the end of what is not whole: %v", err)
			}
			if !strings.HasSuffix(string(all), "}\n\n") {
				t.Errorf("it ends in the middle: %q", all[max(0, len(all)-60):])
			}
			for line := range strings.Lines(string(all)) {
				data, ok := strings.CutPrefix(line, "data: ")
				if !ok || !strings.Contains(data, `"say"`) {
					continue
				}
				var e event
				if err := json.Unmarshal([]byte(data), &e); err != nil || e["seq"] != seq+1 {
					t.Fatalf("%v behind %v, %v", e["seq"], seq, err)
				}
				seq++
			}
			if st := s.Stats(); st.Due != st.Delivered || seq == 0 {
				t.Errorf("%v events, %+v", seq, st)
			}
		})
	}
}

func TestShutdownEndsTheAnswerBehindWhatIsQueued(t *testing.T) {
	s := startServer(t)
	l, bare := s.listen(eventsRequest("lobby/events")), s.listen(bareRequest("lobby/events"))
	s.join().say(text("last words"))
	l.hearsText("last words")
	bare.hearsText("last words")
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	if !l.ends() || !bare.ends() {
		t.Error("the answer breaks off")
	}
	l.Close()
	bare.Close()
	s.until(func() bool { s.Tick(); return len(done) == 1 })
}

// No pong comes from a reader; its kernel's acknowledging the comments stands for it.
func TestReaderGetsACommentEachIntervalAndStays(t *testing.T) {
	const interval = 8 // ticks
	s := startServer(t, func(c *Config) {
		c.PingInterval = interval * TickInterval
		c.IdleTimeout = 2 * interval * TickInterval
	})
	l, bare := s.listen(eventsRequest("lobby/events?since=now")), s.listen(bareRequest("lobby/events?since=now"))
	began := s.now.Load()
	const comments = 5
	done := make(chan bool, 2)
	for _, l := range []*listener{l, bare} {
		go func() {
			for n := 0; n < comments; {
				if e := l.any(); e.kind == "" {
					n++
				}
			}
			done <- true
		}()
	}
	s.until(func() bool {
		if s.allAcknowledged() { // else their kernels would be too slow for the clock
			s.Tick()
		}
		_, _, err := s.Connections(t.Context(), 0, 1) // the shard has seen the tick
		return err != nil || len(done) == 2
	})
	if ticks := int(s.now.Load() - began); ticks < comments*(interval-1)-1 {
		t.Errorf("%d comments in %d ticks", comments, ticks)
	}
	if st := s.Stats(); st.Members != 2 {
		t.Errorf("%+v", st)
	}
}

func TestReaderThatVanishesIsGivenUp(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PingInterval = 8 * TickInterval })
	l := s.listen(eventsRequest("lobby/events?since=now"))
	l.deaf()
	s.until(func() bool {
		s.Tick()
		return s.Stats().Dropped["ping_timeout"] == 1
	})
}

func TestReaderHasNothingThatARawMemberHasNot(t *testing.T) {
	s := startServer(t)
	s.listen(eventsRequest("lobby/events?since=now"))
	sh := s.shards.all()[0]
	if err := s.ask(t.Context(), &sh.Task, func() {
		c := sh.list[0].ready[0]
		if c.Handler() != c || c.out != nil || c.mail.Load() != nil {
			t.Errorf("%+v", c)
		}
	}); err != nil {
		t.Fatal(err)
	}
	rows, _, err := s.Connections(t.Context(), 0, 10)
	if err != nil || len(rows) != 1 || rows[0].Dialect != "events" || rows[0].State != "ready" {
		t.Errorf("%+v, %v", rows, err)
	}
}

// What is said is the same for all, in one order, whatever they read.
func TestAllDialectsHearOneOrder(t *testing.T) {
	const speakers, each = 4, 1_500
	s := startServer(t, withDeflate, withHistory(100), func(c *Config) { c.Queue = speakers * each })
	var hears []func() (text string, seq int)
	frames := func(p *peer, chatted bool) func() (string, int) {
		return func() (string, int) {
			for {
				f, err := p.frame()
				if err != nil {
					t.Error(err)
					return "", -1
				}
				if f.Header.Rsv1() {
					if f.Payload, err = deflate.Inflate(nil, f.Payload, 1<<16); err != nil {
						t.Error(err)
					}
				}
				if !chatted {
					return string(f.Payload), 0
				}
				var e struct {
					Type, Text string
					Seq        int
				}
				if err := json.Unmarshal(f.Payload, &e); err != nil {
					t.Error(err)
				}
				if e.Type == "say" {
					return e.Text, e.Seq
				}
			}
		}
	}
	hears = append(hears, frames(s.join(), false), frames(s.joinDeflated(), false), frames(s.chat("").peer, true),
		frames(s.chat("", "Sec-WebSocket-Extensions: permessage-deflate").peer, true))
	for _, request := range carriers {
		l := s.listen(request("lobby/events?since=now"))
		hears = append(hears, func() (string, int) {
			e := l.next()
			return e.data["text"].(string), int(e.data["seq"].(float64))
		})
	}
	orders := make([]string, len(hears))
	var heard, all sync.WaitGroup
	for i, hear := range hears {
		heard.Go(func() {
			var order strings.Builder
			for n := 1; n <= speakers*each; n++ {
				words, seq := hear()
				if seq < 0 || seq > 0 && seq != n {
					t.Errorf("reader %d: number %d in place of %d", i, seq, n)
					return
				}
				order.WriteString(words + "\n")
			}
			orders[i] = order.String()
		})
	}
	defer all.Wait()
	for i := range speakers {
		speaker := s.join()
		defer speaker.Close() // not before all is heard: what it has not is lost
		all.Go(func() { _, _ = io.Copy(io.Discard, speaker.Conn) })
		all.Go(func() {
			for n := range each {
				if _, err := io.WriteString(speaker.Conn, text(fmt.Sprintf("speaker %d, message %d, which is long enough to be worth compressing", i, n))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	heard.Wait()
	for i, order := range orders {
		if order != orders[0] {
			t.Errorf("reader %d heard another order", i)
		}
	}
}

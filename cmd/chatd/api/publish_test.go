package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatd/room"
	"chatd/room/order"
)

func TestWhatIsPublishedIsHeardByAllInOneOrder(t *testing.T) {
	f := start(t)
	chat, welcome := f.chat("/lobby")
	raw, _, err := f.join("/lobby")
	if err != nil {
		t.Fatal(err)
	}
	f.publish("lobby", "a <text>\n")
	p := f.publish("lobby", `{"text":"hi","name":" Zoe\u0308 ","nonce":"1"}`)
	chat.say(`{"type":"say","text":"back","nonce":"2"}`)
	first, second, third := chat.event(), chat.event(), chat.event()
	want := event{Type: "say", Room: "lobby", ID: second.ID, Name: "Zoë", Text: "hi", Nonce: "1", Seq: 2, At: p.At}
	if first.Text != "a <text>\n" || first.Seq != 1 || first.Name != "" || first.ID != second.ID || second != want || third.Text != "back" || third.Seq != 3 {
		t.Errorf("%+v\n%+v\n%+v", first, second, third)
	}
	if p.Room != "lobby" || p.Seq != 2 || p.Epoch != welcome.Epoch || second.ID == "" || second.ID == welcome.ID {
		t.Errorf("%+v, %+v", p, second)
	}
	for _, text := range []string{"a <text>\n", "hi", "back"} {
		if got, err := raw.message(); string(got) != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
}

func TestEachTokenHasAnIDThatDoesNotTellIt(t *testing.T) {
	f := start(t)
	c, _ := f.chat("/lobby")
	f.publish("lobby", "1")
	f.publish("lobby", "2")
	f.status(f.send("POST", "/rooms/lobby/messages", "3", asText, "Authorization: Bearer "+other), 201)
	first, second, third := c.event(), c.event(), c.event()
	if first.ID != second.ID || first.ID == third.ID || len(first.ID) != len(third.ID) || strings.Contains(token, first.ID) {
		t.Errorf("%q, %q, %q", first.ID, second.ID, third.ID)
	}
}

func TestMessageWithTheSameNonceIsNotPublishedAgain(t *testing.T) {
	f := start(t)
	c, _ := f.chat("/lobby")
	first := f.publish("lobby", `{"text":"one","nonce":"n"}`)
	for range 3 {
		var again placed
		f.status(f.ask("POST", "/rooms/lobby/messages", `{"text":"other","nonce":"n"}`, asJSON), 200).json(t, &again)
		if again != first {
			t.Errorf("%+v, want %+v", again, first)
		}
	}
	f.status(f.ask("POST", "/rooms/side/messages", `{"text":"one","nonce":"n"}`, asJSON), 201)                                   // in another room
	f.status(f.send("POST", "/rooms/lobby/messages", `{"text":"two","nonce":"n"}`, asJSON, "Authorization: Bearer "+other), 201) // of another token
	f.status(f.ask("POST", "/rooms/lobby/messages", `{"text":"three","nonce":"m"}`, asJSON), 201)                                // another
	f.status(f.ask("POST", "/rooms/lobby/messages", "four", asText), 201)                                                        // without
	c.say(`{"type":"say","text":"five","nonce":"n"}`)                                                                            // of a member
	for _, text := range []string{"one", "two", "three", "four", "five"} {
		if e := c.event(); e.Text != text {
			t.Errorf("%+v, want %s", e, text)
		}
	}
	if st := f.server.Stats(); st.Published != 5 || st.Repeated != 3 {
		t.Errorf("%d published, %d repeated", st.Published, st.Repeated)
	}
}

func TestWithoutHistoryWhatIsPublishedHasItsPlaceAndTheRoomGoes(t *testing.T) {
	f := start(t, func(c *room.Config) { c.History = 0 })
	p := f.publish("lobby", "to nobody")
	if p.Seq != 1 || p.At == 0 {
		t.Errorf("%+v", p)
	}
	for deadline := time.Now().Add(wait); f.ask("GET", "/rooms/lobby", "").StatusCode != 404; {
		if time.Now().After(deadline) {
			t.Fatal("the room is still there")
		}
	}
	c, welcome := f.chat("/lobby")
	if again := f.publish("lobby", "to somebody"); again.Seq != 1 || again.Epoch != welcome.Epoch || again.Epoch == p.Epoch || c.event().Text != "to somebody" {
		t.Errorf("%+v, %+v", again, welcome)
	}
}

func TestRoomsThatAreMadeAreLimited(t *testing.T) {
	f := start(t, func(c *room.Config) { c.MaxRooms = 1 })
	f.chat("/lobby")
	a := f.status(f.ask("POST", "/rooms/side/messages", "hi", asText), 503)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestEachTokenIsLimited(t *testing.T) {
	f := start(t, func(c *room.Config) { c.RateMessages, c.RateBytes = 3, 100 })
	as := func(token, text string) answer {
		return f.send("POST", "/rooms/lobby/messages", text, asText, "Authorization: Bearer "+token)
	}
	for range 3 {
		f.status(as(token, "hi"), 201)
	}
	for range 5 {
		if a := f.status(as(token, "hi"), 429); a.Header.Get("Retry-After") != "1" {
			t.Error(a.Header)
		}
	}
	f.status(as(other, "hi"), 201)
	f.status(f.ask("GET", "/rooms/lobby/messages", ""), 200)
	f.pass(400 * time.Millisecond)
	f.status(as(token, "hi"), 201)
	f.status(as(token, "hi"), 429)
	f.pass(2 * time.Second)
	f.status(as(token, strings.Repeat("x", 500)), 201)
	if a := f.status(as(token, "hi"), 429); a.Header.Get("Retry-After") != "4" {
		t.Error(a.Header)
	}
	f.pass(4100 * time.Millisecond)
	f.status(as(token, "hi"), 201)
}

func TestRoomThatIsBehindIsToldToComeAgain(t *testing.T) {
	if p := problemOf(room.ErrBehind); p.Status != 429 || p.again == 0 {
		t.Errorf("%+v", p)
	}
	if p := problemOf(room.ErrUnavailable); p.Status != 503 || p.again == 0 {
		t.Errorf("%+v", p)
	}
}

// away is an order that can't be reached.
type away struct{}

func (away) Enter(string, order.Room)              {}
func (away) Publish(string, uint64, order.Message) {}
func (away) Forget(string, uint64)                 {}
func (away) Leave(string)                          {}
func (away) Ready() error                          { return errors.New("it is away") }
func (away) Close() error                          { return nil }

func TestRoomWhoseOrderIsAwayTakesNothing(t *testing.T) {
	f := start(t, func(c *room.Config) { c.Order = away{} })
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				f.server.Tick()
			}
		}
	}()
	for _, a := range []answer{
		f.ask("POST", "/rooms/lobby/messages", "hi", asText),
		f.events("/rooms/lobby/events"),
	} {
		if f.status(a, 503); a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	f.status(f.ask("GET", "/rooms/lobby", ""), 404)
	close(stop)
	<-stopped
}

// What was acknowledged is what is heard, to the message.
func TestPublishersAtFullSpeed(t *testing.T) {
	const publishers, each = 8, 300
	f := start(t, func(c *room.Config) { c.Queue = publishers * each })
	members := make([]*member, 5)
	heard := make([][]string, len(members))
	for i := range members {
		members[i], _ = f.chat("/lobby")
	}
	var (
		mu   sync.Mutex
		said = make(map[uint64]string)
		wg   sync.WaitGroup
	)
	for p := range publishers {
		wg.Go(func() {
			c := f.dial()
			for i := 0; i < each; {
				text := fmt.Sprintf("%d:%d", p, i)
				status, r := c.post(text)
				if status == http.StatusTooManyRequests {
					continue
				}
				if status != http.StatusCreated {
					t.Error(status)
					return
				}
				mu.Lock()
				said[r.Seq] = text
				mu.Unlock()
				i++
			}
		})
	}
	for i, m := range members {
		wg.Go(func() {
			for seq := uint64(1); seq <= publishers*each; seq++ {
				e := m.event()
				if e.Seq != seq {
					t.Errorf("message %d where %d is due", e.Seq, seq)
					return
				}
				heard[i] = append(heard[i], e.Text)
			}
		})
	}
	wg.Wait()
	if len(said) != publishers*each {
		t.Errorf("%d were acknowledged", len(said))
	}
	for _, texts := range heard {
		for i, text := range texts {
			if said[uint64(i+1)] != text {
				t.Fatalf("message %d is %q, %q was acknowledged", i+1, text, said[uint64(i+1)])
			}
		}
	}
}

// Very many at a time are answered, each, and members go on.
func TestVeryManyPublishersAtATime(t *testing.T) {
	const n = 2_000
	f := start(t, func(c *room.Config) { c.History, c.Queue = 10, n+1 })
	m, _ := f.chat("/lobby")
	conns := make([]*wire, n)
	for i := range conns {
		conns[i] = f.dial()
	}
	var acknowledged atomic.Int64
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() {
			switch status, _ := c.post("hi"); status {
			case http.StatusCreated:
				acknowledged.Add(1)
			case http.StatusTooManyRequests:
			default:
				t.Error(status)
			}
		})
	}
	all.Wait()
	f.publish("lobby", "the last")
	heard := int64(0)
	for m.event().Text != "the last" {
		heard++
	}
	if heard != acknowledged.Load() || heard < n/2 {
		t.Errorf("%d heard, %d acknowledged of %d", heard, acknowledged.Load(), n)
	}
}

// The server's clock stands still; that of the sockets does not.
func TestBodyThatNeverEnds(t *testing.T) {
	f := start(t, func(c *room.Config) { c.HandshakeTimeout = 300 * time.Millisecond })
	for name, head := range map[string]string{"of a length": "Content-Length: 900", "in chunks": "Transfer-Encoding: chunked"} {
		c := f.dial()
		fmt.Fprintf(c, "POST /rooms/lobby/messages HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\n%s\r\n\r\n", withToken, asText, head)
		stop := make(chan struct{})
		go func() { // a byte now and then
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
					if name == "in chunks" {
						fmt.Fprint(c, "1\r\nx\r\n")
					} else {
						fmt.Fprint(c, "x")
					}
				}
			}
		}()
		r, err := http.ReadResponse(c.r, nil)
		close(stop)
		if err != nil || r.StatusCode != http.StatusRequestTimeout || !r.Close {
			t.Fatalf("%s: %+v, %v", name, r, err)
		}
		a := answer{Response: r}
		if a.body, err = io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}
		f.compare(f.request("POST", "/rooms/lobby/messages", "", asText), "x", a)
	}
}

// slowBody takes longer than the API has patience with the server, which it has
// enough of from then on.
type slowBody struct {
	io.Reader
	api *API
}

func (b slowBody) Read(p []byte) (int, error) {
	if b.api.patience < time.Minute {
		time.Sleep(b.api.patience)
		b.api.patience = time.Minute
	}
	return b.Reader.Read(p)
}

// The time that a body takes is not the server's.
func TestBodyMayTakeLongerThanTheServerMay(t *testing.T) {
	f := start(t)
	f.api.patience = 200 * time.Millisecond
	r, rec := f.request("POST", "/rooms/lobby/messages", "", asText, withToken), httptest.NewRecorder()
	r.Body, r.ContentLength = io.NopCloser(slowBody{strings.NewReader("hi"), f.api}), -1
	if f.api.ServeHTTP(rec, r); rec.Code != http.StatusCreated {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// A length is only a promise.
func TestBodyOfAnyLengthIsAnswered(t *testing.T) {
	f := start(t)
	for _, length := range []string{"1001", "300000", "9223372036854770000", "9223372036854775807"} {
		for field, want := range map[string]int{withToken: http.StatusRequestEntityTooLarge, "X: y": http.StatusUnauthorized} {
			c := f.dial()
			fmt.Fprintf(c, "POST /rooms/lobby/messages HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\nContent-Length: %s\r\nExpect: 100-continue\r\n\r\n", field, asText, length)
			if r, err := http.ReadResponse(c.r, nil); err != nil || r.StatusCode != want {
				t.Errorf("%s, %.5s: %+v, %v", length, field, r, err)
			}
		}
	}
}

func TestConnectionGoesOnBehindABody(t *testing.T) {
	f := start(t)
	c := f.dial()
	post := "POST /rooms/lobby/messages HTTP/1.1\r\nHost: x\r\n" + withToken + "\r\n" + asText + "\r\nContent-Length: 2\r\n"
	all := post + "\r\nhi" + post + "Expect: 100-continue\r\n\r\nho" + "POST /rooms/lobby/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nbad" + post + "\r\nha" +
		"GET /ws/lobby HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	go func() {
		for len(all) > 0 {
			n := min(7, len(all))
			if _, err := c.Write([]byte(all[:n])); err != nil {
				t.Error(err)
				return
			}
			all = all[n:]
		}
	}()
	for _, want := range []int{201, 201, 401, 201, 101} {
		res, err := http.ReadResponse(c.r, nil)
		for err == nil && res.StatusCode == 100 {
			res, err = http.ReadResponse(c.r, nil)
		}
		if err != nil || res.StatusCode != want {
			t.Fatalf("%+v, %v, want %d", res, err, want)
		}
		if want != 101 {
			if _, err := io.ReadAll(res.Body); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wire is a connection that publishes in the lobby, compared with nothing.
type wire struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (f *fixture) dial() *wire {
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Error(err)
		f.t.FailNow()
	}
	c.SetDeadline(time.Now().Add(wait))
	f.t.Cleanup(func() { c.Close() })
	return &wire{c, f.t, bufio.NewReader(c)}
}

// post publishes a text; the status is 0 if the connection breaks.
func (c *wire) post(text string) (status int, r placed) {
	fmt.Fprintf(c, "POST /rooms/lobby/messages HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", withToken, asText, len(text), text)
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Error(err)
		return 0, r
	}
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		c.t.Error(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, r
}

// BenchmarkPublish is how long a publish takes on the loopback interface, over a
// connection that is kept.
func BenchmarkPublish(b *testing.B) {
	f := start(b)
	c := f.dial()
	times := make([]time.Duration, 0, b.N)
	for b.Loop() {
		begun := time.Now()
		if status, _ := c.post("hi"); status != http.StatusCreated {
			b.Fatal(status)
		}
		times = append(times, time.Since(begun))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
}

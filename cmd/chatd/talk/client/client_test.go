package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// user runs a Client and notes what it hears.
type user struct {
	*Client
	t      *testing.T
	cancel context.CancelFunc
	heard  []string
	ended  chan struct{}
	err    error // of Run, once ended is closed
}

func (s *server) user(config Config) *user {
	ctx, cancel := context.WithCancel(s.t.Context())
	u := &user{t: s.t, cancel: cancel, ended: make(chan struct{})}
	config.URL, _ = url.Parse("ws://chat.test/ws/lobby?token=t")
	config.dial = s.dial
	heard := config.Heard
	config.Heard = func(e Event) error {
		u.heard = append(u.heard, describe(e))
		if heard != nil {
			return heard(e)
		}
		return nil
	}
	u.Client = New(config)
	go func() {
		defer close(u.ended)
		u.err = u.Run(ctx)
	}()
	return u
}

func describe(e Event) string {
	switch e.Type {
	case Say:
		var flags string
		if e.Mine {
			flags += " mine"
		}
		if e.Again {
			flags += " again"
		}
		return fmt.Sprintf("%d %s%s", e.Seq, e.Text, flags)
	case Gap:
		return fmt.Sprintf("gap %d-%d %s", e.From, e.To, e.Why)
	case Error:
		return fmt.Sprintf("error %s %s mine=%t", e.Code, e.Nonce, e.Mine)
	case Welcome:
		return fmt.Sprintf("welcome %d of %d", e.Seq, e.Count)
	case Offline:
		return "offline: " + e.Err.Error()
	}
	return e.Type
}

// told checks all that was heard since the last time, once nothing moves.
func (u *user) told(want ...string) {
	u.t.Helper()
	synctest.Wait()
	if !slices.Equal(u.heard, want) {
		u.t.Errorf("heard\n\t%q\nand not\n\t%q", u.heard, want)
	}
	u.heard = nil
}

func (u *user) say(nonce, text string) {
	u.t.Helper()
	if err := u.Say(u.t.Context(), nonce, text); err != nil {
		u.t.Fatal(err)
	}
}

func (u *user) end(want error) {
	u.t.Helper()
	u.cancel()
	<-u.ended
	if !errors.Is(u.err, want) {
		u.t.Errorf("Run: %v, not %v", u.err, want)
	}
}

func TestTheHandshakeHasWhoAndWhereFromAndTheURLsQuery(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{Name: "Ana & Bob", Since: "now"})
		p := s.welcome(7, false)
		if got, want := p.query.Encode(), "name=Ana+%26+Bob&since=now&token=t"; got != want {
			t.Errorf("query %s, not %s", got, want)
		}
		u.told("welcome 7 of 3")
		go p.goodbye()
		u.end(nil)
	})
}

func TestWhatIsSaidIsConfirmedByHearingIt(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{})
		p := s.welcome(7, false)
		u.say("1", "hi")
		u.say("2", "<&>\xff")
		p.heard("1")
		if e := p.hear(); e.Text != "<&>\uFFFD" {
			t.Errorf("text %q", e.Text)
		}
		p.say(8, "other", "1", "not hers") // a nonce is its id's
		p.say(9, "me", "1", "hi")
		u.told("welcome 7 of 3", "8 not hers", "9 hi mine")
		if n := len(u.unconfirmed.says); n != 1 {
			t.Errorf("%d unconfirmed", n)
		}
		go p.goodbye()
		u.end(nil)
		if u.Unconfirmed() != 1 {
			t.Errorf("%d unconfirmed", u.Unconfirmed())
		}
	})
}

func TestACutClientComesBackWithItsPlaceAndSaysAgainWhatIsUnconfirmed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{})
		p := s.welcome(7, false)
		for i := range 4 {
			u.say(strconv.Itoa(i), fmt.Sprint("text ", i))
			p.heard(strconv.Itoa(i))
		}
		p.say(8, "me", "0", "text 0")
		u.told("welcome 7 of 3", "8 text 0 mine")
		p.cut()
		u.told("offline: the connection was cut off")
		u.say("4", "said while offline")

		p = s.welcome(8, true)
		if got, want := p.query.Encode(), "session=proof&since=0000000a.8.1008&token=t"; got != want {
			t.Errorf("query %s, not %s", got, want)
		}
		p.heard("1", "2", "3", "4")
		// 1 and 2 were published before, and 2 is among what was lost since.
		p.say(10, "me", "1", "text 1")
		p.say(12, "other", "", "between") // numbers may have holes
		p.send(`{"type":"gap","room":"lobby","from":13,"to":15,"why":"history"}`)
		p.say(10, "me", "1", "text 1") // the answer to 1
		p.say(13, "me", "2", "text 2") // to 2
		p.say(17, "me", "3", "text 3")
		p.say(18, "me", "4", "said while offline")
		u.told("welcome 8 of 3", "10 text 1 mine", "12 between", "gap 13-15 history", "13 text 2 mine again", "17 text 3 mine", "18 said while offline mine")
		u.Finish()
		p.goodbye()
		u.end(nil)
	})
}

func TestAGapAndANewEpochAreANewPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{})
		p := s.welcome(7, false)
		p.say(8, "other", "", "hi")
		p.send(`{"type":"error","code":"bad_name","message":"no"}`)
		u.told("welcome 7 of 3", "8 hi", "error bad_name  mine=false")
		p.cut()
		p = s.welcome(20, false)
		p.send(`{"type":"gap","room":"lobby","from":9,"to":20,"why":"history"}`)
		p.say(21, "other", "", "later")
		u.told("offline: the connection was cut off", "welcome 20 of 3", "gap 9-20 history", "21 later")
		p.cut()
		p = s.next()
		if since := p.query.Get("since"); since != "0000000a.21.1021" {
			t.Errorf("since %s", since)
		}
		p.send(`{"type":"welcome","id":"you","session":"proof 2","epoch":"0000000b","seq":0,"resumed":false,"members":1,"limits":{"message":100}}`)
		p.send(`{"type":"gap","room":"lobby","from":1,"to":0,"why":"epoch"}`)
		p.say(1, "other", "", "anew")
		u.told("offline: the connection was cut off", "welcome 0 of 1", "gap 1-0 epoch", "1 anew")
		p.cut()
		p = s.next()
		if got, want := p.query.Encode(), "session=proof+2&since=0000000b.1.1001&token=t"; got != want {
			t.Errorf("query %s, not %s", got, want)
		}

		// So is one that comes later.
		p.welcome(1, true)
		p.send(`{"type":"gap","room":"lobby","from":2,"to":9,"why":"history"}`)
		u.told("offline: the connection was cut off", "welcome 1 of 3", "gap 2-9 history")
		p.cut()
		p = s.next()
		if since := p.query.Get("since"); since != "0000000a.9" {
			t.Errorf("since %s", since)
		}
		p.welcome(9, true)
		p.send(`{"type":"gap","room":"lobby","from":1,"to":3,"why":"epoch","epoch":"0000000c"}`)
		p.say(4, "other", "", "anew again")
		u.told("offline: the connection was cut off", "welcome 9 of 3", "gap 1-3 epoch", "4 anew again")
		p.cut()
		p = s.next()
		if since := p.query.Get("since"); since != "0000000c.4.1004" {
			t.Errorf("since %s", since)
		}
		p.cut()
		u.end(nil)
	})
}

func TestATextThatIsTooLongIsRefusedHere(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{})
		u.say("early", strings.Repeat("x", 101)) // the limit is not known yet
		u.say("fits", strings.Repeat("x", 100))
		p := s.welcome(0, false)
		p.heard("fits")
		u.say("late", strings.Repeat("x", 101))
		u.told("welcome 0 of 3", "error too_long early mine=true", "error too_long late mine=true")
		p.send(`{"type":"error","code":"not_allowed","message":"no","nonce":"fits"}`)
		u.told("error not_allowed fits mine=true")
		u.Finish()
		p.goodbye()
		u.end(nil)
	})
}

func TestNoMoreIsTakenThanMayBeUnconfirmed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{})
		p := s.welcome(0, false)
		for i := range maxUnconfirmed {
			u.say(strconv.Itoa(i), "x")
		}
		more := make(chan struct{})
		go func() {
			defer close(more)
			u.say("more", "x")
		}()
		synctest.Wait()
		select {
		case <-more:
			t.Error("taken")
		default:
		}
		p.heard("0")
		p.say(1, "me", "0", "x")
		<-more
		p.cut()
		u.end(nil)
		if n := u.Unconfirmed(); n != maxUnconfirmed {
			t.Errorf("%d unconfirmed", n)
		}
		if err := u.Say(t.Context(), "late", "x"); err != ErrEnded {
			t.Errorf("Say after the end: %v", err)
		}
	})
}

func TestANameIsKeptForTheNextHandshake(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{Name: "Ana"})
		p := s.next()
		synctest.Wait()
		u.SetName("Bob") // after the handshake, before the welcome
		synctest.Wait()
		p.welcome(0, false)
		if e := p.hear(); e.Type != "name" || e.Name != "Bob" {
			t.Errorf("heard %+v", e)
		}
		u.Who()
		if e := p.hear(); e.Type != "who" {
			t.Errorf("heard %+v", e)
		}
		p.send(`{"type":"who","room":"lobby","count":2,"members":[{"id":"me","name":"Bob"}]}`)
		u.told("welcome 0 of 3", "who")
		p.cut()
		synctest.Wait()
		u.SetName("Cyd")
		u.Who()
		p = s.welcome(0, true)
		if e := p.hear(); e.Type != "who" {
			t.Errorf("heard %+v", e)
		}
		if name := p.query.Get("name"); name != "Cyd" {
			t.Errorf("name %q", name)
		}
		go p.goodbye()
		u.end(nil)
	})
}

func TestTheTimeBeforeANewLinkDoublesWithinTheServersHints(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		waits := make(chan time.Duration, 1)
		u := s.user(Config{Heard: func(e Event) error {
			if e.Type == Offline {
				waits <- e.Retry
			}
			return nil
		}})
		p := s.welcome(0, false)
		s.refuse(errors.New("no route"), nil)
		p.cut()
		for i, limit := range []time.Duration{1, 2, 4, 8, 8, 8, 8, 8} {
			if wait := <-waits; wait < 0 || wait > limit*time.Second {
				t.Errorf("wait %d is %s, at most %d s", i, wait, limit)
			}
		}
		s.refuse(nil, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "100")
			http.Error(w, "full", http.StatusServiceUnavailable)
		})
		<-waits // may have been under way
		if wait := <-waits; wait < 100*time.Second || wait > 108*time.Second {
			t.Errorf("wait %s after Retry-After: 100", wait)
		}
		synctest.Wait()
		if last := u.heard[len(u.heard)-1]; last != "offline: the server answers 503 Service Unavailable: full" {
			t.Error(last)
		}
		u.end(nil)
	})
}

func TestADeadNetworkIsFoundOutBySilence(t *testing.T) {
	for _, swallows := range []bool{true, false} { // what is written, as a kernel does for a while
		inBubble(t, func(t *testing.T, s *server) {
			u := s.user(Config{})
			p := s.welcome(0, false)
			if swallows {
				go io.Copy(io.Discard, p.pipe)
			}
			synctest.Wait()
			begun := time.Now()
			s.welcome(0, true).cut()
			if took := time.Since(begun); took > 25*time.Second {
				t.Errorf("found out after %s", took)
			}
			u.told("welcome 0 of 3", "offline: nothing is heard from the server any more", "welcome 0 of 3", "offline: the connection was cut off")
			p.cut()
			u.end(nil)
		})
	}
}

func TestAQuietNetworkIsNotADeadOne(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{})
		p := s.welcome(0, false)
		go p.goodbye() // reads, which answers pings
		time.Sleep(10 * time.Minute)
		u.told("welcome 0 of 3")
		u.end(nil)
	})
}

func TestAReaderThatTakesItsTimeIsNotADeadNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		u := s.user(Config{Heard: func(e Event) error {
			if e.Type == Say {
				time.Sleep(time.Minute)
			}
			return nil
		}})
		p := s.welcome(0, false)
		p.say(1, "other", "", "a")
		p.say(2, "other", "", "b")
		p.say(3, "other", "", "c")
		go p.goodbye()
		time.Sleep(10 * time.Minute)
		u.told("welcome 0 of 3", "1 a", "2 b", "3 c")
		u.end(nil)
	})
}

func TestTheServersLastWordEndsIt(t *testing.T) {
	for _, code := range []websocket.StatusCode{1003, 1008, 1009, 1010, 4401} {
		inBubble(t, func(t *testing.T, s *server) {
			u := s.user(Config{})
			p := s.welcome(0, false)
			u.say("1", "hi")
			synctest.Wait()
			go p.end(code, "because")
			<-u.ended
			if want := fmt.Sprintf("the server closed the connection: %d because", code); u.err == nil || u.err.Error() != want {
				t.Errorf("Run: %v, not %s", u.err, want)
			}
		})
	}
	for _, code := range []websocket.StatusCode{1000, 1001, 1011, 1012, 1013} {
		inBubble(t, func(t *testing.T, s *server) {
			u := s.user(Config{})
			p := s.welcome(0, false)
			synctest.Wait()
			go p.end(code, "")
			s.welcome(0, true).cut()
			u.told("welcome 0 of 3", fmt.Sprint("offline: the server closed the connection: ", int(code)), "welcome 0 of 3", "offline: the connection was cut off")
			u.end(nil)
		})
	}
}

func TestTheTokenIsAskedForBeforeEachConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		tokens := []string{"one", "one", "", "two", "three", "four"}
		u := s.user(Config{Token: func() (string, error) {
			token := tokens[0]
			tokens = tokens[1:]
			if token == "" {
				return "", errors.New("not now")
			}
			return token, nil
		}})
		p := s.welcome(0, false)
		synctest.Wait()
		for _, want := range []string{"one", "one", "one"} {
			if p.token != "Bearer "+want {
				t.Errorf("%q, want %q", p.token, want)
			}
			go p.end(1001, "")
			p = s.welcome(0, true)
			synctest.Wait()
		}
		if p.token != "Bearer two" || len(tokens) != 2 {
			t.Errorf("%q, %q", p.token, tokens)
		}
		go p.goodbye()
		u.end(nil)
	})
}

func TestExpiredTokenEndsItUnlessThereIsAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		token := "one"
		u := s.user(Config{Token: func() (string, error) { return token, nil }})
		p := s.welcome(0, false)
		synctest.Wait()
		token = "two"
		go p.end(statusUnauthorized, "token_expired")
		if p = s.welcome(0, true); p.token != "Bearer two" {
			t.Errorf("%q", p.token)
		}
		synctest.Wait()
		go p.end(statusUnauthorized, "token_expired")
		<-u.ended
		if want := "the server closed the connection: 4401 token_expired"; u.err == nil || u.err.Error() != want {
			t.Errorf("Run: %v, not %s", u.err, want)
		}
	})
	inBubble(t, func(t *testing.T, s *server) {
		token := "one"
		u := s.user(Config{Token: func() (string, error) { return token, nil }})
		p := s.welcome(0, false)
		synctest.Wait()
		s.refuse(nil, func(w http.ResponseWriter) { http.Error(w, "the token has expired", http.StatusUnauthorized) })
		p.cut()
		<-u.ended
		if want := "the server answers 401 Unauthorized: the token has expired"; u.err == nil || u.err.Error() != want {
			t.Errorf("Run: %v, not %s", u.err, want)
		}
	})
}

func TestTheFirstConnectionHasToSucceed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		down := errors.New("no route")
		s.refuse(down, nil)
		u := s.user(Config{})
		<-u.ended
		u.end(down)

		s.refuse(nil, func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"title":"Forbidden","detail":"the token is for other rooms"}`)
		})
		u = s.user(Config{})
		<-u.ended
		if want := "the server answers 403 Forbidden: the token is for other rooms"; u.err == nil || u.err.Error() != want {
			t.Errorf("Run: %v", u.err)
		}

		s.refuse(nil, nil)
		u = s.user(Config{})
		p := s.next()
		p.send("no JSON")
		<-u.ended
		if u.err == nil {
			t.Error("Run: nil")
		}
		p.cut()
	})
}

func TestWhatCannotBeHeardEndsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, s *server) {
		broken := errors.New("broken pipe")
		u := s.user(Config{Heard: func(Event) error { return broken }})
		p := s.welcome(0, false)
		go p.goodbye()
		<-u.ended
		u.end(broken)
	})
}

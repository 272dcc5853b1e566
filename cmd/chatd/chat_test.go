package main

import (
	"testing"

	"chatd/room/chattest"
)

// startChat starts chatd, and returns its address.
func startChat(t testing.TB, args ...string) string {
	t.Helper()
	return startChatd(t, args...).Addr
}

// talker is a client of chat.v1 in a test that is about it.
type talker struct {
	*chattest.Conn
	t *testing.T
}

// dialChat connects to chatd at addr.
func dialChat(t *testing.T, addr string, o chattest.Options) *talker {
	t.Helper()
	c, err := chattest.Dial(addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &talker{c, t}
}

func say(text string) event { return event{"type": "say", "text": text} }

// tell sends an event.
func (c *talker) tell(e event) {
	c.t.Helper()
	if err := c.Send(e); err != nil {
		c.t.Fatal(err)
	}
}

// hear reads the next event, which must be of that type. How many members there
// are may be told at any time: it is passed over, unless it is what is waited for.
func (c *talker) hear(kind string) *chattest.Event {
	c.t.Helper()
	for {
		e, err := c.Next()
		if err != nil {
			c.t.Fatalf("want %s: %v", kind, err)
		}
		switch e.Type {
		case kind:
			return e
		case "members":
		default:
			c.t.Fatalf("want %s, got %+v", kind, e)
		}
	}
}

// hears reads says of these texts, with numbers from first on.
func (c *talker) hears(first uint64, texts ...string) {
	c.t.Helper()
	for i, text := range texts {
		if e := c.hear("say"); e.Said() != "text "+text || e.Seq != first+uint64(i) {
			c.t.Fatalf("heard %s as %d, want %q as %d", e.Said(), e.Seq, text, first+uint64(i))
		}
	}
}

// says says texts, and waits until it has heard them.
func (c *talker) says(texts ...string) (last *chattest.Event) {
	c.t.Helper()
	for _, text := range texts {
		c.tell(say(text))
		last = c.hear("say")
		if last.Said() != "text "+text {
			c.t.Fatalf("said %q, heard %s", text, last.Said())
		}
	}
	return last
}

// refused sends an event and expects that it is an error.
func (c *talker) refused(code string, e any) *chattest.Event {
	c.t.Helper()
	if err := c.Send(e); err != nil {
		c.t.Fatal(err)
	}
	got := c.hear("error")
	if got.Code != code {
		c.t.Fatalf("%v is %s (%s), want %s", e, got.Code, got.Message, code)
	}
	return got
}

// closed expects that the server closes, after what it has to say.
func (c *talker) closed(code int) {
	c.t.Helper()
	for {
		if _, err := c.Next(); err != nil {
			if got := chattest.Closed(err); got != code {
				c.t.Fatalf("closed with %d (%v), want %d", got, err, code)
			}
			return
		}
	}
}

// listener is a raw client.
type listener struct {
	*chattest.Conn
	t *testing.T
}

func listenRaw(t *testing.T, addr string, o chattest.Options) *listener {
	t.Helper()
	o.Raw = true
	c, err := chattest.Dial(addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &listener{c, t}
}

// hears reads messages: of text, or binary if they begin with a zero.
func (l *listener) hears(messages ...string) {
	l.t.Helper()
	for _, want := range messages {
		binary, got, err := l.Message()
		if err != nil || string(got) != want || binary != (want != "" && want[0] == 0) {
			l.t.Fatalf("heard %q, binary: %t, %v; want %q", got, binary, err, want)
		}
	}
}

func (l *listener) says(message string) {
	l.t.Helper()
	if err := l.Write(message != "" && message[0] == 0, []byte(message)); err != nil {
		l.t.Fatal(err)
	}
}

// Package client speaks chat.v1 with a server, in one room, for as long as it
// takes: it comes back when it is cut off, with its place in the room and all
// that was said and not confirmed.
//
//	client.go        Client: the loop, and what may be asked of it
//	hear.go          what the server's events do to the Client
//	event.go         Event: what is heard
//	unconfirmed.go   the window of what was said and is not confirmed
//	link.go          one connection: its dialling, reading, writing and pinging
//	refusal.go       why a connection ended, and whether another one is of use
//	retry.go         when the next one is due
//
// # Owners
//
// Everything of a Client is its Run's, and so is the calling of Config.Heard. A
// link has goroutines of its own, which know bytes and no events; they are gone
// when Run returns.
//
//	Say, Name, Who ──▶ Run ──out──▶ link: writes
//	        Heard ◀──      ◀─frames─ link: reads, pings
//
// Nothing waits without a bound: Say does while the window is full, and the link
// reads nothing while Heard does not return.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
)

// Config is what a Client is made of.
type Config struct {
	URL   *url.URL          // of the room's WebSocket; what is in its query goes with every handshake
	Name  string            // to be called by; none if empty
	Since string            // where to begin: a position, "now", or, if empty, with the history
	Heard func(Event) error // called by Run, one event after the other; an error ends Run
	// Token is called by Run before each connection for the token that the server
	// wants; after an error the one before is given again. Nil: none.
	Token func() (string, error)

	dial dialFunc // for tests; nil: TCP
}

// Client is a place in a room. Say, SetName, Who and Finish may be called by
// anybody, at any time.
type Client struct {
	config Config
	says   chan said
	names  chan string   // names to have from now on
	asks   chan struct{} // who is there?
	done   chan struct{} // closed when Run has returned

	// Owned by Run.

	established bool // a server has welcomed us, once
	welcomed    bool // and on this link
	link        *link
	lostAt      time.Time
	place       place
	id, session string
	token       string // that was given last
	limit       int    // bytes of a text; 0: not known yet
	retry       retry
	unconfirmed window
	nameDue     bool // the server does not know our name
	whoDue      bool // we do not know who is there
	finishing   bool
}

// said is a text on its way, by the name that its sender has for it.
type said struct{ nonce, text string }

// New returns a Client, for which Run is to be called.
func New(config Config) *Client {
	return &Client{
		config: config,
		says:   make(chan said),
		names:  make(chan string, 1),
		asks:   make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
}

// ErrEnded is what Say returns when there is nobody left to take the text.
var ErrEnded = errors.New("the chat has ended")

// Say says a text, under a nonce that was not used before. It waits while as many
// as there may be are unconfirmed. The text is confirmed, or refused, by the
// event that has the nonce and is Mine.
func (c *Client) Say(ctx context.Context, nonce, text string) error {
	select {
	case c.says <- said{nonce, text}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return ErrEnded
	}
}

// Finish says that nothing more will be said: Run returns when all that was said
// is confirmed or refused. It is called once, and Say not after it.
func (c *Client) Finish() { close(c.says) }

// SetName asks to be called so from now on, and reports whether it could be
// noted: not while the one before is not, but that takes no time.
func (c *Client) SetName(name string) bool {
	select {
	case c.names <- name:
		return true
	default:
		return false
	}
}

// Who asks who is in the room. The answer is an Event; without a link it takes
// until there is one.
func (c *Client) Who() {
	select {
	case c.asks <- struct{}{}:
	default: // the same question waits
	}
}

// Unconfirmed returns how much of what was said is neither confirmed nor refused.
// It may be called when Run has returned.
func (c *Client) Unconfirmed() int { return len(c.unconfirmed.says) }

// Run chats until ctx is done, or all is said and confirmed after Finish, and
// then returns nil. Otherwise it returns why there is no chat: the first
// connection failed, the server wants no further one, or Heard returned an error.
func (c *Client) Run(ctx context.Context) error {
	defer close(c.done)
	defer c.leave()
	c.connect(ctx)
	for !c.finishing || len(c.unconfirmed.says) > 0 || !c.established {
		var frames <-chan []byte
		var out chan<- []byte
		var next []byte
		if c.link != nil {
			frames = c.link.frames
		}
		if c.welcomed {
			if next = c.next(); next != nil {
				out = c.link.out
			}
		}
		says := c.says
		if c.finishing || c.unconfirmed.full() {
			says = nil
		}
		var err error
		select {
		case <-ctx.Done():
			return nil
		case s, more := <-says:
			if c.finishing = !more; more {
				err = c.say(s)
			}
		case c.config.Name = <-c.names:
			c.nameDue = true
		case <-c.asks:
			c.whoDue = true
		case out <- next:
			c.handedOver()
		case frame, more := <-frames:
			if more {
				err = c.hear(frame)
			} else {
				err = c.lost(c.link.err)
			}
		case <-c.retry.due:
			c.connect(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leave ends the link, politely if there is a talk.
func (c *Client) leave() {
	switch {
	case c.link == nil:
	case c.welcomed:
		c.link.goodbye()
	default:
		c.link.close()
	}
}

// connect begins a link. It does not end with ctx: Run does that.
func (c *Client) connect(ctx context.Context) {
	c.retry.due = nil
	c.nameDue = false // it goes with the handshake
	c.renewToken()
	c.link = open(context.WithoutCancel(ctx), c.handshakeURL(), c.token, c.config.dial)
}

// renewToken takes the token that is to be given now, and reports whether it is
// another one.
func (c *Client) renewToken() bool {
	if c.config.Token == nil {
		return false
	}
	token, err := c.config.Token()
	if err != nil || token == c.token {
		return false
	}
	c.token = token
	return true
}

// handshakeURL is the room's, with who we are and how far.
func (c *Client) handshakeURL() string {
	u, query := *c.config.URL, c.config.URL.Query()
	since := c.config.Since
	if c.established {
		since = c.place.String()
	}
	for key, value := range map[string]string{"name": c.config.Name, "since": since, "session": c.session} {
		if value != "" {
			query.Set(key, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// lost takes leave of a link that has ended by itself, because of err, and sees
// to the next one; it returns an error if there should be none.
func (c *Client) lost(err error) error {
	var refused *Refusal
	if !errors.As(err, &refused) {
		refused = &Refusal{Err: err}
	}
	if !c.established || refused.Final && !(refused.Token && c.renewToken()) {
		c.link = nil
		return err
	}
	if c.welcomed {
		c.lostAt = time.Now()
		c.retry.ended(c.link.opened)
	}
	c.link, c.welcomed = nil, false
	c.unconfirmed.resend()
	wait := c.retry.next(refused.After)
	return c.config.Heard(Event{Type: Offline, Err: err, Retry: wait})
}

// say takes a text into the window, or refuses it.
func (c *Client) say(s said) error {
	s.text = strings.ToValidUTF8(s.text, "\uFFFD") // as JSON has it, and the server counts it
	if c.limit > 0 && len(s.text) > c.limit {
		return c.tooLong(s)
	}
	c.unconfirmed.add(s)
	return nil
}

// next returns what is to be sent next, or nil.
func (c *Client) next() []byte {
	switch {
	case c.nameDue:
		return encode(wireEvent{Type: "name", Name: &c.config.Name})
	case c.whoDue:
		return encode(wireEvent{Type: "who"})
	}
	return c.unconfirmed.next()
}

// handedOver tells that the link has taken next.
func (c *Client) handedOver() {
	switch {
	case c.nameDue:
		c.nameDue = false
	case c.whoDue:
		c.whoDue = false
	default:
		c.unconfirmed.sent++
	}
}

// wireEvent is an event for the server.
type wireEvent struct {
	Type  string  `json:"type"`
	Text  string  `json:"text,omitempty"`
	Nonce string  `json:"nonce,omitempty"`
	Name  *string `json:"name,omitempty"`
}

func encode(e wireEvent) []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings only
	}
	return b
}

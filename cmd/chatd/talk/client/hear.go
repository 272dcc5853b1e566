package client

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// place is how far we are in the room: the last message heard.
type place struct {
	epoch string
	seq   uint64
	at    int64 // 0: not known
}

// String is the position for since.
func (p place) String() string {
	s := p.epoch + "." + strconv.FormatUint(p.seq, 10)
	if p.at > 0 {
		s += "." + strconv.FormatInt(p.at, 10)
	}
	return s
}

var errNoWelcome = errors.New("the server does not begin with a welcome, as chat.v1 does")

// hear takes an event of the server's.
func (c *Client) hear(frame []byte) error {
	e, err := decode(frame)
	if err == nil && c.welcomed == (e.Type == Welcome) {
		err = errNoWelcome
	}
	if err != nil {
		c.link.close()
		return c.lost(err)
	}
	switch e.Type {
	case Welcome:
		return c.welcome(e)
	case Say:
		c.order(&e)
		if e.Again && !e.Mine {
			return nil
		}
	case Gap:
		c.place.seq, c.place.at = e.To, 0
		if e.Epoch != "" {
			c.place.epoch = e.Epoch
		}
	case Error:
		e.Mine = c.unconfirmed.settle(e.Nonce)
	}
	return c.config.Heard(e)
}

// welcome begins the talk on a new link.
func (c *Client) welcome(e Event) error {
	if c.established {
		e.Away = max(1, time.Since(c.lostAt))
	}
	if !c.established || !e.Resumed || e.Epoch != c.place.epoch {
		c.place = place{epoch: e.Epoch, seq: e.Seq}
	}
	c.established, c.welcomed = true, true
	c.id, c.session, c.limit = e.ID, e.Session, e.Limits.Message
	c.retry.hints(e.Retries)
	c.link.allow(c.limit)
	if err := c.config.Heard(e); err != nil {
		return err
	}
	for _, s := range c.unconfirmed.takeLonger(c.limit) {
		if err := c.tooLong(s); err != nil {
			return err
		}
	}
	return nil
}

// order puts a message into its place. One that was sent again, because a link
// was lost before it was confirmed, may be heard twice: in its turn, and later, as
// the answer to what we sent.
func (c *Client) order(e *Event) {
	if e.ID == c.id {
		e.Mine = c.unconfirmed.settle(e.Nonce)
	}
	if e.Seq <= c.place.seq {
		e.Again = true
		return
	}
	c.place.seq, c.place.at = e.Seq, e.At
}

// tooLong refuses a text as the server would, but for a frame that is so large
// that it would end the connection.
func (c *Client) tooLong(s said) error {
	return c.config.Heard(Event{
		Type: Error, Mine: true, Nonce: s.nonce, Code: "too_long",
		Message: fmt.Sprintf("the text has more than the %d bytes that the server takes", c.limit),
	})
}

package room

import (
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/deflate"
	"chatd/room/frame"
)

// feedFrames publishes the messages in b, answers control frames, and returns
// how many bytes it used. What the peer has to wait with, and what would make
// the post too large, stays for the next time.
func (c *client) feedFrames(w *poller.Worker, b []byte) (used int) {
	s, counters := c.server, c.server.counters.of(w)
	rules := s.rules
	rules.Deflate = c.has(statusDeflate)
	cs := c.chat()
	if cs != nil {
		rules.MaxMessage = chat.MaxFrame(rules.MaxMessage)
	}
	t := c.newTurn(w)
	var decoder frame.Decoder
	var meter meter
	if c.in != nil {
		decoder, meter = c.in.decoder, c.in.meter
	}
	meter.drain(s.now.Load(), &s.rates)
	more, spoke, mute := false, false, cs == nil && c.mute()
	for t.post.last == nil {
		if t.halt || len(t.post.frames.plain) >= maxBacklog || meter.overdrawn(&s.rates) {
			more = used < len(b)
			break
		}
		m, n, ok, err := decoder.Next(b[used:], rules)
		used += n
		meter.use(&s.rates, limitBytes, n)
		if err == nil && ok && m.Compressed {
			packed := len(m.Payload)
			m.Payload, err = t.post.inflate(m, rules.MaxMessage)
			meter.use(&s.rates, limitBytes, max(0, len(m.Payload)-packed))
			counters.inflated.Add(1)
		}
		if err != nil {
			t.post.last = violation(err)
			break
		}
		if n == 0 {
			break
		}
		if !ok {
			continue
		}
		switch m.Op {
		case ws.OpText, ws.OpBinary:
			if cs != nil {
				cs.take(&t, m)
			} else if mute {
				t.post.last = &mail{bytes: goodbye[ListensOnly], reason: ListensOnly}
			} else {
				t.post.add(counters, m.Op, m.Payload)
			}
			spoke = true
			meter.use(&s.rates, limitMessages, 1)
		case ws.OpPing:
			t.pong = frame.AppendPong(t.pong[:0], m.Payload)
			meter.use(&s.rates, limitControls, 1)
		case ws.OpPong:
			if c.has(statusPinged) {
				c.status.And(^statusPinged) // the answer to ours
			} else {
				meter.use(&s.rates, limitControls, 1)
			}
		case ws.OpClose:
			t.post.last = &mail{bytes: frame.AppendCloseReply(nil, m.Payload)}
		}
	}
	if c.in != nil || more || !decoder.AtRest() || !meter.atRest() {
		in := c.remember()
		in.decoder, in.meter, in.more = decoder, meter, more
	}
	if spoke {
		c.spoke.Store(s.now.Load())
	}
	if t.post.last == nil && meter.overdrawn(&s.rates) {
		c.pause(counters)
		if s.config.RateClose {
			t.post.last = &mail{bytes: goodbye[Rate], reason: Rate}
		}
	}
	if t.end(); c.phase != phaseOpen {
		return len(b)
	}
	return used
}

// violation is the last mail to a client that broke the protocol's rules.
func violation(err error) *mail {
	var e *frame.Error
	errors.As(err, &e)
	return &mail{bytes: frame.AppendClose(nil, e.Code, e.Reason), reason: reasonOf(e)}
}

// minPause is half a second at least, in ticks: very many who are paused are to
// cost a little now and then, and not all of them something at each tick.
const minPause = ticksPerSecond/2 + 1

// pause keeps the session from going on until its meter's debt is paid, and for
// minPause at least. It does not count as the peer's silence; nor, unless control
// frames alone caused it, as time without a message.
func (c *client) pause(t *counters) {
	s, m := c.server, &c.in.meter
	limit, ticks := m.debt(&s.rates)
	ticks = max(ticks, minPause)
	t.throttled[limit].Add(1)
	m.until = m.at + ticks
	c.heard.Store(m.until)
	if limit != limitControls {
		c.spoke.Add(ticks)
	}
	s.paused.Put(&paused{c: c, until: m.until})
}

// inflate is the payload that m's is the compressed form of (RFC 7692 §6.2),
// valid until the next call.
func (p *post) inflate(m frame.Message, limit int) ([]byte, error) {
	var err error
	p.inflated, err = deflate.Inflate(p.inflated[:0], m.Payload, limit)
	switch {
	case errors.Is(err, deflate.ErrTooBig):
		return nil, frame.ErrTooBig
	case err != nil:
		return nil, frame.ErrBadDeflate
	case m.Op == ws.OpText && !utf8.Valid(p.inflated): // RFC 6455 §8.1
		return nil, frame.ErrBadUTF8
	}
	return p.inflated, nil
}

package room

import (
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/deflate"
	"chatd/room/frame"
)

// feedFrames publishes the messages in b, answers control frames, and returns
// how many bytes it used.
func (c *client) feedFrames(w *poller.Worker, b []byte) (used int) {
	s := c.server
	rules := s.rules
	rules.Deflate = c.has(statusDeflate)
	p := newPost(s.hub.deflating.Load())
	var decoder frame.Decoder
	if c.in != nil {
		decoder = c.in.decoder
	}
	var pong []byte
	var spent cost
	for p.last == nil {
		m, n, ok, err := decoder.Next(b[used:], rules)
		used += n
		if err == nil && ok && m.Compressed {
			m.Payload, err = p.inflate(m, rules.MaxMessage)
			s.tallies.of(w).inflated.Add(1)
		}
		if err != nil {
			p.last = violation(pong, err)
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
			p.add(s.tallies.of(w), m.Op, m.Payload)
			spent[limitMessages]++
		case ws.OpPing:
			pong = frame.AppendPong(pong[:0], m.Payload)
			spent[limitControls]++
		case ws.OpPong:
			if c.has(statusPinged) {
				c.status.And(^statusPinged) // the answer to ours
			} else {
				spent[limitControls]++
			}
		case ws.OpClose:
			p.last = &mail{bytes: frame.AppendCloseReply(pong, m.Payload)}
		}
	}
	if c.in != nil || !decoder.AtRest() {
		c.remember().decoder = decoder
	}
	spent[limitBytes] = int64(used)
	if c.charge(w, spent) && s.config.RateClose && p.last == nil {
		p.last = &mail{bytes: append(pong, goodbye[Rate]...), reason: Rate}
	}
	if p.count > 0 {
		c.spoke.Store(s.now.Load())
	}
	switch {
	case p.last != nil:
		c.leave(w, p)
		return len(b)
	case p.count > 0:
		s.hub.publish(w, p)
	default:
		p.free()
	}
	if pong != nil {
		c.send(w, &mail{bytes: pong})
	}
	return used
}

// violation is the last mail to a client that broke the protocol's rules.
func violation(pong []byte, err error) *mail {
	var e *frame.Error
	errors.As(err, &e)
	return &mail{bytes: frame.AppendClose(pong, e.Code, e.Reason), reason: reasonOf(e)}
}

// charge books what was read, and reports whether that was too much. Then,
// unless the client is to leave, its session pauses.
func (c *client) charge(w *poller.Worker, spent cost) bool {
	s := c.server
	for i, rate := range s.rates {
		if rate == 0 {
			spent[i] = 0
		}
	}
	if c.in == nil && spent == (cost{}) {
		return false
	}
	now := s.now.Load()
	limit, ticks := c.remember().meter.charge(now, &s.rates, spent)
	if ticks == 0 {
		return false
	}
	s.tallies.of(w).throttled[limit].Add(1)
	c.in.meter.until = now + ticks
	s.paused.Put(&paused{c: c, until: now + ticks})
	return true
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

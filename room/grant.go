package room

import (
	"math"
	"time"

	"chatd/poller"
	"chatd/room/handshake"
	"chatd/room/token"
)

// This file is what tokens mean for connections. Where Config.Tokens is set nobody
// comes in without one; a connection that has one keeps what it grants, and is sent
// away when it expires. That is behind the handler, so that it costs those nothing
// that have none.

// authorize is what the token grants one who asks to come into the room; nil:
// there are no tokens, everybody may. Refusal's verdict is Refuse if he may not.
func (s *Server) authorize(given, room string) (grant *token.Grant, refusal handshake.Result) {
	if s.config.Tokens == nil {
		return nil, refusal
	}
	grant, fault := s.config.Tokens.Verify(given, time.UnixMilli(s.clock()))
	switch {
	case fault != token.Valid:
		return nil, noAccess[fault]
	case !grant.Allows(room):
		return nil, handshake.RoomForbidden
	}
	return grant, refusal
}

// noAccess has the answer for each fault of a token. The sentences repeat nothing of
// it.
var noAccess = func() (all [token.Faults]handshake.Result) {
	for f := token.Missing; f < token.Faults; f++ {
		all[f] = handshake.Unauthorized(f.Word(), f.String())
	}
	return all
}()

// holder is a handler whose client came with a token.
type holder interface{ holds() *token.Grant }

// grantedChat is a chat session that has a token.
type grantedChat struct {
	chatSession
	token *token.Grant // static
}

func (cs *grantedChat) holds() *token.Grant { return cs.token }

// granted is the handler of a client that has a token and no chat session.
type granted struct {
	*client
	token *token.Grant // static
}

func (g *granted) holds() *token.Grant { return g.token }

// hold has c keep what it was granted, if that is not nil. Its session calls it
// before it joins.
func (c *client) hold(grant *token.Grant) {
	if grant != nil {
		c.status.Or(statusGranted)
		c.Handover(&granted{c, grant})
	}
}

// grant is what c's token grants, nil if it needed none. Its session may call it,
// and its shard.
func (c *client) grant() *token.Grant {
	if !c.has(statusGranted) {
		return nil
	}
	return c.Handler().(holder).holds()
}

// who is the id and the name that c has: those of its chat session, or else what its
// token says. Its session may call it, and its shard.
func (c *client) who() (id, name string) {
	if cs := c.chat(); cs != nil {
		a := cs.author.Load()
		return a.id(), a.name()
	}
	if g := c.grant(); g != nil {
		return g.Subject, g.Name
	}
	return "", ""
}

// mute reports whether c may listen only.
func (c *client) mute() bool {
	g := c.grant()
	return g != nil && !g.Say
}

// never is when a token expires that is not there.
const never = math.MaxInt64

// expire sends the members away whose tokens have expired at the time now, and
// notes when the next one will. Tokens say when by the time of day: so it is not
// known before in ticks.
func (s *shard) expire(w *poller.Worker, now int64) {
	s.expires = never
	for _, r := range s.list {
		for i := len(r.ready) - 1; i >= 0; i-- {
			s.checkToken(w, r.ready[i], now)
		}
	}
	for i := len(s.lagging) - 1; i >= 0; i-- {
		if o := s.lagging[i]; !o.left {
			s.checkToken(w, o.c, now)
		}
	}
}

// checkToken sends c away if its token has expired, and else looks again when it has.
func (s *shard) checkToken(w *poller.Worker, c *client, now int64) {
	switch g := c.grant(); {
	case g == nil:
	case g.Expires <= now:
		s.sendAway(w, c, TokenExpired, s.ends(c))
	default:
		s.expires = min(s.expires, g.Expires)
	}
}

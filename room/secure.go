package room

import (
	"context"
	"log/slog"
	"time"
	"unsafe"

	"chatd/poller"
	"chatd/room/handshake"

	"chatd/poller/tls13"
)

// This file is what a connection over TLS has more than others.
//
//	socket ─▶ Handshake, while there is one
//	socket ─▶ Reader ─▶ session        shard ─▶ Writer ─▶ socket
//
// All else is as with any connection: what a session works on has been opened by the
// Reader, and what is written to a client goes through put, or a pass, which seal it.

// secure is a client whose listener speaks TLS. Others have no memory for it.
type secure struct {
	client
	// session is there while statusSecure is set. Its Reader is the session's (of the
	// client); its Writer is whose who writes to the socket.
	session tls13.Session
}

// newSecure is a client in a secure.
func newSecure() *client {
	s := new(secure)
	s.status.Store(statusTLS)
	return &s.client
}

// secured is the session of a client that has statusTLS: only newSecure sets that, and
// then the client is what a secure begins with.
func (c *client) secured() *tls13.Session { return &(*secure)(unsafe.Pointer(c)).session }

// tls is what is between c and its socket, nil if nothing is.
func (c *client) tls() *tls13.Session {
	if !c.has(statusSecure) {
		return nil
	}
	return c.secured()
}

// resume goes on with what net/http had. What that has written is sent, or it has failed:
// then there is no way to go on.
func (c *client) resume(conn *tls13.Conn) {
	if session := conn.Detach(); session != nil {
		*c.secured() = session.Move()
	} else {
		c.secured().Wipe()
	}
	c.status.Or(statusSecure)
}

// unsent reports whether something was taken from who writes to c, and has not yet all
// gone to the socket. Only who writes may call it.
func (c *client) unsent() bool {
	t := c.tls()
	return t != nil && t.Writer.Pending()
}

// wipe forgets the secrets. From then on what comes is read as it is, and discarded.
func (c *client) wipe() {
	if t := c.tls(); t != nil {
		c.status.And(^statusSecure)
		t.Wipe()
	}
}

// helloSize is how much is read at first: a ClientHello, mostly.
const helloSize = 4 << 10

// handshakeTLS is the handshake that is under way, nil if nothing has come yet.
func (c *client) handshakeTLS() *tls13.Handshake {
	if c.in == nil {
		return nil
	}
	return c.in.handshake
}

// continueTLS goes on with the handshake of TLS, and reports whether it is over, in one way or
// the other.
func (c *client) continueTLS(w *poller.Worker) bool {
	h := c.handshakeTLS()
	for room, more := helloSize, true; ; {
		if h == nil && c.server.halt(c) {
			return false
		}
		if h != nil {
			if r := h.Continue(); r != nil {
				c.finishTLS(w, r)
				return true
			}
			if room = h.Room(); room == 0 || c.ended || !more {
				return false
			}
		}
		came := c.unread() // with the PROXY header
		if len(came) == 0 {
			n := c.Read(w.Scratch[:room])
			if n == poller.WouldBlock {
				return false
			}
			if n <= 0 && h == nil {
				c.close(w)
				return true
			}
			if n <= 0 {
				c.ended = true
				h.End()
				continue
			}
			came, more = w.Scratch[:n], n == room || c.Hangup()
			c.heard.Store(c.server.now.Load())
		}
		if h == nil {
			h = c.server.config.TLS.Begin(&c.Conn)
			c.remember().handshake = h
		}
		n := min(len(came), room)
		h.Feed(came[:n])
		c.setUnread(came[n:])
	}
}

// finishTLS is the end of the handshake of TLS.
func (c *client) finishTLS(w *poller.Worker, r *tls13.Result) {
	ahead := c.unread()
	c.in = nil
	t := &c.server.tls
	if r.Session != nil && len(ahead) > 0 { // nobody says so much before he is answered
		r.Session.Wipe()
		r = &tls13.Result{Reason: tls13.Malformed}
	}
	if r.Session == nil {
		t.failed[r.Reason].Add(1)
		c.failTLS(w, r)
		return
	}
	if r.Resumed {
		t.resumed.Add(1)
	} else {
		t.full.Add(1)
	}
	*c.secured() = r.Session.Move()
	c.status.Or(statusSecure)
	c.ended = false // the Reader finds the end behind what has come
	c.phase = phaseHead
	if r.Protocol != "" && r.Protocol != "http/1.1" { // the handshake was all there is to it
		c.bye(w)
		c.linger(w)
	}
}

// failTLS is the end of a client whose handshake of TLS failed. It has been told why.
func (c *client) failTLS(w *poller.Worker, r *tls13.Result) {
	s := c.server
	switch r.Reason {
	case tls13.TimedOut:
		s.refused(c.peer(), handshake.TimedOut.Reason, 0)
	case tls13.Canceled:
		if c.has(statusCrowded) {
			s.refused(c.peer(), handshake.Crowded.Reason, 0)
		}
	case tls13.Gone:
	default:
		s.disconnects.add(Disconnect{Time: time.Now(), Source: c.peer(), Reason: "tls_" + r.Reason.String()})
		level := slog.LevelDebug
		if r.Reason == tls13.Panicked {
			level = slog.LevelError
		}
		s.config.Log.Log(context.Background(), level, "TLS handshake failed", "reason", r.Reason.String(), "source", c.peer(), "err", r.Err)
		if r.Reason == tls13.NotTLS {
			w.Send(c.FD(), handshake.PlainHTTP.AppendAnswer(w.Scratch[:0], s.date.get()))
		}
		if !c.ended {
			c.Narrow()
			c.linger(w)
			return
		}
	}
	c.close(w)
}

// stopTLS ends a handshake of TLS that has not ended. One that has not begun is refused.
func (c *client) stopTLS(w *poller.Worker, why tls13.Reason, refusal handshake.Result) {
	if h := c.handshakeTLS(); h != nil {
		c.finishTLS(w, h.Cancel(why))
		return
	}
	if c.server.stage.Load() == serving {
		c.server.refused(c.peer(), refusal.Reason, 0)
	}
	c.close(w)
}

// readRecords is readOnce for a client whose bytes come in records of TLS.
func (c *client) readRecords(w *poller.Worker, t *tls13.Session, buf []byte) bool {
	kept, now := len(c.unread()), c.server.now.Load()
	got := t.Reader.Read(&c.Conn, buf[kept:], now/ticksPerSecond)
	if got.In > 0 {
		c.heard.Store(now)
	}
	if got.Update {
		c.renew(w, t)
	}
	switch {
	case got.N == poller.WouldBlock:
		return got.More || got.In > 0 && c.Hangup()
	case got.N <= 0:
		c.endRecords(w, t, got)
		return false
	}
	c.server.counters.of(w).received.Add(uint64(got.N))
	c.feed(w, buf[:kept+got.N])
	more := got.More || c.Hangup() || c.in != nil && c.in.more
	if more && c.phase == phaseJoining {
		c.Schedule() // nobody would tell
	}
	return more
}

// renew has the keys changed with which c is written to: its peer wants that.
func (c *client) renew(w *poller.Worker, t *tls13.Session) {
	if c.phase == phaseHead {
		t.Writer.Update()
	} else {
		c.signal(w, eventUpdate)
	}
}

// endRecords is the end of what the peer sends.
func (c *client) endRecords(w *poller.Worker, t *tls13.Session, got tls13.Got) {
	switch got.N {
	case 0:
		c.end(w, false)
	case tls13.Failed:
		c.server.tls.broken.Add(1)
		c.fail(w, t, got.Alert)
	default:
		if got.N == tls13.Truncated {
			c.server.tls.truncated.Add(1)
		}
		c.end(w, true)
	}
}

// fail is the end of a client whose peer broke the rules of TLS, and is to be told.
func (c *client) fail(w *poller.Worker, t *tls13.Session, a tls13.Alert) {
	c.in = nil
	if c.phase == phaseHead {
		t.Writer.End(a)
		t.Writer.Flush(w, nil, c.FD())
		c.Narrow()
		c.linger(w)
		return
	}
	c.phase, c.wrong = phaseLeaving, true
	c.send(w, &mail{broken: true, reason: Reset, alert: a})
}

// bye ends the stream to c, which is not a member.
func (c *client) bye(w *poller.Worker) {
	t := c.secured()
	t.Writer.End(tls13.CloseNotify)
	t.Writer.Flush(w, nil, c.FD()) // as much as the socket takes
}

// put writes p to c's socket, as [poller.Sender.Send] does. What was not taken waits
// behind what c has unsent; that stays as it is until it has gone, so p is in nobody's
// scratch.
func (s *shard) put(w *poller.Worker, c *client, p []byte) int {
	if t := c.tls(); t != nil {
		return t.Writer.Send(w, &s.ciphers, c.FD(), p)
	}
	return w.Send(c.FD(), p)
}

// fanOut writes p to r's ready members from begin to end.
func (s *shard) fanOut(w *poller.Worker, r *roster, begin, end int, p []byte, results []int32) {
	if !r.secure {
		w.Fanout(r.fds[begin:end], p, results)
		return
	}
	members := r.ready[begin:end]
	writer := func(i int) *tls13.Writer { return &members[i].secured().Writer }
	tls13.Fanout(w, &s.ciphers, r.fds[begin:end], writer, p, results)
}

// unsentAt reports whether r's ready member at i has something unsent.
func (r *roster) unsentAt(i int) bool { return r.secure && r.ready[i].secured().Writer.Pending() }

// renew changes the keys with which c is written to.
func (s *shard) renew(w *poller.Worker, c *client) {
	c.secured().Writer.Update()
	if o := c.out; o != nil {
		s.resume(w, o)
	} else {
		s.answer(w, c, nil)
	}
}

// warn tells c, whose peer broke the rules of TLS, behind what is half sent, and nothing
// more. If its socket does not take that now it is closed without.
func (s *shard) warn(w *poller.Worker, c *client, a tls13.Alert) {
	t := c.tls()
	t.Writer.End(a)
	if t.Writer.Flush(w, &s.ciphers, c.FD()) == 0 {
		c.status.Or(statusLinger)
	}
}

// part ends the stream to c, behind all that was written, and reports whether it has
// gone.
func (s *shard) part(w *poller.Worker, c *client) bool {
	t := c.tls()
	if t == nil {
		return true
	}
	t.Writer.End(tls13.CloseNotify)
	return t.Writer.Flush(w, &s.ciphers, c.FD()) != poller.WouldBlock
}

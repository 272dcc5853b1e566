package room

import (
	"time"

	"chatd/poller"
	"chatd/poller/tls13"
	"chatd/room/chat"
	"chatd/room/frame"
	"chatd/room/handshake"
)

// readsPerRun bounds a run of a session: so many full scratch buffers, then
// the others have a turn.
const readsPerRun = 4

// bite is how much is read at a time, in bytes, from a peer that has used up
// something of its rates: what it has to wait with is better left in its socket.
const bite = 4 << 10

// A peer whose handshake was refused may have more on its way, and is to get the
// answer. So that is discarded; but not without end: after so many blocks of so
// many bytes it is left in the socket. (A member may be in the middle of a
// message of any length; for it only time counts.)
const (
	discardBlock = 4 << 10
	discardMost  = 16
)

// Run implements poller.Runner: the session. It reads what the socket has,
// until it has no more.
func (c *client) Run(w *poller.Worker) {
	if c.phase == phaseClosed {
		return
	}
	if c.phase == phaseNew {
		c.begin(w)
	}
	if c.has(statusExpired) {
		c.expired(w)
	}
	if c.phase == phaseTLS && c.has(statusCrowded) {
		c.stopTLS(w, tls13.Canceled, handshake.Crowded)
	}
	if c.phase == phaseTLS && !c.continueTLS(w) {
		return
	}
	if c.phase == phaseHead && c.has(statusCrowded) {
		c.refuse(w, handshake.Crowded)
	}
	if c.phase == phaseJoining && !c.joined(w) {
		return
	}
	if c.phase == phaseOpen && c.has(statusLeft) {
		c.phase, c.in = phaseLeaving, nil
	}
	if c.phase == phaseLeaving && c.has(statusReleased) {
		c.released(w)
	}
	for range readsPerRun {
		if c.phase == phaseClosed || c.phase == phaseTLS || c.phase == phaseJoining || c.ended || c.wrong && c.phase == phaseLeaving {
			return
		}
		if c.phase == phaseOpen && c.mustWait(w) || c.server.halt(c) {
			return
		}
		if c.spent >= discardMost {
			if c.Hangup() {
				c.close(w)
			}
			return
		}
		if !c.advance(w) {
			return
		}
	}
	c.Schedule()
}

// advance works on what has been read, or else reads. It reports whether there
// may be more.
func (c *client) advance(w *poller.Worker) bool {
	if c.in != nil && c.in.more {
		c.feed(w, c.in.tail)
		return true
	}
	return c.readOnce(w)
}

// mustWait reports whether a member is not to be read from now. When that is
// over its session is scheduled.
func (c *client) mustWait(w *poller.Worker) bool {
	s := c.server
	if s.stage.Load() >= closing || c.has(statusChanging) {
		return true
	}
	if cs := c.chat(); cs != nil {
		cs.settle(w) // now: a change may be done before the run that asked for it is
	}
	return c.owed() || c.in != nil && c.in.meter.until > s.now.Load() || c.congested()
}

// owed reports whether there are answers that the client has yet to get.
func (c *client) owed() bool {
	cs := c.chat()
	return cs != nil && cs.owed.Load() > 0
}

// congested reports whether the session has to wait for the hub of a room.
func (c *client) congested() bool {
	if cs := c.chat(); cs != nil && cs.stays != nil {
		return cs.stays.congested(c)
	}
	return c.hub().congested(c)
}

// begin is the first run. It is pending already.
func (c *client) begin(w *poller.Worker) {
	c.phase = phaseHead
	if err := c.server.poller.Watch(&c.Conn); err != nil {
		c.refuse(w, handshake.Exhausted) // the system has its limits, too
		return
	}
	if c.has(statusRefused) {
		c.refuse(w, handshake.SourceLimit)
		return
	}
	if c.wantsHeader() && !c.trusted() {
		c.refuse(w, handshake.NoTrustedProxy)
		return
	}
	if c.has(statusTLS) && !c.has(statusSecure) && !c.wantsHeader() {
		c.phase = phaseTLS
		return
	}
	if head := c.unread(); len(head) > 0 { // net/http gave it back
		c.feed(w, w.Scratch[:copy(w.Scratch, head)])
		if c.phase == phaseJoining && c.tls() != nil {
			c.Schedule() // the Reader may have more
		}
	}
}

// readOnce reads once and works on what it got. It reports whether there may
// be more.
func (c *client) readOnce(w *poller.Worker) bool {
	buf := c.buffer(w)
	if t := c.tls(); t != nil {
		return c.readRecords(w, t, buf)
	}
	kept := len(c.unread())
	n := c.Read(buf[kept:])
	switch {
	case n == poller.WouldBlock:
		return false
	case n <= 0:
		c.end(w, n < 0)
		return false
	}
	c.heard.Store(c.server.now.Load())
	c.server.counters.of(w).received.Add(uint64(n))
	c.feed(w, buf[:kept+n])
	return kept+n == len(buf) || c.Hangup() || c.in != nil && c.in.more
}

// buffer is where to read to: behind the tail, in the worker's scratch or, for
// a frame that is larger, in memory of the client's own. For records it has room for one
// behind the tail: else a peer could have each read in very small pieces.
func (c *client) buffer(w *poller.Worker) []byte {
	tail, scratch, record := c.unread(), w.Scratch, 0
	if c.tls() != nil {
		record = tls13.RecordMost // nothing of one can be used before all of it is there
	}
	if c.in != nil && !c.in.meter.atRest() {
		scratch = scratch[:bite+record]
	}
	want := frame.Want(tail)
	if c.phase != phaseOpen || want+record <= len(scratch) {
		copy(scratch, tail)
		return scratch
	}
	if cap(tail)-len(tail) <= record {
		// Grown as the bytes come: a length is only a promise.
		grown := make([]byte, len(tail), min(2*len(tail), want)+record)
		copy(grown, tail)
		tail = grown
		c.setUnread(tail)
	}
	return tail[:cap(tail)]
}

// feed works on the bytes that have come and are not used, and keeps the
// unfinished rest.
func (c *client) feed(w *poller.Worker, b []byte) {
	used := len(b)
	switch c.phase {
	case phaseHead:
		used = c.feedHead(w, b)
	case phaseOpen:
		if c.has(statusEvents) {
			c.feedEvents(w)
			break
		}
		used = c.feedFrames(w, b)
	case phaseLinger:
		if !c.has(statusMember) {
			c.spent += uint8(used / discardBlock)
		}
	}
	c.keep(b, used)
	c.rest()
}

// keep remembers what follows the first used bytes of b.
func (c *client) keep(b []byte, used int) {
	tail := c.unread()
	switch rest := b[used:]; {
	case len(tail) > 0 && &tail[0] == &b[0] && (used == 0 || c.in.more): // the client's own memory
		c.setUnread(rest)
	default:
		c.setUnread(append([]byte(nil), rest...))
	}
}

// feedHead looks at the HTTP head and returns how many bytes it used.
func (c *client) feedHead(w *poller.Worker, b []byte) int {
	if c.wantsHeader() {
		return c.feedHeader(w, b)
	}
	if c.has(statusTLS) && !c.has(statusSecure) { // behind that header
		c.phase = phaseTLS
		c.Schedule()
		return 0
	}
	r := c.server.handshake.Look(b)
	switch r.Verdict {
	case handshake.Incomplete:
		return 0
	case handshake.Upgrade, handshake.Events:
		if refusal := c.introduce(b[:r.N], &r); refusal.Verdict == handshake.Refuse {
			c.refuse(w, refusal)
			return len(b)
		}
		c.phase = phaseJoining
		c.server.pending.join(w, &change{client: c, room: r.Room, since: r.Query.Since, answer: c.accept(&r)})
		if r.N < len(b) || len(b) == poller.ScratchSize || c.Hangup() {
			c.Schedule() // its first frames, or its end, came with the head, or may have
		}
		return r.N
	case handshake.EventsHead:
		grant, refusal := c.server.authorize(r.Token, r.Room)
		if c.hold(grant); c.isBanned(r.Room) {
			refusal = handshake.Banned
		}
		if refusal.Verdict == handshake.Refuse {
			c.refuse(w, refusal.Problem().WithoutBody())
			return len(b)
		}
		c.answerHead(w, &r)
		return len(b)
	case handshake.HTTP:
		c.gone(w)
		c.server.web.take(c.Detach(), c.source.Load(), c.tls(), b, r)
		return len(b)
	default:
		c.refuse(w, r)
		return len(b)
	}
}

// introduce has c be who it says in the request r, whose head is the bytes, and read
// what it asks for; or says why it may not come in.
func (c *client) introduce(head []byte, r *handshake.Result) (refusal handshake.Result) {
	if r.Verdict == handshake.Events {
		c.readEvents(r.Chunked) // its refusals are of another kind, too
	}
	if !c.admitted(head) {
		return handshake.SourceLimit
	}
	grant, refusal := c.server.authorize(r.Token, r.Room)
	if refusal.Verdict == handshake.Refuse {
		return refusal
	}
	if r.Deflate {
		c.status.Or(statusDeflate)
	}
	if r.Protocol == chat.Protocol {
		c.speakChat(&r.Query, grant)
	} else {
		c.hold(grant)
	}
	if c.isBanned(r.Room) {
		return handshake.Banned
	}
	return refusal
}

// accept is the answer to the request r, ahead of what its room has for c.
func (c *client) accept(r *handshake.Result) (answer []byte) {
	if c.has(statusChat) {
		answer = make([]byte, 0, greetingSize)
	}
	answer = r.AppendAnswer(answer, c.server.date.get())
	if c.has(statusEvents) {
		answer = c.reads().retry(answer)
	}
	return answer
}

// refuse answers a handshake that is not accepted.
func (c *client) refuse(w *poller.Worker, r handshake.Result) {
	c.answer(w, r)
	c.Narrow()
	c.linger(w)
}

// answer says why a handshake is refused. What the worker has read for it is not
// used any more.
func (c *client) answer(w *poller.Worker, r handshake.Result) {
	if c.has(statusEvents) {
		r = r.Problem()
	}
	c.server.refused(c.peer(), r.Reason, r.Status)
	c.conclude(w, &r)
}

// conclude writes the answer to c, which is not a member, and ends what is written to it.
func (c *client) conclude(w *poller.Worker, r *handshake.Result) {
	date := c.server.date.get()
	switch t := c.tls(); {
	case t != nil:
		t.Writer.Send(w, nil, c.FD(), r.AppendAnswer(nil, date))
		c.bye(w)
	case c.has(statusTLS): // it would not understand anything else
		w.Send(c.FD(), tls13.AccessDenied.Record())
	default:
		w.Send(c.FD(), r.AppendAnswer(w.Scratch[:0], date)) // as much as a fresh socket takes: all
	}
}

// joined reports whether the client is a member by now; if not, the shard will
// schedule the session. Then come the frames that followed the head.
func (c *client) joined(w *poller.Worker) bool {
	status := c.status.Or(statusWaiting)
	if status&statusFull != 0 {
		refusal := handshake.TooManyRooms
		if status&statusLate != 0 {
			refusal = handshake.Unavailable
		}
		c.refuse(w, refusal)
		return true
	}
	if status&(statusMember|statusReleased) == 0 {
		return false
	}
	c.phase = phaseOpen
	if frames := c.unread(); len(frames) > 0 && !c.has(statusLeft) {
		c.feed(w, w.Scratch[:copy(w.Scratch, frames)])
	}
	return true
}

// refuseRoom has the session answer that its room can't be made. The directory
// calls it.
func (c *client) refuseRoom(w *poller.Worker) {
	if c.has(statusMember) {
		c.changed(w)
		return
	}
	c.status.Or(statusFull)
	c.ScheduleOn(w)
}

// hub is the room that the client is in. Its session may call it once it is a
// member.
func (c *client) hub() *hub { return c.roster.Load().hub }

// leave publishes p, the client's last post, which is for h.
func (c *client) leave(w *poller.Worker, h *hub, p *post) {
	c.phase = phaseLeaving
	c.in = nil
	p.leaver = c
	if cs := c.chat(); cs != nil && cs.stays != nil {
		cs.leaveAll(w, h, p)
		return
	}
	p.last.leaving = newLeaving(h)
	h.publish(w, p)
}

// end is called at the end of the peer's stream, or when it broke.
func (c *client) end(w *poller.Worker, failed bool) {
	c.ended = true
	c.in = nil
	switch {
	case c.phase == phaseHead || c.phase == phaseLinger:
		if c.tls() != nil && !failed {
			c.bye(w)
		}
		c.close(w)
	case failed:
		c.phase = phaseLeaving
		c.send(w, &mail{broken: true, reason: Reset})
	case c.phase == phaseOpen:
		// A peer that hung up without a close frame is owed none, only what
		// is queued, in case it still reads.
		p := newPost(false)
		p.last = &mail{}
		c.leave(w, c.speaksIn(), p)
	}
}

// released is called when the shard is done with the socket.
func (c *client) released(w *poller.Worker) {
	if c.ended || !c.has(statusLinger) {
		c.close(w)
	} else {
		c.linger(w)
	}
}

// linger ends the stream and waits for the peer to do the same: closing a
// socket with unread bytes would reset the connection and could take what was
// written last from the peer.
func (c *client) linger(w *poller.Worker) {
	c.phase = phaseLinger
	c.in = nil
	c.wipe()
	c.ShutdownWrite()
	c.server.pending.signal(w, c, eventLinger)
}

// expired is called when the client's time among the pending ones is over, if it has not
// just left it.
func (c *client) expired(w *poller.Worker) {
	c.status.And(^statusExpired)
	if c.phase == phaseTLS && c.server.stage.Load() != serving {
		c.stopTLS(w, tls13.Canceled, handshake.TimedOut)
	} else if c.phase == phaseTLS && !c.continueTLS(w) {
		c.stopTLS(w, tls13.TimedOut, handshake.TimedOut)
	}
	if c.phase == phaseHead && c.server.stage.Load() == serving {
		c.readOnce(w) // what has come in time, has
	}
	switch {
	case c.phase == phaseHead && c.server.stage.Load() == serving:
		c.answer(w, handshake.TimedOut)
	case c.phase == phaseHead && c.tls() != nil:
		c.bye(w)
	}
	if c.phase == phaseHead || c.phase == phaseLinger {
		c.close(w)
	}
}

func (c *client) close(w *poller.Worker) {
	c.gone(w)
	c.wipe()
	c.Close()
	c.server.closed(c.source.Load())
}

// gone is the end of the client: nobody is to keep it any more.
func (c *client) gone(w *poller.Worker) {
	c.phase, c.in = phaseClosed, nil
	c.status.Or(statusClosed)
	c.server.pending.signal(w, c, eventGone)
}

// Panicked implements poller.Runner: the connection is given up.
func (c *client) Panicked(w *poller.Worker, _ any) {
	switch c.phase {
	case phaseOpen, phaseLeaving:
		c.ended, c.in = true, nil
		c.phase = phaseLeaving
		if c.has(statusReleased) {
			c.Schedule()
		} else {
			c.send(w, &mail{broken: true, reason: Panicked})
		}
	case phaseTLS:
		if h := c.handshakeTLS(); h != nil {
			c.finishTLS(w, h.Cancel(tls13.Panicked))
			return
		}
		c.close(w)
	case phaseHead, phaseLinger:
		c.server.disconnects.add(Disconnect{Time: time.Now(), Source: c.peer(), Reason: Panicked.String()})
		c.close(w)
	}
}

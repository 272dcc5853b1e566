package room

import (
	"math/rand/v2"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/handshake"
	"chatd/room/position"
	"chatd/room/sse"
)

// A reader of a room's events is a member like any other, whose socket the shard
// writes to; it only never says anything. That it is still there shows in that its
// kernel acknowledges the comments that it gets in place of pings.

// events is the dialect of server-sent events: those of chat.v1, in chunks over
// HTTP/1.1. What is said has the position behind it for its id, with which a reader
// comes back, and so has a gap between; what else there is to tell has none.
type events struct{ chunked bool }

// close ends the event that b has from at on.
func (d events) close(b []byte, at int) []byte {
	if b = sse.End(b); d.chunked {
		b = sse.Chunk(b, at)
	}
	return b
}

func (d events) message(b []byte, of life, m *chat.Message) []byte {
	at := len(b)
	b = appendID(b, position.Position{Epoch: of.epoch, Seq: m.Seq, At: m.At})
	return d.close(chat.AppendSay(sse.AppendEvent(b, "say"), of.room, m), at)
}

func (d events) arrival(b []byte, a *arrival) []byte {
	if a.missing {
		at := len(b)
		b = d.close(chat.AppendGap(sse.AppendEvent(b, "gap"), a.room, a.gap), at)
	}
	return b
}

// gap has an id as a message has, so that who comes back is not told again.
func (d events) gap(b []byte, of life, g chat.Gap) []byte {
	at := len(b)
	b = appendID(b, position.Position{Epoch: of.epoch, Seq: g.To, At: -1})
	return d.close(chat.AppendGap(sse.AppendEvent(b, "gap"), of.room, g), at)
}

// appendID appends the id of an event, behind which the position is.
func appendID(b []byte, p position.Position) []byte {
	return append(p.Append(append(b, "id: "...)), '\n')
}

func (d events) members(b []byte, room string, count int) []byte {
	at := len(b)
	return d.close(chat.AppendMembers(sse.AppendEvent(b, "members"), room, count), at)
}

func (d events) who(b []byte, _ string, _ int, _ []chat.Member) []byte { return b } // nobody can ask

func (d events) ping() []byte {
	if d.chunked {
		return chunkedComment
	}
	return bareComment
}

// goodbye ends the answer only if nothing is missing: one that breaks off says that
// there is more to come back for.
func (d events) goodbye(why Reason) []byte {
	if d.chunked && (why == GoingAway || why == Protocol) {
		return lastChunk
	}
	return nil
}

// They are shared: not to be changed.
var (
	bareComment    = []byte(sse.Comment)
	chunkedComment = sse.Chunk([]byte(sse.Comment), 0)
	lastChunk      = []byte(sse.LastChunk)
)

// A reader that lost its connection comes back after so many ms: each is told
// another time, so that very many don't come back at once.
const (
	comebackMin = 500
	comebackMax = 2_500
)

// retry appends when to come back.
func (d events) retry(b []byte) []byte {
	at := len(b)
	b = sse.AppendRetry(b, comebackMin+rand.IntN(comebackMax-comebackMin))
	if d.chunked {
		b = sse.Chunk(b, at)
	}
	return b
}

// readEvents has c read events, in chunks or not. Its session calls it before it
// joins.
func (c *client) readEvents(inChunks bool) {
	c.status.Or(statusEvents)
	if !inChunks {
		c.status.Or(statusBare)
	}
}

// reads is the dialect of a client that reads events.
func (c *client) reads() events { return events{chunked: !c.has(statusBare)} }

// feedEvents has a reader of events leave that says anything: there is nothing to
// say, and what it would be is anybody's guess.
func (c *client) feedEvents(w *poller.Worker) {
	p := newPost(false)
	p.last = &mail{bytes: c.reads().goodbye(Protocol), reason: Protocol}
	c.leave(w, c.hub(), p)
}

// answerHead answers a request that asks what the head of the answer would be.
func (c *client) answerHead(w *poller.Worker, r *handshake.Result) {
	c.conclude(w, r)
	c.Narrow()
	c.linger(w)
}

// hasAll reports whether the peer has acknowledged all that was written to it, as far
// as anybody knows. It takes system calls.
func (c *client) hasAll() bool {
	p, known := c.Progress()
	return !known || p.Waiting == 0
}

// acknowledged notes that a reader was there at the tick at: it has the last comment.
// The shard calls it.
func (c *client) acknowledged(at uint32) {
	c.status.And(^statusPinged)
	c.heard.Store(at)
}

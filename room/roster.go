package room

import (
	"math"
	"sync/atomic"

	"chatd/poller"
	"chatd/room/framelog"
)

// roster is the members of one room that live in one shard and read the same
// log. It has no Task of its own: it is its shard's.
//
// Members that are caught up stand in ready and have no state of their own:
// between passes all of them are at pos. Those that are behind stand in the
// shard's lagging, with a cursor for each of their rooms.
type roster struct {
	hub     *hub // static; nil for those of the shard that are in no room
	shard   *shard
	notices *notices // static; nil if the stream's readers are not told of any
	kind             // static; of no meaning for those that are in no room

	// From the hub to the shard.
	events atomic.Uint32 // what to look at; non-zero: it is in the shard's inbox
	link   *roster       // of that inbox

	done       atomic.Uint64 // pos.Seq, for the hub
	sibling    *roster       // the room's next one; the hub's
	population atomic.Int32  // members, and clients to come: hub adds, shard subtracts

	// Owned by the shard.
	waits   bool  // it is in the shard's queue
	members int32 // those in ready and lagging
	index   int32 // its place in the shard's list
	pos     framelog.Cursor
	ready   []*client // ready[i] writes to fds[i]
	fds     []int32
	// overflow is at most the number of the frame with which the first queue
	// of a lagging member overflows.
	overflow uint64
	next     *roster // in the shard's queue
}

// kind is what the members of a roster have in common.
type kind struct {
	stream stream // that they read
	secure bool   // they are secure
}

// kind is that of the rosters that c may be in.
func (c *client) kind() kind { return kind{c.stream(), c.has(statusTLS)} }

// Events of a roster.
const (
	rosterNews    uint32 = 1 << iota // its log has grown, or was trimmed, or there is a notice
	rosterRetired                    // its hub will not use it any more
)

// Link implements the inbox's element.
func (r *roster) Link() **roster { return &r.link }

// newRoster is one without members, at the end of its log. The hub calls it.
func newRoster(h *hub, s *shard, k kind) *roster {
	r := &roster{hub: h, shard: s, kind: k, index: -1, overflow: math.MaxUint64}
	if k.stream.told() {
		r.notices = new(notices)
	}
	s.rosterCount.Add(1)
	if h != nil {
		r.pos = r.log().Head()
		r.done.Store(r.pos.Seq)
	}
	return r
}

// log is the one that the members read. Only the hub may use it.
func (r *roster) log() *framelog.Log {
	if r.stream == rawStream {
		return &r.hub.log
	}
	return r.hub.archive.tracks[r.stream].log
}

// signal tells the shard of events. The hub calls it; other workers are woken
// for it if w is nil.
func (r *roster) signal(w *poller.Worker, events uint32) {
	if r.events.Or(events) == 0 {
		r.shard.rosters.Put(r)
	}
	r.shard.ScheduleOn(w)
}

// put takes c in and returns its place. There must be no pass over it.
func (r *roster) put(c *client) int32 {
	if len(r.ready) == cap(r.ready) {
		size := len(r.ready) + 1 + len(r.ready)/4
		if len(r.ready) < shardSize {
			size = min(size, shardSize)
		}
		r.resize(size)
	}
	r.ready = append(r.ready, c)
	r.fds = append(r.fds, c.FD())
	return int32(len(r.ready) - 1)
}

// takeOut removes the member at i; the last one takes its place.
func (r *roster) takeOut(i int) {
	last := len(r.ready) - 1
	r.move(last, i)
	r.ready[last] = nil
	r.ready, r.fds = r.ready[:last], r.fds[:last]
	if cap(r.ready) > minReady && last < cap(r.ready)/4 {
		r.resize(2 * last)
	}
}

// minReady is how many members a roster keeps room for when most have left.
const minReady = 64

// resize moves the lists: very many rooms have a few members each, and a room
// that once was large should not stay so.
func (r *roster) resize(size int) {
	r.ready = append(make([]*client, 0, size), r.ready...)
	r.fds = append(make([]int32, 0, size), r.fds...)
}

// move puts the member at from in place of the one at to.
func (r *roster) move(from, to int) {
	if from != to {
		r.ready[to], r.fds[to] = r.ready[from], r.fds[from]
		r.shard.setSlot(r.ready[to], r, int32(to))
	}
}

// head is the end of the roster's log.
func (r *roster) head() framelog.Cursor {
	for at := r.pos; ; {
		piece, after := at.Next()
		if len(piece.Bytes) == 0 {
			return after
		}
		at = after
	}
}

// reach is how far lagging members may be written to: where the ready ones are
// after the present pass.
func (r *roster) reach() framelog.Cursor {
	if p := r.shard.pass; p != nil && p.roster == r {
		return p.end
	}
	return r.pos
}

// counted is the number of the frame up to which what the members are due is
// counted.
func (r *roster) counted() uint64 {
	if p := r.shard.pass; p != nil && p.roster == r {
		return p.pieces[0].Start.Seq
	}
	return r.pos.Seq
}

// left counts a member less.
func (r *roster) left(w *poller.Worker) {
	if r.hub != nil {
		r.members--
		r.hub.server.members.Add(-1)
		r.hub.left(w, r)
	}
}

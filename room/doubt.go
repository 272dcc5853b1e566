package room

import (
	"math"

	"chatd/poller"
)

// doubts are a shard's members that have not answered a ping for a while. It
// belongs to the shard.
//
// Silence alone does not tell who is dead: a ping waits behind all that was
// written before, which may be megabytes that the peer takes as fast as it can.
// So as long as the ping has not got to it, the peer's kernel's acknowledging any
// of that is a sign of life like a byte from it. Once it has the ping, it is to
// answer, within an interval: what it acknowledges from then on says only that
// its kernel lives. A window that is shut, and probes that are answered,
// acknowledge nothing. But its kernel may have the ping behind megabytes that its
// program has not read: as long as more waits that there is no room for, or its
// window opens, that still reads.
//
// A reader of events can't answer: it is alive once its kernel has the comment.
//
// Who takes next to nothing, for ever, is alive; what it may cost is bounded by
// its socket's buffer and Config.Queue.
type doubts struct {
	list []doubt
	due  uint32 // the least of theirs
}

// doubt is about one member.
type doubt struct {
	c     *client
	acked uint64 // when the kernel was last asked
	mark  uint64 // what it will have acknowledged when it has the ping; 0: unknown
	wide  int    // the widest that its window was seen
	heard uint32 // when it was last heard of: should that change, it is alive
	due   uint32 // the tick at which to look at it
	lost  uint32 // the tick at which it is given up, unless it takes something before
	told  bool   // it has the ping
}

// doubt takes in c, which was last heard of at the tick heard.
func (s *shard) doubt(c *client, heard, now uint32) {
	if s.doubts == nil {
		s.doubts = new(doubts)
	}
	all := s.doubts
	c.status.Or(statusDoubted)
	all.due = now
	// However late this is: it is to have some time to answer.
	lost := max(heard+s.server.times.lost, now+s.server.times.ping/2)
	all.list = append(all.list, doubt{c: c, heard: heard, due: now, lost: lost})
}

// resolve looks at the doubts that are due, and gives up those whose time is
// over.
func (s *shard) resolve(w *poller.Worker, all *doubts, now uint32) {
	next := uint32(math.MaxUint32)
	for i := len(all.list) - 1; i >= 0; i-- {
		d := &all.list[i]
		c := d.c
		s.current = c
		if !c.has(statusLeft) && c.heard.Load() == d.heard && now >= d.due {
			s.look(w, d, now)
		}
		switch {
		case c.has(statusLeft) || c.heard.Load() != d.heard:
			if all.remove(i); !c.has(statusLeft) {
				s.expect(c)
			}
		case now >= d.lost:
			all.remove(i)
			s.abandon(w, c, PingTimeout)
		default:
			next = min(next, d.due)
		}
	}
	s.current = nil
	if all.due = next; len(all.list) == 0 {
		s.doubts = nil
	}
}

func (all *doubts) remove(i int) {
	last := len(all.list) - 1
	all.list[i].c.status.And(^statusDoubted)
	all.list[i] = all.list[last]
	all.list[last] = doubt{}
	all.list = all.list[:last]
}

// look asks the kernel about d's peer.
func (s *shard) look(w *poller.Worker, d *doubt, now uint32) {
	c := d.c
	p, known := c.Progress()
	switch waits := s.ping(w, c) || c.out != nil && (len(c.out.begun)+len(c.out.urgent) > 0 || c.unsent()); {
	case !known: // its silence is all there is
		d.told, d.due = true, d.lost
	case p.Unread > 0:
		c.heard.Store(now)
	default:
		d.learn(p, waits, now, &s.server.times)
	}
	if d.told && c.has(statusEvents) {
		c.acknowledged(now)
	}
}

// learn makes use of what the kernel knows at the tick now. The ping may wait
// even to be written.
func (d *doubt) learn(p poller.Progress, waits bool, now uint32, t *times) {
	first, opens := d.acked == 0, p.Window > d.wide
	d.wide = max(d.wide, p.Window)
	switch {
	case d.told:
		if opens {
			d.lost = max(d.lost, now+t.lost)
		}
		d.due = min(now+t.doubt, d.lost)
		return
	case waits:
		d.mark = 0
	case d.mark == 0 || p.Acked >= d.mark && p.Unsent > 0:
		d.mark = p.Acked + uint64(p.Waiting)
	}
	if d.mark > 0 && p.Acked >= d.mark {
		if d.told = true; !first { // it may have the ping since just now
			d.lost = max(d.lost, now+t.ping)
		}
		d.due = min(now+t.doubt, d.lost)
		return
	}
	if p.Acked != d.acked {
		d.acked = p.Acked
		d.lost = max(d.lost, ago(now, p.Quiet)+t.lost)
	}
	d.due = min(now+t.doubt, d.lost)
}

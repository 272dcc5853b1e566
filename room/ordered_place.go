package room

import (
	"unicode/utf8"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/frame"
	"chatd/room/order"
)

// This file is from the Source to the logs: how an epoch begins, what is said, and what is
// missing. It is the hub's Task's.

// missing is the author of what is lost: a gap has its place in the logs as a message.
var missing = new(author)

// begin begins an epoch. Members of an earlier one are told by a gap; it reports
// whether that was appended.
func (o *ordered) begin(w *poller.Worker, e *placement) (told bool) {
	h := o.hub
	if o.carried && e.epoch == h.epoch.Load() {
		return o.goOn(w, e)
	}
	o.carried = false
	again := h.epoch.Swap(e.epoch) != 0
	o.begun = false
	if again {
		// The numbers begin with the gap's, in front of which is nothing of this epoch.
		o.numbers.begin(h.log.Head().Seq, 0)
		o.tellGap(w, chat.Gap{From: 1, To: e.point.Seq, Why: chat.Epoch, Epoch: e.epoch}, e.point.At)
	} else {
		o.past = e.point.Seq > 0 || len(e.kept) > 0
	}
	head := h.log.Head().Seq
	h.forget(w, head)
	o.numbers.begin(head, e.point.Seq)
	h.archive.before = known(e.point.At)
	o.forgotten = e.point.Seq
	o.arrive(e.point)
	e.begun = true
	return again
}

// goOn begins an epoch that another program of this server was in: what that had is in the
// logs, and is not told again. It reports whether a gap was appended.
func (o *ordered) goOn(w *poller.Worker, e *placement) (told bool) {
	o.carried = false
	told = o.miss(w, e.point)
	for len(e.kept) > 0 && e.kept[0].Seq <= o.top {
		e.kept = e.kept[1:]
	}
	e.begun = true
	return told
}

// started notes that all that was kept has come.
func (o *ordered) started(w *poller.Worker) {
	o.begun = true
	o.hub.ScheduleOn(w)        // somebody may wait
	o.hub.flags.Or(hubEmptied) // or nobody be there, nor anything
}

// arrive notes how far the room is.
func (o *ordered) arrive(at order.Point) {
	o.top = at.Seq
	o.seq.Store(at.Seq)
	if at.At > 0 {
		o.at.Store(at.At)
	}
}

// known is a time of the Source's as an archive has it.
func known(at int64) int64 {
	if at == 0 {
		return -1
	}
	return at
}

// say appends a message, and tells who said it, if that was here. One that was said
// before is not said again, and an old one was counted in its time. It reports whether it
// was appended.
func (o *ordered) say(w *poller.Worker, tag uint64, m *order.Message, old bool) bool {
	h := o.hub
	a, t := h.archive, h.server.counters.of(w)
	p := o.window.find(tag)
	s := said{nonce: m.Nonce}
	if m.ID != "" {
		s.author = o.author(p, m)
	}
	if s.author != nil && s.nonce != "" {
		h.bound(w, h.server.clock())
		if n, again := a.find(s); again {
			o.top = m.Seq
			o.returned(w, p, n, true)
			return false
		}
	}
	op := ws.OpText
	if m.Binary || !utf8.Valid(m.Payload) { // such a text would cost all their connections (RFC 6455 §8.1)
		op = ws.OpBinary
	}
	x := translators.Get().(*translator)
	defer x.free()
	plain := frame.AppendMessage(x.made[rawStream][:0], op, m.Payload)
	x.made[rawStream] = plain
	compressed := plain
	if a.tracks[rawDeflated] != nil {
		compressed, x.packed = appendDeflated(x.made[rawDeflated][:0], plain, x.packed, t)
		x.made[rawDeflated] = compressed
	}
	n := h.log.Head().Seq + 1
	o.numbers.add(n, m.Seq)
	t.logged.Add(uint64(len(plain)))
	h.write(w, plain, compressed, 1, entry{first: n, at: m.At, author: s.author, nonce: s.nonce}, h.server.clock())
	o.arrive(order.Point{Seq: m.Seq, At: m.At})
	if !old {
		h.count(w, 1)
	}
	o.returned(w, p, n, false)
	return true
}

// author is who said m. Entries share authors, so it is the same one as far as possible.
func (o *ordered) author(p *published, m *order.Message) *author {
	if p != nil && p.author != nil {
		return p.author
	}
	y := &o.hub.archive.history
	if n := len(y.entries); n > y.gone {
		if a := y.entries[n-1].author; a != nil && a.id() == m.ID && a.name() == m.Name {
			return a
		}
	}
	a := newAuthor(m.ID, m.Name)
	return &a
}

// miss tells the members that the messages up to a point are lost, if some are. It
// reports whether that was appended.
func (o *ordered) miss(w *poller.Worker, upTo order.Point) bool {
	if upTo.Seq <= o.top {
		return false
	}
	o.tellGap(w, chat.Gap{From: o.hub.seq(o.hub.log.Head().Seq) + 1, To: upTo.Seq, Why: chat.History}, upTo.At)
	o.arrive(upTo)
	o.hub.server.counters.of(w).skipped.Add(1)
	return true
}

// tellGap appends a gap, which has the number and the time of the last message that is
// lost. Readers that are told nothing get a pong, which says nothing.
func (o *ordered) tellGap(w *poller.Worker, g chat.Gap, at int64) {
	h := o.hub
	n := h.log.Head().Seq + 1
	o.numbers.add(n, g.To)
	o.gap = n
	h.writeGap(w, g, entry{first: n, at: known(at), author: missing})
}

// skip lets go of the messages that wait, up to where an epoch begins: the members are
// told that they are missing. It reports whether that was appended.
func (o *ordered) skip(w *poller.Worker) bool {
	gap := placements.Get().(*placement)
	gap.kind = misses
	o.current = gap // should it panic, they are told all the same
	for q := &o.coming; q.first != nil && (q.first.kind != begins || q.first.begun); {
		e := q.next()
		switch e.kind {
		case begins:
			if n := len(e.kept); n > 0 {
				gap.point = order.Point{Seq: e.kept[n-1].Seq, At: e.kept[n-1].At}
			}
			o.started(w)
		case placed:
			gap.point = order.Point{Seq: e.m.Seq, At: e.m.At}
			o.receive(w, o.window.find(e.tag), Receipt{Seq: e.m.Seq, At: e.m.At})
		case misses:
			gap.point = e.point
		default:
			o.hear(w, e)
		}
		e.free()
	}
	told := o.miss(w, gap.point)
	o.current = nil
	gap.free()
	return told
}

// lose goes on without what was being handed over or looked at, which panicked. If it is
// in the log all is well; else the members are told of a gap.
func (o *ordered) lose(w *poller.Worker) {
	h := o.hub
	if o.handing {
		o.handing = false
		o.giveUp(w, h.posts, ErrLost)
	}
	e := o.current
	if o.current = nil; e == nil {
		return
	}
	there := h.seq(h.log.Head().Seq)
	o.top = max(o.top, there)
	switch {
	case e.kind == placed && there >= e.m.Seq:
		o.receive(w, o.window.find(e.tag), Receipt{Seq: e.m.Seq, At: e.m.At})
	case e.kind == placed:
		o.refuse(w, o.window.find(e.tag), ErrLost)
		o.coming.push(&placement{kind: misses, point: order.Point{Seq: e.m.Seq, At: e.m.At}})
	case e.kind == misses && there < e.point.Seq:
		o.coming.push(&placement{kind: misses, point: e.point})
	}
}

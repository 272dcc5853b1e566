package room

import (
	"sync"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/frame"
	"chatd/room/framelog"
)

// translator makes raw frames those of another stream. It is memory for that.
type translator struct {
	made   [streams][]byte
	packed []byte
}

var translators = sync.Pool{New: func() any { return new(translator) }}

// free gives the translator back.
func (x *translator) free() {
	for s := range x.made {
		x.made[s] = reusable(x.made[s])
	}
	x.packed = reusable(x.packed)
	translators.Put(x)
}

// translate encodes raw frames for the streams that are wanted. Which a compressed
// one is made of must be, too. M says what is known of the first message; the others
// are the next ones of the same author and time. It returns how many there are.
func (x *translator) translate(t *counters, of life, frames []byte, m chat.Message, wanted *[streams]bool) (n int) {
	for s := range x.made {
		x.made[s] = x.made[s][:0]
	}
	for ; len(frames) > 0; n++ {
		size := frame.Len(frames)
		op, payload := frame.Split(frames[:size])
		m.Binary, m.Payload = op == ws.OpBinary, payload
		var plain []byte
		for s := range streams {
			switch made := x.made[s]; {
			case !wanted[s]:
			case s.deflated():
				x.made[s], x.packed = appendDeflated(made, plain, x.packed, t)
			default:
				x.made[s] = s.dialect().message(made, of, &m)
				plain = x.made[s][len(made):]
			}
		}
		m.Seq++
		frames = frames[size:]
	}
	return n
}

// translated are the streams that are made of what is said in a room, all but the raw
// ones, and whether there are any.
func (a *archive) translated() (wanted [streams]bool, some bool) {
	for s := chatStream; s < streams; s++ {
		if a.tracks[s] != nil {
			wanted[s], wanted[s.plain()], some = true, true, true
		}
	}
	return wanted, some
}

// record appends n messages, of which s tells, to the room's logs. All of them are
// encoded first: whatever that does, the logs have the same messages.
func (h *hub) record(w *poller.Worker, plain, compressed []byte, n int, s said) {
	h.server.counters.of(w).logged.Add(uint64(len(plain)))
	if h.archive == nil {
		if h.server.config.History == 0 {
			h.log.Append(plain, n)
			return
		}
		h.archive = newArchive(h)
	}
	now := h.server.clock()
	h.write(w, plain, compressed, n, entry{first: h.log.Head().Seq + 1, at: max(now, h.archive.last()), author: s.author, nonce: s.nonce}, now)
}

// write is the part of record that comes when it is known what is known of them. The
// clock is now.
func (h *hub) write(w *poller.Worker, plain, compressed []byte, n int, first entry, now int64) {
	a := h.archive
	if wanted, some := a.translated(); some {
		x := translators.Get().(*translator)
		defer x.free()
		x.translate(h.server.counters.of(w), h.life(), plain, first.message(h.seq(first.first)), &wanted)
		for s := chatStream; s < streams; s++ {
			a.append(s, x.made[s], n)
		}
	}
	a.append(rawDeflated, compressed, n)
	a.append(rawStream, plain, n)
	a.note(first, h.order != nil && h.order.numbers.begins(first.first))
	h.bound(w, now)
}

// writeGap appends a gap to the room's logs, as one message. Readers that are told of
// nothing but messages get a frame that says nothing.
func (h *hub) writeGap(w *poller.Worker, g chat.Gap, as entry) {
	a := h.archive
	for x, t := range a.tracks {
		if t != nil {
			t.append(stream(x).dialect().gap(nil, h.life(), g), 1, a.spacing)
		}
	}
	a.note(as, true)
	h.bound(w, h.server.clock())
}

// append adds n frames to a stream's log, if it has readers.
func (a *archive) append(x stream, frames []byte, n int) {
	if t := a.tracks[x]; t != nil {
		t.append(frames, n, a.spacing)
	}
}

// open makes sure that there is a log for readers of x, with all that is kept.
func (h *hub) open(w *poller.Worker, x stream) {
	if x == rawStream {
		return
	}
	if h.archive == nil {
		h.archive = newArchive(h)
	}
	a := h.archive
	if a.tracks[x] != nil {
		return
	}
	l := new(framelog.Log)
	l.Init()
	l.Restart(a.floor)
	t := newTrack(l)
	h.fill(w, t, x)
	a.tracks[x] = t
	h.account(w)
	if x == rawDeflated && h.order == nil { // else what is said comes back as it was
		h.flags.Or(hubDeflating)
	}
	if x.told() && h.flags.Or(hubHeard)&hubHeard == 0 {
		a.told = -1
		if x.speaks() {
			a.told = h.members() + 1 // who opens it, too, as its welcome says
		}
	}
}

// fill encodes what is kept for the stream x.
func (h *hub) fill(w *poller.Worker, t *track, x stream) {
	a := h.archive
	conv := translators.Get().(*translator)
	defer conv.free()
	at := a.tracks[rawStream].at(a.floor)
	head := h.log.Head().Seq
	var wanted [streams]bool
	wanted[x], wanted[x.plain()] = true, true
	for i := a.gone; at.Seq < head; i++ {
		end := head
		if i+1 < len(a.entries) {
			end = a.entries[i+1].first - 1
		}
		if a.entries[i].author == missing {
			t.append(x.dialect().gap(nil, h.life(), h.gapAt(end)), 1, a.spacing)
			at = at.Forward(end)
			continue
		}
		last := at.Seq
		for frames := range at.Until(end) {
			n := conv.translate(h.server.counters.of(w), h.life(), frames, a.entries[i].message(h.seq(last+1)), &wanted)
			last += uint64(n)
			t.append(conv.made[x], n, a.spacing)
		}
		at = at.Forward(end)
	}
}

// closeUnread lets go of the logs that have no readers any more.
func (h *hub) closeUnread(w *poller.Worker) {
	a := h.archive
	if a == nil {
		return
	}
	var read [streams]bool
	for r := h.rosters; r != nil; r = r.sibling {
		read[r.stream] = true
	}
	heard := false
	for x, t := range a.tracks {
		if t != nil && !read[x] && stream(x) != rawStream {
			a.tracks[x] = nil
		}
		heard = heard || read[x] && stream(x).told()
	}
	if !read[rawDeflated] {
		h.flags.And(^hubDeflating)
	}
	if !heard {
		h.flags.And(^hubHeard)
	}
	h.account(w)
}

package room

import (
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/frame"
	"chatd/room/order"
)

// ErrUnavailable says that what is published gets no place: the order is another one's
// than the server's, and can't be reached, or can't be kept.
var ErrUnavailable = errors.New("no messages can be taken at present")

// ordered is what a hub has besides whose room's order comes from a Source: it hands
// over what is published, and appends what the Source places, its own copies, too. A
// hub that orders its room itself has none.
//
//	posts ──▶ window ──Publish──▶ Source ──Place──▶ inbox ──▶ coming ──▶ logs
//	             ▲                                                │
//	             └──────────── it has come back, or failed ───────┘
//
// What comes waits in coming while the hub is a queue's length ahead of its slowest
// roster. What this hub has published waits there within its window, and who says more
// is not read. What others publish elsewhere nobody can stop: when maxComing bytes wait,
// they are let go of, and the members are told of a gap.
//
// The hub's Task owns it but for what says otherwise.
type ordered struct {
	hub *hub // static

	inbox poller.Inbox[placement, *placement] // from the Source to the Task

	// From the Task to anybody: the Source's number of the last message, and its time.
	seq atomic.Uint64
	at  atomic.Int64

	elsewhere atomic.Int32 // members on other servers; from the Task to anybody

	// What is told of the room's name is for a room of that name, which may have come later.
	mu      sync.Mutex // guards what follows
	left    bool       // the room has left the Source; set by the directory
	counted int        // members here, as the other servers know; the Task reads it without the lock

	begun     bool       // what is kept has come: the room may be entered
	coming    coming     // what the Source has told, and is not in the logs
	current   *placement // that is being appended, for Panicked
	handing   bool       // the next message is being handed over, likewise
	numbers   numbering
	top       uint64 // the last number that the Source told of
	gap       uint64 // of the messages in the log, the last that is a gap
	forgotten uint64 // up to this one it was told to forget
	window    transit
	waits     []*change // those that want to come in, and can't yet
	refuseAt  uint32    // the tick at which they are refused; 0: none waits
	leaveAt   uint32    // the tick at which a room without members may leave; 0: not known
}

// maxComing is how many bytes of messages may wait because the members' passes are
// behind: a second of a very busy room.
const maxComing = 8 << 20

// placement is what a Source tells a room.
type placement struct {
	link *placement
	kind placementKind
	tag  uint64        // placed, failed
	m    order.Message // placed
	old  bool          // placed: it was kept

	epoch uint32          // begins
	point order.Point     // begins, misses
	kept  []order.Message // begins: those that are not placed yet
	err   error           // failed

	answer func(behind order.Point, kept []order.Message) // recalls
}

type placementKind uint8

const (
	begins placementKind = iota
	placed
	misses
	failed
	recalls
)

// Link implements the inbox's element.
func (e *placement) Link() **placement { return &e.link }

var placements = sync.Pool{New: func() any { return new(placement) }}

func (e *placement) free() {
	*e = placement{}
	placements.Put(e)
}

// coming is placements in the order in which they came.
type coming struct {
	first, last *placement
	bytes       int // of memory, about
}

// size is its memory in bytes, about.
func (e *placement) size() int { return placementSize + len(e.m.Payload) }

const placementSize = int(unsafe.Sizeof(placement{}))

// add puts e, and what is linked to it, behind the others.
func (q *coming) add(e *placement) {
	for ; e != nil; e = e.link {
		if q.first == nil {
			q.first = e
		} else {
			q.last.link = e
		}
		q.last = e
		q.bytes += e.size()
	}
}

// next takes out the first.
func (q *coming) next() *placement {
	e := q.first
	q.first, e.link = e.link, nil
	q.bytes -= e.size()
	return e
}

// missing is the author of what is lost: a gap has its place in the logs as a message.
var missing = new(author)

func newOrdered(h *hub) *ordered { return &ordered{hub: h, window: transit{first: 1}} }

// enter has the room's hub told what the Source has. The directory calls it.
func (o *ordered) enter() { o.hub.server.config.Order.Enter(o.hub.name, o) }

// leave is the end of it. The directory calls it.
func (o *ordered) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left = true
	if o.counted > 0 { // its Task may not have come to it
		o.hub.server.config.Nodes.Count(o.hub.name, 0)
	}
	o.hub.server.config.Order.Leave(o.hub.name)
}

// hasLeft reports whether the room has left the Source.
func (o *ordered) hasLeft() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.left
}

// Begin implements order.Room.
func (o *ordered) Begin(epoch uint32, behind order.Point, kept []order.Message) {
	e := placements.Get().(*placement)
	e.kind, e.epoch, e.point, e.kept = begins, epoch, behind, kept
	o.tell(e)
}

// Place implements order.Room.
func (o *ordered) Place(tag uint64, m order.Message) {
	e := placements.Get().(*placement)
	e.kind, e.tag, e.m = placed, tag, m
	o.tell(e)
}

// Miss implements order.Room.
func (o *ordered) Miss(upTo order.Point) {
	e := placements.Get().(*placement)
	e.kind, e.point = misses, upTo
	o.tell(e)
}

// Fail implements order.Room.
func (o *ordered) Fail(tag uint64, err error) {
	e := placements.Get().(*placement)
	e.kind, e.tag, e.err = failed, tag, err
	o.tell(e)
}

func (o *ordered) tell(e *placement) {
	o.inbox.Put(e)
	o.hub.Schedule()
}

// work does what an ordered hub does in place of append: it appends what has come, and
// hands over what is to be published, as far as both may go. It reports whether
// something was appended.
func (o *ordered) work(w *poller.Worker) (appended bool) {
	for {
		appended = o.place(w) || appended
		if !o.begun {
			o.wait(w)
			return appended
		}
		if !o.publish(w) {
			return appended
		}
	}
}

// place appends what has come, as far as the shards allow, and reports whether there
// was anything.
func (o *ordered) place(w *poller.Worker) (appended bool) {
	h, q := o.hub, &o.coming
	q.add(o.inbox.TakeAll())
	if o.hasLeft() {
		for q.first != nil {
			q.next().free()
		}
		return false
	}
	for q.first != nil && q.first.may(h) {
		e := q.first
		switch {
		case e.kind != begins:
			e = q.next() // should it panic, it is not looked at again
		case e.epoch != h.epoch.Load():
			appended = o.begin(w, e) || appended
			continue
		case len(e.kept) > 0:
			e = e.nextKept()
		default:
			o.begun = true
			q.next().free()
			h.ScheduleOn(w)        // somebody may wait
			h.flags.Or(hubEmptied) // or nobody be there, nor anything
			continue
		}
		o.current = e
		switch e.kind {
		case placed:
			appended = o.say(w, e.tag, &e.m, e.old) || appended
		case misses:
			appended = o.miss(w, e.point) || appended
		case failed:
			o.fail(w, e.tag, e.err)
		case recalls:
			o.recall(e.answer)
		}
		o.current = nil
		e.free()
	}
	if q.bytes > maxComing {
		appended = o.skip(w) || appended
	}
	return appended
}

// may reports whether e can be looked at, though the members' passes may be behind.
func (e *placement) may(h *hub) bool {
	return e.kind == failed || e.kind == recalls || e.kind == begins && len(e.kept) == 0 || h.allowance() > 0
}

// nextKept is the placement of the next message that was kept.
func (e *placement) nextKept() *placement {
	next := placements.Get().(*placement)
	next.kind, next.m, next.old = placed, e.kept[0], true
	e.kept[0] = order.Message{}
	e.kept = e.kept[1:]
	return next
}

// begin begins an epoch. Members of an earlier one are told by a gap; it reports
// whether that was appended.
func (o *ordered) begin(w *poller.Worker, e *placement) (told bool) {
	h := o.hub
	again := h.epoch.Load() != 0
	h.epoch.Store(e.epoch)
	o.begun = false
	if h.archive == nil {
		h.archive = newArchive(h)
	}
	if again {
		// The numbers begin with the gap's, in front of which is nothing of this epoch.
		o.numbers.begin(h.log.Head().Seq, 0)
		o.tellGap(w, chat.Gap{From: 1, To: e.point.Seq, Why: chat.Epoch, Epoch: e.epoch}, e.point.At)
	}
	head := h.log.Head().Seq
	h.forget(w, head)
	o.numbers.begin(head, e.point.Seq)
	h.archive.before = -1
	if e.point.Seq > 0 {
		h.archive.before = e.point.At
	}
	o.top, o.forgotten = e.point.Seq, e.point.Seq
	o.seq.Store(e.point.Seq)
	o.at.Store(e.point.At)
	return again
}

// say appends a message, and tells who said it, if that was here. One that was said
// before is not said again, and an old one was counted in its time. It reports whether it
// was appended.
func (o *ordered) say(w *poller.Worker, tag uint64, m *order.Message, old bool) bool {
	h := o.hub
	a, t := h.archive, h.server.counters.of(w)
	o.top = m.Seq
	p := o.window.resolve(tag)
	s := said{nonce: m.Nonce}
	if m.ID != "" {
		s.author = o.author(p, m)
	}
	if s.author != nil && s.nonce != "" {
		h.bound(w, h.server.clock())
		if n, again := a.find(s); again {
			o.returned(w, p, n, true)
			return false
		}
	}
	op := ws.OpText
	if m.Binary {
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
	o.seq.Store(m.Seq)
	o.at.Store(m.At)
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
	o.top = upTo.Seq
	o.tellGap(w, chat.Gap{From: o.hub.seq(o.hub.log.Head().Seq) + 1, To: upTo.Seq, Why: chat.History}, upTo.At)
	o.seq.Store(upTo.Seq)
	o.at.Store(upTo.At)
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
	h.writeGap(w, g, entry{first: n, at: at, author: missing})
}

// skip lets go of the messages that wait.
func (o *ordered) skip(w *poller.Worker) (told bool) {
	var upTo order.Point
	for q := &o.coming; q.first != nil && q.first.kind != begins; {
		e := q.next()
		switch e.kind {
		case placed:
			upTo = order.Point{Seq: e.m.Seq, At: e.m.At}
			o.receive(w, o.window.resolve(e.tag), Receipt{Seq: e.m.Seq, At: e.m.At})
		case misses:
			upTo = e.point
		case failed:
			o.fail(w, e.tag, e.err)
		case recalls:
			o.recall(e.answer)
		}
		e.free()
	}
	return o.miss(w, upTo)
}

// lose goes on without what was being handed over or placed, which panicked.
func (o *ordered) lose(w *poller.Worker) {
	if o.handing {
		o.handing = false
		o.giveUp(w, o.hub.posts)
	}
	e := o.current
	if o.current = nil; e == nil || e.kind != placed || o.hub.seq(o.hub.log.Head().Seq) == e.m.Seq {
		return
	}
	o.refuse(w, o.window.resolve(e.tag), ErrLost)
	o.top = e.m.Seq - 1
	o.miss(w, order.Point{Seq: e.m.Seq, At: e.m.At})
}

// wait has those wait who want to come in before the Source has begun: for the time of a
// handshake, and not while the server goes away.
func (o *ordered) wait(w *poller.Worker) {
	h, now := o.hub, o.hub.server.now.Load()
	h.joins.Each(func(ch *change) { o.waits = append(o.waits, ch) })
	if len(o.waits) == 0 {
		return
	}
	if o.refuseAt == 0 {
		o.refuseAt = now + past(h.server.config.HandshakeTimeout)
	}
	if now < o.refuseAt && h.server.stage.Load() == serving {
		h.active = true
		h.signal(w, hubActive)
		return
	}
	for _, ch := range o.waits {
		ch.late = true
		ch.client.status.Or(statusLate)
		h.refuse(w, ch)
	}
	o.waits, o.refuseAt = nil, 0
}

// admits has those come in who have waited, and reports whether the room may be entered.
func (o *ordered) admits(w *poller.Worker) bool {
	for len(o.waits) > 0 && o.begun {
		ch := o.waits[0]
		o.waits = o.waits[1:]
		o.hub.admit(w, ch)
	}
	if o.begun {
		o.waits, o.refuseAt = nil, 0
	}
	return o.begun
}

// tick is called in each second in which something happens.
func (o *ordered) tick(w *poller.Worker) {
	h := o.hub
	o.forget()
	if o.leaveAt == 0 {
		return
	}
	if h.rosters != nil {
		o.leaveAt = 0
		return
	}
	h.vacate(w)
	h.active = true
	h.signal(w, hubActive)
}

// forget tells the Source up to which message the room needs none any more. What is
// kept of a room that others share is not for one of them to say.
func (o *ordered) forget() {
	config := &o.hub.server.config
	if !o.begun || config.OrderGrace > 0 {
		return
	}
	seq := o.numbers.seq(o.hub.floor())
	if seq == o.forgotten {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.left {
		config.Order.Forget(o.hub.name, seq)
		o.forgotten = seq
	}
}

// mayLeave reports whether a room without members may leave the Source: nothing is under
// way, and nobody has come for Config.OrderGrace.
func (o *ordered) mayLeave(w *poller.Worker) bool {
	h := o.hub
	if !o.begun || o.window.busy() || h.posts != nil || h.rosters != nil {
		return false
	}
	grace, now := h.server.config.OrderGrace, h.server.now.Load()
	if grace == 0 {
		return true
	}
	if o.leaveAt == 0 {
		o.leaveAt = now + past(grace)
		h.active = true
		h.signal(w, hubActive)
	}
	return now >= o.leaveAt
}

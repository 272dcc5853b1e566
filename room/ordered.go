package room

import (
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"

	"chatd/poller"
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

	// From the Task to anybody: the Source's number of the last message, and the last time
	// of one that is known.
	seq atomic.Uint64
	at  atomic.Int64

	elsewhere atomic.Int32 // members on other servers; from the Task to anybody

	// What is told of the room's name is for a room of that name, which may have come later.
	mu      sync.Mutex // guards what follows
	left    bool       // the room has left the Source; set by the directory
	counted int        // members here, as the other servers know; the Task reads it without the lock

	carried   bool       // another program had it, in the epoch that the hub has: it has yet to begin here
	begun     bool       // what is kept has come: the room may be entered
	coming    coming     // what the Source has told, and is not in the logs
	current   *placement // that is being looked at, for Panicked
	handing   bool       // the next message is being handed over, likewise
	answered  bool       // somebody outside has his answer, since the Task runs
	numbers   numbering
	top       uint64 // the last number that the Source told of
	gap       uint64 // of the messages in the log, the last that is a gap
	forgotten uint64 // up to this one it was told to forget
	window    transit
	waits     []*change // those that want to come in, and can't yet
	held      []held    // those that have heard more than is here yet
	asking    bool      // the Source is asked about them
	askAt     uint32    // the tick from which on it may be asked again
	refuseAt  uint32    // the tick at which all is refused that waits for the Source to begin; 0: nothing does
	past      bool      // it had messages when it began for the first time
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
	begun bool            // begins: they are being placed
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
	reaches
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

// push puts e in front of the others.
func (q *coming) push(e *placement) {
	if e.link = q.first; e.link == nil {
		q.last = e
	}
	q.first = e
	q.bytes += e.size()
}

// next takes out the first.
func (q *coming) next() *placement {
	e := q.first
	q.first, e.link = e.link, nil
	q.bytes -= e.size()
	return e
}

func newOrdered(h *hub) *ordered {
	o := &ordered{hub: h, window: transit{first: 1}}
	o.numbers.begin(0, 0)
	return o
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
// something was appended, and whether somebody outside has his answer.
func (o *ordered) work(w *poller.Worker) (appended, answered bool) {
	o.answered = false
	for {
		appended = o.place(w) || appended
		if !o.begun && !o.late(w) || !o.publish(w) {
			return appended, o.answered
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
	for {
		for q.first != nil && q.first.may(h) {
			appended = o.take(w) || appended
		}
		if q.bytes <= maxComing {
			return appended
		}
		appended = o.skip(w) || appended
	}
}

// may reports whether e can be looked at, though the members' passes may be behind.
func (e *placement) may(h *hub) bool {
	switch e.kind {
	case begins:
		return !e.begun || len(e.kept) == 0 || h.allowance() > 0
	case placed, misses:
		return h.allowance() > 0
	}
	return true
}

// take does what the first of what has come asks for. It reports whether something was
// appended.
func (o *ordered) take(w *poller.Worker) (appended bool) {
	e := o.coming.first
	switch {
	case e.kind != begins:
		o.coming.next()
	case !e.begun:
		return o.begin(w, e) // should it panic, it is begun again
	case len(e.kept) > 0:
		e = e.nextKept()
	default:
		o.coming.next().free()
		o.started(w)
		return false
	}
	o.current = e
	switch e.kind {
	case placed:
		appended = o.say(w, e.tag, &e.m, e.old)
	case misses:
		appended = o.miss(w, e.point)
	default:
		o.hear(w, e)
	}
	o.current = nil
	e.free()
	return appended
}

// hear takes what is neither a message nor a gap.
func (o *ordered) hear(w *poller.Worker, e *placement) {
	switch e.kind {
	case failed:
		o.fail(w, e.tag, e.err)
	case recalls:
		o.recall(e.answer)
	case reaches:
		o.reaches(e.point.Seq, e.err)
	}
}

// nextKept is the placement of the next message that was kept.
func (e *placement) nextKept() *placement {
	next := placements.Get().(*placement)
	next.kind, next.m, next.old = placed, e.kept[0], true
	e.kept[0] = order.Message{}
	e.kept = e.kept[1:]
	return next
}

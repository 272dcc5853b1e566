package cluster

import (
	"strconv"
	"sync"
	"time"

	"chatd/room/chattest"
)

// place is what a client has heard of a room, over all its connections, and where it is in
// it. The client's reader calls its methods, but for where.
type place struct {
	room *room
	who  string // the client

	mu        sync.Mutex // held to change what follows, and by others to look at it
	stretches []*stretch // the last one goes on
	at        int64      // the time of the last message; 0: not known
	epoch     string     // that is told by the welcome: a gap has to come before any message; "": none
	upTo      uint64     // of that gap
	here      bool       // it is in the room, over the present connection
}

// stretch is a part of a room that a client has heard without a gap.
type stretch struct {
	epoch    string
	from, to uint64 // behind from, up to to
	heard    []uint64
	began    time.Time
	why      string // of the gap before it; "": the client came
}

func (p *place) rule(format string, args ...any) {
	p.room.court.rule("%s in room %s: "+format, append([]any{p.who, p.room.name}, args...)...)
}

// last is the stretch that goes on; nil: the client was never in the room.
func (p *place) last() *stretch {
	if len(p.stretches) == 0 {
		return nil
	}
	return p.stretches[len(p.stretches)-1]
}

// position is where the client is, for since.
func (p *place) position() string {
	s := p.last()
	if s == nil {
		return ""
	}
	position := s.epoch + "." + strconv.FormatUint(s.to, 10)
	if p.at != 0 {
		position += "." + strconv.FormatInt(p.at, 10)
	}
	return position
}

// where tells others where the client is; ok: it is in the room, and owed no gap.
func (p *place) where() (epoch string, seq uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.last(); s != nil {
		epoch, seq = s.epoch, s.to
	}
	return epoch, seq, p.here && p.epoch == ""
}

// cut takes in that the connection has ended.
func (p *place) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here = false
}

// join takes in a welcome, or that the room was joined, by the position.
func (p *place) join(e *chattest.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here, p.epoch = true, ""
	s := p.last()
	switch {
	case s == nil:
		p.begin(e.Epoch, e.Seq, "")
		if e.Resumed {
			p.rule("resumed, though it asks for nothing")
		}
	case !e.Resumed:
		p.epoch, p.upTo = e.Epoch, e.Seq
	case e.Epoch != s.epoch || e.Seq != s.to:
		p.rule("resumed at %s.%d, and was at %s", e.Epoch, e.Seq, p.position())
		p.begin(e.Epoch, e.Seq, "fault")
	default:
		p.room.court.count("resumed")
	}
}

func (p *place) begin(epoch string, from uint64, why string) {
	p.at = 0
	p.stretches = append(p.stretches, &stretch{epoch: epoch, from: from, to: from, began: time.Now(), why: why})
}

// miss takes in a gap: behind a welcome, or later.
func (p *place) miss(e *chattest.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.last()
	if s == nil {
		p.rule("a gap before a welcome")
		return
	}
	p.room.court.count("gap: " + e.Why)
	epoch, joins := s.epoch, p.epoch != ""
	switch {
	case joins:
		epoch = p.epoch
	case e.Epoch != "":
		epoch = e.Epoch
	}
	lost := e.Why != "history" // the room's memory, or the client's place in it
	switch {
	case joins && e.To != p.upTo:
		p.rule("a gap up to %d, and the place is %d", e.To, p.upTo)
	case !lost && (epoch != s.epoch || joins && e.From != s.to+1 || e.To < s.to):
		p.rule("a gap from %d to %d at %s", e.From, e.To, p.position())
	case (e.Why == "epoch") != (epoch != s.epoch):
		p.rule("a gap says %s, from the epoch %s to %s", e.Why, s.epoch, epoch)
	case lost && e.From != 1:
		p.rule("a gap says %s and is from %d", e.Why, e.From)
	case lost && !p.room.court.restored():
		p.rule("a gap says %s at %s, though NATS has lost nothing", e.Why, p.position())
	}
	if !lost && e.From > 0 {
		s.to = max(s.to, e.From-1) // behind its place something may have been said twice
	}
	p.epoch = ""
	p.begin(epoch, e.To, e.Why)
}

// hear takes in a message. Again: the client has said it again, and may be told again. It
// returns whether it was heard for the first time.
func (p *place) hear(e *chattest.Event, again bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.last()
	if s == nil {
		p.rule("message %d before a welcome", e.Seq)
		return false
	}
	p.room.take(s.epoch, said{seq: e.Seq, at: e.At, text: text(e), id: e.ID, nonce: e.Nonce, by: p.who})
	switch {
	case e.Seq <= s.to && again:
		p.room.court.count("repeated")
		return false
	case p.epoch != "":
		p.rule("message %d before a gap", e.Seq)
		p.epoch = ""
		return false
	case e.Seq <= s.to:
		p.rule("message %d, %q, behind %d", e.Seq, text(e), s.to)
		return false
	}
	s.heard = append(s.heard, e.Seq)
	s.to, p.at = e.Seq, e.At
	return true
}

// text is what was said, if it was text.
func text(e *chattest.Event) string {
	if e.Text != nil {
		return *e.Text
	}
	return ""
}

package room

import (
	"bytes"
	"slices"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/frame"
	"chatd/room/order"
)

// How much of a room may be on its way to its place, in messages and in bytes. Their
// backlog counts until they have come back or failed, so it is what their sessions
// would not have read anyway.
const (
	maxPublished      = 1024
	maxPublishedBytes = maxBacklog
)

// transit is what was handed over to the Source and has not come back, in order, and
// between that what has to wait for it: that somebody leaves, or asks. It belongs to the
// hub's Task.
type transit struct {
	list   []published
	first  uint64              // the tag of the first one; tags go on without holes, from 1
	said   int                 // messages
	bytes  int                 // of their frames
	hashes map[uint64]struct{} // of their nonces
}

// published is a message on its way, or a post that comes behind those before it.
type published struct {
	size   int // of its frame, in bytes
	author *author
	nonce  string
	hash   uint64  // nonceHash; 0: there is no nonce, or it is not under way
	sayer  *client // nil: a raw client, or somebody outside
	errand *errand // from outside; or nil
	begun  time.Time
	done   bool // it has come back, or failed, or never was under way

	post *post // that waits; nil: it is a message
}

// busy reports whether something is under way.
func (y *transit) busy() bool { return len(y.list) > 0 }

// full reports whether no more messages may be handed over.
func (y *transit) full() bool { return y.said >= maxPublished || y.bytes >= maxPublishedBytes }

// add adds a message, and returns its tag.
func (y *transit) add(p published) (tag uint64) {
	y.list = append(y.list, p)
	if p.post == nil {
		y.said++
		y.bytes += p.size
	}
	if p.hash != 0 {
		if y.hashes == nil {
			y.hashes = make(map[uint64]struct{})
		}
		y.hashes[p.hash] = struct{}{}
	}
	return y.first + uint64(len(y.list)) - 1
}

// find is the message with the tag that is under way; nil: there is none.
func (y *transit) find(tag uint64) *published {
	if tag < y.first || tag-y.first >= uint64(len(y.list)) {
		return nil
	}
	if p := &y.list[tag-y.first]; p.post == nil && !p.done {
		return p
	}
	return nil
}

// end notes that p is under way no more.
func (y *transit) end(p *published) {
	if p.done {
		return
	}
	p.done = true
	y.said--
	y.bytes -= p.size
	delete(y.hashes, p.hash)
}

// says reports whether a message with the nonce is under way.
func (y *transit) says(hash uint64) bool {
	_, there := y.hashes[hash]
	return there
}

// next takes out the first one, if that is done, or only waited for those before it.
func (y *transit) next() (p published, ok bool) {
	if len(y.list) == 0 || y.list[0].post == nil && !y.list[0].done {
		return p, false
	}
	p = y.list[0]
	y.list[0] = published{}
	y.list = y.list[1:]
	y.first++
	if len(y.list) == 0 {
		y.list, y.hashes = nil, nil // a moment of many must not stay in memory
	}
	return p, true
}

// publish hands over what may be, and does what has waited long enough. It reports
// whether there may be something to be placed.
func (o *ordered) publish(w *poller.Worker) (handed bool) {
	h := o.hub
	for {
		if h.posts == nil {
			h.posts = h.inbox.TakeAll()
		}
		p := h.posts
		if p == nil || p.count > 0 && o.window.full() {
			break
		}
		if p.count > 0 {
			if !o.handOver(w, p) {
				break
			}
			handed = true
			continue
		}
		h.posts, p.link = p.link, nil
		o.window.add(published{post: p})
	}
	for p, ok := o.window.next(); ok; p, ok = o.window.next() {
		if p.post != nil {
			o.finish(w, p.post)
		}
	}
	return handed
}

// handOver hands the next message of p over, unless one with the same nonce is under
// way: whether that is placed has to be known. It reports whether it did.
func (o *ordered) handOver(w *poller.Worker, p *post) bool {
	h := o.hub
	if !o.begun {
		o.giveUp(w, p, ErrUnavailable)
		return true
	}
	o.handing = true // should it panic, it is lost
	s, hash := p.nextSaid(), uint64(0)
	if s.nonce != "" {
		hash = nonceHash(s.author.id(), s.nonce)
		if o.window.says(hash) {
			o.handing = false
			return false
		}
		h.bound(w, h.server.clock())
		if n, again := h.archive.find(s); again {
			o.handing = false
			out, _ := p.takeOut()
			o.returned(w, &out, n, true)
			return true
		}
	}
	out, f := p.takeOut()
	o.handing = false
	out.hash, out.done = hash, false
	if h.server.config.PlaceTime != nil {
		out.begun = time.Now()
	}
	op, payload := frame.Split(f)
	m := order.Message{
		Nonce: s.nonce, Binary: op == ws.OpBinary,
		Payload: bytes.Clone(payload),          // the post is used again
		By:      uintptr(unsafe.Pointer(p.by)), // to be compared: it keeps nobody
	}
	if s.author != nil {
		m.ID, m.Name = s.author.id(), s.author.name()
	}
	tag := o.window.add(out)
	if !o.ask(func(to order.Source) { to.Publish(h.name, tag, m) }) {
		o.refuse(w, o.window.find(tag), ErrUnavailable) // who says it was not there any more
	}
	return true
}

// nextSaid is what is known of the post's next message.
func (p *post) nextSaid() said {
	if len(p.says) == 0 {
		return said{}
	}
	return p.says[len(p.says)-p.count]
}

// takeOut takes out the next message, which is not under way.
func (p *post) takeOut() (out published, frame []byte) {
	s := p.nextSaid()
	frame, _ = p.take(1)
	out = published{size: len(frame), author: s.author, nonce: s.nonce, sayer: p.sayer, errand: p.errand, done: true}
	p.errand = nil // it has one message
	return out, frame
}

// giveUp lets go of the next message.
func (o *ordered) giveUp(w *poller.Worker, p *post, why error) {
	out, _ := p.takeOut()
	o.refuse(w, &out, why)
}

// returned notes that a message is in the log, as n, or was before; p is nil unless it
// was published here.
func (o *ordered) returned(w *poller.Worker, p *published, n uint64, again bool) {
	h := o.hub
	if p == nil {
		return
	}
	o.receive(w, p, Receipt{Seq: h.seq(n), At: h.archive.time(n), Again: again})
	if !again || p.sayer == nil {
		return
	}
	if t := h.archive.tracks[p.sayer.stream()]; t != nil { // else it has left
		h.repeat(w, p.sayer, n, t.at(n-1).Frame())
	}
}

// receive notes that p has its place.
func (o *ordered) receive(w *poller.Worker, p *published, r Receipt) {
	if p == nil {
		return
	}
	h := o.hub
	o.window.end(p)
	h.backlog.Add(-int64(p.size))
	if !p.begun.IsZero() {
		h.server.config.PlaceTime.Observe(time.Since(p.begun).Seconds())
	}
	if p.errand == nil {
		return
	}
	r.Epoch = h.epoch.Load()
	p.errand.receipt = r
	if r.Again {
		h.server.counters.of(w).repeated.Add(1)
	} else {
		h.server.counters.of(w).published.Add(1)
	}
	o.answer(p, nil)
}

// answer tells somebody outside what came of what he published.
func (o *ordered) answer(p *published, err error) {
	p.errand.done <- err
	p.errand = nil
	o.answered = true
	o.hub.flags.Or(hubEmptied) // perhaps nobody was ever here
}

// fail notes that the message with the tag gets no place.
func (o *ordered) fail(w *poller.Worker, tag uint64, err error) {
	if log := o.hub.server.config.Log; log != nil {
		log.Debug("a message has no place", "room", o.hub.name, "err", err)
	}
	o.refuse(w, o.window.find(tag), ErrUnavailable)
}

// refuse tells who published p that it gets no place: a raw client can't be told.
func (o *ordered) refuse(w *poller.Worker, p *published, err error) {
	if p == nil {
		return
	}
	h := o.hub
	o.window.end(p)
	h.backlog.Add(-int64(p.size))
	h.server.counters.of(w).unplaced.Add(1)
	switch {
	case p.errand != nil:
		o.answer(p, err)
	case p.sayer != nil:
		e := &chat.Error{Code: chat.Unavailable, Message: err.Error(), Nonce: p.nonce}
		h.server.counters.of(w).rejected[slices.Index(chat.Codes[:], chat.Unavailable)].Add(1)
		p.sayer.tell(w, enclose(chat.AppendError(nil, e), 0))
	}
}

// finish does what a post asks for that has no messages any more.
func (o *ordered) finish(w *poller.Worker, p *post) {
	if e := p.errand; e != nil {
		o.answered = true
		o.hub.flags.Or(hubEmptied)
		if o.hub.epoch.Load() == 0 { // there is nothing to be looked at
			p.errand = nil
			e.done <- ErrUnavailable
		}
	}
	o.hub.finish(w, p)
	p.free()
}

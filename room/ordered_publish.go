package room

import (
	"bytes"
	"slices"
	"time"

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
	list  []published
	first uint64 // the tag of the first one; tags go on without holes, from 1
	bytes int
	said  int // messages
}

// published is a message on its way, or a post that comes behind those before it.
type published struct {
	size   int // of its frame, in bytes
	author *author
	nonce  string
	hash   uint64  // nonceHash; 0: there is no nonce
	sayer  *client // nil: a raw client, or somebody outside
	errand *errand // from outside; or nil
	begun  time.Time
	done   bool // it has come back, or failed

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
	return y.first + uint64(len(y.list)) - 1
}

// resolve is the message with the tag, which is under way no more; nil: it was not
// published here.
func (y *transit) resolve(tag uint64) *published {
	if tag == 0 {
		return nil
	}
	p := &y.list[tag-y.first]
	if !p.done {
		p.done = true
		y.said--
		y.bytes -= p.size
	}
	return p
}

// says reports whether a message with the nonce is under way.
func (y *transit) says(hash uint64) bool {
	return slices.ContainsFunc(y.list, func(p published) bool { return p.hash == hash && !p.done })
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
		y.list = nil // a moment of many must not stay in memory
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
	o.handing = true // should it panic, it is lost
	s := p.nextSaid()
	out := published{author: s.author, nonce: s.nonce, sayer: p.sayer, errand: p.errand}
	if s.nonce != "" {
		out.hash = nonceHash(s.author.id(), s.nonce)
		if o.window.says(out.hash) {
			o.handing = false
			return false
		}
		h.bound(w, h.server.clock())
		if n, again := h.archive.find(s); again {
			o.handing = false
			p.takeOut(&out)
			o.returned(w, &out, n, true)
			return true
		}
	}
	if h.server.config.PlaceTime != nil {
		out.begun = time.Now()
	}
	op, payload := frame.Split(p.takeOut(&out))
	o.handing = false
	m := order.Message{Nonce: s.nonce, Binary: op == ws.OpBinary, Payload: bytes.Clone(payload)} // the post is used again
	if s.author != nil {
		m.ID, m.Name = s.author.id(), s.author.name()
	}
	h.server.config.Order.Publish(h.name, o.window.add(out), m)
	return true
}

// nextSaid is what is known of the post's next message.
func (p *post) nextSaid() said {
	if len(p.says) == 0 {
		return said{}
	}
	return p.says[len(p.says)-p.count]
}

// takeOut takes out the next message, which out is about.
func (p *post) takeOut(out *published) (frame []byte) {
	frame, _ = p.take(1)
	p.errand = nil // it has one message
	out.size = len(frame)
	return frame
}

// giveUp lets go of the next message, which panicked.
func (o *ordered) giveUp(w *poller.Worker, p *post) {
	s := p.nextSaid()
	out := published{author: s.author, nonce: s.nonce, sayer: p.sayer, errand: p.errand}
	p.takeOut(&out)
	o.refuse(w, &out, ErrLost)
}

// returned notes that a message is in the log, as n, or was before; p is nil unless it
// was published here.
func (o *ordered) returned(w *poller.Worker, p *published, n uint64, again bool) {
	h := o.hub
	if p == nil {
		return
	}
	if t := h.archive.tracks; again && p.errand == nil && p.sayer != nil && t[p.sayer.stream()] != nil { // else it has left
		h.repeat(w, p.sayer, n, t[p.sayer.stream()].at(n-1).Frame())
	}
	o.receive(w, p, Receipt{Seq: h.seq(n), At: h.archive.time(n), Again: again})
}

// receive notes that p has its place.
func (o *ordered) receive(w *poller.Worker, p *published, r Receipt) {
	if p == nil {
		return
	}
	h := o.hub
	h.backlog.Add(-int64(p.size))
	if !p.begun.IsZero() {
		h.server.config.PlaceTime.Observe(time.Since(p.begun).Seconds())
	}
	e := p.errand
	if e == nil {
		return
	}
	p.errand = nil
	r.Epoch = h.epoch.Load()
	e.receipt = r
	if r.Again {
		h.server.counters.of(w).repeated.Add(1)
	} else {
		h.server.counters.of(w).published.Add(1)
	}
	e.done <- nil
	h.flags.Or(hubEmptied) // perhaps nobody was ever here
}

// fail notes that the message with the tag gets no place.
func (o *ordered) fail(w *poller.Worker, tag uint64, err error) {
	if log := o.hub.server.config.Log; log != nil {
		log.Debug("a message has no place", "room", o.hub.name, "err", err)
	}
	o.refuse(w, o.window.resolve(tag), ErrUnavailable)
}

// refuse tells who published p that it gets no place: a raw client can't be told.
func (o *ordered) refuse(w *poller.Worker, p *published, err error) {
	if p == nil {
		return
	}
	h := o.hub
	h.backlog.Add(-int64(p.size))
	h.server.counters.of(w).unplaced.Add(1)
	switch {
	case p.errand != nil:
		p.errand.done <- err
		p.errand = nil
		h.flags.Or(hubEmptied)
	case p.sayer != nil:
		e := &chat.Error{Code: chat.Unavailable, Message: err.Error(), Nonce: p.nonce}
		h.server.counters.of(w).rejected[slices.Index(chat.Codes[:], chat.Unavailable)].Add(1)
		p.sayer.tell(w, enclose(chat.AppendError(nil, e), 0))
	}
}

// finish does what a post asks for that has no messages any more.
func (o *ordered) finish(w *poller.Worker, p *post) {
	if p.errand != nil {
		o.hub.flags.Or(hubEmptied)
	}
	o.hub.finish(w, p)
	p.free()
}

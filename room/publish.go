package room

import (
	"context"
	"sync"
	"time"

	"chatd/poller"
	"chatd/room/chat"
)

// Publisher is one who publishes from outside, without being in a room: a back end,
// known by the token that it has. Its methods may be called from anywhere.
type Publisher struct {
	server *Server // static

	// Held for a moment by the request's goroutine, never by a worker.
	mu     sync.Mutex // guards what follows
	meter  meter
	author *author // as which it published last: the id is always the same
}

// NewPublisher is the one that has the token. Who it is for the members stays the
// same as long as the server's secret does, and tells nothing of the token.
func (s *Server) NewPublisher(token string) *Publisher {
	a := newAuthor(s.config.Secrets.TokenID(token), "")
	return &Publisher{server: s, author: &a}
}

// Receipt is the place of what was published.
type Receipt struct {
	Seq   uint64
	At    int64 // ms since 1970
	Epoch uint32
	Again bool // it is that of the first one with the nonce
}

// RateError says that a publisher exceeds -rate-messages or -rate-bytes.
type RateError struct {
	Wait time.Duration // after which it may go on
}

// Error implements error.
func (*RateError) Error() string { return "more is published than -rate-messages or -rate-bytes allow" }

// Publish publishes in a room, which is made if it is not there, and returns once
// the message has its place. When ctx ends before, it may still get one.
func (p *Publisher) Publish(ctx context.Context, room string, m chat.Publication) (Receipt, error) {
	a, err := p.admit(m.Name, len(m.Text))
	if err != nil {
		return Receipt{}, err
	}
	h := p.server.directory.room(room)
	e := &errand{room: room, post: newPost(h != nil && h.has(hubDeflating))}
	e.post.say(p.server.counters.of(nil), nil, said{a, m.Nonce}, m.Text)
	if err := p.server.run(ctx, e); err != nil {
		return Receipt{}, err
	}
	return e.receipt, nil
}

// admit charges a message of so many bytes, and says as whom it is published.
func (p *Publisher) admit(name string, size int) (*author, error) {
	rates, now := &p.server.rates, p.server.now.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meter.drain(now, rates)
	charged := p.meter
	charged.use(rates, limitMessages, 1)
	if _, ticks := charged.debt(rates); ticks > 0 {
		return nil, &RateError{time.Duration(ticks) * TickInterval}
	}
	charged.use(rates, limitBytes, size) // the last may be larger than what is left
	p.meter = charged
	if p.author.name() != name {
		a := newAuthor(p.author.id(), name)
		p.author = &a
	}
	return p.author, nil
}

// sign notes the place of what p publishes, if that is from outside: the last
// message's.
func (h *hub) sign(w *poller.Worker, p *post) {
	if p.errand == nil {
		return
	}
	r := Receipt{Seq: h.log.Head().Seq, Epoch: h.epoch.Load()}
	if h.archive != nil {
		r.At = h.archive.last()
	} else {
		r.At = h.server.clock()
	}
	p.errand.receipt = r
	h.server.counters.of(w).published.Add(1)
}

// again answers what p says for the second time with what it was for the first: the
// message seq, which is kept.
func (h *hub) again(w *poller.Worker, p *post, seq uint64) {
	a := h.archive
	if p.errand != nil {
		p.errand.receipt = Receipt{Seq: seq, At: a.time(seq), Epoch: h.epoch.Load(), Again: true}
		h.server.counters.of(w).repeated.Add(1)
	} else if t := a.tracks[p.sayer.stream()]; t != nil { // else it has left
		h.repeat(w, p.sayer, seq, t.at(seq-1).Frame())
	}
}

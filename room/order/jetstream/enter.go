package jetstream

import (
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"chatd/room/order"
)

// A room that is entered is subscribed to, then its history is read: so nothing can
// happen between them that is not known.

// enter takes a room in.
func (d *dispatcher) enter(m *member) {
	rooms := d.rooms[m.partition.number]
	if there := rooms[m.token]; there != nil { // its copies still come
		there.room = m.room
		d.begin(there)
		return
	}
	rooms[m.token] = m
	d.s.opener.add(m)
}

// leave has a room told nothing more.
func (d *dispatcher) leave(p *partition, token string) {
	m := d.rooms[p.number][token]
	if m == nil {
		return
	}
	m.room, m.left = nil, time.Now()
	m.state = opening
	d.waited(m)
	m.round.Add(1)
	if m.asked != nil {
		d.s.opener.drop(m.asked)
		m.asked = nil
	}
}

// begin has the member's history read, and then told. Before the stream is known there
// is nothing to read. Copies that have come until now may be from the stream's life before.
func (d *dispatcher) begin(m *member) {
	if m.copies == nil || m.room == nil {
		return
	}
	d.drain()
	m.state, m.missed, m.checked = opening, false, false
	d.waited(m)
	round := m.round.Add(1)
	if l, known := m.partition.lifeNow(); known {
		m.life = l
		d.s.peers.ask(m, round, l)
	}
}

// began tells the room what is kept.
func (d *dispatcher) began(m *member, round int64, l life, behind order.Point, kept []entry) {
	if m.round.Load() != round || m.state != opening {
		return
	}
	for i, e := range slices.Backward(kept) {
		if d.s.tooLarge(e) {
			behind, kept = e.point(), kept[i+1:]
			break
		}
	}
	// What this node published is not history to it, but comes with its tag.
	own := len(kept)
	for i, e := range kept {
		if n, ok := d.s.own(e.id); ok && d.s.pending.has(n) {
			own = i
			break
		}
	}
	messages := make([]order.Message, own)
	for i, e := range kept[:own] {
		messages[i] = e.Message
	}
	m.last, m.told = behind, false
	if own > 0 {
		m.last, m.told = kept[own-1].point(), true
		m.partition.saw(m.last.Seq)
	}
	m.room.Begin(l.epoch(m.token), behind, messages)
	for _, e := range kept[own:] {
		d.place(m, e)
	}
	d.goOn(m)
	if m.asked == nil {
		d.s.opener.answer(m)
	}
}

// opener subscribes and unsubscribes, which may have to wait for NATS: many at a time.
type opener struct {
	s    *Source
	mail mailbox

	entered []*member // owned by its goroutine: to be flushed
	subs    []*nats.Subscription
}

func newOpener(s *Source) *opener { return &opener{s: s, mail: newMailbox()} }

// add has m's copies come in, and then m begin.
func (o *opener) add(m *member) {
	o.mail.put(func() {
		d := m.partition.dispatcher
		sub, err := o.s.nc.ChanSubscribe(subject(copiesIn, m.partition.number, m.token), d.copies)
		if err != nil { // the connection is closed
			return
		}
		o.entered, o.subs = append(o.entered, m), append(o.subs, sub)
	})
}

// answer has other nodes ask this one for m's history, if the room can tell it.
func (o *opener) answer(m *member) {
	if _, ok := m.room.(order.Keeper); !ok {
		return
	}
	d := m.partition.dispatcher
	o.mail.put(func() {
		sub, err := o.s.nc.ChanQueueSubscribe(subject(historyOf, m.partition.number, m.token), "h", d.copies)
		if err != nil {
			return
		}
		d.mail.put(func() {
			if m.room == nil || m.asked != nil {
				o.drop(sub)
				return
			}
			m.asked = sub
		})
	})
}

// drop ends a subscription.
func (o *opener) drop(sub *nats.Subscription) {
	o.mail.put(func() { _ = sub.Unsubscribe() }) // the connection may be closed
}

// run is the opener's goroutine.
func (o *opener) run() {
	for {
		select {
		case <-o.mail.wake:
			o.mail.do()
			if !o.flush() {
				return
			}
		case <-o.s.ctx.Done():
			return
		}
	}
}

// flush waits until the server knows of the subscriptions, and has the rooms begin. It
// reports whether the Source goes on.
func (o *opener) flush() bool {
	for len(o.entered) > 0 && o.s.flush() != nil {
		select { // subscriptions are made again with the connection
		case <-o.s.ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
	for i, m := range o.entered {
		d, sub := m.partition.dispatcher, o.subs[i]
		d.mail.put(func() {
			m.copies = sub
			d.begin(m)
		})
	}
	o.entered, o.subs = nil, nil
	return true
}

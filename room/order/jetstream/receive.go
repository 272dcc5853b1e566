package jetstream

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"chatd/room/order"
)

// member is a room that this node has. All of it is its dispatcher's, but what is
// static.
type member struct {
	name, token string
	partition   *partition

	room    order.Room         // nil: it was left
	copies  *nats.Subscription // nil: not yet made
	asked   *nats.Subscription // other nodes' questions for history; nil: they are not answered
	state   int
	round   atomic.Int64 // of what is read for it: answers to earlier ones are void; others look at it
	life    life         // of the stream, in which the round is
	last    order.Point  // that it was told
	told    bool         // last is a message's, not just behind all that may be lost
	waiting []entry      // copies that came while it is read
	missed  bool         // some of these were dropped
	checked bool         // the stream was asked for its last message since it began
	left    time.Time
}

// States of a member.
const (
	opening = iota // its copies are asked for, or its history is read
	live           // it is told what comes
	filling        // what is missing is read
)

func newMember(s *Source, name string, room order.Room) *member {
	return &member{name: name, token: toToken.Replace(name), partition: s.partitionFor(name), room: room}
}

// doubt is one whether the stream still has what m was told last.
func (m *member) doubt() doubt { return doubt{m.token, m.last, m.life} }

// dispatcher tells rooms what happens in them: those of every fourth partition. It
// waits for nothing.
type dispatcher struct {
	s      *Source
	mail   mailbox
	copies chan *nats.Msg // for all its rooms, and questions for their history

	// Its goroutine's, but that the outer map is static.

	rooms map[int]map[string]*member // by partition and token
	bytes int                        // of copies that wait in all of them
}

func newDispatcher(s *Source) *dispatcher {
	return &dispatcher{s: s, mail: newMailbox(), copies: make(chan *nats.Msg, s.config.behind), rooms: make(map[int]map[string]*member)}
}

// run is the dispatcher's goroutine.
func (d *dispatcher) run() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-d.mail.wake:
			d.mail.do()
		case m := <-d.copies:
			d.receive(m)
		case now := <-ticker.C:
			d.tick(now)
		case <-d.s.ctx.Done():
			d.mail.do()
			return
		}
	}
}

// drain takes what has come until now.
func (d *dispatcher) drain() {
	for range len(d.copies) {
		d.receive(<-d.copies)
	}
}

func (d *dispatcher) receive(msg *nats.Msg) {
	number, token, ok := cut(msg.Subject)
	m := d.rooms[number][token]
	if !ok || m == nil || m.room == nil {
		return
	}
	if strings.HasPrefix(msg.Subject, historyOf) {
		d.asked(m, msg)
		return
	}
	e, ok := parseEntry(msg)
	if !ok {
		return // nobody but the server should send there
	}
	d.s.stats.copies.Add(1)
	if m.state == live {
		d.accept(m, e)
	} else {
		d.wait(m, e)
	}
}

// wait keeps a copy until what is read is there.
func (d *dispatcher) wait(m *member, e entry) {
	if len(m.waiting) == maxWaiting || d.bytes+e.size() > maxWaitingBytes {
		m.missed = true
		return
	}
	m.waiting = append(m.waiting, e)
	d.bytes += e.size()
}

// waited takes out the copies that wait.
func (d *dispatcher) waited(m *member) (waiting []entry) {
	waiting, m.waiting = m.waiting, nil
	for _, e := range waiting {
		d.bytes -= e.size()
	}
	return waiting
}

// accept decides by a copy's headers what it is: the next message, one that was told, or
// one behind others that did not come.
func (d *dispatcher) accept(m *member, e entry) {
	switch {
	case e.Seq <= m.last.Seq:
		d.s.stats.duplicates.Add(1)
		if m.told && e.At > m.last.At {
			// It was said later and has a number that was given before.
			m.partition.suspect(m.doubt())
		}
	case e.before > m.last.Seq:
		d.wait(m, e)
		d.fill(m, e.before)
	default: // the one before it is the last one, or is not kept any more
		if m.told && e.before > 0 && e.before < m.last.Seq {
			m.partition.suspect(m.doubt()) // an older one is kept
		}
		d.place(m, e)
	}
}

// place tells the room its next message.
func (d *dispatcher) place(m *member, e entry) {
	m.last, m.told = e.point(), true
	m.partition.saw(e.Seq)
	tag := uint64(0)
	if n, own := d.s.own(e.id); own {
		if one := d.s.pending.take(n); one != nil {
			tag = one.tag
		}
	}
	if tag == 0 && d.s.tooLarge(e) {
		m.room.Miss(m.last)
		return
	}
	m.room.Place(tag, e.Message)
}

// tooLarge reports whether e is larger than what clients are told to expect: it is not a
// node's, or one's that has other flags.
func (s *Source) tooLarge(e entry) bool {
	return s.config.MaxMessage > 0 && len(e.Payload) > s.config.MaxMessage
}

// goOn takes the copies that came while the member was read.
func (d *dispatcher) goOn(m *member) {
	m.state = live
	for _, e := range d.waited(m) {
		if m.state == live {
			d.accept(m, e)
		} else {
			d.wait(m, e)
		}
	}
	if m.missed && m.state == live {
		m.missed, m.checked = false, false
		m.partition.look(false)
	}
}

// tick has rooms that were left forgotten.
func (d *dispatcher) tick(now time.Time) {
	for _, rooms := range d.rooms {
		for token, m := range rooms {
			if m.room == nil && m.copies != nil && now.Sub(m.left) > grace {
				d.s.opener.drop(m.copies)
				delete(rooms, token)
			}
		}
	}
}

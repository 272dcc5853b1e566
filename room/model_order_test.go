package room

import (
	"errors"
	"fmt"
	"slices"

	"chatd/room/chat"
	"chatd/room/order"
)

// modelOrder is the Source of a model in which rooms' orders come from one. It tells each
// room what happens in order, and late: anything may happen before. Its numbers have
// holes.
type modelOrder struct {
	m     *model
	rooms []*modelRoom // that were entered
	fails bool         // what is published now
}

// seqAfter is the number of the message behind that with the number seq.
func (m *model) seqAfter(seq uint64) uint64 {
	if m.source == nil {
		return seq + 1
	}
	return seq + 1 + seq%3
}

// modelRoom is a room of a modelOrder.
type modelRoom struct {
	name   string
	inside order.Room
	seq    uint64
	last   order.Message // that was published with a nonce
	epoch  uint32
	begin  order.Point     // of the epoch
	placed []order.Message // in it
	tells  []func()        // what it has yet to be told
}

func newModelOrder(m *model) *modelOrder { return &modelOrder{m: m} }

// release tells some room the next thing, and reports whether there was one.
func (s *modelOrder) release() bool {
	var waiting []*modelRoom
	for _, r := range s.rooms {
		if len(r.tells) > 0 {
			waiting = append(waiting, r)
		}
	}
	if len(waiting) == 0 {
		return false
	}
	r := waiting[s.m.order.IntN(len(waiting))]
	tell := r.tells[0]
	r.tells = r.tells[1:]
	tell()
	return true
}

func (s *modelOrder) room(name string) *modelRoom {
	return s.rooms[slices.IndexFunc(s.rooms, func(r *modelRoom) bool { return r.name == name })]
}

// Enter implements order.Source.
func (s *modelOrder) Enter(name string, inside order.Room) {
	if i := slices.IndexFunc(s.rooms, func(r *modelRoom) bool { return r.name == name }); i >= 0 {
		s.rooms[i].goOn(inside, s.m.order.IntN(4))
		return
	}
	r := &modelRoom{name: name, inside: inside, epoch: newEpoch()}
	s.rooms = append(s.rooms, r)
	r.tells = append(r.tells, func() { inside.Begin(r.epoch, order.Point{}, nil) })
}

// goOn has another program told of so many messages that are kept, as if they were the
// last ones.
func (r *modelRoom) goOn(inside order.Room, kept int) {
	r.inside = inside
	first := max(0, len(r.placed)-kept)
	behind := r.begin
	if first > 0 {
		behind = order.Point{Seq: r.placed[first-1].Seq, At: r.placed[first-1].At}
	}
	messages := slices.Clone(r.placed[first:])
	r.tells = append(r.tells, func() { inside.Begin(r.epoch, behind, messages) })
}

// Publish implements order.Source.
func (s *modelOrder) Publish(name string, tag uint64, m order.Message) {
	r := s.room(name)
	if s.fails {
		r.tells = append(r.tells, func() { r.inside.Fail(tag, errors.New("planted")) })
		return
	}
	r.tells = append(r.tells, func() {
		r.seq = s.m.seqAfter(r.seq)
		m.Seq, m.At = r.seq, s.m.clock
		if m.Nonce != "" {
			r.last = m
		}
		r.placed = append(r.placed, m)
		r.inside.Place(tag, m)
	})
}

// double has what was published last come once more, under another number. It is heard
// again only if it is not kept.
func (s *modelOrder) double(room string) {
	m, r, ref := s.m, s.room(room), s.m.rooms[room]
	again := r.last
	if again.Nonce == "" {
		return
	}
	r.seq = m.seqAfter(r.seq)
	again.Seq, again.At = r.seq, m.clock
	if ref.repeated(m, again.ID, again.Nonce) != nil {
		ref.again = again.Seq
	} else {
		said := ref.say(m, room, chat.Message{ID: again.ID, Name: again.Name, Nonce: again.Nonce, Payload: again.Payload})
		for _, c := range m.refs {
			c.publish(room, said)
		}
	}
	r.placed = append(r.placed, again)
	r.tells = append(r.tells, func() { r.inside.Place(0, again) })
}

// miss has messages of a room be lost. The reference learns of the gap.
func (s *modelOrder) miss(room string) {
	r, ref := s.room(room), s.m.rooms[room]
	from := ref.seq(len(ref.messages)) + 1
	upTo := order.Point{Seq: r.seq + 5, At: s.m.clock}
	r.seq = upTo.Seq
	r.tells = append(r.tells, func() { r.inside.Miss(upTo) })
	ref.lose(s.m, room, chat.Gap{From: from, To: upTo.Seq, Why: chat.History})
}

// anew has the room's order begin anew, with so many messages that are kept.
func (s *modelOrder) anew(room string, kept int) {
	m, r, ref := s.m, s.room(room), s.m.rooms[room]
	ref.epoch++
	epoch, behind := ref.epoch, order.Point{Seq: r.seq % 7, At: m.clock}
	ref.lose(m, room, chat.Gap{From: 1, To: behind.Seq, Why: chat.Epoch, Epoch: epoch})
	ref.lost = len(ref.messages)
	ref.again = 0
	messages := make([]order.Message, kept)
	for i := range messages {
		m.seq++
		said := ref.say(m, room, chat.Message{ID: "elsewhere", Payload: fmt.Appendf(nil, "%d:%s", m.seq, room)})
		messages[i] = order.Message{ID: "elsewhere", Payload: fmt.Appendf(nil, "%d:%s", m.seq, room), Seq: said.seq, At: said.at}
		ref.old++
		for _, c := range m.refs {
			c.publish(room, said)
		}
	}
	r.seq = ref.seq(len(ref.messages))
	r.epoch, r.begin, r.placed = epoch, behind, messages
	r.tells = append(r.tells, func() { r.inside.Begin(epoch, behind, slices.Clone(messages)) })
}

// Forget implements order.Source.
func (s *modelOrder) Forget(name string, seq uint64) {
	if r := s.room(name); seq > r.seq {
		panic("more is forgotten than there was")
	}
}

// Leave implements order.Source.
func (s *modelOrder) Leave(name string) {
	if len(s.room(name).tells) > 0 {
		panic("a room is left in which something is under way")
	}
	s.rooms = slices.DeleteFunc(s.rooms, func(r *modelRoom) bool { return r.name == name })
}

// Ready implements order.Source.
func (s *modelOrder) Ready() error { return nil }

// Close implements order.Source.
func (s *modelOrder) Close() error { return nil }

package room

import (
	"fmt"
	"slices"

	"github.com/gobwas/ws"

	"chatd/room/chat"
	"chatd/room/deflate"
	"chatd/room/frame"
	"chatd/room/position"
)

// A room of the reference is all that was ever said in it; how much of that is
// kept is worked out whenever somebody asks.

// refMessage is a message as each kind of reader gets it, or a gap.
type refMessage struct {
	seq       uint64
	gap       bool
	at        int64
	timed     bool // somebody could be told when it was said
	open      bool // … or could not: the first who might be came at the same time
	id, nonce string
	frames    [streams][]byte
}

// refRoom is a room of the reference.
type refRoom struct {
	epoch    uint32
	messages []refMessage
	timing   bool // from now on, somebody can be told when things are said
	lost     int  // messages that are of an earlier epoch
	gaps     int  // of the messages
	old      int  // messages that are no new ones

	again uint64 // the number of a message that came twice, if that is the last; else any that was before
}

// seq is the number by which everybody knows the n-th message, from 1.
func (r *refRoom) seq(n int) uint64 {
	if n == 0 {
		return 0
	}
	return r.messages[n-1].seq
}

// lose adds a gap.
func (r *refRoom) lose(m *model, room string, g chat.Gap) {
	gap := chat.AppendGap(nil, room, g)
	event := eventFrame(gap)
	message := refMessage{seq: g.To, gap: true, at: m.clock, timed: true}
	nothing := []byte("\x8a\x00")
	bare := fmt.Appendf(nil, "id: %08x.%d\nevent: gap\ndata: %s\n\n", r.epoch, g.To, gap)
	message.frames = [streams][]byte{nothing, nothing, event, packedFrame(event), chunk(bare), bare}
	r.messages = append(r.messages, message)
	r.gaps++
	for _, c := range m.refs {
		c.publish(room, &r.messages[len(r.messages)-1])
	}
}

// packedFrame is the compressed form of a frame, or the frame itself.
func packedFrame(f []byte) []byte {
	op, payload := frame.Split(f)
	if len(payload) >= deflate.MinSize {
		if packed, ok := deflate.Append(nil, payload); ok {
			return frame.AppendCompressed(nil, op, packed)
		}
	}
	return f
}

// eventFrame is the frame of an event.
func eventFrame(event []byte) []byte { return frame.AppendMessage(nil, ws.OpText, event) }

// chunk is one of HTTP/1.1.
func chunk(b []byte) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(b), b) }

// events reports whether the stream's readers say nothing.
func (x stream) events() bool { return x == eventStream || x == bareStream }

// frame is what a reader of x gets of an event that is no message.
func (x stream) frame(kind string, event []byte) []byte {
	if !x.events() {
		return eventFrame(event)
	}
	bare := fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, event)
	if x == eventStream {
		return chunk(bare)
	}
	return bare
}

// say adds a message, and returns it.
func (r *refRoom) say(m *model, room string, said chat.Message) *refMessage {
	said.Seq, said.At = m.seqAfter(max(r.again, r.seq(len(r.messages)))), m.clock
	message := refMessage{seq: said.Seq, at: m.clock, timed: r.timing || m.source != nil, id: said.ID, nonce: said.Nonce}
	op := ws.OpText
	if said.Binary {
		op = ws.OpBinary
	}
	raw := frame.AppendMessage(nil, op, said.Payload)
	say := chat.AppendSay(nil, room, &said)
	event := eventFrame(say)
	bare := fmt.Appendf(nil, "id: %08x.%d.%d\nevent: say\ndata: %s\n\n", r.epoch, said.Seq, said.At, say)
	message.frames = [streams][]byte{raw, packedFrame(raw), event, packedFrame(event), chunk(bare), bare}
	r.messages = append(r.messages, message)
	return &r.messages[len(r.messages)-1]
}

// floor is the last of the first head messages that is not kept now.
func (r *refRoom) floor(m *model, head int) int {
	config := &m.server.config
	floor := max(r.lost, head-config.History)
	for floor < head && config.HistoryAge > 0 && m.clock-r.messages[floor].at > config.HistoryAge.Milliseconds() {
		floor++
	}
	return floor
}

// repeated is the event of the message that id said with the nonce, if it is kept.
func (r *refRoom) repeated(m *model, id, nonce string) *refMessage {
	for i := len(r.messages) - 1; i >= r.floor(m, len(r.messages)); i-- {
		if said := &r.messages[i]; nonce != "" && said.id == id && said.nonce == nonce {
			return said
		}
	}
	return nil
}

// refPlace is where a newcomer begins.
type refPlace struct {
	live    bool
	begin   int // messages before it
	resumed bool
	gap     *chat.Gap
}

// place is that of one who comes when there are head messages.
func (r *refRoom) place(m *model, told bool, since position.Since, head int) (p refPlace) {
	head = min(head, len(r.messages)) // some tests tell it of no messages
	floor := r.floor(m, head)
	p.begin = r.behindGap(floor, head)
	missed := func(from uint64, why chat.GapReason) {
		p.gap = &chat.Gap{From: from, To: r.seq(p.begin), Why: why}
	}
	at := since.Position
	n := r.lost // of the message at the position
	for n < head && r.seq(n+1) <= at.Seq {
		n++
	}
	switch {
	case since.Kind == position.Now, since.Kind == position.Absent && (!told || p.begin == head):
		p.live = true
	case since.Kind == position.Absent:
	case at.Epoch != r.epoch:
		missed(1, chat.Epoch)
	case at.Seq > max(r.again, r.seq(head)):
		missed(1, chat.Future)
	case at.Seq < r.seq(floor):
		missed(at.Seq+1, chat.History)
	case at.At >= 0 && at.Seq > 0 && r.messages[n-1].timed && r.messages[n-1].at != at.At:
		missed(1, chat.Mismatch)
	case n < head && r.messages[n].gap:
		p.begin = r.behindGap(n, head)
		missed(at.Seq+1, chat.History)
	default:
		p.begin, p.resumed = n, !slices.ContainsFunc(r.messages[n:head], func(said refMessage) bool { return said.gap })
	}
	return p
}

// behindGap is the n-th of the first head messages, or the gap that follows it.
func (r *refRoom) behindGap(n, head int) int {
	for n < head && r.messages[n].gap {
		n++
	}
	return n
}

// since is a position in the room that somebody may come back with.
func (m *model) since(room string, n int) position.Since {
	r := m.rooms[room]
	if r == nil {
		r = &refRoom{epoch: 1}
	}
	k := r.lost + n/7%(len(r.messages)-r.lost+1)
	p := position.Position{Epoch: r.epoch, Seq: r.seq(k), At: -1}
	open := k > 0 && r.messages[k-1].open
	if n%2 == 0 && p.Seq > 0 && !open {
		p.At = r.messages[k-1].at
	}
	switch n % 7 {
	case 0:
		return position.Since{}
	case 1:
		return position.Since{Kind: position.Now}
	case 2:
		p.Epoch++
	case 3:
		p.Seq += max(r.again, r.seq(len(r.messages))) + 1
	case 4:
		if !open {
			p.At = max(p.At, 0) + 1
		}
	}
	return position.Since{Kind: position.At, Position: p}
}

// leaveOpen leaves open whether it is known when the messages of a room behind the first n
// were said, unless somebody could be told before.
func (m *model) leaveOpen(room string, n int) {
	if r := m.rooms[room]; r != nil && !r.timing && m.source == nil {
		for i := range r.messages[n:] {
			r.messages[n+i].open = true
		}
	}
}

// placed has the reference know where client i began in a room. The server says how
// many messages there were, and where one begins who wants no more than what comes.
func (m *model) placed(i int, ch *change) {
	c, room := m.refs[i], ch.room
	if c.gone || c.reset || ch.hub == nil {
		return
	}
	r := m.rooms[room]
	if r == nil || r.epoch != ch.hub.epoch.Load() && (m.shared() || r.floor(m, len(r.messages)) == len(r.messages)) { // it may have died meanwhile
		r = &refRoom{epoch: ch.hub.epoch.Load()}
		m.rooms[room] = r
	}
	r.timing = r.timing || c.stream != rawStream || m.server.config.History > 0
	head := int(ch.place.head)
	p := r.place(m, c.stream.told(), ch.since, head)
	if p.live {
		p.begin = int(ch.place.begin.Seq)
	}
	c.rooms[room] = true
	if c.stream.told() {
		welcome := !c.welcomed
		c.welcomed = true
		c.counts[room] = -1
		epoch := r.epoch // it may be another one when this is written
		if c.stream.speaks() {
			c.rest = append(c.rest, item{room: room, event: func(members int) []byte {
				if !welcome {
					return eventFrame(chat.AppendJoined(nil, room, epoch, r.seq(p.begin), p.resumed, members))
				}
				w := m.clients[i].chat().welcome()
				w.Room, w.Epoch, w.Seq, w.Resumed, w.Members = room, epoch, r.seq(p.begin), p.resumed, members
				return eventFrame(chat.AppendWelcome(nil, w))
			}})
		}
		if p.gap != nil {
			c.rest = append(c.rest, item{frame: c.stream.frame("gap", chat.AppendGap(nil, room, *p.gap))})
		}
	}
	for seq := p.begin; seq < len(r.messages); seq++ {
		c.queues[room] = append(c.queues[room], r.messages[seq].frames[c.stream])
		if seq >= head {
			c.fresh[room]++
		}
	}
	c.past[room] = max(0, head-p.begin)
}

// compareHistory returns what is wrong with what is kept, or "".
func (m *model) compareHistory() string {
	kept := 0
	for name, r := range m.rooms {
		h := m.hub(name)
		if h == nil {
			continue
		}
		if n := int(h.messages.Load()) + r.gaps + r.old; h.epoch.Load() != r.epoch || n != len(r.messages) {
			return fmt.Sprintf("room %s: epoch %x, %d messages, want %x, %d", name, h.epoch.Load(), n, r.epoch, len(r.messages))
		}
		kept += len(r.messages) - r.floor(m, len(r.messages))
		if floor := int(h.floor()); floor > r.floor(m, len(r.messages)) {
			return fmt.Sprintf("room %s: messages up to %d were let go", name, floor)
		}
	}
	st := m.server.Stats()
	if m.server.config.HistoryAge == 0 && int(st.KeptMessages) != kept {
		return fmt.Sprintf("%d messages are counted as kept, %d are", st.KeptMessages, kept)
	}
	if st.KeptMessages > 0 != (st.KeptBytes > 0) {
		return fmt.Sprintf("%d messages are kept in %d bytes", st.KeptMessages, st.KeptBytes)
	}
	return ""
}

// compareRooms returns what is wrong with the rooms, which have so many members.
func (m *model) compareRooms(members map[string]int) string {
	d := &m.server.directory
	d.rooms.Scan(func(name string, h *hub) bool {
		if m.shared() && m.rooms[name] == nil { // nobody got into it, or could say something
			m.rooms[name] = &refRoom{epoch: h.epoch.Load()}
		}
		return true
	})
	for name, r := range m.rooms {
		h := d.room(name)
		floor := r.floor(m, len(r.messages))
		switch {
		case h != nil && int(h.population.Load()) != members[name]:
			return fmt.Sprintf("room %s should have %d members: %+v", name, members[name], h)
		case h == nil && (members[name] > 0 || floor < len(r.messages) && !m.shared()):
			return fmt.Sprintf("room %s is gone, with %d members and %d messages", name, members[name], len(r.messages)-floor)
		case h != nil && members[name] == 0 && floor == len(r.messages) && !m.mayBeKept(r) && !m.shared():
			return fmt.Sprintf("room %s is still there", name)
		case h == nil:
			delete(m.rooms, name)
		}
	}
	if d.rooms.Len() != len(m.rooms) {
		return fmt.Sprintf("there are %d rooms, %d should be", d.rooms.Len(), len(m.rooms))
	}
	st := m.server.Stats()
	if int(st.Rooms) != d.rooms.Len() || st.Born != st.Removed+uint64(st.Rooms) {
		return fmt.Sprintf("%d rooms, %d born, %d removed: %d should be there", st.Rooms, st.Born, st.Removed, d.rooms.Len())
	}
	for i, s := range m.server.shards.all() {
		for _, r := range s.list {
			if r.hub != nil && (d.room(r.hub.name) != r.hub || r.population.Load() == 0) {
				return fmt.Sprintf("shard %d has a roster of a room that is gone", i)
			}
		}
	}
	return ""
}

// shared reports whether rooms are left though they have history, and only after a while.
func (m *model) shared() bool { return m.server.config.OrderGrace > 0 }

// mayBeKept reports whether a room in which all is too old may not know it yet.
func (m *model) mayBeKept(r *refRoom) bool {
	const grain = 3000 // ms
	age := m.server.config.HistoryAge.Milliseconds()
	return m.server.config.History > 0 && age > 0 && len(r.messages) > 0 && m.clock-r.messages[len(r.messages)-1].at <= age+grain
}

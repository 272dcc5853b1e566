package room

import (
	"math"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/token"
)

// The part of the connections.

// carry writes the shard's connections: those that are caught up, and the others with what
// they have yet to get. What a shard has for each room follows from that.
func (s *shard) carry(w *carrier) {
	w.Uint(uint64(s.ticked)) // it may have yet to see what time it is
	ready := 0
	s.eachClient(func(c *client) {
		if c.out == nil {
			ready++
		}
	})
	w.Uint(uint64(ready))
	s.eachClient(func(c *client) {
		if c.out == nil {
			c.carry(w)
			s.carryRooms(w, c)
		}
	})
	w.Uint(uint64(len(s.lagging)))
	for _, o := range s.lagging {
		o.c.carry(w)
		if !o.left {
			s.carryRooms(w, o.c)
		}
		o.carry(w)
	}
}

// shard adds a shard to the server.
func (r *restorer) shard() {
	server := r.server
	s := newShard(server)
	s.ticked = uint32(r.UpTo(uint64(server.now.Load())))
	longer := append(append([]*shard(nil), server.shards.all()...), s)
	server.shards.list.Store(&longer)
	for range r.Count(maxCarried) {
		c := r.client()
		if r.Err() != nil || !s.restoreRooms(r, c) {
			return
		}
		s.seat(c)
	}
	for range r.Count(maxCarried) {
		c := r.client()
		if r.Err() != nil {
			return
		}
		o := &outbox{c: c}
		if o.left = c.has(statusLeft); o.left {
			c.roster.Store(s.outside())
			s.population.Add(1)
		} else if !s.restoreRooms(r, c) {
			return
		}
		if o.restore(r, s); r.Err() != nil {
			return
		}
		o.index = int32(len(s.lagging))
		s.lagging = append(s.lagging, o)
		if c.out = o; !o.left {
			server.counters.of(nil).lagging.Add(1)
		}
		s.watch(o)
	}
}

// carryRooms writes which rooms c is in, the first one first.
func (s *shard) carryRooms(w *carrier, c *client) {
	n := uint64(0)
	s.eachRoom(c, func(*roster) { n++ })
	w.Uint(n)
	s.eachRoom(c, func(r *roster) { w.room(r.hub) })
}

// restoreRooms has c be a member of its rooms, with no place in them yet.
func (s *shard) restoreRooms(r *restorer, c *client) bool {
	n := r.Count(len(r.hubs))
	if n == 0 || c.status.Load()&(statusMember|statusLeft|statusReleased) != statusMember {
		r.Fail("a member is none, or is in no room")
	}
	c.roster.Store(s.outside())
	for range n {
		h := r.room()
		if r.Err() != nil {
			return false
		}
		if h == nil {
			continue
		}
		if s.rosterOf(c, h) != nil {
			r.Fail("a member is in the room %q twice", h.name)
			return false
		}
		of := r.roster(h, s, c.kind())
		of.members++
		of.population.Add(1)
		h.population.Add(1)
		s.server.members.Add(1)
		s.enter(c, of)
	}
	s.population.Add(1)
	s.expect(c)
	return r.Err() == nil
}

// roster is the one of h's in s for readers of kind k, at the end of its log.
func (r *restorer) roster(h *hub, s *shard, k kind) *roster {
	if of := h.roster(s, k); of != nil {
		return of
	}
	if k.stream != rawStream && (h.archive == nil || h.archive.tracks[k.stream] == nil) {
		r.Fail("the room %q has no log for one of its members", h.name)
		k.stream = rawStream
	}
	of := h.addRoster(s, k)
	s.add(of)
	if of.notices != nil {
		of.notices.given = r.notices[logOf{h, k.stream.plain()}]
		of.notices.newest.Store(of.notices.given)
	}
	return of
}

// carry writes what c has besides its rooms.
func (c *client) carry(w *carrier) {
	w.OpenFD(int(c.FD()))
	w.Uint(uint64(c.status.Load() & carriedStatus))
	w.Uint(uint64(c.phase))
	w.Bool(c.ended)
	w.Bool(c.wrong)
	w.Uint(uint64(c.spent))
	w.Uint(uint64(c.born))
	w.Uint(uint64(c.heard.Load()))
	w.Uint(uint64(c.spoke.Load()))
	reads := c.in != nil && !(c.phase == phaseOpen && c.has(statusLeft)) // else it is not heard any more
	if w.Bool(reads); reads {
		c.in.carry(w.Writer)
	}
	w.server.sources.carry(w.Writer, c.source.Load())
	if t := c.tls(); t != nil {
		w.secrets(t)
	}
	if cs := c.chat(); cs != nil {
		cs.carry(w)
	}
	if g := c.grant(); g != nil {
		g.Carry(w.Writer)
	}
}

// carriedStatus is all but what a shard finds out again.
const carriedStatus = ^(statusSeveral | statusDoubted)

// client reads one, which has no owner yet.
func (r *restorer) client() *client {
	fd := r.socket()
	status, c := r.Uint32()&carriedStatus, new(client)
	if status&statusTLS != 0 {
		c = newSecure()
	}
	c.server, c.slot = r.server, -1
	c.status.Store(status)
	c.phase = phase(r.UpTo(uint64(phaseLinger)))
	c.ended, c.wrong, c.spent = r.Bool(), r.Bool(), uint8(r.UpTo(math.MaxUint8))
	c.born = r.Uint32()
	c.heard.Store(r.Uint32())
	c.spoke.Store(r.Uint32())
	if r.Bool() {
		c.in = new(inbound)
		c.in.restore(r.Reader, c.phase, &r.server.rates)
	}
	c.source.Store(r.server.sources.restore(r.Reader))
	if status&statusSecure != 0 && status&statusTLS == 0 || status&statusClosed != 0 {
		r.Fail("a connection has a status that is none")
	}
	if r.Err() != nil {
		return c
	}
	c.Attach(fd, r.server.pool, c)
	if status&statusSecure != 0 {
		*c.secured() = r.secrets()
	}
	c.restoreHandler(r)
	return c
}

// restoreHandler has whoever worked on c go on with it.
func (c *client) restoreHandler(r *restorer) {
	status := c.status.Load()
	var cs *chatSession
	var handler poller.Handler
	if status&statusChat != 0 {
		granted := new(grantedChat)
		cs, handler = &granted.chatSession, granted
		if status&statusGranted == 0 {
			cs = new(chatSession)
			handler = cs
		}
		cs.restore(r, c)
	}
	if status&statusGranted != 0 {
		grant := token.Restore(r.Reader)
		if g, ok := handler.(*grantedChat); ok {
			g.token = grant
		} else {
			handler = &granted{c, grant}
		}
	}
	if handler != nil {
		c.Handover(handler)
	}
}

func (cs *chatSession) carry(w *carrier) {
	cs.author.Load().carry(w.Writer)
	w.Int(int64(cs.owed.Load()))
	w.Uint(uint64(cs.second))
	w.Uint(uint64(cs.commands))
	w.Uint(uint64(cs.errors))
	moves := cs.stays != nil && cs.phase == phaseOpen && !cs.has(statusLeft) // else the rooms may be gone
	if w.Bool(moves); moves {
		cs.stays.carry(w)
	}
}

func (cs *chatSession) restore(r *restorer, c *client) {
	a := restoreAuthor(r.Reader)
	cs.begin(c, a.id(), a.name())
	cs.owed.Store(int32(r.Int()))
	cs.second = r.Uint32()
	cs.commands, cs.errors = uint8(r.UpTo(math.MaxUint8)), uint8(r.UpTo(math.MaxUint8))
	if r.Bool() {
		cs.stays = new(stays)
		cs.stays.restore(r)
	}
}

// carry writes the rooms as the session sees them. In none of them is anything that it
// said on its way; and an entry has ended, but its session may not have seen how.
func (y *stays) carry(w *carrier) {
	w.Uint(uint64(len(y.hubs)))
	for _, h := range y.hubs {
		w.room(h)
	}
	w.room(y.last)
	if w.Bool(y.entry != nil); y.entry != nil {
		w.room(y.entry.hub)
		w.Bool(y.entry.late)
		w.String(y.nonce)
	}
}

func (y *stays) restore(r *restorer) {
	for range r.Count(chat.MaxRooms) {
		y.hubs = append(y.hubs, r.aRoom())
	}
	y.last = r.room()
	if r.Bool() {
		y.entry = &change{hub: r.room(), late: r.Bool()}
		y.nonce = r.String()
	}
}

func (o *outbox) carry(w *carrier) {
	w.Uint(uint64(o.acked))
	w.Uint(uint64(len(o.rest)))
	for _, p := range o.rest {
		if w.Uint(uint64(p.kind)); p.kind == pieceFrames {
			w.piece(p.bytes)
		} else {
			w.Bytes(p.bytes)
		}
	}
	w.Uint(o.owed)
	w.Uint(uint64(o.answers))
	w.Bytes(o.begun)
	w.Bytes(o.urgent)
	w.Uint(uint64(len(o.readers)))
	for i := range o.readers {
		at := &o.readers[i]
		w.room(at.roster.hub)
		w.Uint(at.at.Seq)
		w.Uint(at.head)
		w.Bool(at.given == at.roster.given())
	}
	w.Uint(uint64(o.turn))
	w.Uint(uint64(o.part))
	w.Uint(uint64(o.since))
	w.Uint(uint64(o.deadline))
}

func (o *outbox) restore(r *restorer, s *shard) {
	o.acked = r.Uint32()
	for range r.Count(maxCarried) {
		p := piece{kind: pieceKind(r.UpTo(uint64(pieceFrames)))}
		if p.kind == pieceFrames && r.Version() > 1 {
			p.bytes = r.piece()
		} else {
			p.bytes = append([]byte(nil), r.Bytes()...)
		}
		if len(p.bytes) == 0 {
			r.Fail("what a connection is still to get is nothing")
			return
		}
		o.rest = append(o.rest, p)
	}
	o.owed, o.answers = r.Uint(), int32(r.UpTo(math.MaxInt32))
	o.begun, o.urgent = append([]byte(nil), r.Bytes()...), append([]byte(nil), r.Bytes()...)
	o.readers = o.one[:0]
	for range r.Count(chat.MaxRooms) {
		h := r.aRoom()
		if r.Err() != nil {
			return
		}
		of := s.rosterOf(o.c, h)
		seq, head, has := r.Uint(), r.Uint(), r.Bool()
		if of == nil || seq > of.pos.Seq || seq < r.begin[logOf{h, of.stream}].Seq {
			r.Fail("a connection is behind in the room %q where that has nothing", h.name)
			return
		}
		at := reader{roster: of, at: r.begin[logOf{h, of.stream}].Forward(seq), head: head}
		if has {
			at.given = of.given()
		}
		o.readers = append(o.readers, at)
	}
	o.turn, o.part = int(r.Uint()), int(r.Uint())
	o.since, o.deadline = r.Uint32(), r.Uint32()
	if r.Err() == nil && !o.consistent() {
		r.Fail("a connection is half way through what is not there")
	}
}

// consistent reports whether the outbox can be gone on with.
func (o *outbox) consistent() bool {
	if o.answers > 0 && (o.c.chat() == nil || o.answers > o.c.chat().owed.Load()) {
		return false
	}
	if len(o.readers) > 0 && uint(o.turn) >= uint(len(o.readers)) || len(o.readers) == 0 && o.turn != 0 {
		return false
	}
	switch {
	case o.part == 0:
		return true
	case len(o.rest) > 0:
		return o.rest[0].kind == pieceFrames && uint(o.part) < uint(len(o.rest[0].bytes))
	case len(o.readers) == 0:
		return false
	}
	at := &o.readers[o.turn]
	return at.at.Seq < at.roster.pos.Seq && uint(o.part) < uint(len(at.at.Frame()))
}

// carry writes those that are in no shard. A handshake of TLS is not carried.
func (pc *pendingConns) carry(w *carrier) {
	n := 0
	for i := range pc.list {
		if pc.list[i].c.carried() {
			n++
		}
	}
	w.Uint(uint64(pc.ticked))
	w.Uint(uint64(n))
	for i := range pc.list {
		if p := &pc.list[i]; p.c.carried() {
			w.Bool(int64(i) >= pc.handshakes.Load())
			w.Uint(uint64(p.deadline))
			w.Uint(uint64(p.limit))
			p.c.carry(w)
		}
	}
}

func (pc *pendingConns) restore(r *restorer) {
	pc.ticked = uint32(r.UpTo(uint64(r.server.now.Load())))
	handshakes := 0
	for i := range r.Count(maxCarried) {
		lingering := r.Bool()
		p := pendingConn{deadline: r.Uint32(), limit: r.Uint32()}
		p.c = r.client()
		if r.Err() != nil {
			return
		}
		p.c.slot = int32(i)
		pc.list = append(pc.list, p)
		if !lingering {
			pc.swap(i, handshakes)
			handshakes++
		}
	}
	pc.handshakes.Store(int64(handshakes))
}

package room

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/frame"
	"chatd/room/handshake"
	"chatd/room/position"
	"chatd/room/token"
)

// The model test runs random schedules against the real directory, hubs and
// shards, with sockets that are simulated, and against a plain reference of the
// original's rules: a slice of messages for each client and room. Both must write
// the same to every client, drop the same clients and have the same rooms.

var (
	modelSeed = flag.Uint64("model.seed", 0, "run only the model schedule with this seed")
	modelRuns = flag.Int("model.runs", 1000, "number of model schedules")
)

const modelQueue = 4

type opKind uint8

const (
	opJoin    opKind = iota // a new client
	opEnter                 // a further room
	opExit                  // out of one room
	opReenter               // out of one room and into it again, one after the other
	opPublish
	opRead
	opSay
	opChat // somebody who has a name says something, perhaps again
	opMeet // a message comes to the room, and a new client, both at once
	opLeave
	opReplace // the client leaves and a new one comes, both at once
	opReset
	opRemove // whoever has an id
	opTick
	opSecond
	opOutside // somebody outside publishes, perhaps again
	opMiss    // the Source has lost messages, or all, or tells one again
	opUpdate  // a client that speaks TLS wants new keys
	opUpgrade // another program goes on
	opKeep    // what the history is bounded by, before anybody comes
	opKinds
)

// modelRooms are the rooms of a schedule. Most of it happens in the first.
var modelRooms = [...]string{handshake.DefaultRoom, "a", "b"}

// op is one step of a schedule. What its numbers mean depends on its kind;
// they are taken modulo whatever there is.
type op struct {
	kind opKind
	who  int
	n    int
	room int
	as   int // what a client that comes reads, and since when
}

func (o op) String() string {
	names := [...]string{"join", "enter", "exit", "reenter", "publish", "read", "say", "chat", "meet", "leave", "replace", "reset", "remove", "tick", "second", "outside", "miss", "update", "upgrade", "keep"}
	return fmt.Sprintf("%s(%d,%d,%s,%d)", names[o.kind], o.who, o.n, modelRooms[o.room], o.as)
}

func schedule(seed uint64) []op {
	r := rand.New(rand.NewPCG(seed, 1))
	weights := [opKinds]int{opJoin: 3, opEnter: 2, opExit: 1, opReenter: 1, opPublish: 12, opRead: 8, opSay: 2, opChat: 6, opMeet: 2, opLeave: 1, opReplace: 1, opReset: 1, opRemove: 1, opTick: 1, opSecond: 1, opOutside: 2, opMiss: 1, opUpdate: 1, opUpgrade: 2}
	if seed%2 == 0 {
		weights[opEnter], weights[opExit], weights[opReenter] = 0, 0, 0
	}
	total := 0
	for _, w := range weights {
		total += w
	}
	plain := seed%4 == 0 // everybody is raw, and nothing is kept
	ops := make([]op, 10+r.IntN(50))
	for i := range ops {
		pick := r.IntN(total)
		for k, w := range weights {
			if pick -= w; pick < 0 {
				ops[i] = op{kind: opKind(k), who: r.IntN(1000), n: r.IntN(1000), room: max(0, r.IntN(4)-1), as: r.IntN(1000)}
				break
			}
		}
		if plain {
			ops[i].as = 0
		}
	}
	if !plain {
		ops[0] = op{kind: opKeep, n: r.IntN(1000)}
	}
	return ops
}

// socket is a simulated socket of the server's side.
type socket struct {
	free  int
	got   []byte
	reset bool
	late  int   // bytes of room that come just after a send has found none
	wire  *wire // of a client that speaks TLS; nil: it doesn't
}

// firstFD is the number of the first simulated socket: those below are everybody's.
const firstFD = 3

// network is the Sender to the simulated sockets, which are numbered from firstFD on.
type network []*socket

func (n *network) Send(fd int32, p []byte) int {
	s := (*n)[fd-firstFD]
	if s.reset {
		return -32 // EPIPE
	}
	if s.wire != nil {
		return s.sendRecords(p)
	}
	k := min(s.free, len(p))
	if k == 0 {
		s.free, s.late = s.late, 0
		return poller.WouldBlock
	}
	s.got = append(s.got, p[:k]...)
	s.free -= k
	return k
}

func (n *network) Fanout(fds []int32, p []byte, results []int32) {
	for i, fd := range fds {
		results[i] = int32(n.Send(fd, p))
	}
}

func (n *network) Scatter(fds []int32, p []byte, results []int32) {
	size := len(p) / len(fds)
	for i, fd := range fds {
		results[i] = int32(n.Send(fd, p[i*size:][:size]))
	}
}

func (n *network) Close() {}

// stub stands in for a session: it has one change under way at a time, and notes
// that the shard is done.
type stub struct {
	c        *client
	grant    *token.Grant // that it came with; nil: none
	wishes   []func()     // changes that are to come
	released bool
	onRun    func() // may be nil
}

// wish makes a change once those before it are done.
func (s *stub) wish(change func()) {
	s.wishes = append(s.wishes, change)
	s.c.Schedule()
}

func (s *stub) Run(*poller.Worker) {
	if s.released = s.c.has(statusReleased); s.released {
		s.c.wipe()
	}
	for len(s.wishes) > 0 && !s.c.has(statusChanging) {
		change := s.wishes[0]
		s.wishes = s.wishes[1:]
		change()
	}
	if s.onRun != nil {
		s.onRun()
	}
}

func (s *stub) holds() *token.Grant { return s.grant }

func (s *stub) Panicked(*poller.Worker, any) {}
func (s *stub) Writable(w *poller.Worker)    { s.c.Writable(w) }

// model is a server's rooms, twice.
type model struct {
	pool   *poller.Pool
	worker *poller.Worker
	net    network
	server *Server
	panics *bytes.Buffer

	clients []*client
	stubs   []*stub
	refs    []*reference
	rooms   map[string]*refRoom
	ways    []way // into rooms, of which the reference does not know yet
	clock   int64
	seq     int
	order   *rand.Rand
	wrong   string      // with what somebody outside was told
	mixed   bool        // some clients speak TLS
	source  *modelOrder // that the rooms' orders come from; nil: from their hubs

	restless bool // other programs go on at any time at which nothing is on its way
}

func newModel() *model {
	m := &model{panics: new(bytes.Buffer), order: rand.New(rand.NewPCG(1, 1)), rooms: make(map[string]*refRoom), clock: 1e12}
	m.pool = poller.NewPool(0, nil, slog.New(slog.NewTextHandler(m.panics, &slog.HandlerOptions{Level: slog.LevelError})))
	m.worker = poller.NewWorker(m.pool, &m.net)
	m.server = &Server{freed: func() {}}
	m.server.init(Config{Queue: modelQueue, DrainTimeout: time.Hour, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, m.pool)
	m.server.shardSize = 3
	m.server.stepSize = 2
	m.server.slice = 2
	m.server.stretch = 100
	m.server.clock = func() int64 { return m.clock }
	return m
}

// settle runs all that is to be done, now and then in another order.
func (m *model) settle() {
	for {
		if m.order.IntN(4) == 0 {
			m.pool.Defer()
		}
		stepped := m.pool.Step(m.worker)
		if m.restless && m.mayUpgrade() && m.order.IntN(8) == 0 {
			m.upgrade()
		}
		if m.source != nil && (!stepped || m.order.IntN(3) == 0) {
			stepped = m.source.release() || stepped
		}
		if m.server.flusher.set.Load() && (m.order.IntN(4) == 0 || !stepped && m.waits()) {
			m.server.flusher.Schedule()
			stepped = true
		}
		if !stepped {
			break
		}
	}
	for _, w := range m.ways {
		m.placed(w.who, w.change)
	}
	m.ways = nil
}

// waits reports whether a room waits for the flusher. One that is only hot may stay so
// until something more is said.
func (m *model) waits() (some bool) {
	m.server.directory.rooms.Scan(func(_ string, h *hub) bool {
		some = some || h.has(hubWaits)
		return true
	})
	return some
}

// hub is a room's, nil if it is not there.
func (m *model) hub(room string) *hub { return m.server.directory.room(room) }

// lobby is the hub of the default room.
func (m *model) lobby() *hub { return m.hub(handshake.DefaultRoom) }

// free lets client i's kernel take n more bytes.
func (m *model) free(i, n int) {
	c, s, r := m.clients[i], m.net[i], m.refs[i]
	s.free += n
	r.free += n
	if c.out != nil && c.out.armed {
		c.Writable(nil)
	}
	m.settle()
}

func (m *model) do(o op) {
	if o.kind < opTick && o.kind != opJoin && len(m.clients) == 0 {
		return
	}
	i := 0
	if len(m.clients) > 0 {
		i = o.who % len(m.clients)
	}
	room := modelRooms[o.room]
	if m.source != nil {
		m.source.fails = o.n%11 == 0
	}
	switch o.kind {
	case opJoin:
		m.arrive(room, o.n, m.kind(o), m.since(room, o.as))
		if o.n%4 == 0 {
			m.grant(len(m.clients)-1, m.clock+1+int64(o.n%20)*TickInterval.Milliseconds())
		}
		m.settle()
	case opEnter:
		if r := m.refs[i]; !r.gone && !r.reset && !r.rooms[room] && !r.stream.events() {
			m.enter(i, room, o.as)
		}
		m.settle()
	case opExit, opReenter:
		if r := m.refs[i]; !r.gone && !r.reset && r.rooms[room] && !r.stream.events() {
			m.exit(i, room)
			if o.kind == opReenter {
				m.enter(i, room, o.as)
			}
		}
		m.settle()
	case opPublish:
		m.publish(room, o)
	case opRead:
		m.free(i, 1+o.n%400)
	case opSay:
		text := m.text(fmt.Sprintf("pong %d", o.n))
		if m.refs[i].stream.events() {
			text = m.refs[i].stream.dialect().ping()
		}
		if r := m.refs[i]; !r.gone && !r.reset {
			r.urgent = text
		}
		m.tell(i, &mail{bytes: text})
	case opChat:
		m.chat(i, room, o)
	case opMeet:
		x := m.kind(o)
		if h := m.hub(room); x == rawDeflated && (h == nil || !h.has(hubDeflating)) {
			x = rawStream // what is on its way was not compressed
		}
		for i, r := range m.refs {
			if r.stream.told() && r.rooms[room] && !r.gone { // where a notice comes is left open: it must not take the room of a message
				m.free(i, 20_000)
			}
		}
		before := 0
		if r := m.rooms[room]; r != nil {
			before = len(r.messages)
		}
		m.publish(room, o)
		m.leaveOpen(room, before)
		m.arrive(room, 1<<20, x, m.since(room, o.as))
		m.settle()
	case opLeave, opReplace:
		text := frame.AppendClose(nil, ws.StatusNormalClosure, "")
		if m.refs[i].stream.events() {
			text = m.refs[i].stream.dialect().goodbye(Protocol)
		}
		if r := m.refs[i]; !r.reset {
			r.leave(text)
		}
		m.leave(i, &mail{bytes: text})
		if o.kind == opReplace {
			m.arrive(room, o.n, m.kind(o), position.Since{})
		}
		m.settle()
	case opReset:
		m.net[i].reset, m.refs[i].reset, m.refs[i].gone = true, true, true
		m.tell(i, &mail{broken: true})
	case opRemove:
		m.remove(room, modelID(o.n))
	case opTick:
		m.tick()
	case opSecond:
		for range ticksPerSecond {
			m.tick()
		}
	case opOutside:
		m.publishOutside(room, o)
	case opUpdate:
		if len(m.clients) > 0 && m.clients[i].tls() != nil && m.clients[i].has(statusMember) {
			m.clients[i].signal(nil, eventUpdate)
		}
		m.settle()
	case opUpgrade:
		m.upgrade()
	case opKeep:
		if len(m.clients) == 0 {
			m.server.config.History = [...]int{0, 1, 3, 10}[o.n%4]
			m.server.config.HistoryAge = [...]time.Duration{0, 2 * time.Second}[o.n/4%2]
			if m.source != nil {
				m.server.config.OrderGrace = [...]time.Duration{0, time.Second}[o.n/8%2]
			}
		}
	case opMiss:
		if m.source != nil && m.hub(room) != nil {
			switch o.n % 3 {
			case 0:
				m.source.anew(room, o.n%5)
			case 1:
				m.source.miss(room)
			case 2:
				m.source.double(room)
			}
			m.settle()
		}
	}
}

// tick is a moment that passes.
func (m *model) tick() {
	m.clock += TickInterval.Milliseconds()
	m.server.Tick()
	m.settle()
	if m.server.now.Load()%ticksPerSecond > 0 {
		return
	}
	for _, r := range m.refs {
		if r.expires > 0 && r.expires <= m.clock && !r.reset {
			r.leave(r.stream.dialect().goodbye(TokenExpired))
		}
	}
}

// modelID is one of the few that there are.
func modelID(n int) string { return fmt.Sprint("id", n%3) }

// grant has client i, which is on its way, have a token that expires at that ms.
func (m *model) grant(i int, expires int64) {
	g, r := &token.Grant{Say: true, Expires: expires}, m.refs[i]
	if r.expires = expires; !r.stream.speaks() { // else it has one, and a session that is not random
		r.id = modelID(i)
		g.Subject = r.id
	}
	m.stubs[i].grant = g
	m.clients[i].status.Or(statusGranted)
}

// sends has an errand done, and returns what came of it.
func (m *model) sends(e *errand) error {
	m.server.begin(e)
	m.settle()
	select {
	case err := <-e.done:
		return err
	default:
		return errors.New("it is not done")
	}
}

// remove sends whoever has the id away from a room.
func (m *model) remove(room, id string) {
	for _, r := range m.refs {
		if r.rooms[room] && r.id == id && !r.reset {
			r.leave(r.stream.dialect().goodbye(Removed))
		}
	}
	x := &removal{id: id, done: make(chan struct{})}
	err := m.sends(&errand{room: room, post: newPost(false), visit: x.begin})
	select {
	case <-x.done:
	default:
		if m.rooms[room] != nil || !errors.Is(err, ErrNoRoom) {
			m.wrong = fmt.Sprintf("removal from room %s is not done: %v", room, err)
		}
	}
}

// publishOutside has somebody outside publish in a room, which may have to be made,
// with one of a few nonces.
func (m *model) publishOutside(room string, o op) {
	m.seq++
	h := m.hub(room)
	message := chat.Message{ID: "outside", Payload: fmt.Appendf(nil, "%d:%s", m.seq, room)}
	if o.n%3 > 0 {
		message.Nonce = fmt.Sprint(o.n % 5)
	}
	e := &errand{room: room, post: newPost(h != nil && h.has(hubDeflating))}
	a := newAuthor(message.ID, "")
	e.post.say(m.server.counters.of(nil), nil, said{&a, message.Nonce}, message.Payload)
	known := m.rooms[room] != nil && m.rooms[room].repeated(m, message.ID, message.Nonce) != nil
	err, want := m.sends(e), error(nil)
	if m.source != nil && m.source.fails && !known {
		want = ErrUnavailable
	}
	if !errors.Is(err, want) {
		m.wrong = fmt.Sprintf("publishing in room %s from outside: %v, want %v", room, err, want)
	}
	if err != nil {
		return
	}
	if m.rooms[room] == nil {
		m.rooms[room] = &refRoom{epoch: e.receipt.Epoch, timing: m.server.config.History > 0}
	}
	of := m.rooms[room]
	before := of.repeated(m, message.ID, message.Nonce)
	at := before
	if before == nil {
		at = of.say(m, room, message)
		for _, r := range m.refs {
			r.publish(room, at)
		}
	}
	if want := (Receipt{Seq: at.seq, At: at.at, Epoch: of.epoch, Again: before != nil}); e.receipt != want {
		m.wrong = fmt.Sprintf("what is published in room %s from outside is at %+v, want %+v", room, e.receipt, want)
	}
}

// kind is what a client reads that comes with o.
func (m *model) kind(o op) (x stream) {
	switch {
	case o.as%2 == 1:
		x = chatStream
	case o.as%10 == 2:
		return eventStream
	case o.as%10 == 4:
		return bareStream
	}
	if o.who%100 == 0 { // seldom: a compressor is a megabyte of memory
		x++
	}
	return x
}

// way is a client's way into a room.
type way struct {
	who    int
	change *change
}

// enter has client i ask for a further room.
func (m *model) enter(i int, room string, as int) {
	r := m.refs[i]
	m.stubs[i].wish(func() {
		answer := m.text("into " + room)
		if !r.gone && !r.reset {
			r.tell(answer)
			r.rooms[room] = true
		}
		m.ways = append(m.ways, way{i, m.clients[i].enter(nil, room, m.since(room, as), answer)})
	})
}

// chat has client i say something in a room, if it can, with one of a few nonces.
func (m *model) chat(i int, room string, o op) {
	c, r := m.clients[i], m.refs[i]
	if r.gone || r.reset || !r.rooms[room] || !r.stream.speaks() {
		return
	}
	m.seq++
	a, h := c.chat().author.Load(), m.hub(room)
	message := chat.Message{ID: a.id(), Name: a.name(), Payload: bytes.Repeat(fmt.Appendf(nil, "%d:%s", m.seq, room), 1+o.n%9)}
	if o.n%3 > 0 {
		message.Nonce = fmt.Sprint(o.n % 5)
	}
	if before := m.rooms[room].repeated(m, a.id(), message.Nonce); before != nil {
		r.repeat(room, before.frames[r.stream])
	} else if m.source != nil && m.source.fails {
		r.tell(eventFrame(chat.AppendError(nil, &chat.Error{Code: chat.Unavailable, Message: ErrUnavailable.Error(), Nonce: message.Nonce})))
	} else {
		said := m.rooms[room].say(m, room, message)
		for _, r := range m.refs {
			r.publish(room, said)
		}
	}
	p := newPost(h.has(hubDeflating))
	p.say(m.server.counters.of(nil), c, said{a, message.Nonce}, message.Payload)
	h.publish(nil, p)
	m.settle()
}

// exit has client i leave a room.
func (m *model) exit(i int, room string) {
	answer := m.text("out of " + room)
	m.refs[i].exit(room, answer)
	m.stubs[i].wish(func() { m.clients[i].exit(nil, m.hub(room), answer) })
}

// text is a frame for one client that no other is the same as.
func (m *model) text(what string) []byte {
	m.seq++
	return frame.AppendPong(nil, fmt.Appendf(nil, "%d:%s", m.seq, what))
}

// tell is what a session does, which sends nothing once it has left.
func (m *model) tell(i int, what *mail) {
	if m.clients[i].status.Load()&statusReleased == 0 {
		m.clients[i].send(nil, what)
	}
	m.settle()
}

// leave is what a session does once.
func (m *model) leave(i int, last *mail) {
	c := m.clients[i]
	if c.status.Load()&statusLeft != 0 {
		return
	}
	var hubs []*hub
	c.roster.Load().shard.eachRoom(c, func(r *roster) {
		if r.hub != nil {
			hubs = append(hubs, r.hub)
		}
	})
	if last.leaving = newLeaving(hubs...); len(hubs) == 0 {
		c.send(nil, last)
		return
	}
	for _, h := range hubs {
		p := newPost(false)
		p.leaver, p.last = c, last
		h.publish(nil, p)
	}
}

// join makes a client a member of the default room.
func (m *model) join(n int, deflate bool) {
	x := rawStream
	if deflate {
		x++
	}
	m.arrive(handshake.DefaultRoom, n, x, position.Since{})
	m.settle()
}

// chatStub is a stub that speaks chat.v1.
type chatStub struct {
	*stub
	cs *chatSession
}

func (s chatStub) session() *chatSession { return s.cs }

// arrive has a new client come into a room, who reads x and whose kernel takes n
// bytes.
func (m *model) arrive(room string, n int, x stream, since position.Since) {
	fd, id := len(m.clients), ""
	answer := []byte("HTTP/1.1 101\r\n\r\n")
	now := m.server.now.Load()
	c, s := new(client), &socket{free: n}
	if m.mixed && fd%3 == 1 {
		c, s.wire = newWire(fd)
	}
	c.server, c.slot, c.born = m.server, -1, now
	c.source.Store(-1)
	c.heard.Store(now)
	c.spoke.Store(now)
	st := &stub{c: c}
	c.Attach(fd+firstFD, m.pool, st)
	if x.deflated() {
		c.status.Or(statusDeflate)
	}
	switch x {
	case bareStream:
		c.status.Or(statusEvents | statusBare)
	case eventStream:
		c.status.Or(statusEvents)
	}
	if x.speaks() {
		id = modelID(fd)
		cs := newChatSession(c, id, "somebody")
		c.status.Or(statusChat)
		c.Handover(chatStub{st, cs})
	}
	m.clients, m.stubs = append(m.clients, c), append(m.stubs, st)
	m.net = append(m.net, s)
	m.refs = append(m.refs, &reference{
		stream: x, id: id, free: n, writing: answer, rooms: make(map[string]bool), queues: make(map[string][][]byte),
		fresh: make(map[string]int), past: make(map[string]int), counts: make(map[string]int),
	})
	ch := &change{client: c, room: room, since: since, answer: answer}
	m.ways = append(m.ways, way{fd, ch})
	m.server.directory.joins.Put(ch)
	m.server.directory.Schedule()
}

// publish has one to twelve messages come before anything else happens, in one
// or more posts.
func (m *model) publish(room string, o op) {
	h := m.hub(room)
	if h == nil {
		return // nobody there could have sent it
	}
	p := newPost(h.has(hubDeflating))
	for k := range 1 + o.n%12 {
		m.seq++
		size := (o.n * (k + 3)) % 300
		if o.n%17 == 0 {
			size += 500
		}
		body := append(fmt.Appendf(nil, "%d:%s", m.seq, room), bytes.Repeat([]byte{'x'}, size)...)
		opcode := ws.OpText
		if o.n%2 == 1 {
			opcode = ws.OpBinary
		}
		if m.source == nil || !m.source.fails {
			said := m.rooms[room].say(m, room, chat.Message{Binary: opcode == ws.OpBinary, Payload: body})
			for _, r := range m.refs {
				r.publish(room, said)
			}
		}
		p.add(m.server.counters.of(nil), opcode, body)
		if o.who%3 == 0 {
			h.publish(nil, p)
			p = newPost(h.has(hubDeflating))
		}
	}
	if p.count > 0 {
		h.publish(nil, p)
	}
	if o.kind != opMeet {
		m.settle()
	}
}

// compare returns what differs between the two, or "".
func (m *model) compare() string {
	members := make(map[string]int)
	for i, r := range m.refs {
		if wrong := m.net[i].open(); wrong != "" {
			return fmt.Sprintf("client %d: %s", i, wrong)
		}
		if wrong := r.wrote(m.net[i].got, m.clients[i].out.halfWritten()); wrong != "" {
			return fmt.Sprintf("client %d: %s", i, wrong)
		}
		if w := m.net[i].wire; w != nil && len(w.left) > 0 && r.free > 0 && !r.reset {
			return fmt.Sprintf("client %d: has a part of a record, and is not sent the rest, though the kernel takes %d bytes", i, r.free)
		}
		if !r.gone {
			for room := range r.rooms {
				members[room]++
			}
		}
		if left := m.clients[i].status.Load()&statusLeft != 0; left != r.gone && !r.reset {
			return fmt.Sprintf("client %d: left %v, want %v", i, left, r.gone)
		}
	}
	if wrong := m.compareRooms(members); wrong != "" {
		return wrong
	}
	if wrong := m.compareHistory(); wrong != "" {
		return wrong
	}
	lagging := int64(0)
	for _, s := range m.server.shards.all() {
		for _, o := range s.lagging {
			if !o.left {
				lagging++
			}
		}
	}
	if n := m.server.Stats().Lagging; n != lagging {
		return fmt.Sprintf("%d members are counted as lagging, %d are", n, lagging)
	}
	if m.panics.Len() > 0 {
		return m.panics.String()
	}
	return m.wrong
}

// halfWritten is the rest of the frame of a log that is.
func (o *outbox) halfWritten() []byte {
	switch {
	case o == nil:
		return nil
	case len(o.rest) > 0:
		return o.rest[0].bytes[o.part:]
	case len(o.begun) > 0:
		return o.begun
	case o.part == 0:
		return nil
	}
	f := o.readers[o.turn].at.Frame()
	return f[min(o.part, len(f)):]
}

// finish lets everybody read all, makes them leave, and returns what was lost
// or is left over.
func (m *model) finish() string {
	for i := range m.clients {
		m.free(i, 1<<20)
	}
	for range 5 * ticksPerSecond { // all tokens have expired, and all that there is to be told has been
		m.tick()
	}
	if d := m.compare(); d != "" {
		return "after the last read: " + d
	}
	for i, r := range m.refs {
		for room, n := range r.counts {
			if r.gone || r.reset || !r.rooms[room] {
				continue
			}
			if h := m.hub(room); n != int(h.population.Load()) {
				return fmt.Sprintf("client %d was told of %d members in room %s, last, and there are %d", i, n, room, h.population.Load())
			}
		}
	}
	dropped := 0
	for i, r := range m.refs {
		if r.dropped {
			dropped++
		}
		m.do(op{kind: opLeave, who: i})
	}
	for i, st := range m.stubs {
		if !st.released {
			return fmt.Sprintf("client %d was never released", i)
		}
	}
	for i, s := range m.net {
		if wrong := s.open(); wrong != "" || s.wire != nil && !s.reset && !s.wire.ended {
			return fmt.Sprintf("client %d was not told that this is the end; %s", i, wrong)
		}
	}
	if n := m.server.members.Load(); n != 0 {
		return fmt.Sprintf("%d members left over", n)
	}
	if n := m.server.dropped(SlowConsumer); n != uint64(dropped) {
		return fmt.Sprintf("counted %d dropped, want %d", n, dropped)
	}
	written := uint64(0)
	for _, r := range m.refs {
		written += r.got
	}
	if n := m.server.Stats().Delivered; n != written {
		return fmt.Sprintf("%d deliveries were counted, %d made", n, written)
	}
	if st := m.server.Stats(); st.Due != st.Delivered+st.Lost {
		return fmt.Sprintf("%d deliveries were due, %d made and %d lost", st.Due, st.Delivered, st.Lost)
	}
	if d := m.compare(); d != "" {
		return "after all left: " + d
	}
	m.server.config.HistoryMemory = 1
	for range 3 * ticksPerSecond {
		m.tick()
	}
	return m.server.leftOver()
}

// dropped is how many members left for the reason r.
func (s *Server) dropped(r Reason) uint64 {
	return s.counters.sum(func(t *counters) *atomic.Uint64 { return &t.dropped[r] })
}

// leftOver says what a server that nobody is connected to still holds, or "".
func (s *Server) leftOver() string {
	if d := &s.directory; d.rooms.Len() != 0 || d.born.Load() != d.removed.Load() {
		return fmt.Sprintf("%d rooms left over, %d born, %d removed", d.rooms.Len(), d.born.Load(), d.removed.Load())
	}
	for i, s := range s.shards.all() {
		for _, r := range s.list {
			if r.hub != nil || len(r.ready) > 0 {
				return fmt.Sprintf("shard %d: a roster left over, %d ready", i, len(r.ready))
			}
		}
		if len(s.lagging)+len(s.others)+int(s.population.Load())+s.ciphers.Len() != 0 || s.first != nil {
			return fmt.Sprintf("shard %d: %d lagging, %d in several rooms, population %d, %d ciphers", i, len(s.lagging), len(s.others), s.population.Load(), s.ciphers.Len())
		}
	}
	if st := s.Stats(); st.KeptMessages != 0 || st.KeptBytes != 0 || s.directory.longest != nil {
		return fmt.Sprintf("%d messages are kept in %d bytes, and there is no room", st.KeptMessages, st.KeptBytes)
	}
	return ""
}

// conditions are what a schedule is run under.
type conditions struct {
	ordered bool // the rooms' orders come from a Source
	mixed   bool // some clients speak TLS
	flushed bool // there is an interval between the passes of a room

	restless bool // see model
}

// run returns how the two differed at the end of a schedule, or "".
func run(ops []op, as conditions) (difference string) {
	defer func() {
		if cause := recover(); cause != nil {
			difference = fmt.Sprint("panic: ", cause)
		}
	}()
	m := newModel()
	m.restless = as.restless
	if m.mixed = as.mixed; m.mixed {
		m.server.record = 1
	}
	if as.flushed {
		m.server.config.FlushInterval = time.Hour // the model rings
	}
	if as.ordered {
		m.source = newModelOrder(m)
		m.server.config.Order = m.source
	}
	for k, o := range ops {
		m.do(o)
		if d := m.compare(); d != "" {
			return fmt.Sprintf("after step %d, %v: %s", k, o, d)
		}
	}
	return m.finish()
}

// shorten removes steps as long as the schedule still fails.
func shorten(ops []op, as conditions) []op {
	for again := true; again; {
		again = false
		for i := len(ops) - 1; i >= 0; i-- {
			shorter := append(append([]op(nil), ops[:i]...), ops[i+1:]...)
			if run(shorter, as) != "" {
				ops, again = shorter, true
			}
		}
	}
	return ops
}

func TestEveryScheduleDeliversAndDropsAsTheOriginalWould(t *testing.T) {
	if ring || overTLS {
		t.Skip("its sockets are simulated")
	}
	first, last := uint64(1), uint64(*modelRuns)
	if raceDetector { // which takes ten times as long, and finds nothing: all of it is one goroutine
		last = max(1, last/10)
	}
	if *modelSeed != 0 {
		first, last = *modelSeed, *modelSeed
	}
	for seed := first; seed <= last; seed++ {
		ops := schedule(seed)
		as := conditions{ordered: seed%5 == 0, mixed: seed%3 == 0, flushed: seed%4 == 3, restless: seed%7 == 0}
		if d := run(ops, as); d != "" {
			short := shorten(ops, as)
			var steps strings.Builder
			for _, o := range short {
				fmt.Fprintf(&steps, "\n  %v", o)
			}
			t.Fatalf("-model.seed %d: %s\nshortest schedule:%s\n%s", seed, d, steps.String(), run(short, as))
		}
	}
}

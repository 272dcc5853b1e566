package room

import (
	"bytes"
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
	"chatd/room/deflate"
	"chatd/room/frame"
	"chatd/room/handshake"
	"chatd/room/position"
)

// The model test runs random schedules against the real directory, hubs and
// shards, with sockets that are simulated, and against a plain reference of the
// original's rules: a slice of messages for each client and room. Both must write
// the same to every client, drop the same clients and have the same rooms.

var (
	modelSeed = flag.Uint64("model.seed", 0, "run only the model schedule with this seed")
	modelRuns = flag.Int("model.runs", 10000, "number of model schedules")
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
	opLeave
	opReplace // the client leaves and a new one comes, both at once
	opReset
	opTick
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
}

func (o op) String() string {
	names := [...]string{"join", "enter", "exit", "reenter", "publish", "read", "say", "leave", "replace", "reset", "tick"}
	return fmt.Sprintf("%s(%d,%d,%s)", names[o.kind], o.who, o.n, modelRooms[o.room])
}

func schedule(seed uint64) []op {
	r := rand.New(rand.NewPCG(seed, 1))
	weights := [opKinds]int{opJoin: 3, opEnter: 2, opExit: 1, opReenter: 1, opPublish: 12, opRead: 8, opSay: 2, opLeave: 1, opReplace: 1, opReset: 1, opTick: 1}
	if seed%2 == 0 {
		weights[opEnter], weights[opExit], weights[opReenter] = 0, 0, 0
	}
	total := 0
	for _, w := range weights {
		total += w
	}
	ops := make([]op, 10+r.IntN(50))
	for i := range ops {
		pick := r.IntN(total)
		for k, w := range weights {
			if pick -= w; pick < 0 {
				ops[i] = op{kind: opKind(k), who: r.IntN(1000), n: r.IntN(1000), room: max(0, r.IntN(4)-1)}
				break
			}
		}
	}
	return ops
}

// socket is a simulated socket of the server's side.
type socket struct {
	free  int
	got   []byte
	reset bool
	late  int // bytes of room that come just after a send has found none
}

// network is the Sender to the simulated sockets; a socket's number is its
// place.
type network []*socket

func (n *network) Send(fd int32, p []byte) int {
	s := (*n)[fd]
	if s.reset {
		return -32 // EPIPE
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

func (n *network) Close() {}

// stub stands in for a session: it has one change under way at a time, and notes
// that the shard is done.
type stub struct {
	c        *client
	wishes   []func() // changes that are to come
	released bool
	onRun    func() // may be nil
}

// wish makes a change once those before it are done.
func (s *stub) wish(change func()) {
	s.wishes = append(s.wishes, change)
	s.c.Schedule()
}

func (s *stub) Run(*poller.Worker) {
	s.released = s.c.has(statusReleased)
	for len(s.wishes) > 0 && !s.c.has(statusChanging) {
		change := s.wishes[0]
		s.wishes = s.wishes[1:]
		change()
	}
	if s.onRun != nil {
		s.onRun()
	}
}

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
	seq     int
	order   *rand.Rand
}

func newModel() *model {
	m := &model{panics: new(bytes.Buffer), order: rand.New(rand.NewPCG(1, 1))}
	m.pool = poller.NewPool(0, nil, slog.New(slog.NewTextHandler(m.panics, &slog.HandlerOptions{Level: slog.LevelError})))
	m.worker = poller.NewWorker(m.pool, &m.net)
	m.server = &Server{freed: func() {}}
	m.server.init(Config{Queue: modelQueue, DrainTimeout: time.Hour, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, m.pool)
	m.server.shardSize = 3
	m.server.stepSize = 2
	return m
}

// settle runs all that is to be done, now and then in another order.
func (m *model) settle() {
	for {
		if m.order.IntN(4) == 0 {
			m.pool.Defer()
		}
		if !m.pool.Step(m.worker) {
			return
		}
	}
}

// hub is a room's, nil if it is not there.
func (m *model) hub(room string) *hub { return m.server.directory.rooms[room] }

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
	if o.kind != opJoin && o.kind != opTick && len(m.clients) == 0 {
		return
	}
	i := 0
	if len(m.clients) > 0 {
		i = o.who % len(m.clients)
	}
	room := modelRooms[o.room]
	switch o.kind {
	case opJoin:
		m.arrive(room, o.n, o.who%100 == 0) // seldom: a compressor is a megabyte of memory
		m.settle()
	case opEnter:
		if r := m.refs[i]; !r.gone && !r.reset && !r.rooms[room] {
			m.enter(i, room)
		}
		m.settle()
	case opExit, opReenter:
		if r := m.refs[i]; !r.gone && !r.reset && r.rooms[room] {
			m.exit(i, room)
			if o.kind == opReenter {
				m.enter(i, room)
			}
		}
		m.settle()
	case opPublish:
		m.publish(room, o)
	case opRead:
		m.free(i, 1+o.n%400)
	case opSay:
		text := m.text(fmt.Sprintf("pong %d", o.n))
		if r := m.refs[i]; !r.gone && !r.reset {
			r.urgent = text
		}
		m.tell(i, &mail{bytes: text})
	case opLeave, opReplace:
		text := frame.AppendClose(nil, ws.StatusNormalClosure, "")
		if r := m.refs[i]; !r.reset {
			r.leave(text)
		}
		m.leave(i, &mail{bytes: text})
		if o.kind == opReplace {
			m.arrive(room, o.n, false)
		}
		m.settle()
	case opReset:
		m.net[i].reset, m.refs[i].reset, m.refs[i].gone = true, true, true
		m.tell(i, &mail{broken: true})
	case opTick:
		m.server.Tick()
		m.settle()
	}
}

// enter has client i ask for a further room.
func (m *model) enter(i int, room string) {
	c, answer := m.clients[i], m.text("into "+room)
	m.refs[i].enter(room, answer)
	m.stubs[i].wish(func() { c.enter(nil, room, position.Since{}, answer) })
}

// exit has client i leave a room.
func (m *model) exit(i int, room string) {
	c, answer := m.clients[i], m.text("out of "+room)
	m.refs[i].exit(room, answer)
	m.stubs[i].wish(func() { c.exit(nil, m.hub(room), answer) })
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
	m.arrive(handshake.DefaultRoom, n, deflate)
	m.settle()
}

// arrive has a new client come into a room, whose kernel takes n bytes.
func (m *model) arrive(room string, n int, deflate bool) {
	fd := len(m.clients)
	answer := []byte("HTTP/1.1 101\r\n\r\n")
	now := m.server.now.Load()
	c := &client{server: m.server, slot: -1, born: now}
	c.heard.Store(now)
	c.spoke.Store(now)
	st := &stub{c: c}
	c.Attach(fd, m.pool, st)
	if deflate {
		c.status.Or(statusDeflate)
	}
	m.clients, m.stubs = append(m.clients, c), append(m.stubs, st)
	m.net = append(m.net, &socket{free: n})
	m.refs = append(m.refs, &reference{
		deflate: deflate, free: n, writing: answer, rooms: map[string]bool{room: true}, queues: make(map[string][][]byte),
	})
	m.server.directory.joins.Put(&change{client: c, room: room, answer: answer})
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
		message := frame.AppendMessage(nil, opcode, body)
		compressed := message
		if p.deflating && len(body) >= deflate.MinSize {
			if packed, ok := deflate.Append(nil, body); ok {
				compressed = frame.AppendCompressed(nil, opcode, packed)
			}
		}
		for _, r := range m.refs {
			r.publish(room, message, compressed)
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
	m.settle()
}

// compare returns what differs between the two, or "".
func (m *model) compare() string {
	members := make(map[string]int)
	for i, r := range m.refs {
		if wrong := r.wrote(m.net[i].got, m.clients[i].out.halfWritten()); wrong != "" {
			return fmt.Sprintf("client %d: %s", i, wrong)
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
	return ""
}

// halfWritten is the rest of the frame of a log that is.
func (o *outbox) halfWritten() []byte {
	switch {
	case o == nil || o.part == 0:
		return nil
	case len(o.rest) > 0:
		return o.rest[0].bytes[o.part:]
	}
	f := o.readers[o.turn].at.Frame()
	return f[min(o.part, len(f)):]
}

// compareRooms returns what is wrong with the rooms, which have so many members.
func (m *model) compareRooms(members map[string]int) string {
	d := &m.server.directory
	for room, n := range members {
		h := d.rooms[room]
		if h == nil || int(h.population.Load()) != n {
			return fmt.Sprintf("room %s should have %d members: %+v", room, n, h)
		}
	}
	if len(d.rooms) != len(members) {
		return fmt.Sprintf("there are %d rooms, %d should be", len(d.rooms), len(members))
	}
	st := m.server.Stats()
	if int(st.Rooms) != len(members) || st.Born != st.Removed+uint64(st.Rooms) {
		return fmt.Sprintf("%d rooms, %d born, %d removed: %d should be there", st.Rooms, st.Born, st.Removed, len(members))
	}
	for i, s := range m.server.shards.all() {
		for _, r := range s.list {
			if r.hub != nil && (d.rooms[r.hub.name] != r.hub || r.population.Load() == 0) {
				return fmt.Sprintf("shard %d has a roster of a room that is gone", i)
			}
		}
	}
	return ""
}

// finish lets everybody read all, makes them leave, and returns what was lost
// or is left over.
func (m *model) finish() string {
	for i := range m.clients {
		m.free(i, 1<<20)
	}
	if d := m.compare(); d != "" {
		return "after the last read: " + d
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
	if n := m.server.members.Load(); n != 0 {
		return fmt.Sprintf("%d members left over", n)
	}
	if n := m.server.dropped(SlowConsumer); n != uint64(dropped) {
		return fmt.Sprintf("counted %d dropped, want %d", n, dropped)
	}
	written := uint64(0)
	for _, s := range m.net {
		written += messagesIn(s.got)
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
	return m.server.leftOver()
}

// messagesIn is the number of whole messages that a client got.
func messagesIn(got []byte) (n uint64) {
	_, frames, _ := bytes.Cut(got, []byte("\r\n\r\n"))
	for r := bytes.NewReader(frames); ; {
		h, err := ws.ReadHeader(r)
		if err != nil || int64(r.Len()) < h.Length {
			return n
		}
		if h.OpCode.IsData() {
			n++
		}
		_, _ = r.Seek(h.Length, io.SeekCurrent) // within what there is
	}
}

// dropped is how many members left for the reason r.
func (s *Server) dropped(r Reason) uint64 {
	return s.counters.sum(func(t *counters) *atomic.Uint64 { return &t.dropped[r] })
}

// leftOver says what a server that nobody is connected to still holds, or "".
func (s *Server) leftOver() string {
	if d := &s.directory; len(d.rooms) != 0 || d.born.Load() != d.removed.Load() {
		return fmt.Sprintf("%d rooms left over, %d born, %d removed", len(d.rooms), d.born.Load(), d.removed.Load())
	}
	for i, s := range s.shards.all() {
		for _, r := range s.list {
			if r.hub != nil || len(r.ready) > 0 {
				return fmt.Sprintf("shard %d: a roster left over, %d ready", i, len(r.ready))
			}
		}
		if len(s.lagging)+len(s.others)+int(s.population.Load()) != 0 || s.first != nil {
			return fmt.Sprintf("shard %d: %d lagging, %d in several rooms, population %d", i, len(s.lagging), len(s.others), s.population.Load())
		}
	}
	return ""
}

// run returns how the two differed at the end of a schedule, or "".
func run(ops []op) (difference string) {
	defer func() {
		if cause := recover(); cause != nil {
			difference = fmt.Sprint("panic: ", cause)
		}
	}()
	m := newModel()
	for k, o := range ops {
		m.do(o)
		if d := m.compare(); d != "" {
			return fmt.Sprintf("after step %d, %v: %s", k, o, d)
		}
	}
	return m.finish()
}

// shorten removes steps as long as the schedule still fails.
func shorten(ops []op) []op {
	for again := true; again; {
		again = false
		for i := len(ops) - 1; i >= 0; i-- {
			shorter := append(append([]op(nil), ops[:i]...), ops[i+1:]...)
			if run(shorter) != "" {
				ops, again = shorter, true
			}
		}
	}
	return ops
}

func TestEveryScheduleDeliversAndDropsAsTheOriginalWould(t *testing.T) {
	if ring {
		t.Skip("its sockets are simulated")
	}
	first, last := uint64(1), uint64(*modelRuns)
	if *modelSeed != 0 {
		first, last = *modelSeed, *modelSeed
	}
	for seed := first; seed <= last; seed++ {
		ops := schedule(seed)
		if d := run(ops); d != "" {
			short := shorten(ops)
			var steps strings.Builder
			for _, o := range short {
				fmt.Fprintf(&steps, "\n  %v", o)
			}
			t.Fatalf("-model.seed %d: %s\nshortest schedule:%s\n%s", seed, d, steps.String(), run(short))
		}
	}
}

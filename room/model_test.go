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
)

// The model test runs random schedules against the real hub and shards, with
// sockets that are simulated, and against a plain reference of the original's
// rules: a slice of messages for each client. Both must write the same bytes
// to every client and drop the same clients.

var (
	modelSeed = flag.Uint64("model.seed", 0, "run only the model schedule with this seed")
	modelRuns = flag.Int("model.runs", 10000, "number of model schedules")
)

const modelQueue = 4

type opKind uint8

const (
	opJoin opKind = iota
	opPublish
	opRead
	opSay
	opLeave
	opReset
	opTick
	opKinds
)

// op is one step of a schedule. What its numbers mean depends on its kind;
// they are taken modulo whatever there is.
type op struct {
	kind opKind
	who  int
	n    int
}

func (o op) String() string {
	names := [...]string{"join", "publish", "read", "say", "leave", "reset", "tick"}
	return fmt.Sprintf("%s(%d,%d)", names[o.kind], o.who, o.n)
}

func schedule(seed uint64) []op {
	r := rand.New(rand.NewPCG(seed, 1))
	weights := [opKinds]int{opJoin: 3, opPublish: 12, opRead: 8, opSay: 2, opLeave: 1, opReset: 1, opTick: 1}
	total := 0
	for _, w := range weights {
		total += w
	}
	ops := make([]op, 10+r.IntN(50))
	for i := range ops {
		pick := r.IntN(total)
		for k, w := range weights {
			if pick -= w; pick < 0 {
				ops[i] = op{kind: opKind(k), who: r.IntN(1000), n: r.IntN(1000)}
				break
			}
		}
	}
	return ops
}

// reference is what the original does for one client.
type reference struct {
	deflate  bool   // it reads compressed messages
	free     int    // bytes the kernel takes now
	written  []byte // bytes the kernel has taken
	writing  []byte // the rest of what is partly written
	urgent   []byte // for this client alone, not begun
	queue    [][]byte
	farewell []byte
	gone     bool // not in the room
	reset    bool
	dropped  bool
}

// pump writes what the kernel takes.
func (c *reference) pump() {
	for c.free > 0 && !c.reset {
		if len(c.writing) == 0 {
			switch {
			case len(c.urgent) > 0:
				c.writing, c.urgent = c.urgent, nil
			case len(c.queue) > 0:
				c.writing, c.queue = c.queue[0], c.queue[1:]
			case len(c.farewell) > 0:
				c.writing, c.farewell = c.farewell, nil
			default:
				return
			}
		}
		n := min(c.free, len(c.writing))
		c.written = append(c.written, c.writing[:n]...)
		c.writing = c.writing[n:]
		c.free -= n
	}
}

func (c *reference) publish(message, compressed []byte) {
	if c.gone {
		return
	}
	if c.deflate {
		message = compressed
	}
	if c.pump(); len(c.queue) == modelQueue {
		c.gone, c.dropped = true, true
		c.farewell = goodbye[SlowConsumer]
		return
	}
	c.queue = append(c.queue, message)
	c.pump()
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

// stub stands in for a session: it notes that the shard is done.
type stub struct {
	c        *client
	released bool
	onRun    func() // may be nil
}

func (s *stub) Run(*poller.Worker) {
	s.released = s.c.status.Load()&statusReleased != 0
	if s.onRun != nil {
		s.onRun()
	}
}

func (s *stub) Panicked(*poller.Worker, any) {}
func (s *stub) Writable(w *poller.Worker)    { s.c.Writable(w) }

// model is one room, twice.
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
}

func newModel() *model {
	m := &model{panics: new(bytes.Buffer)}
	m.pool = poller.NewPool(0, nil, slog.New(slog.NewTextHandler(m.panics, &slog.HandlerOptions{Level: slog.LevelError})))
	m.worker = poller.NewWorker(m.pool, &m.net)
	m.server = &Server{freed: func() {}}
	m.server.init(Config{Queue: modelQueue, DrainTimeout: time.Hour, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, m.pool)
	m.server.shardSize = 3
	m.server.stepSize = 2
	return m
}

func (m *model) settle() {
	for m.pool.Step(m.worker) {
	}
}

// free lets client i's kernel take n more bytes.
func (m *model) free(i, n int) {
	c, s, r := m.clients[i], m.net[i], m.refs[i]
	s.free += n
	r.free += n
	r.pump()
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
	switch o.kind {
	case opJoin:
		m.join(o.n, o.who%100 == 0) // seldom: a compressor is a megabyte of memory
	case opPublish:
		m.publish(o)
	case opRead:
		m.free(i, 1+o.n%400)
	case opSay:
		text := frame.AppendPong(nil, fmt.Appendf(nil, "pong %d", o.n))
		if r := m.refs[i]; !r.gone && !r.reset {
			r.urgent = text
			r.pump()
		}
		m.tell(i, &mail{bytes: text})
	case opLeave:
		text := frame.AppendClose(nil, ws.StatusNormalClosure, "")
		if r := m.refs[i]; !r.gone && !r.reset {
			r.gone, r.farewell = true, text
			r.pump()
		}
		m.leave(i, &mail{bytes: text, leave: true})
	case opReset:
		m.net[i].reset, m.refs[i].reset, m.refs[i].gone = true, true, true
		m.tell(i, &mail{broken: true})
	case opTick:
		m.server.now.Add(1)
		m.server.hub.Schedule()
		m.settle()
	}
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
	if c := m.clients[i]; c.status.Load()&statusLeft == 0 {
		p := newPost(false)
		p.leaver, p.last = c, last
		m.server.hub.publish(nil, p)
	}
	m.settle()
}

func (m *model) join(n int, deflate bool) {
	fd := len(m.clients)
	answer := []byte("HTTP/1.1 101\r\n\r\n")
	now := m.server.now.Load()
	c := &client{server: m.server, slot: -1, born: now}
	c.heard.Store(now)
	c.spoke.Store(now)
	st := &stub{c: c}
	c.Attach(fd, m.pool, st)
	c.mail.Store(&mail{bytes: answer})
	if deflate {
		c.status.Or(statusDeflate)
	}
	m.clients, m.stubs = append(m.clients, c), append(m.stubs, st)
	m.net = append(m.net, &socket{free: n})
	r := &reference{deflate: deflate, free: n, writing: answer}
	m.refs = append(m.refs, r)
	r.pump()
	m.server.hub.joins.Put(c)
	m.server.hub.Schedule()
	m.settle()
}

// publish has one to twelve messages come before anything else happens, in one
// or more posts.
func (m *model) publish(o op) {
	p := newPost(m.server.hub.deflating.Load())
	for k := range 1 + o.n%12 {
		m.seq++
		size := (o.n * (k + 3)) % 300
		if o.n%17 == 0 {
			size += 500
		}
		body := append(fmt.Appendf(nil, "%d:", m.seq), bytes.Repeat([]byte{'x'}, size)...)
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
			r.publish(message, compressed)
		}
		p.add(m.server.tallies.of(nil), opcode, body)
		if o.who%3 == 0 {
			m.server.hub.publish(nil, p)
			p = newPost(m.server.hub.deflating.Load())
		}
	}
	if p.count > 0 {
		m.server.hub.publish(nil, p)
	}
	m.settle()
}

// compare returns what differs between the two, or "".
func (m *model) compare() string {
	for i, r := range m.refs {
		s, c := m.net[i], m.clients[i]
		if r.reset {
			continue
		}
		if !bytes.Equal(s.got, r.written) {
			return fmt.Sprintf("client %d: wrote %q,\n  want %q", i, s.got, r.written)
		}
		if left := c.status.Load()&statusLeft != 0; left != r.gone {
			return fmt.Sprintf("client %d: left %v, want %v", i, left, r.gone)
		}
	}
	lagging := int64(0)
	for _, s := range m.server.hub.shards {
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
	for range 2 { // a quiet log is trimmed, then let go
		m.do(op{kind: opTick})
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
	return m.server.hub.leftOver()
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
	return s.tallies.sum(func(t *tally) *atomic.Uint64 { return &t.dropped[r] })
}

// leftOver says what an empty room still holds, or "".
func (h *hub) leftOver() string {
	if n := h.backlog.Load(); n != 0 {
		return fmt.Sprintf("%d bytes of backlog left over", n)
	}
	for i, s := range h.shards {
		if len(s.ready)+len(s.lagging)+int(s.population.Load()) != 0 {
			return fmt.Sprintf("shard %d: %d ready, %d lagging, population %d", i, len(s.ready), len(s.lagging), s.population.Load())
		}
		log := &h.log
		if s.compressed {
			log = h.compressed
		}
		if !log.Trimmed() || s.pos != log.Head() {
			return fmt.Sprintf("shard %d holds segments of the log", i)
		}
	}
	return ""
}

// run returns how the two differed at the end of a schedule, or "".
func run(ops []op) string {
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

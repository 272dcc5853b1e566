package room

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/frame"
	"chatd/room/handshake"
	"chatd/room/position"
)

// publishOne has one message come and everybody written to. It returns the
// encoded message.
func (m *model) publishOne(text string) []byte {
	f := frame.AppendMessage(nil, ws.OpText, []byte(text))
	p := newPost(false)
	p.frames.plain, p.count = append(p.frames.plain, f...), 1
	m.lobby().publish(nil, p)
	m.settle()
	return f
}

// observed is what an observer was told.
type observed []float64

func (o *observed) Observe(v float64) { *o = append(*o, v) }

func TestPassesAreTimedAndLagIsSampledOnceASecond(t *testing.T) {
	m := newModel()
	var passes, lag observed
	m.server.config.PassTime, m.server.config.Lag = &passes, &lag
	m.join(16, false) // takes the handshake's answer and no more
	m.join(1<<20, false)
	for range 3 {
		m.publishOne("to all")
	}
	for range 2 * ticksPerSecond {
		m.do(op{kind: opTick})
	}
	if len(passes) != 3 || passes[0] < 0 || len(lag) != 2 || lag[0] != 3 {
		t.Errorf("passes took %v s, members were behind by %v", passes, lag)
	}
}

func TestTableOfConnectionsTellsStateAgeAndLag(t *testing.T) {
	m := newModel()
	m.server.shardSize = 10
	m.join(16, false) // takes the handshake's answer and no more
	for m.server.dropped(SlowConsumer) == 0 {
		m.publishOne("more than it takes")
	}
	m.join(16, false)
	m.join(1<<20, false)
	m.publishOne("one")
	m.server.now.Add(ticksPerSecond)
	p := &window{limit: 10}
	m.server.shards.all()[0].fill(p)
	got := map[string]int{}
	for _, r := range p.rows {
		if r.Age != 1 || len(r.Rooms) > 1 || r.State != "leaving" && r.Rooms[0] != handshake.DefaultRoom {
			t.Errorf("%+v", r)
		}
		got[r.State] = r.Lag
	}
	if want := map[string]int{"leaving": modelQueue, "lagging": 1, "ready": 0}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	logs := make(map[logOf]extent)
	m.server.shards.all()[0].extents(logs)
	if e := logs[logOf{m.lobby(), rawStream}]; e.segments == 0 || e.bytes == 0 {
		t.Error("the log is not seen to hold what waits")
	}
}

// Else whoever joins and takes nothing, again and again, would have a room's
// traffic kept for as long as the drain may take.
func TestClientThatLeftIsCutOffWhenMuchHasBeenPublishedSince(t *testing.T) {
	m := newModel()
	m.join(16, false) // takes the handshake's answer and no more
	m.join(1<<30, false)
	for m.server.dropped(SlowConsumer) == 0 {
		m.publishOne("more than it takes")
	}
	mebibyte := strings.Repeat("x", 1<<20)
	for range maxKept {
		m.publishOne(mebibyte)
		m.net[1].got = nil
	}
	if m.do(op{kind: opTick}); m.stubs[0].released {
		t.Error("cut off too early")
	}
	m.publishOne(mebibyte)
	if m.do(op{kind: opTick}); !m.stubs[0].released {
		t.Error("not cut off")
	}
	if st := m.server.Stats(); st.Due != st.Delivered+st.Lost || st.Lost != modelQueue {
		t.Errorf("%d lost, %d due, %d delivered", st.Lost, st.Due, st.Delivered)
	}
}

// Room in a socket's buffer may come between the send that finds none and the
// poller's being told that somebody waits for it.
func TestRoomThatComesTooEarlyToBeToldIsFound(t *testing.T) {
	for who := range 3 {
		m := newModel()
		for range 3 {
			m.join(1000, false)
		}
		m.net[who].free, m.net[who].late = 0, 1000
		for i := range m.net {
			m.net[i].got = nil
		}
		want := m.publishOne("one")
		want = append(want, m.publishOne("two")...)
		for i, s := range m.net {
			if !bytes.Equal(s.got, want) {
				t.Errorf("room for client %d came late: client %d got %q, want %q", who, i, s.got, want)
			}
		}
	}
}

func TestStuckClientIsDroppedAtTheMessageThatWouldBeTheQueuePlusFirst(t *testing.T) {
	m := newModel()
	m.join(16, false) // takes the handshake's answer and no more
	m.join(1<<20, false)
	for i := range modelQueue {
		m.publishOne(fmt.Sprint(i))
	}
	if n := m.server.dropped(SlowConsumer); n != 0 {
		t.Fatalf("%d dropped with a full queue", n)
	}
	m.publishOne("one too many")
	if n := m.server.dropped(SlowConsumer); n != 1 {
		t.Fatalf("%d dropped, want 1", n)
	}
	if n := m.server.members.Load(); n != 1 {
		t.Fatalf("%d members, want 1", n)
	}
}

// Who sends a shard something finds its Task scheduled as long as it has not done
// all that it took before.
func TestWhoComesWhileOthersAreLeftForTheNextRunIsTakenInThatRun(t *testing.T) {
	m := newModel()
	m.server.shardSize = 100
	m.join(1<<20, false) // makes the room and its shard
	for range 2*m.server.slice + 1 {
		m.arrive(handshake.DefaultRoom, 1<<20, rawStream, position.Since{})
	}
	m.server.pending.Schedule() // another Task, for which the shard gives way
	m.pool.Step(m.worker)
	s := m.server.shards.all()[0]
	if s.nextChange == nil {
		t.Fatal("the shard has left nothing for the next run")
	}
	m.arrive(handshake.DefaultRoom, 1<<20, rawStream, position.Since{})
	for range m.pool.Queued() - 1 {
		m.pool.Defer() // the newcomer's way goes before that run
	}
	m.settle()
	if in := int(m.server.members.Load()); in != len(m.clients) || !s.changes.Empty() {
		t.Errorf("%d of %d have come in", in, len(m.clients))
	}
}

// BenchmarkPass writes one message to the members of a shard whose sockets
// cost nothing: what is left is what a pass costs itself.
func BenchmarkPass(b *testing.B) {
	for _, members := range []int{10, 100, 2000} {
		b.Run(fmt.Sprint("members=", members), func(b *testing.B) {
			m := newModel()
			m.server.shardSize, m.server.stepSize = shardSize, poller.FanoutMax
			m.worker.Sender = sink{}
			for range members {
				m.join(1<<10, false)
			}
			h := m.lobby()
			f := frame.AppendMessage(nil, ws.OpText, bytes.Repeat([]byte{'x'}, 128))
			b.ReportAllocs()
			for b.Loop() {
				p := newPost(false)
				p.frames.plain, p.count = append(p.frames.plain, f...), 1
				h.publish(nil, p)
				m.settle()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/delivery")
		})
	}
}

// BenchmarkRooms reports what a quiet room of ten takes beyond its members: the
// clients, and a pointer and a descriptor for each in the room.
func BenchmarkRooms(b *testing.B) {
	const rooms, members = 100_000, 10
	memberSize := float64(unsafe.Sizeof(client{}) + unsafe.Sizeof((*client)(nil)) + unsafe.Sizeof(int32(0)))
	for b.Loop() {
		m := newModel()
		m.server.shardSize, m.worker.Sender = shardSize, sink{}
		before := heap()
		for i := range rooms {
			for range members {
				c := &client{server: m.server, slot: -1}
				c.Attach(0, m.pool, c)
				m.server.directory.joins.Put(&change{client: c, room: fmt.Sprintf("room-%d", i)})
			}
			m.server.directory.Schedule()
			m.settle()
		}
		b.ReportMetric((float64(heap()-before)/rooms)-members*memberSize, "B/room")
		runtime.KeepAlive(m)
	}
}

// bornAndDead has so many rooms of two members be there at a time, and go again, and
// returns how much more memory is in use then.
func bornAndDead(m *model, rooms int) int64 {
	before := heap()
	clients := make([]*client, 0, 2*rooms)
	for i := range rooms {
		for range 2 {
			c := &client{server: m.server, slot: -1}
			c.Attach(0, m.pool, &stub{c: c})
			m.server.directory.joins.Put(&change{client: c, room: fmt.Sprintf("room-%d", i)})
			clients = append(clients, c)
		}
		m.server.directory.Schedule()
		m.settle()
	}
	for _, c := range clients {
		c.send(nil, &mail{broken: true})
	}
	m.settle()
	clear(clients)
	clients = nil
	return int64(heap()) - int64(before)
}

func TestRoomsThatAreGoneHoldNoMemory(t *testing.T) {
	if ring || overTLS {
		t.Skip("its sockets are simulated")
	}
	m := newModel()
	m.server.shardSize, m.worker.Sender = shardSize, sink{}
	const rooms = 20_000
	bornAndDead(m, rooms) // once, for what stays: shards
	if more := bornAndDead(m, rooms); more > rooms {
		t.Errorf("%d bytes are held for %d rooms that are gone", more, rooms)
	}
	if st := m.server.Stats(); st.Rooms != 0 || st.Born != 2*rooms || st.Removed != 2*rooms {
		t.Errorf("%d rooms, %d born, %d removed", st.Rooms, st.Born, st.Removed)
	}
}

// BenchmarkRoomsBornAndDead reports what a million rooms leave behind.
func BenchmarkRoomsBornAndDead(b *testing.B) {
	for b.Loop() {
		m := newModel()
		m.server.shardSize, m.worker.Sender = shardSize, sink{}
		before := heap()
		bornAndDead(m, 1_000_000)
		b.ReportMetric(float64(heap())-float64(before), "B/left")
		runtime.KeepAlive(m)
	}
}

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what pools held is free after the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// sink is a Sender to sockets that take everything.
type sink struct{}

func (sink) Send(_ int32, p []byte) int { return len(p) }

func (sink) Fanout(fds []int32, p []byte, results []int32) {
	for i := range fds {
		results[i] = int32(len(p))
	}
}

func (sink) Scatter(fds []int32, p []byte, results []int32) {
	for i := range fds {
		results[i] = int32(len(p) / len(fds))
	}
}

func (sink) Close() {}

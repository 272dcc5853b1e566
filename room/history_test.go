package room

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/frame"
	"chatd/room/position"
)

// keeping is a model whose rooms keep history, and one member in each of the rooms.
func keeping(change func(*Config), rooms ...string) *model {
	m := newModel()
	m.server.config.History = 100
	change(&m.server.config)
	for _, room := range rooms {
		m.arrive(room, 1<<30, rawStream, position.Since{})
		m.settle()
	}
	return m
}

// say has n messages of so many bytes come to a room, one after the other.
func (m *model) say(room string, n, size int) {
	for range n {
		p := newPost(false)
		p.add(m.server.counters.of(nil), ws.OpText, []byte(strings.Repeat("x", size)))
		m.hub(room).publish(nil, p)
		m.settle()
	}
}

// seconds lets some pass.
func (m *model) seconds(n int) {
	for range n * int(ticksPerSecond) {
		m.tick()
	}
}

// kept is how many messages a room keeps.
func (m *model) kept(room string) int {
	if h := m.hub(room); h != nil && h.archive != nil {
		return h.archive.kept
	}
	return 0
}

func TestRoomsThatWereSilentLongestLoseTheirHistoryFirst(t *testing.T) {
	const size = 1000
	m := keeping(func(c *Config) { c.HistoryMemory = 235 << 10 }, "a", "b", "c")
	for _, room := range []string{"b", "a", "c"} {
		m.say(room, 60, size)
		m.seconds(2)
	}
	if m.kept("a") != 60 || m.kept("b") != 60 || m.kept("c") != 60 {
		t.Fatal(m.kept("a"), m.kept("b"), m.kept("c"))
	}
	m.say("b", 1, size) // so a is the one that is silent
	m.say("c", 40, size)
	m.seconds(2)
	if a := m.kept("a"); a == 60 || m.kept("b") != 61 || m.kept("c") != 100 {
		t.Errorf("a, the silent one, keeps %d, b %d, c %d", a, m.kept("b"), m.kept("c"))
	}
	if st := m.server.Stats(); st.KeptBytes > m.server.config.HistoryMemory || st.KeptBytes < 160*size {
		t.Errorf("%d bytes are kept", st.KeptBytes)
	}
}

func TestMemoryThatIsCountedIsWhatTheLogsHold(t *testing.T) {
	m := keeping(func(*Config) {}, "a")
	m.arrive("a", 1<<30, chatStream, position.Since{})
	m.settle()
	check := func(when string) {
		t.Helper()
		a := m.hub("a").archive
		held := archiveSize + a.history.size()
		for _, track := range a.tracks {
			if track != nil {
				_, size := track.marks[0].Extent()
				held += size + cap(track.marks)*24
			}
		}
		if counted := m.server.Stats().KeptBytes; counted != int64(held) {
			t.Errorf("%s: %d bytes are counted, %d held", when, counted, held)
		}
	}
	for i := range 50 {
		m.say("a", 7, i*37%900)
		check("while something is said")
		if i%9 == 0 {
			m.seconds(3)
			check("when it was quiet")
		}
	}
	m.server.config.History = 3
	m.say("a", 1, 1)
	m.seconds(3)
	check("in the end")
	if st := m.server.Stats(); st.KeptMessages != 3 || st.KeptBytes > 8<<10 {
		t.Errorf("%d messages in %d bytes", st.KeptMessages, st.KeptBytes)
	}
}

func TestRoomWithoutMembersLivesAsLongAsItsHistory(t *testing.T) {
	m := keeping(func(c *Config) { c.HistoryAge = 10 * time.Second }, "a", "b")
	m.say("a", 3, 10)
	for i := range m.clients {
		m.do(op{kind: opLeave, who: i})
	}
	if m.hub("b") != nil || m.hub("a") == nil {
		t.Fatal("b, in which nothing was said, should be gone, and a be there")
	}
	m.seconds(9)
	if m.hub("a") == nil {
		t.Fatal("the room died before its history")
	}
	m.seconds(4)
	if m.hub("a") != nil || m.server.Stats().KeptBytes != 0 {
		t.Fatal("the room outlived its history")
	}
}

func TestRoomThatLivesByItsHistoryMakesRoomForAnother(t *testing.T) {
	m := keeping(func(c *Config) { c.MaxRooms = 2 }, "a", "b")
	m.say("a", 3, 10)
	m.arrive("c", 1<<30, rawStream, position.Since{})
	m.settle()
	if m.hub("c") != nil || m.hub("a") == nil {
		t.Fatal("one room too many, and both have members")
	}
	m.do(op{kind: opLeave, who: 0})
	m.arrive("c", 1<<30, rawStream, position.Since{})
	m.settle()
	if m.hub("c") == nil || m.hub("a") != nil || m.hub("b") == nil {
		t.Fatal("the room that nobody is in should have gone")
	}
	if st := m.server.Stats(); st.KeptMessages != 0 || st.KeptBytes != 0 {
		t.Errorf("%d messages of it are kept in %d bytes", st.KeptMessages, st.KeptBytes)
	}
}

func TestAgeIsExactForWhoeverReads(t *testing.T) {
	m := keeping(func(c *Config) { c.HistoryAge = 10 * time.Second }, "a")
	h := m.hub("a")
	h.open(nil, chatStream)
	m.say("a", 1, 10)
	m.clock += 5000
	m.say("a", 1, 10)
	for _, moment := range []struct {
		after int64 // the first
		kept  uint64
	}{{10_000, 2}, {10_001, 1}, {15_000, 1}, {15_001, 0}} {
		m.clock = 1e12 + moment.after
		p := h.place(nil, chatStream, position.Since{})
		if got := h.log.Head().Seq - h.floor(); got != moment.kept || p.live != (got == 0) {
			t.Errorf("after %d ms %d are kept, want %d", moment.after, got, moment.kept)
		}
	}
}

func TestPlaceInALongHistoryIsFoundWithoutWalkingIt(t *testing.T) {
	m := keeping(func(c *Config) { c.History = 10_000 }, "a")
	m.server.config.Queue = 1 << 20
	m.say("a", 3000, 20)
	a := m.hub("a").archive
	for seq := range uint64(3001) {
		if at := a.tracks[rawStream].at(seq); at.Seq != seq {
			t.Fatalf("%d is found for %d", at.Seq, seq)
		}
	}
	marks := a.tracks[rawStream].marks
	for i := range marks[1:] {
		if d := marks[i+1].Seq - marks[i].Seq; d != maxSpacing {
			t.Fatalf("%d messages between two marks", d)
		}
	}
}

// eventsOf are the events in what a client got, behind the handshake's answer.
func eventsOf(got []byte) (events []string) {
	_, rest, _ := strings.Cut(string(got), "\r\n\r\n")
	for b := []byte(rest); len(b) > 0; {
		n := frame.Len(b)
		_, payload := frame.Split(b[:n])
		events = append(events, string(payload))
		b = b[n:]
	}
	return events
}

func TestMembersAreToldOnceASecondHowManyTheyAre(t *testing.T) {
	m := newModel()
	m.server.shardSize = 100
	m.arrive("a", 1<<30, chatStream, position.Since{})
	m.settle()
	for range 50 {
		m.arrive("a", 1<<30, rawStream, position.Since{})
		m.settle()
	}
	counts := func() (all []string) {
		for _, e := range eventsOf(m.net[0].got) {
			if _, n, ok := strings.Cut(e, `"type":"members","room":"a","count":`); ok {
				all = append(all, strings.TrimSuffix(n, "}"))
			}
		}
		return all
	}
	if got := fmt.Sprint(counts()); got != "[2]" {
		t.Fatal("at once it is told of", got)
	}
	for range ticksPerSecond {
		m.tick() // which may be less than a second
	}
	if got := fmt.Sprint(counts()); got != "[2]" {
		t.Fatal("within a second it is told of", got)
	}
	m.tick()
	if got := fmt.Sprint(counts()); got != "[2 51]" {
		t.Fatal("after a second it was told of", got)
	}
	m.seconds(3)
	if got := fmt.Sprint(counts()); got != "[2 51]" {
		t.Fatal("though nothing changed it was told of", got)
	}
	for i := range 25 {
		m.do(op{kind: opLeave, who: i + 1})
	}
	m.seconds(2)
	if got := fmt.Sprint(counts()); got != "[2 51 50 26]" {
		t.Fatal("in the end it was told of", got)
	}
}

func TestThoseWhoAreToldMayAllGoAndOthersCome(t *testing.T) {
	m := newModel()
	m.arrive("a", 1<<30, rawStream, position.Since{})
	for n := range 3 {
		first := len(m.clients)
		m.arrive("a", 1<<30, chatStream, position.Since{})
		m.settle()
		m.arrive("a", 1<<30, chatStream, position.Since{})
		m.settle()
		m.arrive("a", 1<<30, rawStream, position.Since{}) // of which they are to be told later
		m.settle()
		if n < 2 {
			for i := first; i < len(m.clients); i++ {
				m.do(op{kind: opLeave, who: i})
			}
		}
		m.seconds(2)
	}
	for _, s := range m.net[len(m.net)-3 : len(m.net)-1] {
		events := eventsOf(s.got)
		if last := events[len(events)-1]; last != `{"type":"members","room":"a","count":4}` {
			t.Error(last)
		}
	}
}

func TestWhoIsAHundredMembersAndHowManyThereAre(t *testing.T) {
	m := newModel() // whose shards take three members each
	for i := range 150 {
		m.arrive("a", 1<<30, chatStream, position.Since{})
		m.arrive("a", 1<<30, rawStream, position.Since{})
		if i%50 == 0 {
			m.arrive("b", 1<<30, chatStream, position.Since{})
		}
		m.settle()
	}
	m.clients[0].ask(nil, m.hub("a"))
	m.settle()
	events := eventsOf(m.net[0].got)
	who := events[len(events)-1]
	if !strings.HasPrefix(who, `{"type":"who","room":"a","count":300,"members":[{"id":"id`) || strings.Count(who, `"name":"somebody"`) != maxNamed {
		t.Error(who)
	}
	if m.clients[0].owed() {
		t.Error("its session still waits")
	}
}

func TestAnswersComeInOrderAndTheSessionWaitsForThem(t *testing.T) {
	m := newModel()
	m.arrive("a", 1<<30, chatStream, position.Since{})
	m.settle()
	c, s := m.clients[0], m.net[0]
	s.free = 5 // less than a frame
	m.say("a", 2, 30)
	waits := len(s.got)
	for i := range 3 {
		c.tell(nil, m.text(fmt.Sprint("answer ", i)))
	}
	c.send(nil, &mail{bytes: m.text("urgent")})
	m.settle()
	if !c.owed() || len(s.got) != waits {
		t.Fatal("the session does not wait")
	}
	s.free = 1 << 20
	c.Writable(nil)
	m.settle()
	if c.owed() {
		t.Error("the session waits for what is written")
	}
	events := eventsOf(s.got)
	var order []string
	for _, e := range events[len(events)-6:] {
		switch {
		case strings.Contains(e, `"say"`):
			order = append(order, "say")
		default:
			_, text, _ := strings.Cut(e, ":")
			order = append(order, text)
		}
	}
	if got := fmt.Sprint(order); got != "[say answer 0 answer 1 answer 2 urgent say]" {
		t.Error(got)
	}
}

// sends is a network that tells of what is sent by itself.
type sends struct {
	*network
	before func(fd int32)
}

func (s sends) Send(fd int32, p []byte) int {
	s.before(fd)
	return s.network.Send(fd, p)
}

// Else each answer that its peer takes would let it ask for thousands more.
func TestSessionWaitsForAllAnswersThatAreOnTheirWay(t *testing.T) {
	m := newModel()
	m.arrive("a", 1<<30, chatStream, position.Since{})
	m.settle()
	c := m.clients[0]
	sent := 0
	m.worker.Sender = sends{&m.net, func(int32) {
		if sent++; !c.owed() {
			t.Errorf("it goes on before answer %d is written", sent)
		}
	}}
	for i := range 5 {
		c.tell(nil, m.text(fmt.Sprint("answer ", i)))
	}
	if m.settle(); sent != 5 || c.owed() {
		t.Errorf("%d answers are written", sent)
	}
}

// As many answers as a shard gives at a time do not let what came behind them go
// ahead of those that are still to come.
func TestAnswersComeAheadOfMailHoweverManyTheyAre(t *testing.T) {
	for n := 1; n < 6; n++ {
		m := newModel() // whose shards deal with two at a time
		m.arrive("a", 1<<30, chatStream, position.Since{})
		m.settle()
		c := m.clients[0]
		given := 0
		give := func() {
			given++
			c.tell(nil, m.text(fmt.Sprint("answer ", given)))
		}
		first := true
		m.worker.Sender = sends{&m.net, func(int32) {
			if !first {
				return
			}
			first = false // while the first one is written, one more comes, and mail
			give()
			c.send(nil, &mail{bytes: m.text("mail")})
		}}
		for range n {
			give()
		}
		m.settle()
		events := eventsOf(m.net[0].got)[1:]
		if len(events) != n+2 {
			t.Fatalf("%q", events)
		}
		for i, e := range events {
			if i < given && !strings.HasSuffix(e, fmt.Sprint("answer ", i+1)) || i == given && !strings.HasSuffix(e, "mail") {
				t.Errorf("%d answers: %q", n, events)
			}
		}
	}
}

// atPass calls itself at the end of each pass.
type atPass func()

func (f atPass) Observe(float64) { f() }

// Thousands may come back at once: those who are there do not wait for all of them.
func TestThoseWhoAreThereHearBeforeAllWhoComeBack(t *testing.T) {
	m := keeping(func(c *Config) { c.History = 1000 }, "a")
	m.server.shardSize, m.server.slice, m.server.stretch = 10_000, 8, 1000
	m.say("a", 100, 50)
	in := -1 // those who have come in when the news is heard
	before := len(m.net[0].got)
	m.server.config.PassTime = atPass(func() {
		if in >= 0 || len(m.net[0].got) == before {
			return
		}
		in = 0
		for _, s := range m.net[1:] {
			in += min(len(s.got), 1)
		}
	})
	for range 200 {
		m.arrive("a", 1<<30, rawStream, position.Since{Kind: position.At, Position: position.Position{Epoch: m.hub("a").epoch.Load(), At: -1}})
	}
	p := newPost(false)
	p.add(m.server.counters.of(nil), ws.OpText, []byte("news"))
	m.hub("a").publish(nil, p)
	m.settle()
	if in < 0 || in > 100 {
		t.Errorf("the news was heard when %d of 200 had come in", in)
	}
	for i, s := range m.net {
		if n := len(eventsOf(s.got)); n != 101 {
			t.Fatalf("client %d got %d messages", i, n)
		}
	}
}

// Else nothing would ever bound what was said after that.
func TestRoomThatLosesItsHistoryAndGoesOnInTheSameSecondIsBounded(t *testing.T) {
	m := keeping(func(c *Config) { c.HistoryAge = 20 * time.Second }, "a")
	m.seconds(1)
	m.say("a", 2, 10)
	h := m.hub("a")
	h.archive.shed.Store(1 << 20)
	h.Schedule()
	m.settle()
	if m.kept("a") != 0 {
		t.Fatal("the history is there")
	}
	m.say("a", 1, 10)
	m.do(op{kind: opLeave, who: 0})
	if m.seconds(60); m.hub("a") != nil {
		t.Errorf("the room is there for ever, and keeps %d", m.kept("a"))
	}
}

// Else it would wait for ever, and whoever shuts the server down with it.
func TestNewcomerWhosePlacePanicsIsRefused(t *testing.T) {
	m := keeping(func(c *Config) { c.HistoryAge = 10 * time.Second }, "a")
	m.say("a", 3, 10)
	clock := m.server.clock
	m.server.clock = func() int64 {
		m.server.clock = clock
		panic("planted fault")
	}
	m.arrive("a", 1<<30, chatStream, position.Since{})
	m.ways = nil // it finds none
	m.settle()
	if c := m.clients[1]; !c.has(statusFull) || c.has(statusMember) {
		t.Error("it is not refused")
	}
	m.arrive("a", 1<<30, chatStream, position.Since{})
	m.ways = nil // the reference does not know what was said
	m.settle()
	if got := eventsOf(m.net[2].got); len(got) != 4 {
		t.Errorf("the next one got %q", got)
	}
	m.do(op{kind: opLeave, who: 0})
	m.do(op{kind: opLeave, who: 2})
	if m.seconds(30); m.hub("a") != nil {
		t.Error("the room is there for ever")
	}
}

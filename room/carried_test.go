package room

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/carry"
	"chatd/room/carry/carrytest"
	"chatd/room/frame"
	"chatd/room/framelog"
	"chatd/room/position"
)

// withoutSockets skips a test, in all ways of writing to sockets but one, that has none.
func withoutSockets(t *testing.T) {
	t.Helper()
	if ring || overTLS {
		t.Skip("it has no sockets")
	}
}

// Each field of what is carried in this package's small parts has its fate.
func TestEachFieldThatIsCarriedHereIsNamed(t *testing.T) {
	withoutSockets(t)
	carried, rebuilt := carrytest.Carried, carrytest.Rebuilt
	carrytest.Fields(t, author{}, carried("both", "cut"))
	carrytest.Fields(t, inbound{}, carried("tail", "more", "decoder", "meter"),
		rebuilt("handshake", "who is in one is not carried: crypto/tls has its state"))
	carrytest.Fields(t, meter{}, carried("at", "until", "used"))
	carrytest.Fields(t, rateMeter{}, carried("slots"))
	carrytest.Fields(t, bans{}, carried("key", "order"), rebuilt("mu", "nobody holds it"),
		rebuilt("some", "the order says so"), rebuilt("until", "the order has the same"))
	carrytest.Fields(t, ban{}, carried("who", "until"))
	carrytest.Fields(t, Disconnect{}, carried("Time", "Source", "Reason", "Code", "Lag"))
	carrytest.Fields(t, disconnects{}, carried("ring", "count", "fresh"), rebuilt("mu", "nobody holds it"))
	carrytest.Fields(t, unreported{}, carried("count", "last"))
	carrytest.Fields(t, source{}, carried("addr", "use", "under"), rebuilt("conns", "those that are carried are counted again"))
	carrytest.Fields(t, sources{}, carried("list"), rebuilt("mu", "nobody holds it"),
		rebuilt("of", "each connection is counted again"), rebuilt("spare", "there are none at first"))
	carrytest.Fields(t, history{}, carried("floor", "before", "entries"), rebuilt("gone", "those are not carried"),
		rebuilt("nonces", "the entries have them, and the hashes are others"), rebuilt("extra", "it is counted again"),
		rebuilt("kept", "it is counted again, for the new counters"))
	carrytest.Fields(t, entry{}, carried("first", "at", "author", "nonce"))
	carrytest.Fields(t, archive{}, carried("tracks", "history", "crowd", "noticeAt", "spoken"),
		rebuilt("spacing", "the configuration says it"), rebuilt("size", "it is counted again"),
		rebuilt("shed", "the directory asks again if there is still too much"),
		rebuilt("older", "the directory puts the rooms in their order"), rebuilt("newer", "likewise"))
	carrytest.Fields(t, track{}, carried("log"), rebuilt("marks", "the log is walked"), rebuilt("memory", "the log says it"))
	carrytest.Fields(t, crowd{}, carried("told"), rebuilt("waiting", "the hub, whose flag says that there is something to tell, asks again"))
	carrytest.Fields(t, numbering{}, carried("runs"))
	carrytest.Fields(t, adjacent{}, carried("first", "seq"))
	carrytest.Fields(t, refusals{}, carried("refusedFor"))
	carrytest.Fields(t, secureCounters{}, carried("full", "resumed", "failed", "truncated", "broken"))
	const level = "what is restored counts itself"
	carrytest.Fields(t, counters{}, carried("accepted", "joined", "messages", "logged", "due", "delivered", "lost", "received", "sent",
		"deflated", "deflateIn", "deflateOut", "inflated", "published", "repeated", "unplaced", "skipped",
		"caughtUp", "resumes", "gaps", "dropped", "throttled", "rejected"),
		rebuilt("lagging", level), rebuilt("keptMessages", level), rebuilt("keptBytes", level))
}

func TestInboundIsRestored(t *testing.T) {
	withoutSockets(t)
	limits := &rates{limitMessages: 5, limitBytes: 1000, limitControls: 7}
	var text frame.Decoder
	begun := append([]byte{0x01, 0x80 | 7}, 0, 0, 0, 0, 'a', 'b', 'c', 0xf0, 0x9f, 0x98, 0x80)
	if _, n, _, err := text.Next(begun[:len(begun)-1], frame.Rules{MaxMessage: 100}); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if _, n, _, err := text.Next(bytes.Clone(begun), frame.Rules{MaxMessage: 100}); n != len(begun) || err != nil {
		t.Fatal(n, err)
	}
	all := map[string]struct {
		in inbound
		of phase
	}{
		"nothing":           {inbound{}, phaseOpen},
		"half a head":       {inbound{tail: []byte("GET /ws HTTP/1.1\r\nHo")}, phaseHead},
		"frames behind it":  {inbound{tail: bytes.Repeat([]byte{0x81, 0x80, 1, 2, 3, 4}, 3000)}, phaseJoining},
		"half a head, left": {inbound{tail: []byte("GET /ws HTTP/1.1\r\nHo")}, phaseLinger},
		"frames to wait":    {inbound{tail: bytes.Repeat([]byte{0x81, 0x80, 1, 2, 3, 4}, 3000), more: true}, phaseOpen},
		"half a frame":      {inbound{tail: []byte{0x82, 0x80 | 126, 0x10, 0, 1, 2, 3, 4, 9, 9, 9}}, phaseOpen},
		"half a message":    {inbound{decoder: text, tail: []byte{0x80}}, phaseOpen},
		"that has to wait":  {inbound{meter: meter{at: 1000, until: 1100, used: cost{1, 1 << 50, 0}}}, phaseOpen},
	}
	for name, tt := range all {
		var got inbound
		r := carrytest.Read(t, tt.in.carry)
		got.restore(r, tt.of, limits)
		message, _, ok, _ := got.decoder.Next([]byte{0x80, 0x80, 0, 0, 0, 0}, frame.Rules{MaxMessage: 100})
		if begun := !tt.in.decoder.AtRest(); ok != begun || begun && string(message.Payload) != "abc\U0001f600" {
			t.Errorf("%s: %q, %v", name, message.Payload, ok)
		}
		got.decoder = tt.in.decoder
		if err := r.Close(); err != nil || !reflect.DeepEqual(&got, &tt.in) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, tt.in)
		}
		worker := poller.NewWorker(poller.NewPool(0, nil, nil), nil)
		carrytest.Damage(t, tt.in.carry, func(r *carry.Reader) {
			in := new(inbound)
			in.restore(r, tt.of, limits)
			if r.Err() != nil {
				return
			}
			c := &client{server: new(Server), in: in, phase: tt.of}
			if !in.more {
				if buf := c.buffer(worker); len(buf[len(c.unread()):]) == 0 {
					panic("there is no room to read")
				}
			}
			if tt.of == phaseOpen {
				_, _, _, _ = in.decoder.Next(bytes.Clone(in.tail), frame.Rules{MaxMessage: 100, MaxFragments: 3})
			}
			in.meter.debt(limits)
			in.meter.drain(in.meter.at+1e6, limits)
		})
	}
	// The next program has other limits, or none.
	in := inbound{meter: meter{used: cost{1, 2, 3}}}
	var got inbound
	r := carrytest.Read(t, in.carry)
	got.restore(r, phaseOpen, &rates{limitBytes: 1})
	if want := (meter{used: cost{limitBytes: 2}}); r.Close() != nil || got.meter != want {
		t.Errorf("%+v, want %+v", got.meter, want)
	}
	got.meter.drain(50, &rates{limitBytes: 1})
}

func TestRatesAreRestored(t *testing.T) {
	withoutSockets(t)
	var m, got rateMeter
	for second := range uint32(25) {
		m.add(second, int(second))
	}
	r := carrytest.Read(t, m.carry)
	got.restore(r)
	if err := r.Close(); err != nil || got.sum(24) != m.sum(24) || got.sum(30) != m.sum(30) {
		t.Errorf("%d, want %d; %v", got.sum(24), m.sum(24), err)
	}
	carrytest.Damage(t, m.carry, func(r *carry.Reader) {
		var m rateMeter
		m.restore(r)
		m.sum(24)
		m.add(25, 1)
	})
}

func TestBansAreRestored(t *testing.T) {
	withoutSockets(t)
	var b, got bans
	for i := range 100 {
		b.add("lobby", fmt.Sprint(i), 0, uint32(1000-i))
	}
	r := carrytest.Read(t, b.carry)
	got.restore(r)
	if err := r.Close(); err != nil || !reflect.DeepEqual(got.order, b.order) || !reflect.DeepEqual(got.until, b.until) {
		t.Errorf("%+v, want %+v; %v", got.order, b.order, err)
	}
	for _, tick := range []uint32{0, 950} {
		for i := range 110 {
			if id := fmt.Sprint(i); got.has("lobby", id, tick) != (i < 100 && uint32(1000-i) > tick) || got.has("other", id, tick) {
				t.Errorf("%s at %d: %v", id, tick, got.has("lobby", id, tick))
			}
		}
	}
	got.add("lobby", "1", 950, 2000)
	if !got.has("lobby", "1", 1999) || got.has("lobby", "0", 1999) {
		t.Error("who is banned once more is not")
	}
	var none bans
	r = carrytest.Read(t, new(bans).carry)
	none.restore(r)
	if err := r.Close(); err != nil || none.has("lobby", "1", 0) {
		t.Error(err)
	}
	none.add("lobby", "1", 0, 10)
	if !none.has("lobby", "1", 0) || none.key == (bans{}).key {
		t.Error("a ban where there were none")
	}
	carrytest.Damage(t, b.carry, func(r *carry.Reader) {
		var b bans
		if b.restore(r); r.Err() == nil {
			b.add("lobby", "1", 0, 7000)
			b.has("lobby", "2", 990)
		}
	})
}

func TestDisconnectsAreRestored(t *testing.T) {
	withoutSockets(t)
	for _, n := range []int{0, 1, remembered - 1, remembered, remembered + 50} {
		var d, got disconnects
		for i := range n {
			e := Disconnect{Time: time.Unix(int64(i), 5), Source: netip.MustParseAddrPort("[2001:db8::1%eth0]:7"), Reason: fmt.Sprint(i % 3), Code: 1013, Lag: i}
			if i%2 == 0 {
				e.Source = netip.AddrPort{}
			}
			d.add(e)
		}
		r := carrytest.Read(t, d.carry)
		got.restore(r)
		if err := r.Close(); err != nil || got.count != n || !reflect.DeepEqual(got.last(), d.last()) || !reflect.DeepEqual(got.fresh, d.fresh) {
			t.Errorf("%d: %v\n%+v\n%+v", n, err, got.last(), d.last())
		}
		got.add(Disconnect{Reason: "x"})
		if last := got.last(); last[0].Reason != "x" || len(last) != min(n+1, remembered) {
			t.Errorf("%d and one more: %+v", n, last)
		}
	}
	var d disconnects
	for i := range 3 {
		d.add(Disconnect{Time: time.Unix(7, 0), Reason: "some", Lag: i})
	}
	carrytest.Damage(t, d.carry, func(r *carry.Reader) {
		var d disconnects
		if d.restore(r); r.Err() == nil {
			d.add(Disconnect{})
			d.last()
		}
	})
}

func TestSourcesAreRestored(t *testing.T) {
	withoutSockets(t)
	var s sources
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::7")
	client := netip.MustParseAddrPort("198.51.100.9:1234")
	places := make([]int32, 6)
	for i := range places {
		places[i] = -1
	}
	places[1], _ = s.count(-1, four, usePage, 9)
	places[2], _ = s.count(-1, four, useChat, 9)
	places[3], _ = s.count(s.speakFor(-1, client), six, useChat, 9)
	places[4] = s.speakFor(-1, client)
	places[5], _ = s.count(-1, four, useChat, 9)
	gone, _ := s.count(-1, four, useChat, 9) // is not carried
	write := func(w *carry.Writer) {
		for _, place := range places {
			s.carry(w, place)
		}
	}
	var got sources
	r := carrytest.Read(t, write)
	for i, place := range places {
		now := got.restore(r)
		if (now < 0) != (place < 0) || got.client(now) != s.client(place) {
			t.Errorf("%d: at %d is %v, want %v", i, now, got.client(now), s.client(place))
		}
		places[i] = now
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s.leave(gone)
	for by, at := range s.of {
		if now, known := got.of[by]; !known || got.list[now].conns != s.list[at].conns {
			t.Errorf("%+v: %+v, want %d", by, got.list, s.list[at].conns)
		}
	}
	if len(got.of) != len(s.of) || len(got.spare) != 0 {
		t.Errorf("%v, want %v; spare %v", got.of, s.of, got.spare)
	}
	if _, ok := got.count(-1, four, useChat, 2); ok {
		t.Error("a third one may come where there are two")
	}
	for _, place := range places {
		got.leave(place)
	}
	if len(got.of) != 0 || len(got.spare) != len(got.list) {
		t.Errorf("%v, %d of %d are free, when all have left", got.of, len(got.spare), len(got.list))
	}
	var again sources
	places = []int32{-1, again.speakFor(-1, client)}
	places[0], _ = again.count(places[0], six, usePage, 9)
	carrytest.Damage(t, func(w *carry.Writer) { again.carry(w, places[0]); again.carry(w, places[1]) }, func(r *carry.Reader) {
		var s sources
		a, b := s.restore(r), s.restore(r)
		s.client(a)
		s.leave(b)
		s.leave(a)
	})
}

// countAll counts each of the server's totals another number of times, in some workers.
func countAll(s *Server) {
	n := uint64(0)
	s.totals(func(_ string, count *atomic.Uint64) {
		n++
		count.Add(n)
	})
}

func TestTotalsGoOnAndLevelsAreCountedAgain(t *testing.T) {
	withoutSockets(t)
	before, after := newModel(), newModel()
	before.server.counters = make(workerCounters, 3)
	countAll(before.server)
	before.server.counters[1].lagging.Add(5)
	before.server.counters[2].keptBytes.Add(5)
	r := carrytest.Read(t, before.server.carryTotals)
	after.server.counters[0].accepted.Add(1) // it has begun
	after.server.restoreTotals(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want, got := before.server.Stats(), after.server.Stats()
	want.Accepted++
	want.Lagging, want.KeptBytes = 0, 0
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		switch name := v.Type().Field(i).Name; name {
		case "Conns", "Members", "Rooms", "Handshakes", "Lagging", "KeptMessages", "KeptBytes":
		default:
			if v.Field(i).IsZero() {
				t.Errorf("%s was not counted", name)
			}
		}
	}
	carrytest.Damage(t, before.server.carryTotals, func(r *carry.Reader) { newModel().server.restoreTotals(r) })

	// Another program's.
	r = carrytest.Read(t, func(w *carry.Writer) {
		w.Uint(2)
		w.String("what there is not any more")
		w.Uint(7)
		w.String("accepted")
		w.Uint(8)
	})
	after.server.restoreTotals(r)
	if n := after.server.Stats().Accepted; r.Close() != nil || n != want.Accepted+8 {
		t.Errorf("%d were accepted, %v", n, r.Err())
	}
}

func TestNumberingIsRestored(t *testing.T) {
	withoutSockets(t)
	y := numbering{[]adjacent{{41, 107}, {43, 120}, {60, 200}}}
	var got numbering
	r := carrytest.Read(t, y.carry)
	got.restore(r, 42, 99)
	if err := r.Close(); err != nil || !reflect.DeepEqual(got, y) {
		t.Errorf("%+v, %v", got, err)
	}
	carrytest.Damage(t, y.carry, func(r *carry.Reader) {
		var y numbering
		y.restore(r, 42, 99)
		y.seq(50)
		y.behind(150, 70)
		y.add(100, 300)
		y.forget(60)
	})
}

// talk has a say something in a room, with a nonce perhaps.
func (m *model) talk(room string, a *author, nonce, text string) {
	h := m.hub(room)
	p := newPost(h.has(hubDeflating))
	p.add(m.server.counters.of(nil), ws.OpText, []byte(text))
	p.says = append(p.says, said{a, nonce})
	h.publish(nil, p)
	m.settle()
}

// chatting is a model of a room in which somebody reads each of the streams given, and
// much was said.
func chatting(t *testing.T, config func(*Config), read ...stream) (m *model, h *hub) {
	t.Helper()
	m = keeping(config, "a")
	for _, x := range read {
		m.arrive("a", 1<<30, x, position.Since{})
		m.settle()
	}
	r := rand.New(rand.NewPCG(3, 4))
	ana, bob := newAuthor("ana", "Ana"), newAuthor("bob", "")
	authors := []*author{&ana, &bob}
	for i := range 300 {
		m.clock += int64(r.IntN(3) * 400)
		switch r.IntN(5) {
		case 0:
			m.say("a", 1+r.IntN(4), r.IntN(300))
		case 1:
			other := newAuthor("ana", fmt.Sprint("Ana the ", i))
			authors[0] = &other
			fallthrough
		default:
			nonce := ""
			if r.IntN(2) == 0 {
				nonce = fmt.Sprint("n", i)
			}
			m.talk("a", authors[r.IntN(2)], nonce, fmt.Sprintf("message %d %0*d", i, r.IntN(200), 0))
		}
	}
	if m.panics.Len() > 0 {
		t.Fatal(m.panics)
	}
	return m, m.hub("a")
}

// successor is a hub in another model, which begins where h was.
func successor(h *hub) *hub {
	m := newModel()
	m.server.config.History, m.server.config.HistoryAge = h.server.config.History, h.server.config.HistoryAge
	clock := h.server.clock()
	m.server.clock = func() int64 { return clock }
	fresh := newHub(m.server, h.name)
	fresh.epoch.Store(h.epoch.Load())
	return fresh
}

// text is what a log has from a place on.
func textFrom(c framelog.Cursor, head uint64) (all []byte) {
	for b := range c.Until(head) {
		all = append(all, b...)
	}
	return all
}

func TestWhatARoomKeepsIsRestored(t *testing.T) {
	withoutSockets(t)
	all := []stream{rawDeflated, chatStream, chatDeflated, eventStream, bareStream}
	for name, tt := range map[string]struct {
		config func(*Config)
		read   []stream
		before uint64 // the slowest reader is so many before what is kept
	}{
		"all streams":           {func(*Config) {}, all, 0},
		"raw alone":             {func(*Config) {}, nil, 0},
		"a slow reader":         {func(c *Config) { c.History = 20 }, all, 7},
		"nothing kept":          {func(c *Config) { c.History = 1 }, []stream{chatStream}, 3},
		"nothing kept any more": {func(c *Config) { c.HistoryAge = time.Second }, []stream{chatDeflated}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m, h := chatting(t, tt.config, tt.read...)
			a := h.archive
			var oldest [streams]framelog.Cursor
			for x, track := range a.tracks {
				if track != nil && tt.before == 0 {
					oldest[x] = track.log.Head()
				} else if track != nil {
					oldest[x] = track.at(a.floor)
				}
			}
			if tt.before > 0 {
				m.say("a", int(tt.before), 30)
				if oldest[rawStream].Seq+tt.before != a.floor {
					t.Fatalf("at %d, what is kept begins at %d", oldest[rawStream].Seq, a.floor)
				}
			}
			if name == "nothing kept any more" {
				m.clock += 1e6
				m.seconds(15)
				if h.keeps() {
					t.Fatal("there is history")
				}
			}
			head := h.log.Head().Seq

			write := func(w *carry.Writer) { a.carry(w, &oldest) }
			r := carrytest.Read(t, write)
			n := successor(h)
			begins := restoreArchive(r, n)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			b := n.archive
			for x := range streams {
				if (a.tracks[x] == nil) != (b.tracks[x] == nil) {
					t.Fatalf("stream %d: %v, want %v", x, b.tracks[x], a.tracks[x])
				}
				if a.tracks[x] == nil {
					continue
				}
				from := min(a.floor, oldest[x].Seq)
				if begins[x].Seq != from || b.tracks[x].log.Head().Seq != head {
					t.Errorf("stream %d: %d to %d, want %d to %d", x, begins[x].Seq, b.tracks[x].log.Head().Seq, from, head)
				}
				was := oldest[x]
				if from == a.floor {
					was = a.tracks[x].at(a.floor)
				}
				if got, want := textFrom(begins[x], head), textFrom(was, head); !bytes.Equal(got, want) {
					t.Errorf("stream %d: %d bytes, want %d", x, len(got), len(want))
				}
				for seq := a.floor; seq <= head; seq++ {
					if got, want := textFrom(b.tracks[x].at(seq), head), textFrom(a.tracks[x].at(seq), head); !bytes.Equal(got, want) {
						t.Fatalf("stream %d behind %d: %d bytes, want %d", x, seq, len(got), len(want))
					}
				}
			}
			if b.floor != a.floor || b.before != a.before || b.told != a.told || b.noticeAt.Load() != a.noticeAt.Load() || b.spoken != a.spoken || b.kept != a.kept {
				t.Errorf("floor %d, before %d, told %d, notice at %d, spoken %d, kept %d; want %d %d %d %d %d %d", b.floor, b.before, b.told, b.noticeAt.Load(), b.spoken, b.kept,
					a.floor, a.before, a.told, a.noticeAt.Load(), a.spoken, a.kept)
			}
			if b.extra != a.extra || len(b.nonces) != len(a.nonces) || n.keeps() != h.keeps() {
				t.Errorf("extra %d, %d nonces, keeps %v; want %d, %d, %v", b.extra, len(b.nonces), n.keeps(), a.extra, len(a.nonces), h.keeps())
			}
			for seq := a.floor + 1; seq <= head; seq++ {
				x, y := a.entry(seq), b.entry(seq)
				if !reflect.DeepEqual(x.message(seq), y.message(seq)) {
					t.Fatalf("message %d: %+v, want %+v", seq, y.message(seq), x.message(seq))
				}
				if x.nonce != "" {
					if at, ok := b.find(said{y.author, y.nonce}); !ok || at != seq {
						t.Errorf("message %d is found by its nonce at %d, %v", seq, at, ok)
					}
				}
			}
			st := n.server.Stats()
			if st.KeptMessages != int64(a.kept) || n.keeps() && st.KeptBytes == 0 {
				t.Errorf("%d messages in %d bytes are counted, want %d", st.KeptMessages, st.KeptBytes, a.kept)
			}

			// What is restored is carried as it was, and goes on.
			r = carrytest.Read(t, func(w *carry.Writer) { b.carry(w, &begins) })
			third := successor(n)
			restoreArchive(r, third)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			n.bound(nil, n.server.clock())
			ana := newAuthor("ana", "Ana")
			for range 500 {
				n.record(nil, frame.AppendMessage(nil, ws.OpText, []byte("more")), nil, 1, said{&ana, ""})
			}
			if n.log.Head().Seq != head+500 || n.archive.extra != ana.size() && n.server.config.HistoryAge == 0 {
				t.Errorf("head %d, extra %d", n.log.Head().Seq, n.archive.extra)
			}
		})
	}
}

func TestStateOfARoomThatCannotBeIsRefused(t *testing.T) {
	withoutSockets(t)
	_, h := chatting(t, func(c *Config) { c.History = 5 }, chatStream, eventStream)
	var none [streams]framelog.Cursor
	carrytest.Damage(t, func(w *carry.Writer) { h.archive.carry(w, &none) }, func(r *carry.Reader) {
		n := successor(h)
		if restoreArchive(r, n); r.Err() != nil {
			return
		}
		ana := newAuthor("ana", "Ana")
		n.record(nil, frame.AppendMessage(nil, ws.OpText, []byte("more")), nil, 1, said{&ana, "n"})
		n.archive.find(said{&ana, "n299"})
		n.open(nil, chatStream)
		n.open(nil, bareStream)
		n.place(nil, chatStream, position.Since{Kind: position.At, Position: position.Position{Epoch: n.epoch.Load(), Seq: n.floor(), At: 1}})
		n.tick(nil, 7)
		n.release(nil, math.MaxInt64)
	})
}

func TestSilentRoomsKeepTheirOrder(t *testing.T) {
	withoutSockets(t)
	m := keeping(func(*Config) {}, "a", "b", "c", "d")
	for _, room := range []string{"c", "a", "b"} {
		m.say(room, 1, 10)
		m.clock += 5000
		m.seconds(2)
	}
	var q silence
	hubs := []*hub{m.hub("a"), m.hub("b"), m.hub("c"), m.hub("d")}
	for _, h := range hubs {
		if a := h.archive; a != nil {
			h.silent, a.older, a.newer = false, nil, nil
		}
	}
	q.restore(hubs)
	var got string
	for h := q.longest; h != nil; h = h.archive.newer {
		got += h.name
	}
	if got != "cab" || q.shortest != m.hub("b") || hubs[0] != m.hub("a") {
		t.Errorf("%s, want cab", got)
	}
}

func TestHistoryWithGapsIsRestored(t *testing.T) {
	withoutSockets(t)
	ana, again, bob := newAuthor("ana", "Ana"), newAuthor("ana", "Ana"), newAuthor("", "")
	y := history{floor: 9, before: -1}
	for i, e := range []entry{
		{at: 5}, {at: 5, author: missing}, {at: 6, author: &ana, nonce: "a"}, {at: 6, author: &again, nonce: "b"},
		{at: 4, author: missing}, {at: 7, author: &bob}, {at: 7, author: &ana}, {at: -1},
	} {
		e.first = uint64(8 + 3*i)
		y.note(e, true)
	}
	r := carrytest.Read(t, y.carry)
	var got history
	got.restore(r, 40)
	if err := r.Close(); err != nil || !reflect.DeepEqual(got, y) {
		t.Errorf("%+v, want %+v; %v", got, y, err)
	}
	if e := got.entries; e[1].author != missing || e[2].author == e[3].author || e[2].author != e[6].author {
		t.Error("others are the same authors now")
	}
	for name, tt := range map[string]struct {
		y    history
		head uint64
	}{
		"more than there is":        {history{floor: 9, entries: []entry{{first: 8}}}, 8},
		"entries and no messages":   {history{floor: 9, entries: []entry{{first: 8}}}, 9},
		"messages and no entry":     {history{floor: 9}, 10},
		"messages before the entry": {history{floor: 9, entries: []entry{{first: 11}}}, 12},
		"another order":             {history{floor: 9, entries: []entry{{first: 8}, {first: 8}}}, 12},
		"a nonce of nobody's":       {history{floor: 9, entries: []entry{{first: 8, nonce: "a"}}}, 12},
		"a nonce of a gap's":        {history{floor: 9, entries: []entry{{first: 8, nonce: "a", author: missing}}}, 12},
	} {
		r := carrytest.Read(t, tt.y.carry)
		var got history
		if got.restore(r, tt.head); r.Err() == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	r = carrytest.Read(t, func(w *carry.Writer) { w.String(strings.Repeat("x", 256)); w.String("") })
	if restoreAuthor(r); r.Err() == nil {
		t.Error("an id of 256 bytes")
	}
}

package tls13

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"chatd/poller"
	"chatd/room/carry/carrytest"
)

// carried is what becomes of a Session when the program is replaced.
func carried(t testing.TB, s *Session) *Session {
	t.Helper()
	b := s.Append(nil)
	next, err := ParseSession(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	return &next
}

func TestEachFieldOfASessionIsCarried(t *testing.T) {
	carrytest.Fields(t, Session{}, carrytest.Carried("Reader", "Writer"))
	carrytest.Fields(t, keys{}, carrytest.Carried("seq", "material", "iv", "suite", "client", "useless", "owes"))
	carrytest.Fields(t, Reader{}, carrytest.Carried("keys", "busy"))
	carrytest.Fields(t, reading{}, carrytest.Carried("partial", "fresh", "held", "message", "have", "body", "second", "updates", "ended", "end", "alert"))
	carrytest.Fields(t, Writer{}, carrytest.Carried("keys", "busy"))
	carrytest.Fields(t, writing{}, carrytest.Carried("sent", "kind", "plain", "tag", "alert"),
		carrytest.Rebuilt("aead", "it is built when it is needed"), carrytest.Rebuilt("nonce", "it is written before it is used"),
		carrytest.Rebuilt("used", "no Ciphers has it"), carrytest.Rebuilt("place", "no Ciphers has it"))
}

// states are Sessions that have all there is to carry.
func states() map[string]*Session {
	all := map[string]*Session{}
	for _, s := range suites {
		server, client := newPair(s)
		server.Writer.seq, server.Reader.seq = 1<<24-17, 1<<60
		server.Reader.useless = uselessMost
		all["idle "+fmt.Sprint(s)], all["client's "+fmt.Sprint(s)] = server, client
	}
	half := func(kind byte, plain []byte, owes uint8, alert Alert) *Session {
		s, _ := newPair(aes256)
		s.Writer.owes = owes
		s.Writer.busy = &writing{sent: 4, kind: kind, plain: plain, tag: [tagSize]byte{1, 15: 2}, alert: alert}
		return s
	}
	all["half sent"] = half(typeData, []byte("some data"), 0, 0)
	all["half sent, none"] = half(typeData, nil, 0, 0)
	all["half sent, new keys"] = half(typeHandshake, keyUpdate, owesUpdate, 0)
	all["half sent, alert"] = half(typeAlert, DecodeError.message(), owesAlert, DecodeError)
	all["half sent, and all is owed"] = half(typeData, make([]byte, plainMost), owesUpdate|owesAlert, UserCanceled)
	owing, _ := newPair(chacha)
	owing.Writer.End(DecodeError)
	owing.Writer.Update()
	all["owed"] = owing
	reads := func(b *reading) *Session {
		s, _ := newPair(aes128)
		s.Reader.busy = b
		return s
	}
	all["partial"] = reads(&reading{partial: []byte{typeData, 3, 3, 1}})
	all["fresh"] = reads(&reading{partial: make([]byte, RecordMost), fresh: true})
	all["held"] = reads(&reading{held: []byte("held"), ended: true, end: Alerted, alert: DecodeError})
	all["in a message"] = reads(&reading{message: [4]byte{messageTicket, 0, 1}, have: 4, body: 200, second: 1 << 31, updates: updatesMost})
	all["ended"] = reads(&reading{ended: true})
	all["broken"] = reads(&reading{ended: true, end: -104})
	wiped, _ := newPair(aes128)
	wiped.Wipe()
	all["wiped"] = wiped
	return all
}

func TestSessionIsParsedAsItWasAppended(t *testing.T) {
	for name, s := range states() {
		b := s.Append([]byte("before"))
		if len(b)-6 > s.stateMost() {
			t.Errorf("%s: %d bytes, %d at most", name, len(b)-6, s.stateMost())
		}
		next, err := ParseSession(b[6:])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		clear(b)
		if !reflect.DeepEqual(&next, s) {
			t.Errorf("%s: %+v %+v, want %+v %+v", name, next.Reader.busy, next.Writer.busy, s.Reader.busy, s.Writer.busy)
		}
	}
}

func TestStateOfASessionThatCannotBeIsRefused(t *testing.T) {
	for name, s := range states() {
		b := s.Append(nil)
		for n := range min(len(b), 400) {
			if _, err := ParseSession(b[:n]); !errors.Is(err, errState) {
				t.Errorf("%s: %d of %d bytes are a session: %v", name, n, len(b), err)
			}
		}
		if _, err := ParseSession(append(b, 0)); err == nil {
			t.Errorf("%s: with another byte it is one, too", name)
		}
	}
	for name, change := range map[string]func(r *Reader, w *Writer){
		"no suite":                func(r *Reader, _ *Writer) { r.suite = 0 },
		"another suite":           func(r *Reader, w *Writer) { r.suite, w.suite = 4, 4 },
		"two suites":              func(r *Reader, _ *Writer) { r.suite = chacha },
		"a number beyond the key": func(_ *Reader, w *Writer) { w.seq = updateAt + 2 },
		"owes what there is not":  func(_ *Reader, w *Writer) { w.owes = 8 },
		"too many useless":        func(r *Reader, _ *Writer) { r.useless = uselessMost + 2 },
		"a large record":          func(r *Reader, _ *Writer) { r.work().partial, r.busy.fresh = make([]byte, RecordMost+1), true },
		"no room for more":        func(r *Reader, _ *Writer) { r.work().partial = make([]byte, RecordMost) },
		"more than was read":      func(r *Reader, _ *Writer) { r.work().held = make([]byte, RecordMost+1) },
		"five bytes of four":      func(r *Reader, _ *Writer) { r.work().have = 5 },
		"a message of 16 MiB":     func(r *Reader, _ *Writer) { r.work().body = 1 << 24 },
		"too many updates":        func(r *Reader, _ *Writer) { r.work().updates = updatesMost + 2 },
		"an end that is not":      func(r *Reader, _ *Writer) { r.finish(poller.WouldBlock, 0) },
		"an end with bytes":       func(r *Reader, _ *Writer) { r.finish(1, 0) },
		"an end for no reason":    func(r *Reader, _ *Writer) { r.finish(Alerted-1, 0) },
		"whole, and half sent":    func(_ *Reader, w *Writer) { w.busy = &writing{sent: overhead, kind: typeData} },
		"half sent, of no kind":   func(_ *Reader, w *Writer) { w.busy = &writing{sent: 1, kind: 20} },
		"half sent, of 17 KiB":    func(_ *Reader, w *Writer) { w.busy = &writing{sent: 1, kind: typeData, plain: make([]byte, 17<<10)} },
		"half an alert": func(_ *Reader, w *Writer) {
			w.busy, w.owes = &writing{sent: 1, kind: typeAlert, plain: []byte{1}}, owesAlert
		},
		"an alert that is not owed": func(_ *Reader, w *Writer) {
			w.busy = &writing{sent: 1, kind: typeAlert, plain: DecodeError.message()}
		},
		"keys that are not owed": func(_ *Reader, w *Writer) { w.busy = &writing{sent: 1, kind: typeHandshake, plain: keyUpdate} },
		"another handshake message": func(_ *Reader, w *Writer) {
			w.busy, w.owes = &writing{sent: 1, kind: typeHandshake, plain: keyUpdate[1:]}, owesUpdate
		},
		"half sent behind the end": func(_ *Reader, w *Writer) { w.busy, w.owes = &writing{sent: 1, kind: typeData}, ended },
	} {
		s, _ := newPair(aes128)
		change(&s.Reader, &s.Writer)
		if _, err := ParseSession(s.Append(nil)); !errors.Is(err, errState) {
			t.Errorf("%s: it is a session: %v", name, err)
		}
	}
}

// Whatever a state says that is not refused, nothing panics that goes on with it.
func TestNoSessionThatIsParsedPanics(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for name, s := range states() {
		good := s.Append(nil)
		for range 200 {
			b := bytes.Clone(good)
			for range 1 + r.IntN(3) {
				at := r.IntN(len(b))
				if r.IntN(2) == 0 { // where it is not the keys
					at = []int{1, 2, len(b) - 1 - r.IntN(min(len(b), 40))}[r.IntN(3)]
				}
				b[at] = byte(r.Uint32() >> r.IntN(8))
			}
			s, err := ParseSession(b)
			if err != nil {
				continue
			}
			func() {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("%s: %v; %x", name, p, b)
					}
				}()
				for _, size := range []int{RecordMost, 100} {
					for range 3 {
						got := s.Reader.Read(&chunks{make([]byte, 10), 10}, make([]byte, size), 0)
						if got.N > size {
							t.Errorf("%s: %d bytes of %d", name, got.N, size)
						}
					}
				}
				l := newLine(-1)
				s.Writer.Send(l.worker, nil, 0, []byte("data"))
				s.Writer.End(CloseNotify)
				s.Writer.Flush(l.worker, nil, 0)
			}()
		}
	}
}

// A Reader that is carried between any two reads gives what one gives that is not.
func TestReaderIsCarriedBetweenAnyTwoReads(t *testing.T) {
	for _, s := range suites {
		server, client := newPair(s)
		w := &server.Writer
		var stream, want []byte
		say := func(kind byte, p []byte) {
			w.cipher(nil)
			stream = append(stream, record(w, kind, p)...)
			if kind == typeData {
				want = append(want, p...)
			}
			if kind == typeHandshake && bytes.HasSuffix(p, []byte{0, 0, 1, 1}) || bytes.Equal(p, []byte{1}) {
				w.update()
				w.busy.aead = nil
			}
		}
		for i := range 3 {
			say(typeData, bytes.Repeat([]byte("data "), 1+10*i))
			say(typeHandshake, []byte{messageKeyUpdate, 0, 0, 1, 1})
			say(typeData, nil)
			say(typeHandshake, []byte{messageTicket, 0, 0, 9, 1, 2, 3, 4})
			say(typeHandshake, []byte{5, 6, 7, 8, 9, messageKeyUpdate, 0})
			say(typeHandshake, []byte{0, 1})
			say(typeHandshake, []byte{1})
		}
		say(typeData, bytes.Repeat([]byte("much "), 200))
		say(typeAlert, CloseNotify.message())
		for _, most := range []int{1, 3, 7, 50, len(stream)} {
			for _, room := range []int{7, 100, RecordMost} {
				src, p := &chunks{stream, most}, make([]byte, room)
				reader := carried(t, client)
				var got []byte
				updates, end := 0, poller.WouldBlock
				for n := 0; end == poller.WouldBlock && n < 10*len(stream); n++ {
					g := reader.Reader.Read(src, p, 0)
					if g.Update {
						updates++
					}
					if g.N > 0 {
						got = append(got, p[:g.N]...)
					} else {
						end = g.N
					}
					reader = carried(t, reader)
				}
				if !bytes.Equal(got, want) || end != 0 || updates == 0 || reader.Reader.busy.updates != 6 {
					t.Errorf("%v, %d bytes into %d: end %d, %d updates, %q", s, most, room, end, updates, got)
				}
			}
		}
	}
}

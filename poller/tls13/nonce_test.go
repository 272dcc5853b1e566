package tls13

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"chatd/poller"
)

// No number is used twice with different bytes, whatever the socket takes of what, and
// when, and when the program is replaced: not a record that is half sent, nor one that
// was sealed behind it.
func TestNoNumberIsUsedTwiceWithDifferentBytes(t *testing.T) {
	for _, s := range suites {
		for i := range 25 {
			t.Run(fmt.Sprint(s, "/", i), func(t *testing.T) { schedule(t, s, uint64(i)) })
		}
	}
}

// schedule writes at random.
func schedule(t *testing.T, s suite, seed uint64) {
	r := rand.New(rand.NewPCG(seed, uint64(s)))
	server, client := newPair(s)
	w := &server.Writer
	if r.IntN(2) == 0 { // new keys will be due
		w.seq = updateAt - r.Uint64N(30)
		client.Reader.seq = w.seq
	}
	l := newLine(-1).watch(w)
	l.takes = func(n int) int {
		switch r.IntN(4) {
		case 0:
			return poller.WouldBlock
		case 1:
			return n
		case 2:
			return 1 + r.IntN(min(n, 40))
		}
		return 1 + r.IntN(n)
	}
	var c Ciphers
	var want []byte
	var given []byte // last: a Writer that was carried has what it needs of it
	for range 60 {
		switch r.IntN(10) {
		case 0:
			c.Tick()
		case 1:
			w.Update()
		case 2:
			w.Flush(l.worker, &c, 0)
		case 3, 4:
			server, c = carried(t, server), Ciphers{}
			w = &server.Writer
			clear(given)
		default:
			p := make([]byte, 1+r.IntN(1<<r.IntN(18)))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			n := w.Send(l.worker, &c, 0, p)
			if n < 0 && n != poller.WouldBlock {
				t.Fatal("send:", n)
			}
			want = append(want, p[:max(n, 0)]...)
			given = p
		}
		if l.fault != nil {
			t.Fatal(l.fault)
		}
	}
	w.End(CloseNotify)
	for w.Flush(l.worker, &c, 0) != 0 {
	}
	if l.fault != nil {
		t.Fatal(l.fault)
	}
	got := readAll(&client.Reader, &chunks{l.bytes, 1 + r.IntN(40000)}, make([]byte, 64<<10))
	if !bytes.Equal(got.plain, want) || got.end != 0 {
		t.Errorf("%d bytes came, end %d %v; want %d bytes", len(got.plain), got.end, got.alert, len(want))
	}
	c.Tick()
	c.Tick()
	if c.Len() != 0 || w.busy != nil {
		t.Errorf("%d ciphers are kept, %+v", c.Len(), w.busy)
	}
}

// The same for each length at which the first and the second write may be cut, and with a
// Writer that is carried before each.
func TestEveryShortWriteGoesOnWithTheSameRecords(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		everyShortWrite(t, replaced)
	}
}

func everyShortWrite(t *testing.T, replaced bool) {
	data := []byte("what is sent in one record, or in two, and with new keys between them")
	server, client := newPair(aes128)
	size := 2*overhead + len(data) + overhead + len(keyUpdate) + overhead + 2
	var c Ciphers
	for first := 1; first <= size; first++ {
		for _, second := range []int{1, 2, first, size} {
			s, reader := *server, client.Reader // copies: the same keys each time
			w := &s.Writer
			cuts := []int{first, poller.WouldBlock, second}
			l := newLine(-1).watch(w)
			l.takes = func(n int) int {
				if len(cuts) > 0 {
					n, cuts = min(n, cuts[0]), cuts[1:]
				}
				return n
			}
			carry := func() {
				if replaced {
					c.Drop(w)
					w = &carried(t, &Session{s.Reader, *w}).Writer
				}
			}
			at, asked := 0, false
			for at < len(data) || w.Pending() {
				end := len(data)
				if at < 20 {
					end = 20
				} else if !asked {
					asked = true
					w.Update()
				}
				carry()
				p := bytes.Clone(data[at:end])
				if n := w.Send(l.worker, &c, 0, p); n > 0 {
					at += n
				}
				if carry(); replaced {
					clear(p)
				}
			}
			w.End(CloseNotify)
			for carry(); w.Flush(l.worker, &c, 0) != 0; carry() {
			}
			got := readAll(&reader, &chunks{l.bytes, size}, make([]byte, 64<<10))
			if l.fault != nil || !bytes.Equal(got.plain, data) || got.end != 0 || len(l.bytes) != size {
				t.Fatalf("cut at %d and %d, replaced %v: %v; %q, end %d %v, %d bytes", first, second, replaced, l.fault, got.plain, got.end, got.alert, len(l.bytes))
			}
		}
	}
}

// These faults are what the watch is there for.
func TestTheWatchFindsAPlantedFault(t *testing.T) {
	for name, plant := range map[string]struct {
		fault func(w *Writer)
		want  error
	}{
		"a half-sent record is forgotten": {func(w *Writer) { w.busy.sent, w.busy.plain = 0, nil }, errReused},
		"its plaintext is another's, and nobody looks": {func(w *Writer) {
			b := w.cipher(nil)
			b.plain = []byte("other bytes, as many")
			var other [100]byte
			size := w.seal(b, other[:], b.kind, w.seq, b.plain)
			b.tag = [tagSize]byte(other[size-tagSize : size])
		}, errRest},
		"a number is not used up": {func(w *Writer) {
			if w.busy.sent = 0; w.seq > 0 {
				w.seq--
			}
		}, errReused},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := newPair(aes128)
			w := &server.Writer
			takes := []int{1 << 20, 30}
			l := newLine(-1).watch(w)
			l.takes = func(n int) int {
				if len(takes) > 0 {
					n, takes = min(n, takes[0]), takes[1:]
				}
				return n
			}
			w.Send(l.worker, nil, 0, []byte("a record that is whole"))
			w.Send(l.worker, nil, 0, []byte("a record that is cut"))
			if l.fault != nil || !w.Pending() {
				t.Fatal(l.fault, w.Pending())
			}
			plant.fault(w)
			w.Send(l.worker, nil, 0, []byte("and the next one"))
			if !errors.Is(l.fault, plant.want) {
				t.Errorf("found %v, want %v", l.fault, plant.want)
			}
		})
	}
}

func TestBytesThatWereChangedAreNotSealedAgain(t *testing.T) {
	for _, s := range suites {
		server, _ := newPair(s)
		w := &server.Writer
		l := newLine(30).watch(w)
		p := []byte("what nobody must change until it has gone")
		if n := w.Send(l.worker, nil, 0, p); n != len(p) || !w.Pending() {
			t.Fatal(n, w.Pending())
		}
		p[40] ^= 1
		if r := w.Flush(l.worker, nil, 0); r != Changed {
			t.Errorf("flush: %d, want Changed", r)
		}
		if n := w.Send(l.worker, nil, 0, p); n != Ended || w.Pending() {
			t.Errorf("send: %d, pending %v", n, w.Pending())
		}
		if len(l.bytes) != 30 || l.fault != nil {
			t.Errorf("%d bytes went, %v", len(l.bytes), l.fault)
		}
	}
}

package tls13

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"chatd/poller"
)

// bigP and smallP are what is read into: with room for a record, or without.
const (
	bigP   = 64 << 10
	smallP = 100
)

// ticket is a NewSessionTicket of n bytes in all.
func ticket(n int) []byte {
	b := make([]byte, n)
	b[0], b[2], b[3] = messageTicket, byte((n-4)>>8), byte(n-4)
	return b
}

var askForUpdate = []byte{messageKeyUpdate, 0, 0, 1, 1}

func TestRecordsAreReadHoweverTheyAreSplit(t *testing.T) {
	for _, s := range suites {
		server, client := newPair(s)
		stream := record(&client.Writer, typeData, []byte("one"))
		stream = append(stream, record(&client.Writer, typeHandshake, askForUpdate)...)
		client.Writer.update()
		client.Writer.busy.aead = nil
		stream = append(stream, record(&client.Writer, typeData, bytes.Repeat([]byte("two"), 100))...)
		stream = append(stream, record(&client.Writer, typeData, nil)...)
		stream = append(stream, record(&client.Writer, typeData, append([]byte("three"), typeData, 0, 0, 0, 0))...) // padding
		stream = append(stream, record(&client.Writer, typeAlert, CloseNotify.message())...)
		stream = append(stream, "and what follows is nothing"...)
		want := "one" + string(bytes.Repeat([]byte("two"), 100)) + "three\x17\x00\x00\x00\x00"
		for _, size := range []int{bigP, smallP, 1} {
			read := func(src Source) {
				t.Helper()
				r := server.Reader // a copy
				got := readAll(&r, src, make([]byte, size))
				if string(got.plain) != want || got.end != 0 || got.updates != 1 {
					t.Fatalf("suite %d, into %d: %q, end %d %v, %d updates", s, size, got.plain, got.end, got.alert, got.updates)
				}
			}
			for i := 1; i < len(stream); i++ {
				read(&script{stream[:i], stream[i:], 0})
			}
			for _, most := range []int{1, 2, 3, 7, 100, len(stream)} {
				read(&chunks{stream, most})
			}
		}
	}
}

func TestPaddingIsTakenOff(t *testing.T) {
	server, client := newPair(aes128)
	w := &client.Writer
	b := w.cipher(nil)
	padded := func(kind byte, content string, zeros int) []byte {
		inner := append(append([]byte(content), kind), make([]byte, zeros)...)
		// seal adds a type of its own: with 0 that is padding, too.
		to := make([]byte, overhead+len(inner))
		w.seal(b, to, 0, w.seq, inner)
		w.seq++
		return to
	}
	stream := slices.Concat(padded(typeData, "a", 5), padded(typeData, "", 70), padded(typeData, "b\x00", plainMost-3),
		padded(typeAlert, string(CloseNotify.message()), 1))
	got := readAll(&server.Reader, &chunks{stream, 1 << 20}, make([]byte, bigP))
	if string(got.plain) != "ab\x00" || got.end != 0 {
		t.Errorf("%q, end %d %v", got.plain, got.end, got.alert)
	}
}

func TestLargestRecordsAreRead(t *testing.T) {
	for _, size := range []int{bigP, RecordMost, RecordMost - 1, smallP} {
		for _, most := range []int{1 << 20, 5000, 16411} {
			server, client := newPair(chacha)
			var stream, want []byte
			for i := range 5 {
				p := bytes.Repeat([]byte{byte(i)}, plainMost)
				want = append(want, p...)
				stream = append(stream, record(&client.Writer, typeData, p)...)
			}
			got := readAll(&server.Reader, &chunks{stream, most}, make([]byte, size))
			if !bytes.Equal(got.plain, want) || got.end != Truncated {
				t.Errorf("into %d: %d bytes, want %d, end %d", size, len(got.plain), len(want), got.end)
			}
		}
	}
}

// Each ends the connection, with the alert of RFC 8446; what came before is read.
func TestWhatBreaksTheProtocolEndsTheConnection(t *testing.T) {
	type sealer = func(kind byte, p ...byte) []byte
	header := func(kind byte, size int) []byte { return []byte{kind, 3, 3, byte(size >> 8), byte(size)} }
	body := func(kind byte, size int) []byte { return append(header(kind, size), make([]byte, size)...) }
	many := func(n int, f func() []byte) (all []byte) {
		for range n {
			all = append(all, f()...)
		}
		return all
	}
	for name, tt := range map[string]struct {
		stream func(w *Writer, seal sealer) []byte
		want   Alert
	}{
		"change_cipher_spec":            {func(*Writer, sealer) []byte { return []byte{20, 3, 3, 0, 1, 1} }, UnexpectedMessage},
		"change_cipher_spec, encrypted": {func(_ *Writer, seal sealer) []byte { return seal(20, 1) }, UnexpectedMessage},
		"an alert in the clear":         {func(*Writer, sealer) []byte { return []byte{21, 3, 3, 0, 2, 1, 0} }, UnexpectedMessage},
		"a handshake message in clear":  {func(*Writer, sealer) []byte { return body(22, 30) }, UnexpectedMessage},
		"no record at all":              {func(*Writer, sealer) []byte { return []byte("GET / HTTP/1.1\r\n") }, UnexpectedMessage},
		"a type that there is not":      {func(_ *Writer, seal sealer) []byte { return seal(99, 1) }, UnexpectedMessage},
		"too large, by its header":      {func(*Writer, sealer) []byte { return header(23, plainMost+257) }, RecordOverflow},
		"too large, by its content": {func(w *Writer, seal sealer) []byte {
			return seal(typeData, make([]byte, plainMost+1)...)
		}, RecordOverflow},
		"nothing but padding": {func(_ *Writer, seal sealer) []byte { return seal(0, 0, 0, 0) }, UnexpectedMessage},
		"not even a type": {func(w *Writer, _ sealer) []byte {
			b := w.cipher(nil)
			to := append(header(23, tagSize), make([]byte, tagSize)...)
			w.nonce(&b.nonce, w.seq)
			b.aead.Seal(to[headerSize:headerSize], b.nonce[:], nil, to[:headerSize])
			return to
		}, UnexpectedMessage},
		"shorter than a tag": {func(*Writer, sealer) []byte { return body(23, tagSize-1) }, BadRecordMAC},
		"of no length":       {func(*Writer, sealer) []byte { return header(23, 0) }, BadRecordMAC},
		"forged":             {func(*Writer, sealer) []byte { return body(23, 50) }, BadRecordMAC},
		"its header changed": {func(_ *Writer, seal sealer) []byte {
			b := seal(typeData, 1, 2, 3)
			b[2]++
			return b
		}, BadRecordMAC},
		"out of order": {func(w *Writer, seal sealer) []byte {
			a, b := seal(typeData, 1), seal(typeData, 2)
			return append(b, a...)
		}, BadRecordMAC},
		"an empty handshake record":      {func(_ *Writer, seal sealer) []byte { return seal(typeHandshake) }, UnexpectedMessage},
		"an empty alert":                 {func(_ *Writer, seal sealer) []byte { return seal(typeAlert) }, UnexpectedMessage},
		"half an alert":                  {func(_ *Writer, seal sealer) []byte { return seal(typeAlert, 1) }, DecodeError},
		"an alert and a half":            {func(_ *Writer, seal sealer) []byte { return seal(typeAlert, 1, 90, 1) }, DecodeError},
		"a ticket from a client":         {func(_ *Writer, seal sealer) []byte { return seal(typeHandshake, ticket(30)...) }, UnexpectedMessage},
		"a ClientHello":                  {func(_ *Writer, seal sealer) []byte { return seal(typeHandshake, 1, 0, 0, 1, 1) }, UnexpectedMessage},
		"a KeyUpdate without a body":     {func(_ *Writer, seal sealer) []byte { return seal(typeHandshake, 24, 0, 0, 0) }, DecodeError},
		"a KeyUpdate of two bytes":       {func(_ *Writer, seal sealer) []byte { return seal(typeHandshake, 24, 0, 0, 2, 0, 0) }, DecodeError},
		"a KeyUpdate that asks for what": {func(_ *Writer, seal sealer) []byte { return seal(typeHandshake, 24, 0, 0, 1, 2) }, IllegalParameter},
		"two KeyUpdates in a record": {func(_ *Writer, seal sealer) []byte {
			return seal(typeHandshake, append(askForUpdate, askForUpdate...)...)
		}, UnexpectedMessage},
		"data in a KeyUpdate": {func(_ *Writer, seal sealer) []byte {
			return append(seal(typeHandshake, 24, 0), seal(typeData, 1)...)
		}, UnexpectedMessage},
		"an alert in a KeyUpdate": {func(_ *Writer, seal sealer) []byte {
			return append(seal(typeHandshake, 24, 0), seal(typeAlert, 1, 0)...)
		}, UnexpectedMessage},
		"data under the old key": {func(_ *Writer, seal sealer) []byte {
			return append(seal(typeHandshake, keyUpdate...), seal(typeData, 1)...)
		}, BadRecordMAC},
		"many without data": {func(_ *Writer, seal sealer) []byte {
			return many(uselessMost+1, func() []byte { return seal(typeData) })
		}, UnexpectedMessage},
		"many user_canceled": {func(_ *Writer, seal sealer) []byte {
			return many(uselessMost+1, func() []byte { return seal(typeAlert, 1, byte(UserCanceled)) })
		}, UnexpectedMessage},
		"many KeyUpdates": {func(w *Writer, seal sealer) []byte {
			return many(updatesMost+1, func() []byte {
				b := seal(typeHandshake, keyUpdate...)
				w.update()
				w.busy.aead = nil
				return b
			})
		}, UnexpectedMessage},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range suites {
				for _, size := range []int{bigP, smallP} {
					for _, most := range []int{1 << 20, 1} {
						server, client := newPair(s)
						w := &client.Writer
						seal := func(kind byte, p ...byte) []byte {
							w.cipher(nil)
							return record(w, kind, p)
						}
						stream := append(seal(typeData, []byte("before")...), tt.stream(w, seal)...)
						got := readAll(&server.Reader, &chunks{stream, most}, make([]byte, size))
						if string(got.plain) != "before" || got.end != Failed || got.alert != tt.want {
							t.Fatalf("suite %d: %q, end %d %v, want %v", s, got.plain, got.end, got.alert, tt.want)
						}
						again := server.Reader.Read(&chunks{stream, most}, make([]byte, size), 0)
						if again.N != Failed || again.Alert != tt.want || again.More {
							t.Fatalf("then %+v", again)
						}
					}
				}
			}
		})
	}
}

func TestEveryChangedBitIsFound(t *testing.T) {
	for _, s := range suites {
		server, client := newPair(s)
		stream := record(&client.Writer, typeData, []byte("some bytes"))
		for i := range len(stream) * 8 {
			if i/8 == 3 || i/8 == 4 { // the length: another one, of what does not come
				continue
			}
			changed := bytes.Clone(stream)
			changed[i/8] ^= 1 << (i % 8)
			r := server.Reader
			if got := readAll(&r, &chunks{changed, 1 << 20}, make([]byte, bigP)); len(got.plain) != 0 || got.end != Failed {
				t.Fatalf("bit %d: %q, end %d", i, got.plain, got.end)
			}
		}
	}
}

func TestReplayedRecordIsFound(t *testing.T) {
	server, client := newPair(aes128)
	one := record(&client.Writer, typeData, []byte("one"))
	got := readAll(&server.Reader, &chunks{append(bytes.Clone(one), one...), 1 << 20}, make([]byte, bigP))
	if string(got.plain) != "one" || got.alert != BadRecordMAC {
		t.Errorf("%q, %v", got.plain, got.alert)
	}
}

func TestEndsAreToldApart(t *testing.T) {
	for name, tt := range map[string]struct {
		tail  func(w *Writer) []byte
		end   int
		alert Alert
	}{
		"close_notify":         {func(w *Writer) []byte { return record(w, typeAlert, CloseNotify.message()) }, 0, 0},
		"… whatever its level": {func(w *Writer) []byte { return record(w, typeAlert, []byte{levelFatal, 0}) }, 0, 0},
		"none":                 {func(*Writer) []byte { return nil }, Truncated, 0},
		"none, half a record":  {func(w *Writer) []byte { return record(w, typeData, []byte("x"))[:10] }, Truncated, 0},
		"none, half a header":  {func(w *Writer) []byte { return record(w, typeData, []byte("x"))[:3] }, Truncated, 0},
		"an alert":             {func(w *Writer) []byte { return record(w, typeAlert, []byte{levelFatal, 42}) }, Alerted, 42},
		"… as a warning":       {func(w *Writer) []byte { return record(w, typeAlert, []byte{levelWarning, 42}) }, Alerted, 42},
		"user_canceled, closed": {func(w *Writer) []byte {
			return append(record(w, typeAlert, UserCanceled.message()), record(w, typeAlert, CloseNotify.message())...)
		}, 0, 0},
	} {
		for _, size := range []int{bigP, smallP} {
			server, client := newPair(aes256)
			stream := append(record(&client.Writer, typeData, []byte("before")), tt.tail(&client.Writer)...)
			got := readAll(&server.Reader, &chunks{stream, 1 << 20}, make([]byte, size))
			if string(got.plain) != "before" || got.end != tt.end || got.alert != tt.alert {
				t.Errorf("%s: %q, end %d %v", name, got.plain, got.end, got.alert)
			}
		}
	}
}

// A source gives what there is, and then nothing for now.
type script []any // []byte, or an int to return

func (s *script) Read(p []byte) int {
	if len(*s) == 0 {
		return poller.WouldBlock
	}
	switch step := (*s)[0].(type) {
	case int:
		*s = (*s)[1:]
		return step
	default:
		b := step.([]byte)
		n := copy(p, b)
		if n == len(b) {
			*s = (*s)[1:]
		} else {
			(*s)[0] = b[n:]
		}
		return n
	}
}

func TestMoreSaysWhetherAnEventIsToBeWaitedFor(t *testing.T) {
	server, client := newPair(aes128)
	r, w := &server.Reader, &client.Writer
	big := make([]byte, bigP)
	expect := func(src script, p []byte, want Got) {
		t.Helper()
		if got := r.Read(&src, p, 0); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	one := record(w, typeData, []byte("one"))
	expect(script{}, big, Got{N: poller.WouldBlock})
	expect(script{one[:10]}, big, Got{N: poller.WouldBlock, In: 10})
	expect(script{one[10:]}, big, Got{N: 3, In: len(one) - 10})
	if r.busy != nil {
		t.Errorf("it is between records, and keeps %+v", r.busy)
	}
	// What fills p is not all there may be.
	two := record(w, typeData, make([]byte, 2*smallP))
	expect(script{two}, big[:len(two)-3], Got{N: poller.WouldBlock, In: len(two) - 3, More: true})
	expect(script{two[len(two)-3:]}, big[:smallP], Got{N: smallP, In: 3, More: true})
	expect(script{}, big[:smallP], Got{N: smallP, More: true})
	expect(script{}, big[:smallP], Got{N: poller.WouldBlock})
	// The end comes behind the data.
	end := append(record(w, typeData, []byte("last")), record(w, typeAlert, CloseNotify.message())...)
	expect(script{end}, big, Got{N: 4, In: len(end), More: true})
	expect(script{}, big, Got{N: 0})
	expect(script{}, big, Got{N: 0})
}

func TestErrorOfTheSocketIsTheEnd(t *testing.T) {
	server, _ := newPair(aes128)
	for range 2 {
		if got := server.Reader.Read(&script{-104}, make([]byte, bigP), 0); got != (Got{N: -104}) {
			t.Errorf("%+v", got)
		}
	}
}

// What the handshake left is read before the socket, which may block.
func TestWhatFollowedTheHandshakeComesFirst(t *testing.T) {
	for _, size := range []int{bigP, smallP} {
		server, client := newPair(aes128)
		left := append(record(&client.Writer, typeData, []byte("one")), record(&client.Writer, typeData, []byte("two"))...)
		server.Reader.busy = &reading{partial: left[:len(left)-1], fresh: true}
		p := make([]byte, size)
		none := sourceFunc(func([]byte) int { t.Error("the socket is read"); return 0 })
		if got := server.Reader.Read(none, p, 0); got != (Got{N: 3, More: true}) || string(p[:3]) != "one" {
			t.Errorf("%+v %q", got, p[:3])
		}
		if got := server.Reader.Read(&script{left[len(left)-1:]}, p, 0); got != (Got{N: 3, In: 1}) || string(p[:3]) != "two" {
			t.Errorf("%+v %q", got, p[:3])
		}
	}
}

type sourceFunc func([]byte) int

func (f sourceFunc) Read(p []byte) int { return f(p) }

func TestKeyUpdatesAreCountedByTheSecond(t *testing.T) {
	server, client := newPair(aes128)
	p := make([]byte, bigP)
	for now := range uint32(5) {
		for i := range updatesMost {
			for _, piece := range [][]byte{askForUpdate[:1], askForUpdate[1:4], askForUpdate[4:]} {
				b := record(&client.Writer, typeHandshake, piece)
				got := server.Reader.Read(&script{b}, p, now)
				if got != (Got{N: poller.WouldBlock, In: len(b), Update: len(piece) == 1 && piece[0] == 1}) {
					t.Fatalf("second %d, update %d: %+v", now, i, got)
				}
			}
			client.Writer.update()
			client.Writer.busy.aead = nil
		}
	}
	b := record(&client.Writer, typeData, []byte("x"))
	if got := server.Reader.Read(&script{b}, p, 9); got.N != 1 || server.Reader.busy != nil {
		t.Errorf("%+v, %+v is kept", got, server.Reader.busy)
	}
}

func TestClientIgnoresTickets(t *testing.T) {
	server, client := newPair(aes256)
	two := append(ticket(300), ticket(5)...)
	var stream []byte
	for at := 0; at < len(two); at += 7 {
		stream = append(stream, record(&server.Writer, typeHandshake, two[at:min(at+7, len(two))])...)
	}
	stream = append(stream, record(&server.Writer, typeData, []byte("data"))...)
	got := readAll(&client.Reader, &chunks{stream, 100}, make([]byte, bigP))
	if string(got.plain) != "data" || got.end != Truncated {
		t.Errorf("%q, end %d %v", got.plain, got.end, got.alert)
	}
}

// A peer that sends in small pieces has no more kept for it than a record.
func TestWhatIsKeptIsBounded(t *testing.T) {
	server, client := newPair(aes128)
	b := record(&client.Writer, typeData, make([]byte, plainMost))
	p := make([]byte, bigP)
	for i := range b {
		server.Reader.Read(&script{b[i : i+1]}, p, 0)
		if busy := server.Reader.busy; busy != nil && cap(busy.partial) > 2*RecordMost {
			t.Fatalf("%d bytes are kept", cap(busy.partial))
		}
	}
	if server.Reader.busy != nil {
		t.Error("something is kept")
	}
}

func TestSessionsTalkAtRandom(t *testing.T) {
	for i := range 30 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(i), 17))
			server, client := newPair(suites[i%3])
			l := newLine(-1)
			l.takes = func(n int) int { return 1 + r.IntN(n) }
			var want []byte
			for range 40 {
				p := make([]byte, r.IntN(1<<r.IntN(17))+1)
				for i := range p {
					p[i] = byte(r.Uint32())
				}
				if n := server.Writer.Send(l.worker, nil, 0, p); n > 0 {
					want = append(want, p[:n]...)
				}
			}
			for server.Writer.Flush(l.worker, nil, 0) != 0 {
			}
			src := &chunks{l.bytes, 0}
			var got []byte
			for p := make([]byte, bigP); ; {
				src.most = 1 + r.IntN(30000)
				q := p[:1+r.IntN(len(p))]
				g := client.Reader.Read(src, q, 0)
				if g.N > 0 {
					got = append(got, q[:g.N]...)
				} else if g.N != poller.WouldBlock {
					break
				}
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes came, want %d", len(got), len(want))
			}
		})
	}
}

package frame

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

const limit = 70000

// client encodes a frame as a client does.
func client(op ws.OpCode, fin bool, payload string) []byte {
	var b bytes.Buffer
	h := ws.Header{Fin: fin, OpCode: op, Masked: true, Mask: [4]byte{0x12, 0xf0, 3, 0x80}, Length: int64(len(payload))}
	if err := ws.WriteHeader(&b, h); err != nil {
		panic(err)
	}
	body := []byte(payload)
	ws.Cipher(body, h.Mask, 0)
	return append(b.Bytes(), body...)
}

// decoded is what a stream amounts to: its messages and how it ended.
type decoded struct {
	messages []string // opcode and payload
	err      error
	rest     int // bytes left over
}

func (d *decoded) add(m Message) {
	d.messages = append(d.messages, string(rune('0'+m.Op))+string(m.Payload))
}

func (d decoded) equal(other decoded) bool {
	return strings.Join(d.messages, "\x00") == strings.Join(other.messages, "\x00") &&
		errors.Is(d.err, other.err) && (d.err != nil || d.rest == other.rest)
}

// decode feeds stream to a Decoder in the pieces that cut says.
func decode(t testing.TB, stream []byte, max int, cut func(rest int) int) (d decoded) {
	var dec Decoder
	var kept []byte
	for len(stream) > 0 {
		n := cut(len(stream))
		kept = append(kept, stream[:n]...)
		stream = stream[n:]
		for used := 1; used > 0; {
			m, n, ok, err := dec.Next(kept, max)
			if n < 0 || n > len(kept) {
				t.Fatalf("used %d of %d bytes", n, len(kept))
			}
			if err != nil {
				d.err = err
				return d
			}
			if ok {
				d.add(m)
			}
			used, kept = n, append([]byte(nil), kept[n:]...)
		}
		if w := Want(kept); w != 0 && w <= len(kept) {
			t.Fatalf("wants %d bytes, has %d", w, len(kept))
		}
	}
	d.rest = len(kept)
	return d
}

func whole(rest int) int { return rest }
func single(int) int     { return 1 }

// reference decodes with the library's blocking reader and the RFC's rules one
// after the other. It knows only whether there is a violation, and of what
// code.
func reference(stream []byte, max int) (d decoded, code ws.StatusCode) {
	r := bytes.NewReader(stream)
	var op ws.OpCode
	var message []byte
	for {
		start := r.Len()
		h, err := ws.ReadHeader(r)
		if err != nil {
			d.rest = start
			return d, 0
		}
		switch {
		case h.Rsv != 0, h.OpCode.IsReserved(), !h.Masked,
			h.OpCode.IsControl() && (!h.Fin || h.Length > 125),
			h.OpCode == ws.OpContinuation && op == 0,
			h.OpCode.IsData() && h.OpCode != ws.OpContinuation && op != 0:
			return d, 1002
		case h.OpCode.IsData() && int64(len(message))+h.Length > int64(max):
			return d, 1009
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			d.rest = start
			return d, 0
		}
		ws.Cipher(payload, h.Mask, 0)
		if h.OpCode.IsControl() {
			if h.OpCode == ws.OpClose {
				if err := checkClose(payload); err != nil {
					return d, err.(*Error).Code
				}
			}
			d.add(Message{h.OpCode, payload})
			continue
		}
		if h.OpCode != ws.OpContinuation {
			op = h.OpCode
		}
		message = append(message, payload...)
		if op == ws.OpText && !beginsUTF8(message, h.Fin) {
			return d, 1007
		}
		if h.Fin {
			d.add(Message{op, message})
			op, message = 0, nil
		}
	}
}

// beginsUTF8 reports whether up to three more bytes can make b valid.
func beginsUTF8(b []byte, end bool) bool {
	if utf8.Valid(b) {
		return true
	}
	for n := 1; n <= 3 && n <= len(b) && !end; n++ {
		if tail := b[len(b)-n:]; utf8.Valid(b[:len(b)-n]) && !utf8.FullRune(tail) {
			return true
		}
	}
	return false
}

func TestRules(t *testing.T) {
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	long := strings.Repeat("x", limit+1)
	raw := func(s string) []byte { return []byte(s) }
	cases := []struct {
		name   string
		stream []byte
		want   string // messages, joined by |
		err    error
	}{
		{"§5.2 text", client(ws.OpText, true, "hi"), "1hi", nil},
		{"§5.2 binary", client(ws.OpBinary, true, "\x00\xff"), "2\x00\xff", nil},
		{"§5.2 empty", client(ws.OpText, true, ""), "1", nil},
		{"§5.2 length 125", client(ws.OpText, true, long[:125]), "1" + long[:125], nil},
		{"§5.2 length 126", client(ws.OpText, true, long[:126]), "1" + long[:126], nil},
		{"§5.2 length 65535", client(ws.OpText, true, long[:65535]), "1" + long[:65535], nil},
		{"§5.2 length 65536", client(ws.OpText, true, long[:65536]), "1" + long[:65536], nil},
		{"§5.2 16-bit length of less than 126", raw("\x82\xfe\x00\x7d\x00\x00\x00\x00"), "", ErrBadLength},
		{"§5.2 64-bit length of less than 65536", raw("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00"), "", ErrBadLength},
		{"§5.2 64-bit length with the highest bit", raw("\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"), "", ErrBadLength},
		{"§5.2 RSV1", raw("\xc1\x80\x00\x00\x00\x00"), "", ErrReservedBits},
		{"§5.2 RSV2", raw("\xa1\x80\x00\x00\x00\x00"), "", ErrReservedBits},
		{"§5.2 RSV3", raw("\x91\x80\x00\x00\x00\x00"), "", ErrReservedBits},
		{"§5.2 opcode 3", raw("\x83"), "", ErrReservedOpcode},
		{"§5.2 opcode 7", raw("\x87"), "", ErrReservedOpcode},
		{"§5.2 opcode 11", raw("\x8b"), "", ErrReservedOpcode},
		{"§5.2 opcode 15", raw("\x8f"), "", ErrReservedOpcode},
		{"§5.1 unmasked", raw("\x81\x00"), "", ErrUnmasked},
		{"§5.4 fragments", join(client(ws.OpText, false, "a"), client(0, false, "b"), client(0, true, "c")), "1abc", nil},
		{"§5.4 empty fragments", join(client(ws.OpText, false, ""), client(0, true, "")), "1", nil},
		{"§5.4 control frames between", join(client(ws.OpText, false, "a"), client(ws.OpPing, true, "p"), client(0, true, "c")), "9p|1ac", nil},
		{"§5.4 continuation of nothing", client(0, true, "x"), "", ErrUnexpectedContinuation},
		{"§5.4 continuation behind the end", join(client(ws.OpText, false, "a"), client(0, true, "b"), client(0, true, "c")), "1ab", ErrUnexpectedContinuation},
		{"§5.4 message within a message", join(client(ws.OpText, false, "a"), client(ws.OpText, true, "b")), "", ErrExpectedContinuation},
		{"§5.5 ping and pong", join(client(ws.OpPing, true, long[:125]), client(ws.OpPong, true, "")), "9" + long[:125] + "|:", nil},
		{"§5.5 long control frame", raw("\x89\xfe"), "", ErrControlTooLong},
		{"§5.5 fragmented control frame", raw("\x09"), "", ErrControlFragmented},
		{"§5.5.1 close", client(ws.OpClose, true, ""), "8", nil},
		{"§5.5.1 close with a reason", client(ws.OpClose, true, "\x03\xe8bye é"), "8\x03\xe8bye é", nil},
		{"§5.5.1 close of one byte", client(ws.OpClose, true, "x"), "", ErrCloseTooShort},
		{"§5.5.1 close reason that is no UTF-8", client(ws.OpClose, true, "\x03\xe8\x80"), "", ErrBadUTF8},
		{"§8.1 text that is no UTF-8", client(ws.OpText, true, "\xff"), "", ErrBadUTF8},
		{"§8.1 surrogate", client(ws.OpText, true, "\xed\xa0\x80"), "", ErrBadUTF8},
		{"§8.1 overlong", client(ws.OpText, true, "\xc0\xaf"), "", ErrBadUTF8},
		{"§8.1 beyond Unicode", client(ws.OpText, true, "\xf4\x90\x80\x80"), "", ErrBadUTF8},
		{"§8.1 character over two fragments", join(client(ws.OpText, false, "\xe2\x82"), client(0, true, "\xac")), "1€", nil},
		{"§8.1 character cut off at the end", join(client(ws.OpText, false, "a"), client(0, true, "\xe2\x82")), "", ErrBadUTF8},
		{"§8.1 bad in the first fragment", client(ws.OpText, false, "ab\xffcd"), "", ErrBadUTF8},
		{"§8.1 binary need not be UTF-8", join(client(ws.OpBinary, false, "\xff"), client(0, true, "\xfe")), "2\xff\xfe", nil},
		{"§7.4.1 too big, from the header", client(ws.OpBinary, true, long)[:10], "", ErrTooBig},
		{"§7.4.1 too big over fragments", join(client(ws.OpBinary, false, long[:limit-1]), client(0, true, "xy")[:2]), "", ErrTooBig},
		{"§7.4.1 just not too big", join(client(ws.OpBinary, false, long[:limit-1]), client(0, true, "y")), "2" + long[:limit-1] + "y", nil},
		{"unfinished header", raw("\x81"), "", nil},
		{"unfinished frame", client(ws.OpText, true, "hello")[:9], "", nil},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			cuts := []func(int) int{whole}
			if len(tt.stream) < 1000 {
				cuts = append(cuts, single)
			}
			for _, cut := range cuts {
				got := decode(t, tt.stream, limit, cut)
				if s := strings.Join(got.messages, "|"); s != tt.want || !errors.Is(got.err, tt.err) {
					t.Fatalf("got %.100q, %v; want %.100q, %v", s, got.err, tt.want, tt.err)
				}
			}
		})
	}
}

func TestCloseCodesThatMayBeSent(t *testing.T) {
	for code := range ws.StatusCode(65535) {
		defined := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014
		private := code >= 3000 && code <= 4999
		if got := sendable(code); got != (defined || private) { // RFC 6455 §7.4 and its registry
			t.Errorf("close code %d: sendable %v", code, got)
		}
	}
}

// Random streams, mostly valid, come out the same whole, byte by byte, in
// random pieces, and from the reference.
func TestHowAStreamIsCutMakesNoDifference(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 7))
		stream := randomStream(r)
		max := []int{100, limit}[r.IntN(2)]
		want, code := reference(stream, max)
		for name, cut := range map[string]func(int) int{
			"whole": whole, "single bytes": single,
			"random pieces": func(rest int) int { return 1 + r.IntN(rest) },
		} {
			got := decode(t, stream, max, cut)
			var violation *Error
			early := code == 0 && want.rest > 0 // found in a frame that has not all come
			if found := errors.As(got.err, &violation); found != (code != 0) && !early || code != 0 && violation.Code != code {
				t.Fatalf("seed %d, %s: %v, want code %d", seed, name, got.err, code)
			}
			if want.err = got.err; !got.equal(want) {
				t.Fatalf("seed %d, %s: got %+v, want %+v", seed, name, got, want)
			}
		}
	}
}

func randomStream(r *rand.Rand) (stream []byte) {
	inside := false
	for range 1 + r.IntN(8) {
		payload := strings.Repeat("aé€😀", r.IntN(12))
		switch r.IntN(10) {
		case 0:
			stream = append(stream, client(ws.OpPing, true, payload[:min(len(payload), 125)])...)
		case 1:
			stream = append(stream, client(ws.OpCode(r.IntN(16)), r.IntN(2) == 0, payload)...)
		default:
			op := ws.OpCode(1 + r.IntN(2))
			if inside {
				op = 0
			}
			inside = r.IntN(2) == 0
			cut := len(payload)
			if r.IntN(3) == 0 {
				cut = r.IntN(cut + 1)
			}
			stream = append(stream, client(op, !inside, payload[:cut])...)
		}
	}
	if r.IntN(3) == 0 {
		stream[r.IntN(len(stream))] ^= byte(1 << r.IntN(8))
	}
	return stream[:len(stream)-r.IntN(2)*r.IntN(len(stream))]
}

func TestWholeFramesCostNoAllocation(t *testing.T) {
	f := client(ws.OpText, true, strings.Repeat("x", 128))
	b := make([]byte, len(f))
	var d Decoder
	if n := testing.AllocsPerRun(100, func() {
		copy(b, f)
		if _, _, ok, err := d.Next(b, limit); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func FuzzDecoder(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(randomStream(rand.New(rand.NewPCG(seed, 7))), uint8(3))
	}
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), uint8(1))
	f.Add([]byte("\x01\x80\x00\x00\x00\x00\x80\x80\x00\x00\x00\x00"), uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		const max = 1000
		a := decode(t, append([]byte(nil), stream...), max, whole)
		b := decode(t, stream, max, func(rest int) int { return min(rest, 1+int(step)) })
		if !a.equal(b) {
			t.Fatalf("whole: %+v\ncut: %+v", a, b)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, size := range []int{16, 128, 4096} {
		b.Run("bytes="+strconv.Itoa(size), func(b *testing.B) {
			f := client(ws.OpBinary, true, strings.Repeat("x", size))
			var d Decoder
			b.SetBytes(int64(len(f)))
			b.ReportAllocs()
			for b.Loop() {
				if _, n, _, _ := d.Next(f, limit); n != len(f) {
					b.Fatal(n)
				}
			}
		})
	}
}

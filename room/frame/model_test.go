package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"chatd/room/fuzzcorpus"
)

const limit = 70000

var plain = Rules{MaxMessage: limit}

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
	kind := string(rune('0' + m.Op))
	if m.Compressed {
		kind += "z"
	}
	d.messages = append(d.messages, kind+string(m.Payload))
}

func (d decoded) equal(other decoded) bool {
	return slices.Equal(d.messages, other.messages) && errors.Is(d.err, other.err) && (d.err != nil || d.rest == other.rest)
}

// decode feeds stream to a Decoder in the pieces that cut says. It overwrites
// what is used, as Next allows, and checks what Next promises of each call.
func decode(t testing.TB, stream []byte, rules Rules, cut func(rest int) int) (d decoded) {
	t.Helper()
	var dec Decoder
	var kept []byte
	for len(stream) > 0 {
		n := cut(len(stream))
		kept = append(kept, stream[:n]...)
		stream = stream[n:]
		for used := 1; used > 0; {
			before := bytes.Clone(kept)
			m, n, ok, err := dec.Next(kept, rules)
			switch {
			case n < 0 || n > len(kept):
				t.Fatalf("used %d of %d bytes", n, len(kept))
			case ok && (n == 0 || err != nil):
				t.Fatalf("message of %d bytes, error %v", n, err)
			case !bytes.Equal(kept[n:], before[n:]):
				t.Fatalf("changed what follows the %d bytes it used", n)
			case dec.fragments != nil && cap(dec.fragments.payload) > rules.MaxMessage+deflateRoom(rules.MaxMessage):
				t.Fatalf("allocated %d bytes for messages of %d", cap(dec.fragments.payload), rules.MaxMessage)
			}
			if err != nil {
				d.err = err
				return d
			}
			if ok {
				d.add(m)
			}
			for i := range kept[:n] {
				kept[i] = 0xaa
			}
			used, kept = n, kept[n:]
		}
		if w := Want(kept); w < 0 || w != 0 && w <= len(kept) {
			t.Fatalf("wants %d bytes, has %d", w, len(kept))
		}
	}
	d.rest = len(kept)
	return d
}

func whole(rest int) int { return rest }
func single(int) int     { return 1 }

// reference decodes with the library's blocking reader and the RFC's rules one
// after the other. Of a violation it knows only the close code.
func reference(stream []byte, rules Rules) (d decoded, code ws.StatusCode) {
	r := bytes.NewReader(stream)
	var op ws.OpCode
	var message []byte
	var compressed bool
	var fragments int
	for {
		start := r.Len()
		h, err := ws.ReadHeader(r)
		switch {
		case errors.Is(err, ws.ErrHeaderLengthMSB):
			return d, 1002
		case err != nil:
			d.rest = start
			return d, 0
		}
		first := h.OpCode == ws.OpText || h.OpCode == ws.OpBinary
		if first && op == 0 {
			compressed = h.Rsv1() && rules.Deflate
		}
		room := rules.MaxMessage - len(message)
		if compressed {
			room += deflateRoom(rules.MaxMessage)
		}
		switch {
		case h.Rsv2(), h.Rsv3(), h.Rsv1() && !(rules.Deflate && first), h.OpCode.IsReserved(), !h.Masked, ws.HeaderSize(h) != start-r.Len(),
			h.OpCode.IsControl() && (!h.Fin || h.Length > 125),
			h.OpCode == ws.OpContinuation && op == 0,
			h.OpCode.IsData() && h.OpCode != ws.OpContinuation && op != 0:
			return d, 1002
		case h.OpCode.IsData() && h.Length > int64(room):
			return d, 1009
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			d.rest = start
			return d, 0
		}
		ws.Cipher(payload, h.Mask, 0)
		if h.OpCode.IsControl() {
			if code := closeViolation(payload); h.OpCode == ws.OpClose && code != 0 {
				return d, code
			}
			d.add(Message{Op: h.OpCode, Payload: payload})
			continue
		}
		if h.OpCode != ws.OpContinuation {
			op = h.OpCode
		}
		if fragments++; !(first && h.Fin) && rules.MaxFragments > 0 && fragments > rules.MaxFragments {
			return d, 1008
		}
		message = append(message, payload...)
		if op == ws.OpText && !compressed && !beginsUTF8(message, h.Fin) {
			return d, 1007
		}
		if h.Fin {
			d.add(Message{op, message, compressed})
			op, message, compressed, fragments = 0, nil, false, 0
		}
	}
}

// closeViolation is the code that answers a close frame with this body, 0 if
// it is a good one.
func closeViolation(body []byte) ws.StatusCode {
	if len(body) == 0 {
		return 0
	}
	if len(body) == 1 {
		return 1002
	}
	switch code := binary.BigEndian.Uint16(body); {
	case code < 1000, code == 1004, code == 1005, code == 1006, code == 1015, code > 1015 && code < 3000, code > 4999:
		return 1002
	case !utf8.Valid(body[2:]):
		return 1007
	}
	return 0
}

// beginsUTF8 reports whether b is valid UTF-8, or if it is not the end,
// whether up to three more bytes can make it so.
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

// compare decodes stream with the cut and checks it against the reference.
func compare(t testing.TB, stream []byte, rules Rules, cut func(rest int) int) {
	t.Helper()
	want, code := reference(stream, rules)
	got := decode(t, stream, rules, cut)
	var violation *Error
	switch found := errors.As(got.err, &violation); {
	case found && code == 0: // in a header that has not all come: however it goes on
		for _, b := range []byte{0, 0x01, 0x7f, 0x80, 0x85, 0xfe, 0xff} {
			longer := append(bytes.Clone(stream), bytes.Repeat([]byte{b}, ws.MaxHeaderSize)...)
			if _, code := reference(longer, rules); code != violation.Code {
				t.Fatalf("%v is premature: going on with %#x it is code %d\nstream % x", violation, b, code, stream)
			}
		}
	case found != (code != 0), found && violation.Code != code:
		t.Fatalf("%v, want code %d\nstream % x", got.err, code, stream)
	}
	if want.err = got.err; !got.equal(want) {
		t.Fatalf("got %+v\nwant %+v\nstream % x", got, want, stream)
	}
}

// Random streams, mostly valid, come out as the reference says, whole, byte by
// byte, in random pieces and cut anywhere.
func TestHowAStreamIsCutMakesNoDifference(t *testing.T) {
	for seed := range uint64(3000) {
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			stream := randomStream(r)
			rules := Rules{MaxMessage: []int{100, limit}[r.IntN(2)], MaxFragments: []int{0, 0, 2}[r.IntN(3)], Deflate: r.IntN(2) == 0}
			compare(t, stream, rules, whole)
			compare(t, stream, rules, single)
			compare(t, stream, rules, func(rest int) int { return 1 + r.IntN(rest) })
			if seed >= 200 {
				return
			}
			for at := 1; at < len(stream); at++ {
				compare(t, stream[:at], rules, whole)
				compare(t, stream, rules, func(rest int) int {
					if rest == len(stream) {
						return at
					}
					return rest
				})
			}
		})
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
			f := client(op, !inside, payload[:cut])
			if r.IntN(4) == 0 {
				f[0] |= bitRsv1
			}
			stream = append(stream, f...)
		}
	}
	if r.IntN(3) == 0 {
		stream[r.IntN(len(stream))] ^= byte(1 << r.IntN(8))
	}
	return stream[:len(stream)-r.IntN(2)*r.IntN(len(stream))]
}

func FuzzDecoder(f *testing.F) {
	fuzzcorpus.Add(f)
	for seed := range uint64(40) {
		f.Add(randomStream(rand.New(rand.NewPCG(seed, 7))), uint8(3))
	}
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), uint8(1))
	f.Add([]byte("\x01\x80\x00\x00\x00\x00\x80\x80\x00\x00\x00\x00"), uint8(2))
	f.Add(bytes.Join([][]byte{client(ws.OpBinary, false, strings.Repeat("x", 600)), client(0, true, strings.Repeat("x", 400))}, nil), uint8(200))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		rules := Rules{MaxMessage: 1000, MaxFragments: int(step) % 5, Deflate: step%2 == 0}
		compare(t, stream, rules, whole)
		compare(t, stream, rules, func(rest int) int { return min(rest, 1+int(step)) })
		compare(t, stream, rules, func(rest int) int { return (rest + 1) / 2 })
	})
}

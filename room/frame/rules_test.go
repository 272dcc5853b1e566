package frame

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

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
		{"§5.2 top bit in a 64-bit length, from the header", raw("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"), "", ErrBadLength},
		{"§5.4 ping of a length that is beyond the limit's rest", join(client(ws.OpBinary, false, long[:limit-1]), client(ws.OpPing, true, "pp"), client(0, true, "y")), "9pp|2" + long[:limit-1] + "y", nil},
		{"§5.4 continuation in an unfinished frame", raw("\x80"), "", ErrUnexpectedContinuation},
		{"§5.4 message before a violation", join(client(ws.OpText, true, "a"), raw("\x83")), "1a", ErrReservedOpcode},
		{"§5.4 ping before a violation, between fragments", join(client(ws.OpText, false, "a"), client(ws.OpPing, true, ""), raw("\x81")), "9", ErrExpectedContinuation},
		{"§5.5 control frame with a 64-bit length", raw("\x8a\xff"), "", ErrControlTooLong},
		{"§5.5.1 close of code 1005", client(ws.OpClose, true, "\x03\xed"), "", ErrBadCloseCode},
		{"§5.5.1 close between fragments", join(client(ws.OpText, false, "a"), client(ws.OpClose, true, "\x03\xe8")), "8\x03\xe8", nil},
		{"§8.1 character over four fragments", join(client(ws.OpText, false, "\xf0"), client(0, false, "\x9f"), client(0, false, "\x98"), client(0, true, "\x80")), "1😀", nil},
		{"§8.1 second fragment that can't go on", join(client(ws.OpText, false, "\xe2\x82"), client(0, false, "x")), "", ErrBadUTF8},
		{"§8.1 surrogate over two fragments, at the first that shows it", client(ws.OpText, false, "\xed\xa0"), "", ErrBadUTF8},
		{"§8.1 continuation bytes alone", client(ws.OpText, false, "\x80\x80\x80"), "", ErrBadUTF8},
		{"§8.1 character cut off, then the end", join(client(ws.OpText, false, "\xe2"), client(0, true, "")), "", ErrBadUTF8},
		{"unfinished header", raw("\x81"), "", nil},
		{"unfinished frame", client(ws.OpText, true, "hello")[:9], "", nil},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			check := func(cut func(int) int) {
				t.Helper()
				got := decode(t, tt.stream, plain, cut)
				if s := strings.Join(got.messages, "|"); s != tt.want || !errors.Is(got.err, tt.err) {
					t.Fatalf("got %.100q, %v; want %.100q, %v", s, got.err, tt.want, tt.err)
				}
			}
			check(whole)
			if len(tt.stream) > 1000 {
				return
			}
			check(single)
			for at := range tt.stream { // in two pieces
				check(func(rest int) int {
					if rest == len(tt.stream) && at > 0 {
						return at
					}
					return rest
				})
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

func TestWantIsTheFramesLengthOnceThatIsKnown(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		f := client(ws.OpBinary, true, strings.Repeat("x", size))
		known := 2 // bytes up to the length's end
		if size > 125 {
			known = 4
		}
		if size > 65535 {
			known = 10
		}
		for n := range min(len(f), 20) {
			want := len(f)
			if n < known {
				want = 0
			}
			if got := Want(f[:n]); got != want {
				t.Errorf("first %d of a frame of %d bytes: wants %d, want %d", n, len(f), got, want)
			}
		}
	}
}

func TestWantOfALengthThatNoMemoryHasIsUnknown(t *testing.T) {
	if got := Want([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff")); got != 0 {
		t.Fatal(got)
	}
}

func TestALimitThatShrinksIsStillALimit(t *testing.T) {
	var d Decoder
	if _, _, _, err := d.Next(client(ws.OpBinary, false, "hello"), Rules{MaxMessage: 5}); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := d.Next(client(0, true, "x"), Rules{MaxMessage: 4}); err != ErrTooBig {
		t.Fatal(err)
	}
}

func TestDecoderIsOnePointerWide(t *testing.T) {
	if size := unsafe.Sizeof(Decoder{}); size != unsafe.Sizeof(uintptr(0)) {
		t.Fatalf("%d bytes", size)
	}
}

func TestAnUnfinishedFrameIsLeftAsItCame(t *testing.T) {
	first, second := client(ws.OpText, true, "first"), client(ws.OpText, true, "second")
	stream := append(bytes.Clone(first), second[:len(second)-1]...)
	var d Decoder
	m, n, ok, err := d.Next(stream, plain)
	if !ok || err != nil || string(m.Payload) != "first" {
		t.Fatalf("%+v, %v, %v", m, ok, err)
	}
	if _, more, ok, err := d.Next(stream[n:], plain); more != 0 || ok || err != nil {
		t.Fatal(more, ok, err)
	}
	if got := stream[n:]; !bytes.Equal(got, second[:len(second)-1]) {
		t.Fatalf("became % x", got)
	}
}

package frame

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"chatd/room/fuzzcorpus"
)

func TestFramesAreEncodedAsTheLibraryDoesAndKnowTheirLength(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 200000} {
		payload := bytes.Repeat([]byte{'x'}, size)
		got := AppendMessage(nil, ws.OpBinary, payload)
		var want bytes.Buffer
		if err := ws.WriteFrame(&want, ws.NewBinaryFrame(payload)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%d bytes: header % x, want % x", size, got[:10], want.Bytes()[:10])
		}
		if n := Len(append(got, "what follows"...)); n != len(got) {
			t.Errorf("%d bytes: length %d, want %d", size, n, len(got))
		}
	}
}

func TestCloseReasonIsCutBetweenCharacters(t *testing.T) {
	for _, reason := range []string{"", "bye", strings.Repeat("x", 123), strings.Repeat("x", 124), strings.Repeat("€", 50), "x" + strings.Repeat("😀", 40)} {
		f := AppendClose(nil, 1001, reason)
		code, got := ws.ParseCloseFrameData(f[2:])
		if len(f)-2 > 125 || code != 1001 || !utf8.ValidString(got) || !strings.HasPrefix(reason, got) || len(reason) <= 123 && got != reason {
			t.Errorf("%q became %d %q", reason, code, got)
		}
	}
}

func TestCloseOfCode0IsEmpty(t *testing.T) {
	if got := AppendClose(nil, 0, "not said"); string(got) != "\x88\x00" {
		t.Fatalf("% x", got)
	}
}

func TestCloseReasonThatIsNoUTF8IsCutTo123Bytes(t *testing.T) {
	for _, reason := range []string{strings.Repeat("\x80", 200), strings.Repeat("\xff", 200)} {
		if f := AppendClose(nil, 1000, reason); len(f) > 127 || Len(f) != len(f) {
			t.Errorf("frame of %d bytes", len(f))
		}
	}
}

func TestPingIsEmptyAndCantBeOverwrittenByAppending(t *testing.T) {
	if string(Ping) != "\x89\x00" || cap(Ping) != len(Ping) {
		t.Fatalf("% x, capacity %d", Ping, cap(Ping))
	}
}

func TestNoHeaderIsLongerThanMaxHeader(t *testing.T) {
	for _, n := range []int{0, 125, 126, 65535, 65536, 1 << 40} {
		h := AppendHeader(nil, ws.OpText, n)
		if len(h) > MaxHeader || Len(h) != len(h)+n {
			t.Errorf("%d bytes: header % x", n, h)
		}
	}
}

func TestCloseReplyCarriesTheCodeAlone(t *testing.T) {
	for body, want := range map[string]string{"": "\x88\x00", "\x03\xe8": "\x88\x02\x03\xe8", "\x03\xe8bye": "\x88\x02\x03\xe8"} {
		if got := AppendCloseReply(nil, []byte(body)); string(got) != want {
			t.Errorf("reply to %q: %q, want %q", body, got, want)
		}
	}
}

func FuzzEncode(f *testing.F) {
	fuzzcorpus.Add(f)
	f.Add([]byte("hello"), byte(1))
	f.Add(bytes.Repeat([]byte{0}, 126), byte(2))
	f.Add(bytes.Repeat([]byte{1}, 65536), byte(10))
	f.Fuzz(func(t *testing.T, payload []byte, op byte) {
		b := AppendMessage(nil, ws.OpCode(op&15), payload)
		if n := Len(b); n != len(b) {
			t.Fatalf("length %d, want %d", n, len(b))
		}
		if header := len(b) - len(payload); Len(b[:header]) != len(b) || header > MaxHeader {
			t.Fatalf("header of %d bytes tells %d, want %d", header, Len(b[:header]), len(b))
		}
		if got := AppendMessage([]byte("before"), ws.OpCode(op&15), payload); string(got) != "before"+string(b) {
			t.Fatal("not appended")
		}
		r := bytes.NewReader(b)
		h, err := ws.ReadHeader(r)
		if err != nil || !h.Fin || h.Masked || h.OpCode != ws.OpCode(op&15) || int(h.Length) != len(payload) {
			t.Fatalf("%+v, %v", h, err)
		}
		if !bytes.Equal(b[len(b)-r.Len():], payload) {
			t.Fatal("payload differs")
		}
	})
}

package soak

import (
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

func TestMessageIsOnlyWhatWasSent(t *testing.T) {
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		for size := minMessage; size < 3000; size += 7 {
			m := message{id: identity{1<<21 - 1 - uint32(size), 1<<35 - 1 - uint64(size)}, size: size, op: op}
			m.trim()
			payload := m.encode(nil)
			if len(payload) != m.size || m.size > size || m.size < size-2 && op == ws.OpText || op == ws.OpText && !utf8.Valid(payload) {
				t.Fatalf("%v of %d bytes became one of %d bytes: %q", op, size, len(payload), payload)
			}
			if identify(payload) != m.id || !m.matches(op, payload) {
				t.Fatalf("%v of %d bytes is not itself", op, size)
			}
			for i := range payload {
				payload[i] ^= 1
				if m.matches(op, payload) {
					t.Fatalf("%v of %d bytes is itself with byte %d changed", op, size, i)
				}
				payload[i] ^= 1
			}
			if m.matches(op, payload[:len(payload)-1]) || m.matches(op, append(payload, 0)) || m.matches(op^3, payload) {
				t.Fatalf("%v of %d bytes matches another length or type", op, size)
			}
		}
	}
}

func TestLongestMessageHasFiller(t *testing.T) {
	for seq := range uint64(1000) {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			m := message{id: identity{7, seq}, size: mostMessage, op: op}
			if got := len(m.encode(nil)); got != mostMessage {
				t.Fatalf("%d bytes", got)
			}
		}
	}
}

func TestDeflatedMessageInflates(t *testing.T) {
	var d deflater
	var i inflater
	for size := minMessage; size <= mostMessage; size = size*3 + 1 {
		m := message{size: size, op: ws.OpText, id: identity{1, uint64(size)}}
		m.trim()
		payload, err := i.inflate(d.deflate(m.encode(nil)))
		if err != nil || !m.matches(ws.OpText, payload) {
			t.Fatalf("%d bytes: %v", size, err)
		}
	}
	if _, err := i.inflate([]byte("no deflate")); err == nil {
		t.Error("noise was inflated")
	}
}

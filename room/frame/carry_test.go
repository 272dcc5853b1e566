package frame

import (
	"bytes"
	"reflect"
	"testing"

	"chatd/room/carry"
	"chatd/room/carry/carrytest"
)

func TestEachFieldOfADecoderIsCarried(t *testing.T) {
	carrytest.Fields(t, Decoder{}, carrytest.Carried("fragments"))
	carrytest.Fields(t, fragments{}, carrytest.Carried("op", "compressed", "count", "payload"),
		carrytest.Rebuilt("checked", "all is looked at again"))
}

// A message comes whole though its Decoder was replaced between any two of its frames, and
// what is wrong with it is found.
func TestDecoderIsCarriedBetweenAnyTwoFrames(t *testing.T) {
	rules := Rules{MaxMessage: 100, MaxFragments: 9, Deflate: true}
	masked := func(first byte, payload string) []byte {
		return append([]byte{first, bitMask | byte(len(payload)), 0, 0, 0, 0}, payload...)
	}
	for _, tt := range []struct {
		name   string
		frames [][]byte
		want   string
		err    error
	}{
		{"text", [][]byte{masked(0x01, "a\xf0\x9f"), masked(0x89, "ping"), masked(0x00, "\x98"), masked(0x80, "\x80b")}, "a\U0001f600b", nil},
		{"binary", [][]byte{masked(0x02, "\xff"), masked(0x00, ""), masked(0x80, "\xfe")}, "\xff\xfe", nil},
		{"compressed", [][]byte{masked(0x41, "\xff"), masked(0x00, "x"), masked(0x80, "\xfe")}, "\xffx\xfe", nil},
		{"bad text", [][]byte{masked(0x01, "a\xf0"), masked(0x00, "b")}, "", ErrBadUTF8},
		{"text that is cut", [][]byte{masked(0x01, "a\xf0\x9f"), masked(0x80, "")}, "", ErrBadUTF8},
		{"a message in a message", [][]byte{masked(0x01, "a"), masked(0x81, "")}, "", ErrExpectedContinuation},
	} {
		d := new(Decoder)
		var got Message
		var err error
		for _, f := range tt.frames {
			for b := bytes.Clone(f); len(b) > 0 && err == nil; {
				m, n, ok, failed := d.Next(b, rules)
				if b, err = b[n:], failed; ok && !m.Op.IsControl() {
					got = m
				}
			}
			r := carrytest.Read(t, d.Carry)
			next := new(Decoder)
			next.Restore(r)
			if f := d.fragments; f != nil {
				f.checked = 0
			}
			if failed := r.Close(); failed != nil || !reflect.DeepEqual(next, d) {
				t.Fatalf("%s: %+v, want %+v; %v", tt.name, next.fragments, d.fragments, failed)
			}
			carrytest.Damage(t, d.Carry, func(r *carry.Reader) {
				d := new(Decoder)
				if d.Restore(r); r.Err() == nil {
					for _, f := range tt.frames {
						_, _, _, _ = d.Next(bytes.Clone(f), Rules{MaxMessage: 3, MaxFragments: 1})
					}
				}
			})
			d = next
		}
		if err != tt.err || tt.err == nil && (string(got.Payload) != tt.want || !d.AtRest()) {
			t.Errorf("%s: %q, %v", tt.name, got.Payload, err)
		}
	}
}

func TestDecoderThatCannotBeIsRefused(t *testing.T) {
	for name, f := range map[string]fragments{
		"of no opcode": {count: 1},
		"a ping":       {op: 9, count: 1},
	} {
		r := carrytest.Read(t, (&Decoder{&f}).Carry)
		var d Decoder
		if d.Restore(r); r.Err() == nil || !d.AtRest() {
			t.Errorf("%s: %+v", name, d.fragments)
		}
	}
}

package stored

import (
	"reflect"
	"testing"

	"chatd/room/fuzzcorpus"
)

// What the file has is read without a panic, whatever it is, and written again it is the same.
func FuzzValue(f *testing.F) {
	fuzzcorpus.Add(f)
	m := said(1)
	m.Binary, m.Nonce = true, "n"
	f.Add(appendMessage(nil, 7, &m)[sumSize:])
	f.Add(appendRoom(nil, &room{id: 1, epoch: 2})[sumSize:])
	f.Add([]byte{1, 2, 3, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		b := sign(append(make([]byte, sumSize), value...))
		if id, m, ok := decodeMessage(b); ok {
			if otherID, other, ok := decodeMessage(appendMessage(nil, id, &m)); !ok || otherID != id || !reflect.DeepEqual(other, m) {
				t.Fatalf("%+v became %+v, %v", m, other, ok)
			}
		}
		if r, ok := decodeRoom("a", b); ok {
			if other, ok := decodeRoom("a", appendRoom(nil, r)); !ok || !reflect.DeepEqual(other, r) {
				t.Fatalf("%+v became %+v, %v", r, other, ok)
			}
		}
		b[0] ^= 1
		if _, _, ok := decodeMessage(b); ok {
			t.Fatal("a value with a wrong sum is taken")
		}
	})
}

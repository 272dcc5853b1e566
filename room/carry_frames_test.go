package room

import (
	"bytes"
	"crypto/rand"
	"testing"

	"chatd/room/carry"
)

func TestFramesForWhichManyWaitAreCarriedOnce(t *testing.T) {
	withoutSockets(t)
	m := newModel()
	sh := newShard(m.server)
	m.server.shards.list.Store(&[]*shard{sh})
	one, other := make([]byte, 64<<10), make([]byte, 1000)
	rand.Read(one)
	rand.Read(other)
	var waiting [][]byte
	for i := range 1000 {
		waiting = append(waiting, one[i*7%5000:len(one)-i%3])
	}
	waiting = append(waiting, other[500:], other[:100], other[200:300], other[250:400], one[len(one)-1:])
	for i, b := range waiting {
		sh.lagging = append(sh.lagging, &outbox{rest: []piece{{b, pieceFrames}}, index: int32(i)})
	}
	var state bytes.Buffer
	to := carry.NewWriter(&state)
	w := &carrier{Writer: to, server: m.server}
	m.server.carryFrames(w)
	for _, b := range waiting {
		w.piece(b)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if n := state.Len(); n > len(one)+len(other)+10*len(waiting) {
		t.Errorf("%d bytes", n)
	}
	from, err := carry.NewReader(state.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	r := &restorer{Reader: from}
	r.restoreFrames()
	for i, b := range waiting {
		if got := r.piece(); !bytes.Equal(got, b) {
			t.Fatalf("of %d it is another: %d bytes, and not %d", i, len(got), len(b))
		}
	}
	if err := from.Close(); err != nil {
		t.Error(err)
	}
}

package carrytest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"

	"chatd/room/carry"
)

// Read reads what write writes.
func Read(t testing.TB, write func(*carry.Writer)) *carry.Reader {
	t.Helper()
	r, err := carry.NewReader(state(t, write))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func state(t testing.TB, write func(*carry.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := carry.NewWriter(&b)
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Parts of a state, see FORMAT.md.
const (
	headSize    = 8 + 1
	trailerSize = 8 + 4
)

// allowance is the memory in bytes that a reader may take for the damage at one place,
// besides what the state is worth.
const allowance = 16 << 20

// around is how many bytes before and behind the damage are shown.
const around = 50

// Damage has read read what write writes, with damage that the checksum does not find,
// as if a program had written what can't be. Each time, read makes what it reads afresh,
// and uses it if there is no error: none of that may panic, nor take memory out of all
// proportion.
func Damage(t testing.TB, write func(*carry.Writer), read func(*carry.Reader)) {
	t.Helper()
	good := state(t, write)
	good = good[:len(good)-trailerSize]
	try := func(what string, at int, b []byte) {
		t.Helper()
		r, err := carry.NewReader(seal(b))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			t.Helper()
			if p := recover(); p != nil {
				from, to := max(at-around, headSize), min(at+around, len(b))
				t.Errorf("%s at byte %d of %d: %v\n… %x …\n%s", what, at, len(b), p, b[from:to], debug.Stack())
			}
		}()
		read(r)
	}
	random := rand.New(rand.NewPCG(1, 2))
	const places = 80 // of a long state, so many
	for n := range min(len(good)-headSize, places) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		at := headSize + n
		if len(good)-headSize > places {
			at = headSize + random.IntN(len(good)-headSize)
		}
		for _, to := range []byte{0, 1, good[at] + 1, good[at] - 1, good[at] ^ 0x80, 0x7f, 0xff, byte(random.Uint32())} {
			b := bytes.Clone(good)
			b[at] = to
			try("another byte", at, b)
		}
		try("cut", at, bytes.Clone(good[:at]))
		large := binary.AppendUvarint(bytes.Clone(good[:at]), random.Uint64()>>random.IntN(64))
		try("another number", at, append(large, good[at+1:]...))
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > allowance+1000*uint64(len(good)) {
			t.Errorf("%d bytes of memory for %d, with damage at byte %d", taken, len(good), at)
		}
	}
}

// seal makes a state of what comes before its trailer.
func seal(b []byte) []byte {
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(b)))
	return binary.LittleEndian.AppendUint32(b, sum)
}

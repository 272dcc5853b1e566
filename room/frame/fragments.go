package frame

import (
	"bytes"
	"math"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"chatd/room/carry"
)

// fragments is a message of which some frames have come (RFC 6455 §5.4).
type fragments struct {
	op         ws.OpCode // of the first frame
	compressed bool
	count      int // of fragments
	payload    []byte
	checked    int // bytes of payload that are known to be whole UTF-8 characters
}

// Carry writes what the Decoder keeps.
func (d *Decoder) Carry(w *carry.Writer) {
	f := d.fragments
	w.Bool(f != nil)
	if f == nil {
		return
	}
	w.Uint(uint64(f.op))
	w.Bool(f.compressed)
	w.Uint(uint64(f.count))
	w.Bytes(f.payload)
}

// Restore reads what Carry has written. The Decoder's rules may be others by now. Whether
// text is UTF-8 is looked at from its beginning.
func (d *Decoder) Restore(r *carry.Reader) {
	if !r.Bool() {
		return
	}
	f := &fragments{
		op:         ws.OpCode(r.UpTo(bitsOp)),
		compressed: r.Bool(),
		count:      int(r.UpTo(math.MaxInt)),
		payload:    bytes.Clone(r.Bytes()),
	}
	if f.op != ws.OpText && f.op != ws.OpBinary {
		r.Fail("a message of the opcode %d", f.op)
		return
	}
	d.fragments = f
}

// add takes one fragment's payload in. The memory grows by doubling, but never
// beyond limit, which the header's check has made large enough.
func (f *fragments) add(payload []byte, limit int) {
	if n := len(f.payload) + len(payload); n > cap(f.payload) {
		grown := make([]byte, len(f.payload), max(n, min(2*cap(f.payload), limit)))
		copy(grown, f.payload)
		f.payload = grown
	}
	f.payload = append(f.payload, payload...)
}

// checkUTF8 reports whether what came so far is the beginning of valid UTF-8,
// or at the end is all of it (RFC 6455 §8.1). Each byte is looked at once, but
// for those of a character that a fragment cuts.
func (f *fragments) checkUTF8(end bool) bool {
	fresh := f.payload[f.checked:]
	if !end {
		fresh = fresh[:len(fresh)-cutOff(fresh)]
	}
	f.checked += len(fresh)
	return utf8.Valid(fresh)
}

// cutOff is how many bytes at the end of b begin a character that may be
// completed by more of them.
func cutOff(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

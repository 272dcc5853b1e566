package frame

import (
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// fragments is a message of which some frames have come (RFC 6455 §5.4).
type fragments struct {
	op         ws.OpCode // of the first frame
	compressed bool
	count      int // of fragments
	payload    []byte
	checked    int // bytes of payload that are known to be whole UTF-8 characters
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

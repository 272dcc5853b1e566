// Package position reads and writes positions: a reader's place in a room, which
// it gives back when it returns. To clients they are opaque.
//
//	epoch.seq       9f3c21aa.1041
//	epoch.seq.at    9f3c21aa.1041.1764064800123
//
// It is pure: no room, no log, no clock.
package position

import (
	"strconv"
	"strings"
)

// Position is the last message of a room that a reader has seen.
type Position struct {
	Epoch uint32 // the room's: a new one when its memory was lost
	Seq   uint64 // the message's number, from 1; 0: before the first
	At    int64  // the message's time in ms; -1: not given
}

// end is the first number that is too large for a position: what JavaScript can
// count exactly is below.
const end = 1 << 53

// Parse reads a position that is written as Append writes it, and in no other way.
func Parse(s string) (p Position, ok bool) {
	epoch, rest, ok := strings.Cut(s, ".")
	if !ok {
		return Position{}, false
	}
	seq, at, timed := strings.Cut(rest, ".")
	p = Position{At: -1}
	if p.Epoch, ok = parseEpoch(epoch); !ok {
		return Position{}, false
	}
	if p.Seq, ok = parseNumber(seq); !ok {
		return Position{}, false
	}
	if timed {
		ms, ok := parseNumber(at)
		if !ok {
			return Position{}, false
		}
		p.At = int64(ms)
	}
	return p, true
}

// Append appends the position to b.
func (p Position) Append(b []byte) []byte {
	b = append(AppendEpoch(b, p.Epoch), '.')
	b = strconv.AppendUint(b, p.Seq, 10)
	if p.At >= 0 {
		b = strconv.AppendInt(append(b, '.'), p.At, 10)
	}
	return b
}

// String implements fmt.Stringer.
func (p Position) String() string { return string(p.Append(nil)) }

const hexDigits = "0123456789abcdef"

// AppendEpoch appends an epoch to b, as 8 hexadecimal digits.
func AppendEpoch(b []byte, epoch uint32) []byte {
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[epoch>>shift&15])
	}
	return b
}

func parseEpoch(s string) (epoch uint32, ok bool) {
	if len(s) != 8 {
		return 0, false
	}
	for i := range len(s) {
		digit := strings.IndexByte(hexDigits, s[i])
		if digit < 0 {
			return 0, false
		}
		epoch = epoch<<4 | uint32(digit)
	}
	return epoch, true
}

// parseNumber reads a decimal number below end, without a sign or leading zeros.
func parseNumber(s string) (n uint64, ok bool) {
	if len(s) == 0 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + uint64(c-'0'); n >= end {
			return 0, false
		}
	}
	return n, true
}

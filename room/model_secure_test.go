package room

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"chatd/poller"
	"chatd/poller/tls13"
)

// In the model a record of data has one byte: then a client that speaks TLS is to be
// written to, and dropped, exactly as any other. What its socket takes are those bytes;
// of the last record of which it takes any it often takes a part, so that the server has
// to go on with it.

// recordOf1 is the size of a record of one byte.
const recordOf1 = 5 + 1 + 1 + 16

// wire is what a simulated socket has whose client speaks TLS. It finds out if a number
// is used twice: what follows a part of a record must be its rest, and what the client
// gets must be what can be opened under one number after the other.
type wire struct {
	peer   *tls13.Session // the client's
	random *rand.Rand
	came   []byte // records of which something was taken, and that are yet to be opened
	left   []byte // of the last one, what was not taken
	second uint32 // of the client's clock
	ended  bool   // the client was told that this is the end
	wrong  string
}

// newWire is a client that speaks TLS, and its wire.
func newWire(number int) (*client, *wire) {
	random := rand.New(rand.NewPCG(uint64(number), 2))
	var secrets [2][32]byte
	for i := range secrets {
		for k := range secrets[i] {
			secrets[i][k] = byte(random.Uint32())
		}
	}
	up, down := secrets[0][:], secrets[1][:]
	c := newSecure()
	*c.secured() = tls13.NewSession(tls.TLS_AES_128_GCM_SHA256, false, up, down).Move()
	c.status.Or(statusSecure)
	return c, &wire{peer: tls13.NewSession(tls.TLS_AES_128_GCM_SHA256, true, down, up), random: random}
}

// sendRecords is a Send to a client that speaks TLS.
func (s *socket) sendRecords(p []byte) (n int) {
	t := s.wire
	if k := len(t.left); k > 0 {
		if !bytes.HasPrefix(p, t.left) {
			t.wrong = "what follows a part of a record is not its rest"
			return -5 // EIO
		}
		if s.free == 0 {
			k = t.random.IntN(k)
		}
		t.left, p, n = t.left[k:], p[k:], k
	}
	for len(t.left) == 0 && len(p) > 0 && s.free > 0 {
		size := 5 + int(binary.BigEndian.Uint16(p[3:]))
		t.came = append(t.came, p[:size]...)
		if size == recordOf1 {
			s.free--
		}
		k := size
		if t.random.IntN(8) == 0 || s.free == 0 && t.random.IntN(2) == 0 {
			k = 1 + t.random.IntN(size-1)
		}
		t.left, p, n = bytes.Clone(p[k:size]), p[k:], n+k
	}
	if n == 0 {
		s.free, s.late = s.late, 0
		return poller.WouldBlock
	}
	return n
}

// open opens what has come, and returns what is wrong with it, or "".
func (s *socket) open() string {
	t := s.wire
	if t == nil || s.reset || len(t.came) == 0 {
		return ""
	}
	if t.ended {
		return "something comes behind the end"
	}
	t.second++ // nobody changes keys too often
	var p [poller.ScratchSize]byte
	for {
		got := t.peer.Reader.Read((*cameFrom)(t), p[:], t.second)
		switch {
		case got.N > 0:
			s.got = append(s.got, p[:got.N]...)
		case got.N == 0:
			t.ended = true
			return t.wrong
		case got.N != poller.WouldBlock:
			return fmt.Sprintf("what came can't be opened: %d %v", got.N, got.Alert)
		case len(t.came) == 0:
			return t.wrong
		}
	}
}

// cameFrom is a wire that its client reads from.
type cameFrom wire

// Read implements tls13.Source.
func (t *cameFrom) Read(p []byte) int {
	if len(t.came) == 0 {
		return poller.WouldBlock
	}
	n := copy(p, t.came)
	t.came = t.came[n:]
	return n
}

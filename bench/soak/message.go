package soak

import (
	"bytes"
	"math/rand/v2"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// minMessage is the length in bytes of the shortest message: its identity.
const minMessage = 8

// message is what was sent, as far as it can't be computed from its identity.
type message struct {
	id   identity
	size int
	op   ws.OpCode // OpText or OpBinary
	sent int64     // nanoseconds, load.Now
}

// identity is the number of a publisher, from 0, and of its message, from 0.
type identity struct {
	publisher uint32 // 21 bits
	seq       uint64 // 35 bits
}

// A payload is the identity in 8 bytes of 7 bits each, so that it is UTF-8,
// and then filler: of words in a text message, of noise in a binary one.
const seqBits, digitBits = 35, 7

var wordy, noisy = filler()

func filler() (text, noise []byte) {
	r := rand.New(rand.NewPCG(3, 4))
	words := bytes.Fields([]byte("the a room of many people who talk and listen where every word is heard once by all in one order naïve café 日本 ✓"))
	for len(text) <= 2*mostMessage {
		text = append(append(text, words[r.IntN(len(words))]...), ' ')
	}
	for range len(text) {
		noise = append(noise, byte(r.Uint32()))
	}
	return text, noise
}

// filler is somewhere else for each message, and begins where a character does.
func (m *message) filler() []byte {
	from := int((m.id.seq*7919 + uint64(m.id.publisher)*104729) % mostMessage)
	if m.op == ws.OpBinary {
		return noisy[from:]
	}
	for !utf8.RuneStart(wordy[from]) {
		from--
	}
	return wordy[from:]
}

// trim shortens a text that ends within a character.
func (m *message) trim() {
	filler := m.filler()
	for m.op == ws.OpText && m.size > minMessage && !utf8.RuneStart(filler[m.size-minMessage]) {
		m.size--
	}
}

// digits are the first bytes of the payload.
func (id identity) digits() (d [minMessage]byte) {
	bits := uint64(id.publisher)<<seqBits | id.seq
	for i := range d {
		d[i] = byte(bits>>(digitBits*(minMessage-1-i))) & (1<<digitBits - 1)
	}
	return d
}

// identify reads the identity of a payload, which is long enough.
func identify(payload []byte) identity {
	bits := uint64(0)
	for _, digit := range payload[:minMessage] {
		bits = bits<<digitBits | uint64(digit)
	}
	return identity{uint32(bits >> seqBits), bits & (1<<seqBits - 1)}
}

// encode appends the payload to dst.
func (m *message) encode(dst []byte) []byte {
	d := m.id.digits()
	return append(append(dst, d[:]...), m.filler()[:m.size-minMessage]...)
}

// matches reports whether what came is m, intact.
func (m *message) matches(op ws.OpCode, payload []byte) bool {
	if op != m.op || len(payload) != m.size {
		return false
	}
	d := m.id.digits()
	return bytes.Equal(payload[:minMessage], d[:]) && bytes.Equal(payload[minMessage:], m.filler()[:m.size-minMessage])
}

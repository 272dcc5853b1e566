package tls13

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"math"

	"golang.org/x/crypto/chacha20poly1305"
)

// suite is one of the three of TLS 1.3.
type suite uint8

const (
	aes128 suite = iota + 1
	aes256
	chacha
)

// suiteOf is the suite that crypto/tls calls id, 0 if there is none.
func suiteOf(id uint16) suite {
	switch id {
	case tls.TLS_AES_128_GCM_SHA256:
		return aes128
	case tls.TLS_AES_256_GCM_SHA384:
		return aes256
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		return chacha
	}
	return 0
}

const (
	nonceSize  = 12
	tagSize    = 16
	secretMost = sha512.Size384
)

func (s suite) secretSize() int {
	if s == aes256 {
		return sha512.Size384
	}
	return sha256.Size
}

func (s suite) keySize() int {
	if s == aes128 {
		return 16
	}
	return 32
}

// expand is HKDF-Expand-Label without a context (RFC 8446 §7.1).
func (s suite) expand(secret []byte, label string, size int) []byte {
	const prefix = "tls13 "
	info := make([]byte, 0, 32)
	info = binary.BigEndian.AppendUint16(info, uint16(size))
	info = append(info, byte(len(prefix)+len(label)))
	info = append(info, prefix...)
	info = append(info, label...)
	info = append(info, 0)
	var out []byte
	var err error
	if s == aes256 {
		out, err = hkdf.Expand(sha512.New384, secret, string(info), size)
	} else {
		out, err = hkdf.Expand(sha256.New, secret, string(info), size)
	}
	if err != nil {
		panic(err) // only for sizes that are not asked for here
	}
	return out
}

// keys is what one direction of a connection has: its secret, what is derived from it,
// and the number of the next record. It is 72 bytes for every suite.
type keys struct {
	seq uint64
	// The traffic secret: 48 bytes, or 32. Then the key of AES-128 is behind it, which
	// nearly all connections use; those of the others are derived when a cipher is built.
	material [secretMost]byte
	iv       [nonceSize]byte
	suite    suite

	client  bool  // the Reader's: it reads as a client does
	useless uint8 // the Reader's: records without data, in a row

	owes uint8 // the Writer's: see there
}

// set begins with a secret, at the record number 0.
func (k *keys) set(s suite, secret []byte) {
	k.suite, k.seq = s, 0
	clear(k.material[copy(k.material[:], secret):])
	if s == aes128 {
		key := s.expand(secret, "key", s.keySize())
		copy(k.material[s.secretSize():], key)
		clear(key)
	}
	iv := s.expand(secret, "iv", nonceSize)
	copy(k.iv[:], iv)
	clear(iv)
}

// update goes on with the next secret (RFC 8446 §7.2), at the record number 0. The one
// before is overwritten.
func (k *keys) update() {
	next := k.suite.expand(k.secret(), "traffic upd", k.suite.secretSize())
	k.set(k.suite, next)
	clear(next)
}

func (k *keys) secret() []byte { return k.material[:k.suite.secretSize()] }

// aead builds the cipher.
func (k *keys) aead() cipher.AEAD {
	var c cipher.AEAD
	var err error
	key := k.material[secretMost-16:]
	if k.suite != aes128 {
		key = k.suite.expand(k.secret(), "key", k.suite.keySize())
		defer clear(key)
	}
	if k.suite == chacha {
		c, err = chacha20poly1305.New(key)
	} else {
		var block cipher.Block
		if block, err = aes.NewCipher(key); err == nil {
			c, err = cipher.NewGCM(block)
		}
	}
	if err != nil {
		panic(err) // only for keys of another size
	}
	return c
}

// nonce is that of the record number seq (RFC 8446 §5.3).
func (k *keys) nonce(to *[nonceSize]byte, seq uint64) {
	*to = k.iv
	tail := to[nonceSize-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^seq)
}

// append appends the keys as they are, and nothing that would have to be derived again.
func (k *keys) append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, byte(k.suite)), k.seq)
	b = append(append(b, k.material[:]...), k.iv[:]...)
	return append(appendBool(b, k.client), k.useless, k.owes)
}

func (k *keys) parse(p *parser) {
	k.suite = suite(p.byte(byte(chacha)))
	p.require(k.suite >= aes128)
	k.seq = p.uint(math.MaxUint64)
	p.fill(k.material[:])
	p.fill(k.iv[:])
	k.client = p.bool()
	k.useless = p.byte(uselessMost + 1)
	k.owes = p.byte(owesUpdate | owesAlert | ended)
}

// wipe forgets the secret and what was derived from it.
func (k *keys) wipe() {
	clear(k.material[:])
	clear(k.iv[:])
}

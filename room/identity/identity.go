// Package identity makes the public ids of clients, and the sessions by which
// they prove them after a reconnect. The server keeps none of them.
//
//	id        c7k2qv4mxw3hzp6d                  public, seen by all
//	session   1.c7k2qv4mxw3hzp6d.R2x…           its owner's alone: HMAC-SHA-256 of the id by a secret
//
// A session is as good as a password: it is not logged.
package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"hash"
	"strings"
	"sync"

	"chatd/room/carry"
)

// Secrets are the keys that sign and verify sessions. They are not changed once
// they are in use, by any number of goroutines.
type Secrets struct {
	signers []sync.Pool // of *signer, for each secret: the first signs, all verify
	random  string      // that one of them is of, which nobody else knows; "": all were given
}

// signer signs ids with one secret.
type signer struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

// New returns the secrets: the first signs, all verify, so that one can follow
// another without a session becoming void. Without any there is a random one,
// and sessions end with the process.
func New(secrets ...string) *Secrets {
	s := new(Secrets)
	if len(secrets) == 0 {
		s.random = rand.Text()
		secrets = []string{s.random}
	}
	s.use(secrets)
	return s
}

func (s *Secrets) use(secrets []string) {
	for _, secret := range secrets {
		s.signers = append(s.signers, sync.Pool{New: func() any { return &signer{mac: hmac.New(sha256.New, []byte(secret))} }})
	}
}

// Carry writes what the next program is not given: the random secret.
func (s *Secrets) Carry(w *carry.Writer) { w.String(s.random) }

// Restore has s verify what the one before did by a random secret, and sign by it, too,
// unless others were given. It comes before s is used.
func (s *Secrets) Restore(r *carry.Reader) {
	random := r.String()
	if random == "" {
		return
	}
	if s.random != "" {
		s.signers = nil
	}
	s.random = random
	s.use([]string{random})
}

// idEncoding is base32 (RFC 4648 §6) in small letters.
var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// idSize is how many bytes an id stands for.
const idSize = 10

// NewID returns an id that nobody has, nor can guess: 80 random bits.
func NewID() string {
	var random [idSize]byte
	rand.Read(random[:]) // never fails
	return idEncoding.EncodeToString(random[:])
}

// format is the version of a session's form, which may have others one day.
const format = "1."

// Session returns the session that proves the id.
func (s *Secrets) Session(id string) string { return session(&s.signers[0], id) }

// ID returns the id that the session proves, if it does.
func (s *Secrets) ID(given string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(given, format)
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot < 0 {
		return "", false
	}
	id = rest[:dot]
	for i := range s.signers {
		if hmac.Equal([]byte(given), []byte(session(&s.signers[i], id))) { // in constant time
			return id, true
		}
	}
	return "", false
}

// TokenID returns the id of whoever has the token, which the id does not tell.
func (s *Secrets) TokenID(token string) string {
	x := s.signers[0].Get().(*signer)
	defer s.signers[0].Put(x)
	x.mac.Reset()
	x.mac.Write([]byte("chatd token\x00"))
	x.mac.Write([]byte(token))
	return idEncoding.EncodeToString(x.mac.Sum(x.sum[:0])[:idSize])
}

// purpose is part of what is signed, so that a secret may serve something else, too.
var purpose = []byte("chatd session\x00")

// session is the only one that proves the id by a secret.
func session(signers *sync.Pool, id string) string {
	x := signers.Get().(*signer)
	defer signers.Put(x)
	x.mac.Reset()
	x.mac.Write(purpose)
	x.mac.Write([]byte(id))
	b := make([]byte, 0, 96)
	b = append(append(append(b, format...), id...), '.')
	return string(base64.RawURLEncoding.AppendEncode(b, x.mac.Sum(x.sum[:0])))
}

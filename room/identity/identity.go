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
	"strings"
)

// Secrets are the keys that sign and verify sessions. They are not changed once
// they are in use, by any number of goroutines.
type Secrets struct {
	keys [][]byte // the first signs, all verify
}

// New returns the secrets: the first signs, all verify, so that one can follow
// another without a session becoming void. Without any there is a random one,
// and sessions end with the process.
func New(secrets ...string) *Secrets {
	if len(secrets) == 0 {
		return New(rand.Text())
	}
	s := new(Secrets)
	for _, secret := range secrets {
		s.keys = append(s.keys, []byte(secret))
	}
	return s
}

// idEncoding is base32 (RFC 4648 §6) in small letters.
var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID returns an id that nobody has, nor can guess: 80 random bits.
func NewID() string {
	var random [10]byte
	rand.Read(random[:]) // never fails
	return idEncoding.EncodeToString(random[:])
}

// format is the version of a session's form, which may have others one day.
const format = "1."

// Session returns the session that proves the id.
func (s *Secrets) Session(id string) string { return session(s.keys[0], id) }

// ID returns the id that the session proves, if it does.
func (s *Secrets) ID(given string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(given, format)
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot < 0 {
		return "", false
	}
	id = rest[:dot]
	for _, key := range s.keys {
		if hmac.Equal([]byte(given), []byte(session(key, id))) { // in constant time
			return id, true
		}
	}
	return "", false
}

// session is the only one that proves the id by the key. What it is for is part
// of what is signed, so that the secret may serve something else, too.
func session(key []byte, id string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("chatd session\x00"))
	mac.Write([]byte(id))
	return format + id + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

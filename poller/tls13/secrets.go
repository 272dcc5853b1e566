package tls13

import (
	"bytes"
	"encoding/hex"
	"errors"
)

// randomSize is the size of a client's random, which tells handshakes apart.
const randomSize = 32

// secret is a traffic secret.
type secret struct {
	bytes [secretMost]byte
	size  int
}

func (s *secret) get() []byte { return s.bytes[:s.size] }

// secrets are those under which the application's data goes, as crypto/tls tells of
// them.
type secrets struct {
	client, server secret
}

func (s *secrets) wipe() { *s = secrets{} }

// They are what crypto/tls calls them in its key log.
var (
	labelClient = []byte("CLIENT_TRAFFIC_SECRET_0")
	labelServer = []byte("SERVER_TRAFFIC_SECRET_0")
)

var errKeyLog = errors.New("tls13: crypto/tls tells of its keys in a way that is not known")

// parse takes a line of the key log apart: a label, the client's random, a secret.
func parse(line []byte) (label []byte, random [randomSize]byte, value secret, err error) {
	line, ended := bytes.CutSuffix(line, []byte("\n"))
	label, rest, labelled := bytes.Cut(line, []byte(" "))
	first, second, separated := bytes.Cut(rest, []byte(" "))
	if !ended || !labelled || !separated || len(first) != 2*randomSize || len(second) > 2*secretMost {
		return nil, random, value, errKeyLog
	}
	if _, err = hex.Decode(random[:], first); err != nil {
		return nil, random, value, errKeyLog
	}
	if value.size, err = hex.Decode(value.bytes[:], second); err != nil {
		return nil, random, secret{}, errKeyLog
	}
	return label, random, value, nil
}

// take keeps a secret if it is one of the two.
func (s *secrets) take(label []byte, value secret) {
	switch {
	case bytes.Equal(label, labelClient):
		s.client = value
	case bytes.Equal(label, labelServer):
		s.server = value
	}
}

// session is what goes on with the secrets, of which they are wiped; nil if they are
// not what a connection of the suite has. Sent is what was written since the secret for
// that was out.
func (s *secrets) session(id uint16, client bool, sent []byte) *Session {
	defer s.wipe()
	suite := suiteOf(id)
	if suite == 0 || s.client.size != suite.secretSize() || s.server.size != suite.secretSize() {
		return nil
	}
	if client {
		return newSession(suite, client, s.server.get(), s.client.get())
	}
	session := newSession(suite, client, s.client.get(), s.server.get())
	session.Writer.seq = session.Writer.written(sent)
	return session
}

// written counts the records in sent that are protected under the keys: the tickets
// that crypto/tls has written behind what was still under the handshake's. Only those
// can be opened with them.
func (k *keys) written(sent []byte) (n uint64) {
	o := &opener{aead: k.aead()}
	var plain []byte
	for len(sent) >= headerSize && len(sent) >= recordSize(sent) {
		record := sent[:recordSize(sent)]
		sent = sent[len(record):]
		k.nonce(&o.nonce, n)
		var err error
		if plain, err = o.aead.Open(plain[:0], o.nonce[:], record[headerSize:], record[:headerSize]); err == nil {
			n++
		}
	}
	return n
}

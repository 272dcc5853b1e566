// Package tls13test has a client of TLS 1.3 that makes its records itself, and so can
// make any. Its handshake is crypto/tls's.
package tls13test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"

	"golang.org/x/crypto/chacha20poly1305"
)

// Forger is the client. What is written is sealed, one record each time, and what is read
// is what data holds; Conn has the bytes as they are.
type Forger struct {
	Conn    net.Conn
	Updates int // of its keys that the server has made

	out, in direction
	rest    []byte // of a record that was read
}

// The types of records, and the one of handshake messages that is needed.
const (
	RecordAlert     = 21
	RecordHandshake = 22
	RecordData      = 23
	keyUpdate       = 24
)

// Alerted is the alert that ended the stream.
type Alerted byte

func (a Alerted) Error() string { return fmt.Sprintf("alert %d", byte(a)) }

// Forge makes the handshake on conn.
func Forge(conn net.Conn, config *tls.Config) (*Forger, error) {
	var log bytes.Buffer
	config = config.Clone()
	config.KeyLogWriter = &log
	c := tls.Client(conn, config)
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	kind := suites[c.ConnectionState().CipherSuite]
	if kind.cipher == nil {
		return nil, fmt.Errorf("no forgeries of %s", tls.CipherSuiteName(c.ConnectionState().CipherSuite))
	}
	f := &Forger{Conn: conn, out: direction{suite: kind}, in: direction{suite: kind}}
	for line := range bytes.Lines(log.Bytes()) {
		fields := bytes.Fields(line)
		secret, err := hex.DecodeString(string(fields[2]))
		if err != nil {
			return nil, err
		}
		switch string(fields[0]) {
		case "CLIENT_TRAFFIC_SECRET_0":
			f.out.begin(secret)
		case "SERVER_TRAFFIC_SECRET_0":
			f.in.begin(secret)
		}
	}
	return f, nil
}

// suite is one of those that crypto/tls chooses, whose hash is SHA-256.
type suite struct {
	keySize int
	cipher  func(key []byte) (cipher.AEAD, error)
}

var suites = map[uint16]suite{
	tls.TLS_AES_128_GCM_SHA256: {16, func(key []byte) (cipher.AEAD, error) {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	}},
	tls.TLS_CHACHA20_POLY1305_SHA256: {chacha20poly1305.KeySize, chacha20poly1305.New},
}

// direction is one of a connection's two.
type direction struct {
	suite
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func (d *direction) begin(secret []byte) {
	var err error
	if d.aead, err = d.cipher(expand(secret, "key", d.keySize)); err != nil {
		panic(err)
	}
	d.secret, d.iv, d.seq = secret, expand(secret, "iv", 12), 0
}

func (d *direction) update() { d.begin(expand(d.secret, "traffic upd", 32)) }

// expand is HKDF-Expand-Label (RFC 8446 §7.1).
func expand(secret []byte, label string, size int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(append(append(info, byte(len(label))), label...), 0)
	key, err := hkdf.Expand(sha256.New, secret, string(info), size)
	if err != nil {
		panic(err)
	}
	return key
}

func (d *direction) nonce() []byte {
	n := bytes.Clone(d.iv)
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^d.seq)
	d.seq++
	return n
}

// Seal is the next record, for who sends it.
func (f *Forger) Seal(kind byte, content []byte) []byte {
	d := &f.out
	head := binary.BigEndian.AppendUint16([]byte{RecordData, 3, 3}, uint16(len(content)+1+d.aead.Overhead()))
	return d.aead.Seal(head, d.nonce(), append(bytes.Clone(content), kind), head)
}

// Update is a record with which the client changes its keys, and wants the server to
// change its own.
func (f *Forger) Update() []byte {
	b := f.Seal(RecordHandshake, []byte{keyUpdate, 0, 0, 1, 1})
	f.out.update()
	return b
}

// Write implements io.Writer.
func (f *Forger) Write(p []byte) (int, error) {
	if _, err := f.Conn.Write(f.Seal(RecordData, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Record opens the next record of data. An alert is an error.
func (f *Forger) Record() ([]byte, error) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(f.Conn, head); err != nil {
			return nil, err
		}
		body := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(f.Conn, body); err != nil {
			return nil, err
		}
		plain, err := f.in.aead.Open(nil, f.in.nonce(), body, head)
		if err != nil {
			return nil, err
		}
		content := plain[:len(plain)-1]
		switch kind := plain[len(plain)-1]; {
		case kind == RecordData:
			return content, nil
		case kind == RecordAlert:
			return nil, Alerted(content[1])
		case content[0] == keyUpdate:
			f.in.update()
			f.Updates++
		}
	}
}

// Read implements io.Reader.
func (f *Forger) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		var err error
		if f.rest, err = f.Record(); err != nil {
			if err == Alerted(0) {
				err = io.EOF
			}
			return 0, err
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

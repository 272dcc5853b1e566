package room

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// forger is a client that makes its records itself, and so can make any. Its handshake
// is crypto/tls's.
type forger struct {
	*net.TCPConn
	t       *testing.T
	out, in direction
	updates int    // that the server has made
	rest    []byte // of a record that was read
}

// direction is one of a connection's two, under TLS_AES_128_GCM_SHA256.
type direction struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func (d *direction) begin(secret []byte) {
	block, err := aes.NewCipher(expand(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	d.aead, err = cipher.NewGCM(block)
	if err != nil {
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

// The types of records, and the one of handshake messages that is needed.
const (
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
	keyUpdate       = 24
)

// seal is the next record.
func (d *direction) seal(kind byte, content []byte) []byte {
	head := binary.BigEndian.AppendUint16([]byte{recordData, 3, 3}, uint16(len(content)+1+d.aead.Overhead()))
	return d.aead.Seal(head, d.nonce(), append(bytes.Clone(content), kind), head)
}

// forge opens a connection and makes the handshake.
func (s *testServer) forge() *forger {
	s.t.Helper()
	c, err := net.Dial("tcp", s.secure)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	var log bytes.Buffer
	config := clientTLS()
	config.KeyLogWriter = &log
	conn := tls.Client(c, config)
	if err := conn.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	if suite := conn.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		s.t.Skip("crypto/tls chooses", tls.CipherSuiteName(suite))
	}
	f := &forger{TCPConn: c.(*net.TCPConn), t: s.t}
	for line := range bytes.Lines(log.Bytes()) {
		fields := bytes.Fields(line)
		secret, err := hex.DecodeString(string(fields[2]))
		if err != nil {
			s.t.Fatal(err)
		}
		switch string(fields[0]) {
		case "CLIENT_TRAFFIC_SECRET_0":
			f.out.begin(secret)
		case "SERVER_TRAFFIC_SECRET_0":
			f.in.begin(secret)
		}
	}
	return f
}

// puts sends bytes as they are.
func (f *forger) puts(b []byte) {
	f.t.Helper()
	if _, err := f.TCPConn.Write(b); err != nil {
		f.t.Fatal(err)
	}
}

// Write seals p, and sends it.
func (f *forger) Write(p []byte) (int, error) {
	return f.TCPConn.Write(f.out.seal(recordData, p))
}

// ask has both sides change their keys.
func (f *forger) ask() {
	f.t.Helper()
	f.puts(f.out.seal(recordHandshake, []byte{keyUpdate, 0, 0, 1, 1}))
	f.out.update()
}

// alerted is the alert that ended the stream.
type alerted byte

func (alerted) Error() string { return "an alert" }

// record opens the next record of data. An alert is an error.
func (f *forger) record() ([]byte, error) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(f.TCPConn, head); err != nil {
			return nil, err
		}
		body := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(f.TCPConn, body); err != nil {
			return nil, err
		}
		plain, err := f.in.aead.Open(nil, f.in.nonce(), body, head)
		if err != nil {
			return nil, err
		}
		content := plain[:len(plain)-1]
		switch kind := plain[len(plain)-1]; {
		case kind == recordData:
			return content, nil
		case kind == recordAlert:
			return nil, alerted(content[1])
		case content[0] == keyUpdate:
			f.in.update()
			f.updates++
		}
	}
}

// Read implements io.Reader, for peers.
func (f *forger) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		var err error
		if f.rest, err = f.record(); err != nil {
			if err == alerted(0) {
				err = io.EOF
			}
			return 0, err
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// ends reads up to the alert that ends the stream, and then the end.
func (f *forger) ends() (a alerted) {
	f.t.Helper()
	for {
		_, err := f.record()
		if err == nil {
			continue
		}
		if !errors.As(err, &a) {
			f.t.Fatal(err)
		}
		if n, err := f.TCPConn.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			f.t.Fatal("more comes behind the end:", n, err)
		}
		return a
	}
}

// joinForged is a forger that is a member.
func (s *testServer) joinForged() (*forger, *peer) {
	s.t.Helper()
	f := s.forge()
	p := s.peerOn(f)
	p.say(upgradeRequest)
	p.joined()
	return f, p
}

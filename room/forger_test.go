package room

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"chatd/poller/tls13/tls13test"
)

// forger is a client that makes its records itself, and so can make any.
type forger struct {
	*net.TCPConn
	t  *testing.T
	by *tls13test.Forger
}

// The types of records.
const (
	recordAlert     = tls13test.RecordAlert
	recordHandshake = tls13test.RecordHandshake
	recordData      = tls13test.RecordData
)

// forge opens a connection and makes the handshake.
func (s *testServer) forge() *forger {
	s.t.Helper()
	c := must(net.Dial("tcp", s.secure))
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	by, err := tls13test.Forge(c, clientTLS())
	if err != nil {
		s.t.Fatal(err)
	}
	return &forger{c.(*net.TCPConn), s.t, by}
}

// Read and Write are for peers.
func (f *forger) Read(p []byte) (int, error)  { return f.by.Read(p) }
func (f *forger) Write(p []byte) (int, error) { return f.by.Write(p) }

// seal is the next record.
func (f *forger) seal(kind byte, content []byte) []byte { return f.by.Seal(kind, content) }

// puts sends bytes as they are.
func (f *forger) puts(b []byte) {
	f.t.Helper()
	if _, err := f.TCPConn.Write(b); err != nil {
		f.t.Fatal(err)
	}
}

// ask has both sides change their keys.
func (f *forger) ask() {
	f.t.Helper()
	f.puts(f.by.Update())
}

// ends reads up to the alert that ends the stream, and then the end.
func (f *forger) ends() (a tls13test.Alerted) {
	f.t.Helper()
	for {
		_, err := f.by.Record()
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

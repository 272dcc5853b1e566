package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatd/cmd/chatd/certs/certstest"
)

// patience is for what should take milliseconds, on a machine that is busy.
const patience = 45 * time.Second

// ca certifies all that the tests trust, as does the system, for this process.
var ca = certstest.New()

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "certs")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "ca.pem")
		if err := os.WriteFile(file, ca.PEM, 0o600); err != nil {
			panic(err)
		}
		os.Setenv("SSL_CERT_FILE", file)
		status := m.Run()
		if err := goleak.Find(); err != nil && status == 0 {
			os.Stderr.WriteString(err.Error())
			return 1
		}
		return status
	}())
}

// served is what flags name, served on a port.
type served struct {
	*Certs
	t    *testing.T
	addr string
	log  *logged
}

// parse is what the server makes of its flags.
func parse(t *testing.T, args ...string) (*Flags, error) {
	t.Helper()
	f := new(Flags)
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	f.Add(fs, fs.Func)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return f, f.Check(given)
}

// open is what flags name.
func open(t *testing.T, log *logged, args ...string) (*Certs, error) {
	t.Helper()
	f, err := parse(t, args...)
	if err != nil {
		return nil, err
	}
	return f.Open(slog.New(slog.NewTextHandler(log, nil)))
}

// freePort is a port that nobody serves yet.
func freePort(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// serve is serveOn a port of its own.
func serve(t *testing.T, args ...string) *served {
	t.Helper()
	return serveOn(t, freePort(t), args...)
}

// serveOn echoes what comes by TLS until the test ends, and keeps the certificates new.
func serveOn(t *testing.T, ln net.Listener, args ...string) *served {
	t.Helper()
	s := &served{t: t, addr: ln.Addr().String(), log: new(logged)}
	var err error
	if s.Certs, err = open(t, s.log, args...); err != nil {
		t.Fatal(err)
	}
	config := s.Config()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				conn := tls.Server(conn, config)
				defer conn.Close()
				if err := conn.SetDeadline(time.Now().Add(patience)); err != nil || conn.Handshake() != nil {
					return
				}
				_, _ = io.Copy(conn, conn) // until the client has gone
			})
		}
	})
	stop := s.Watch()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log says:\n%s", s.log)
		}
		stop()
		ln.Close()
		serving.Wait()
	})
	return s
}

// dial is a connection of a client, that it has been heard on.
func (s *served) dial(config *tls.Config) (*tls.Conn, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", s.addr, config)
	if err != nil {
		return nil, err
	}
	if err := s.echoes(conn); err != nil { // a server that refuses the client says so late
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (s *served) echoes(conn *tls.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 5))
	return err
}

// shows is the certificate for whom a client is shown that asks for name.
func (s *served) shows(name string) *x509.Certificate {
	s.t.Helper()
	conn, err := s.dial(&tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// soon waits until something is so that nobody tells of. The pause only leaves the
// processor to those who make it so.
func soon(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true")
		}
	}
}

// logged is a log that is read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

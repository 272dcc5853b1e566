package tls13

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatd/poller"
)

// patience is more than anything takes.
const patience = 60 * time.Second

// loop is a server on an event loop that sends back what comes, in the way that a room
// would use the package: a connection's Task makes it, reads it, and is the one owner
// of its writing, too.
type loop struct {
	t        testing.TB
	acceptor *Acceptor
	pool     *poller.Pool
	poller   *poller.Poller
	listener *poller.Listener
	results  chan *Result // of each handshake; nil: nobody asks
	open     sync.WaitGroup
	scratch  int          // bytes to read at a time, 0: all of the scratch
	buffer   atomic.Int32 // what a socket holds that is to be sent, 0: as the system does
	halves   atomic.Int32 // writes behind which a record was half sent
}

// startLoop starts one, which ends with the test.
func startLoop(t testing.TB, config *tls.Config, scratch ...int) *loop {
	l := &loop{t: t, scratch: append(scratch, 0)[0], acceptor: NewAcceptor(config), results: make(chan *Result, 10000)}
	log := slog.New(slog.DiscardHandler)
	l.pool = poller.NewPool(2, poller.NewPlain, log)
	var err error
	if l.poller, err = poller.New(l.pool, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if l.listener, err = poller.Listen("127.0.0.1:0", log); err != nil {
		t.Fatal(err)
	}
	if err = l.listener.Start(l.poller, l.pool, l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.listener.Close()
		l.open.Wait()
		if n := l.acceptor.Handshakes(); n != 0 {
			t.Errorf("%d handshakes are left", n)
		}
		l.poller.Close()
		l.pool.Close()
	})
	return l
}

func (l *loop) addr() string { return l.listener.Addr().String() }

// Admit implements poller.Acceptor.
func (l *loop) Admit() bool { return true }

// Accept implements poller.Acceptor.
func (l *loop) Accept(w *poller.Worker, fd int) {
	if n := int(l.buffer.Load()); n > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, n); err != nil {
			l.t.Error(err)
		}
	}
	l.open.Add(1)
	e := &echo{loop: l}
	e.Attach(fd, l.pool, e)
	e.ScheduleOn(w)
}

// result is that of the next handshake that ends.
func (l *loop) result() *Result {
	l.t.Helper()
	select {
	case r := <-l.results:
		return r
	case <-time.After(patience):
		l.t.Fatal("the handshake does not end")
		return nil
	}
}

// echo is one connection of a loop. All of it is its Task's.
type echo struct {
	poller.Conn
	loop      *loop
	watched   bool
	handshake *Handshake
	session   *Session
	ciphers   Ciphers
	out       []byte // to be sent back
	armed     bool
	ended     bool // no more is read
	closed    bool
}

func (e *echo) Panicked(_ *poller.Worker, cause any) { e.loop.t.Error(cause) }

// Writable implements poller.Handler. It may come when there is no handshake any more.
func (e *echo) Writable(w *poller.Worker) { e.ScheduleOn(w) }

func (e *echo) Run(w *poller.Worker) {
	if e.closed {
		return
	}
	if !e.watched {
		e.watched = true
		if err := e.loop.poller.Watch(&e.Conn); err != nil {
			e.loop.t.Error(err)
		}
		e.handshake = e.loop.acceptor.Begin(&e.Conn)
	}
	if e.handshake != nil {
		if !e.shake(w) {
			return
		}
	}
	e.talk(w)
}

// shake goes on with the handshake, and reports whether it is done.
func (e *echo) shake(w *poller.Worker) bool {
	for {
		if r := e.handshake.Continue(); r != nil {
			e.handshake = nil
			if e.loop.results != nil {
				e.loop.results <- r
			}
			if e.session = r.Session; r.Session == nil {
				e.close()
			}
			return r.Session != nil
		}
		room := e.handshake.Room()
		if room == 0 || e.ended {
			return false
		}
		switch n := e.Read(w.Scratch[:room]); {
		case n > 0:
			e.handshake.Feed(w.Scratch[:n])
		case n == poller.WouldBlock:
			return false
		default:
			e.ended = true
			e.handshake.End()
		}
	}
}

func (e *echo) talk(w *poller.Worker) {
	p := w.Scratch
	if e.loop.scratch > 0 {
		p = p[:e.loop.scratch]
	}
	for !e.ended && e.write(w) {
		got := e.session.Reader.Read(&e.Conn, p, 0)
		if got.Update {
			e.session.Writer.Update()
		}
		switch {
		case got.N > 0:
			e.out = append(e.out, p[:got.N]...)
		case got.N == poller.WouldBlock && !got.More && !e.Hangup():
			e.write(w)
			return
		case got.N == poller.WouldBlock:
		case got.N == Failed:
			e.ended = true
			e.session.Writer.End(got.Alert)
		case got.N == 0:
			e.ended = true
			e.session.Writer.End(CloseNotify)
		default:
			e.close()
			return
		}
		if got.N > 0 && !got.More && !e.Hangup() {
			e.write(w)
			return
		}
	}
	if e.ended && e.write(w) {
		e.close()
	}
}

// write reports whether all is written. Else Writable follows.
func (e *echo) write(w *poller.Worker) bool {
	for len(e.out) > 0 || e.session.Writer.Pending() {
		n := e.session.Writer.Send(w, &e.ciphers, e.FD(), e.out)
		if n > 0 && e.session.Writer.Pending() {
			e.loop.halves.Add(1)
		}
		switch {
		case n >= 0:
			e.out = e.out[n:]
			if len(e.out) == 0 {
				e.out = nil
			}
		case n == Ended:
			e.out = nil
		case n != poller.WouldBlock:
			e.close()
			return false
		case e.armed:
			return false
		default:
			e.armed = true
			e.WantWrite(true)
		}
	}
	if e.armed {
		e.armed = false
		e.WantWrite(false)
	}
	return true
}

func (e *echo) close() {
	if !e.closed {
		e.closed = true
		if e.session != nil {
			e.session.Wipe()
		}
		e.Close()
		e.loop.open.Done()
	}
}

// certificates are made once.
var (
	authority   = sync.OnceValue(func() *signer { return newSigner(nil, "authority", true) })
	certECDSA   = sync.OnceValue(func() tls.Certificate { return newSigner(authority(), "chat.example", false).certificate() })
	certRSA     = sync.OnceValue(func() tls.Certificate { return rsaCertificate() })
	trusted     = sync.OnceValue(func() *x509.CertPool { p := x509.NewCertPool(); p.AddCert(authority().cert); return p })
	certClient  = sync.OnceValue(func() tls.Certificate { return newSigner(authority(), "client", false).certificate() })
	certForeign = sync.OnceValue(func() tls.Certificate {
		return newSigner(newSigner(nil, "elsewhere", true), "client", false).certificate()
	})
)

// signer is a certificate with its key.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func template(name string, ca bool) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: ca, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func newSigner(parent *signer, name string, ca bool) *signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	s := &signer{key: key}
	if parent == nil {
		parent = &signer{cert: template(name, ca), key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template(name, ca), parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		panic(err)
	}
	if s.cert, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	return s
}

func (s *signer) certificate() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key, Leaf: s.cert}
}

func rsaCertificate() tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template("chat.example", false), authority().cert, &key.PublicKey, authority().key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serverConfig and clientConfig go together.
func serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certECDSA()}, NextProtos: []string{"http/1.1"}}
}

func clientConfig() *tls.Config {
	return &tls.Config{RootCAs: trusted(), ServerName: "chat.example", NextProtos: []string{"h2", "http/1.1"}}
}

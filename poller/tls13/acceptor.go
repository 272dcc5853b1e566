package tls13

import (
	"crypto/tls"
	"errors"
	"iter"
	"runtime"
	"sync"

	"chatd/poller"
)

// Acceptor makes the handshakes of a server. All share one Config, and so the keys of
// tickets, and one place where crypto/tls tells of their secrets.
//
// It may be used by anybody. It is no matter of records, so a lock is good enough.
type Acceptor struct {
	config *tls.Config // static, as the next two
	most   int         // bytes that a client may say in a handshake
	mutual bool        // a client is asked for its certificate
	turns  turns

	mu      sync.Mutex
	randoms map[[randomSize]byte]*Handshake // of those under way
}

// NewAcceptor returns an Acceptor for a Config, which it copies. It speaks TLS 1.3 only.
// What the Config calls runs on a worker, and must not wait for anybody.
func NewAcceptor(config *tls.Config) *Acceptor {
	a := &Acceptor{
		most:    helloMost,
		turns:   turns{free: runtime.GOMAXPROCS(0)},
		randoms: map[[randomSize]byte]*Handshake{},
	}
	if a.mutual = config.ClientAuth != tls.NoClientCert; a.mutual {
		a.most += certificateMost
	}
	a.config = a.adopt(config)
	if choose := config.GetConfigForClient; choose != nil {
		a.config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			return a.adopt(chosen), nil
		}
	}
	return a
}

// adopt is a copy of a Config that tells a of the secrets.
func (a *Acceptor) adopt(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.MinVersion, config.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
	config.KeyLogWriter = keyLog{a}
	config.EncryptedClientHelloKeys, config.GetEncryptedClientHelloKeys = nil, nil // it has another random
	if choose := config.GetCertificate; choose != nil {
		config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := choose(hello)
			if err != nil {
				hello.Conn.(*wire).lacking = true
			}
			return cert, err
		}
	}
	return config
}

// Begin begins a handshake with the client on c, whose Task calls it. The Task then
// feeds the Handshake, and is scheduled when there is something to do for it.
func (a *Acceptor) Begin(c *poller.Conn) *Handshake { return a.begin(socket{c}) }

func (a *Acceptor) begin(t transport) *Handshake {
	h := &Handshake{acceptor: a, transport: t}
	h.resume, _ = iter.Pull(h.run)
	return h
}

var errTwice = errors.New("tls13: another handshake has the same random")

// register has a's key log know h by its client's random.
func (a *Acceptor) register(random [randomSize]byte, h *Handshake) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.randoms[random]; ok {
		return errTwice
	}
	a.randoms[random] = h
	return nil
}

func (a *Acceptor) unregister(random [randomSize]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.randoms, random)
}

// Handshakes is the number of those under way whose client has said hello.
func (a *Acceptor) Handshakes() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.randoms)
}

// keyLog is where crypto/tls tells of secrets. They go to their Handshake, and nowhere
// else.
type keyLog struct{ *Acceptor }

// Write implements io.Writer. It is called by the Handshake that the line
// is for, and the line is made for it alone: it is wiped.
func (k keyLog) Write(line []byte) (int, error) {
	defer clear(line)
	label, random, value, err := parse(line)
	if err != nil {
		return 0, err
	}
	k.mu.Lock()
	h := k.randoms[random]
	k.mu.Unlock()
	if h == nil {
		return 0, errKeyLog
	}
	h.secrets.take(label, value)
	value = secret{}
	return len(line), nil
}

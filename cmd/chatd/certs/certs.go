// Package certs is a server's side of TLS before the first record: the certificates
// that it shows, and whom it lets in.
//
//	flags.go     Flags: what there is to say, and why it can't be
//	certs.go     Certs: the certificates, which of them a client is shown, the tls.Config
//	files.go     those of files, which are read again when they change
//	acme.go      those that an authority gives (RFC 8555), by TLS-ALPN-01 (RFC 8737)
//	report.go    Report: what a certificate is good for, and until when, for chatd check
//	redirect.go  Redirect: whoever comes without TLS is told where it is; HSTS
//
// It knows no connection: whoever has the tls.Config makes the handshakes. It is TLS
// 1.3 alone, of which the server makes the records by itself.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"chatd/room/reload"
)

// Certs are the certificates of a server. Their methods may be called from anywhere.
type Certs struct {
	// Static.
	log       *slog.Logger
	places    []*place
	clients   *x509.CertPool // who may come is certified by them; nil: anybody
	authority *autocert.Manager
	again     chan struct{} // asks the files' goroutine to look at once

	replaced, failed atomic.Uint64 // of those that an authority gives
}

// place is where a certificate is.
type place struct {
	name string                          // the domain, if an authority gives it; else the file
	file *reload.File                    // nil: an authority gives it
	cert atomic.Pointer[tls.Certificate] // nil: there is none yet. Written by the place's goroutine

	told time.Time // owned by that goroutine: when it was said that it expires
}

// Open reads what the flags name, which were checked. It is nil if they name nothing.
func (f *Flags) Open(log *slog.Logger) (*Certs, error) {
	if !f.On() {
		return nil, nil
	}
	c := &Certs{log: log, again: make(chan struct{}, 1)}
	if f.ClientCA != "" {
		content, err := os.ReadFile(f.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("-tls-client-ca: %w", err)
		}
		c.clients = x509.NewCertPool()
		if !c.clients.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("-tls-client-ca: %s has no certificate in PEM", f.ClientCA)
		}
	}
	for i := range f.Certs {
		p, err := openPair(f.Certs[i], f.Keys[i])
		if err != nil {
			return nil, fmt.Errorf("-tls-cert, -tls-key: %w", err)
		}
		c.places = append(c.places, p)
	}
	if len(f.Domains) > 0 {
		if err := c.openAuthority(f); err != nil {
			return nil, err
		}
	}
	for _, p := range c.places {
		if p.cert.Load() != nil {
			c.tell("a certificate is served", p)
		}
	}
	return c, nil
}

// Config is that of the server's handshakes. Session tickets are on, and crypto/tls
// changes their keys each day.
//
// A client that asks for [acme.ALPNProto], and gets it, is the authority: it has seen
// all that it came for, and is to be closed.
func (c *Certs) Config() *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS13,
		MaxVersion:     tls.VersionTLS13,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: c.choose,
	}
	if c.clients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, c.clients
	}
	if c.authority != nil {
		config.GetConfigForClient = c.challenged
	}
	return config
}

var errNone = errors.New("there is no certificate yet")

// choose is the first certificate that is for the name that the client asks for, and
// else the first of all.
func (c *Certs) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	var first *tls.Certificate
	for _, p := range c.places {
		cert := p.cert.Load()
		if cert == nil {
			continue
		}
		if len(c.places) == 1 || hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
		if first == nil {
			first = cert
		}
	}
	if first == nil {
		return nil, errNone
	}
	return first, nil
}

// Watch keeps the certificates new until stop is called: changes of files count, and
// the authority is asked. The server takes clients by now: the authority comes as one.
func (c *Certs) Watch() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	if c.authority == nil {
		watching.Go(func() { c.watchFiles(ctx) })
	} else {
		for _, p := range c.places {
			go c.watchDomain(ctx, p) // what is asked of an authority is not waited for
		}
	}
	return func() {
		cancel()
		watching.Wait()
	}
}

// Reread has the files read at once: whoever asks says that they are whole.
func (c *Certs) Reread() {
	select {
	case c.again <- struct{}{}:
	default: // they will be, anyway
	}
}

// Reloads is how many times a certificate was replaced, and how often that failed.
func (c *Certs) Reloads() (replaced, failed uint64) {
	replaced, failed = c.replaced.Load(), c.failed.Load()
	for _, p := range c.places {
		if p.file != nil {
			done, wrong := p.file.Reloads()
			replaced, failed = replaced+done, failed+wrong
		}
	}
	return replaced, failed
}

// Expiry is until when a certificate is good.
type Expiry struct {
	Name string    // the first that it is for
	At   time.Time // the Unix epoch: there is none yet
}

// Expiries are those of all names; of two certificates for one, the earlier.
func (c *Certs) Expiries() []Expiry {
	var all []Expiry
	at := make(map[string]int)
	for _, p := range c.places {
		e := Expiry{Name: p.name, At: time.Unix(0, 0)}
		if cert := p.cert.Load(); cert != nil {
			e.At = cert.Leaf.NotAfter
			if p.file != nil {
				e.Name = names(cert.Leaf)[0]
			}
		}
		i, ok := at[e.Name]
		switch {
		case !ok:
			at[e.Name] = len(all)
			all = append(all, e)
		case e.At.Before(all[i].At):
			all[i] = e
		}
	}
	return all
}

// lastDays is how long before it expires a certificate is spoken of each day.
const lastDays = 7 * 24 * time.Hour

// tell logs a certificate, and what is wrong with it.
func (c *Certs) tell(what string, p *place) {
	leaf := p.cert.Load().Leaf
	p.told = time.Now()
	attrs := []slog.Attr{slog.String("of", p.name), slog.Any("names", names(leaf)), slog.Time("expires", leaf.NotAfter.UTC())}
	level := slog.LevelInfo
	if fault := fault(leaf, p.told); fault != "" {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("but", fault))
	}
	c.log.LogAttrs(context.Background(), level, what, attrs...)
}

// fault is why clients refuse a certificate, or soon will; "" if they don't.
func fault(leaf *x509.Certificate, now time.Time) string {
	left := leaf.NotAfter.Sub(now)
	switch {
	case left <= 0:
		return "it has expired: clients refuse it"
	case leaf.NotBefore.After(now):
		return "it is not valid yet: clients refuse it"
	case left < lastDays:
		return "it expires soon"
	}
	return ""
}

// remind says each day that the certificate expires.
func (c *Certs) remind(p *place, now time.Time) {
	if cert := p.cert.Load(); cert != nil && cert.Leaf.NotAfter.Sub(now) < lastDays && now.Sub(p.told) >= 24*time.Hour {
		c.tell("a certificate is served", p)
	}
}

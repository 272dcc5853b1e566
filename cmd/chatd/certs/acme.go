package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// After a failure the authority is asked again, each time later: it counts failures,
// and takes no more than a few in an hour. The manager remembers one for a minute.
const (
	firstRetry = 2 * time.Minute
	lastRetry  = time.Hour
)

// openAuthority has a place for each domain, with the certificate that the cache has.
func (c *Certs) openAuthority(f *Flags) error {
	if err := writable(f.Cache); err != nil {
		return fmt.Errorf("-acme-cache: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // it is asked once in two months
	c.authority = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      cache{autocert.DirCache(f.Cache), c.log},
		HostPolicy: autocert.HostWhitelist(f.Domains...),
		Client:     &acme.Client{DirectoryURL: f.Directory, UserAgent: "chatd", HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute}},
	}
	for _, domain := range f.Domains {
		p := &place{name: domain}
		if cert, err := cached(f.Cache, domain); err == nil {
			p.cert.Store(cert) // expired, it is better than none: clients say so
		}
		c.places = append(c.places, p)
	}
	return nil
}

// writable makes the directory, for this user alone, and sees whether it takes files.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// cached is the certificate that the cache has for a domain.
func cached(dir, domain string) (*tls.Certificate, error) {
	content, err := os.ReadFile(filepath.Join(dir, domain))
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(content, content)
	if err != nil {
		return nil, err
	}
	return &cert, cert.Leaf.VerifyHostname(domain)
}

// cache is a directory of which it is said when it takes nothing: the manager would
// ask the authority at each start, which soon has enough.
type cache struct {
	autocert.DirCache
	log *slog.Logger
}

// Put implements autocert.Cache.
func (c cache) Put(ctx context.Context, name string, data []byte) error {
	err := c.DirCache.Put(ctx, name, data)
	if err != nil {
		c.log.Error("what the authority gave can't be kept", "err", err)
	}
	return err
}

// watchDomain keeps a domain's certificate new until ctx ends. The manager renews it
// when a third of its time is left.
func (c *Certs) watchDomain(ctx context.Context, p *place) {
	retry := firstRetry
	for {
		wait := lookInterval
		switch cert, err := c.obtain(p.name); {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.failed.Add(1)
			c.log.Error("the authority gives no certificate", "domain", p.name, "err", err, "again_in", retry)
			wait, retry = retry, min(2*retry, lastRetry)
		default:
			retry = firstRetry
			if old := p.cert.Load(); old == nil || !bytes.Equal(old.Certificate[0], cert.Certificate[0]) {
				p.cert.Store(cert)
				c.replaced.Add(1)
				c.tell("a new certificate is served", p)
			}
		}
		c.remind(p, time.Now())
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// obtain is the manager's certificate for a domain. If it has none it asks the
// authority, for minutes: so no client's handshake does this.
func (c *Certs) obtain(domain string) (*tls.Certificate, error) {
	// By this suite the manager knows who takes ECDSA. All do that speak TLS 1.3, but
	// don't name a suite of TLS 1.2.
	return c.authority.GetCertificate(&tls.ClientHelloInfo{ServerName: domain, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
}

// challenged is the Config for an authority that comes to see whether the domain is
// ours, nil for anybody else.
func (c *Certs) challenged(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != acme.ALPNProto {
		return nil, nil
	}
	name := strings.ToLower(hello.ServerName)
	if !slices.ContainsFunc(c.places, func(p *place) bool { return p.name == name }) {
		return nil, errors.New("an authority asks for a domain that is not ours")
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		MaxVersion:             tls.VersionTLS13,
		NextProtos:             []string{acme.ALPNProto},
		SessionTicketsDisabled: true,
		GetCertificate:         c.authority.GetCertificate,
	}, nil
}

package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatd/room/reload"
)

// lookInterval is how often the files are looked at. A change counts once it was seen
// twice.
const lookInterval = 2 * time.Second

// maxFile is the size in bytes of the largest file of a certificate, or of a key.
const maxFile = 1 << 20

// openPair reads a certificate and its key.
func openPair(certificate, key string) (*place, error) {
	p := &place{name: certificate}
	file, err := reload.OpenTogether([]string{certificate, key}, maxFile, func(contents [][]byte) error {
		cert, err := parsePair(contents[0], contents[1])
		if err == nil {
			p.cert.Store(cert)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p.file = file
	return p, nil
}

// watchFiles looks after the files until ctx ends.
func (c *Certs) watchFiles(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			c.look()
			for _, p := range c.places {
				c.remind(p, now)
			}
		case <-c.again:
			c.look()
			c.look()
			c.log.Info("the certificates' files were read again")
		case <-ctx.Done():
			return
		}
	}
}

func (c *Certs) look() {
	for _, p := range c.places {
		switch changed, err := p.file.Reload(); {
		case err != nil:
			c.log.Error("the new certificate is of no use, the old one stays", "err", err)
		case changed:
			c.tell("a new certificate is served", p)
		}
	}
}

// parsePair is a certificate, with those that certify it, and its key, both in PEM. An
// error has nothing of the key.
func parsePair(certificate, key []byte) (*tls.Certificate, error) {
	switch has := blocks(certificate); {
	case has.certificate:
	case has.key:
		return nil, errors.New("the certificate's file has a key, and no certificate: are -tls-cert and -tls-key swapped?")
	default:
		return nil, errors.New("the certificate is not PEM, which begins with -----BEGIN CERTIFICATE-----")
	}
	switch has := blocks(key); {
	case has.encrypted:
		return nil, errors.New("the key is encrypted: write it without a password, as openssl pkey does, and have the file be readable for chatd alone")
	case has.key:
	case has.certificate:
		return nil, errors.New("the key's file has a certificate, and no key")
	default:
		return nil, errors.New("the key is not PEM, which begins with -----BEGIN PRIVATE KEY-----")
	}
	cert, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	if public, ok := cert.Leaf.PublicKey.(*ecdsa.PublicKey); ok && public.Curve == elliptic.P224() {
		return nil, errors.New("TLS 1.3 has no P-224: the key must be ECDSA by P-256, P-384 or P-521, Ed25519, or RSA")
	}
	return &cert, nil
}

// contains is what there is in a file.
type contains struct{ certificate, key, encrypted bool }

func blocks(content []byte) (has contains) {
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			return has
		}
		content = rest
		switch {
		case block.Type == "CERTIFICATE":
			has.certificate = true
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			has.key = true
			has.encrypted = has.encrypted || strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != ""
		}
	}
}

// names are those that a certificate is for, at least one.
func names(leaf *x509.Certificate) []string {
	all := leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		all = append(all[:len(all):len(all)], ip.String())
	}
	if len(all) == 0 {
		all = []string{fmt.Sprint(leaf.Subject)}
	}
	return all
}

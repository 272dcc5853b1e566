// Package certstest makes certificates for tests, and runs an authority that gives them.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA certifies what it is asked to.
type CA struct {
	PEM  []byte
	Pool *x509.CertPool // of it alone

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// New makes one.
func New() *CA {
	c := &CA{key: newKey(), Pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "an authority of the tests'"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &c.key.PublicKey, c.key))
	c.cert = must(x509.ParseCertificate(der))
	c.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.Pool.AddCert(c.cert)
	return c
}

// Pair is a certificate and its key, in PEM.
type Pair struct{ Cert, Key []byte }

// Pair certifies somebody with these names, or addresses, for a year.
func (c *CA) Pair(names ...string) Pair {
	return c.Between(time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour), names...)
}

// Between is Pair for another time.
func (c *CA) Between(from, to time.Time, names ...string) Pair {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: names[0]}, NotBefore: from, NotAfter: to,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der := must(x509.CreateCertificate(rand.Reader, template, c.cert, &key.PublicKey, c.key))
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}),
	}
}

// TLS is the pair for crypto/tls.
func (p Pair) TLS() tls.Certificate { return must(tls.X509KeyPair(p.Cert, p.Key)) }

// Write writes the pair's files in dir and returns their paths.
func (p Pair) Write(dir, name string) (cert, key string) {
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	p.Over(cert, key)
	return cert, key
}

// Over writes the pair over these files.
func (p Pair) Over(cert, key string) {
	for path, content := range map[string][]byte{cert: p.Cert, key: p.Key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			panic(err)
		}
	}
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func serial() *big.Int { return must(rand.Int(rand.Reader, big.NewInt(1<<62))) }

// must is for what fails for nothing that a test could do.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

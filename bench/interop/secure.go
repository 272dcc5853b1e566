package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// certificate is chatd's, for a run over TLS. It signs itself: who believes it has been
// told to.
type certificate struct {
	dir  string
	pool *x509.CertPool
}

func newCertificate() (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "interop"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return nil, err
	}
	c := &certificate{dir: dir, pool: x509.NewCertPool()}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.pool.AppendCertsFromPEM(public)
	return c, errors.Join(
		os.WriteFile(c.file("cert.pem"), public, 0o600),
		os.WriteFile(c.file("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	)
}

func (c *certificate) file(name string) string { return filepath.Join(c.dir, name) }

// flags are chatd's.
func (c *certificate) flags() []string {
	return []string{"-tls-cert", c.file("cert.pem"), "-tls-key", c.file("key.pem")}
}

// env has a client believe it: OpenSSL and Go, Node.js, and Mojolicious. Others read the
// first one by themselves.
func (c *certificate) env() []string {
	file := c.file("cert.pem")
	return []string{"SSL_CERT_FILE=" + file, "NODE_EXTRA_CA_CERTS=" + file, "MOJO_CA_FILE=" + file}
}

// believer is a client that believes it.
func (c *certificate) believer() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.pool}}}
}

func (c *certificate) remove() error { return os.RemoveAll(c.dir) }

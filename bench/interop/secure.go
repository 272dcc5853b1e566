package interop

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"

	"chatd/bench/certificate"
)

// env has a client believe a certificate: OpenSSL and Go, Node.js, and Mojolicious.
// Others read the first one by themselves.
func env(f certificate.Files) []string {
	return []string{"SSL_CERT_FILE=" + f.Cert, "NODE_EXTRA_CA_CERTS=" + f.Cert, "MOJO_CA_FILE=" + f.Cert}
}

// believer is a client that believes it.
func believer(f certificate.Files) (*http.Client, error) {
	pem, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}, nil
}

package room

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// testName is whom the tests' certificate is for.
const testName = "chat.example"

// testCertificate signs itself. It is made once.
var testCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: testName}, DNSNames: []string{testName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{testCertificate()}, NextProtos: []string{"http/1.1"}}
}

// clientTLS is that of a client which believes the tests' certificate. It resumes
// nothing.
func clientTLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(testCertificate().Leaf)
	return &tls.Config{RootCAs: roots, ServerName: testName}
}

// beneath is the socket beneath TLS. Its end is an error: TLS says its own, and
// crypto/tls would take the one for the other.
type beneath struct{ *net.TCPConn }

func (b beneath) Read(p []byte) (int, error) {
	n, err := b.TCPConn.Read(p)
	if err == io.EOF {
		err = errors.New("the stream ends without close_notify")
	}
	return n, err
}

// url is where a WebSocket of the server is, for clients that are not ours: see
// theirTLS.
func (s *testServer) url(path string) string {
	if overTLS {
		return "wss://" + s.secure + path
	}
	return "ws://" + s.addr + path
}

// theirTLS is for clients that dial themselves, whatever they dial.
func theirTLS() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS()}}
}

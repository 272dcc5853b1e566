package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certify writes a certificate into dir, which nobody but it certifies, and its key: such
// as servers have mostly (ECDSA, P-256). It returns the flags with which they take it.
func certify(dir string) (flags string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "chatbench"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(7 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	for _, part := range []struct {
		flag, file, kind string
		der              []byte
	}{{"-tls-cert", "cert.pem", "CERTIFICATE", der}, {"-tls-key", "key.pem", "PRIVATE KEY", pkcs8}} {
		path := filepath.Join(dir, part.file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: part.kind, Bytes: part.der}), 0o600); err != nil {
			return "", err
		}
		flags += " " + part.flag + " " + path
	}
	return flags, nil
}

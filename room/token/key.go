package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

const (
	minSecret = 32   // bytes (RFC 7518 §3.2)
	minRSA    = 2048 // bits (RFC 7518 §3.3)
)

// Key is what tokens are verified by: a secret that is shared with who makes them,
// or his public key. It is not changed.
type Key struct {
	Algorithm string // the only one that tokens may be signed by, by its name in RFC 7518 or RFC 8037
	key       any
}

// ParseKey reads the content of a key's file: a public key in PEM, or else a
// secret, whose last line break does not count. What is taken for a secret by
// mistake would be one that everybody knows; so what looks like a key is none.
func ParseKey(content []byte) (*Key, error) {
	if bytes.Contains(content, []byte("-----BEGIN ")) {
		return parsePEM(content)
	}
	secret := bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	switch {
	case len(secret) < minSecret:
		return nil, fmt.Errorf("a secret of %d bytes is too short for HS256: must be at least %d, as openssl rand -hex 32 makes them", len(secret), minSecret)
	case isPublic(secret):
		return nil, errors.New("this is a public key, but not in PEM, which begins with -----BEGIN PUBLIC KEY-----")
	}
	return &Key{"HS256", bytes.Clone(secret)}, nil
}

func parsePEM(content []byte) (*Key, error) {
	block, rest := pem.Decode(content)
	switch {
	case block == nil:
		return nil, errors.New("the PEM in it is damaged")
	case bytes.Contains(rest, []byte("-----BEGIN ")):
		return nil, errors.New("there is more than one key in it: must be one")
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("this is a private key, which stays with who makes the tokens: give its public one, as openssl pkey -pubout makes it")
	case block.Type == "CERTIFICATE":
		return nil, errors.New("this is a certificate: give its public key, as openssl x509 -noout -pubkey makes it")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if block.Type == "RSA PUBLIC KEY" {
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("this is no public key: it must be an Ed25519, an ECDSA P-256 or an RSA one")
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return &Key{"EdDSA", key}, nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("an ECDSA key of curve %s is not for ES256: must be P-256", key.Curve.Params().Name)
		}
		return &Key{"ES256", key}, nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA {
			return nil, fmt.Errorf("an RSA key of %d bits is too weak for RS256: must have at least %d", bits, minRSA)
		}
		return &Key{"RS256", key}, nil
	}
	return nil, errors.New("a public key of this kind signs no tokens here: must be Ed25519, ECDSA P-256 or RSA")
}

// isPublic reports whether b is a public key in another form than PEM: DER, also in
// base64, as OpenSSH has it, or JSON.
func isPublic(b []byte) bool {
	b = bytes.TrimSpace(b)
	der := b
	if decoded, err := base64.StdEncoding.DecodeString(string(b)); err == nil {
		der = decoded
	}
	_, pkix := x509.ParsePKIXPublicKey(der)
	_, pkcs1 := x509.ParsePKCS1PublicKey(der)
	_, certificate := x509.ParseCertificate(der)
	return pkix == nil || pkcs1 == nil || certificate == nil ||
		bytes.HasPrefix(b, []byte("ssh-")) || bytes.HasPrefix(b, []byte("ecdsa-sha2-")) || bytes.HasPrefix(b, []byte("{")) && bytes.Contains(b, []byte(`"kty"`))
}

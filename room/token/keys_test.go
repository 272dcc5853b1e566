package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// aSecret is one of the tests'.
const aSecret = "a secret of the tests, of 32 bytes at least"

// issuer makes tokens.
type issuer struct {
	method  jwt.SigningMethod
	private any
	file    []byte // what the server is given
}

// issuers has one for each algorithm. RSA keys take their time to make.
var issuers = sync.OnceValue(func() map[string]issuer {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	bits2048, _ := rsa.GenerateKey(rand.Reader, 2048)
	return map[string]issuer{
		"HS256": {jwt.SigningMethodHS256, []byte(aSecret), []byte(aSecret + "\n")},
		"EdDSA": {jwt.SigningMethodEdDSA, ed, publicPEM(ed)},
		"ES256": {jwt.SigningMethodES256, p256, publicPEM(p256)},
		"RS256": {jwt.SigningMethodRS256, bits2048, publicPEM(bits2048)},
	}
})

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func publicPEM(private crypto.Signer) []byte {
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		panic(err)
	}
	return encodePEM("PUBLIC KEY", der)
}

func privatePEM(private any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return encodePEM("PRIVATE KEY", der)
}

// key is what the server has of the issuer's.
func (i issuer) key(t testing.TB) *Key {
	t.Helper()
	k, err := ParseKey(i.file)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign signs a header and claims, as they are written.
func (i issuer) sign(t testing.TB, header, claims string) string {
	t.Helper()
	text := encode(header) + "." + encode(claims)
	signature, err := i.method.Sign(text, i.private)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// token is one with the claims.
func (i issuer) token(t testing.TB, claims string) string {
	t.Helper()
	return i.sign(t, `{"alg":"`+i.method.Alg()+`","typ":"JWT"}`, claims)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestKindOfKeySaysTheAlgorithm(t *testing.T) {
	for algorithm, i := range issuers() {
		if k := i.key(t); k.Algorithm != algorithm {
			t.Errorf("%s, want %s", k.Algorithm, algorithm)
		}
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(&issuers()["RS256"].private.(*rsa.PrivateKey).PublicKey)
	if k, err := ParseKey(encodePEM("RSA PUBLIC KEY", pkcs1)); err != nil || k.Algorithm != "RS256" {
		t.Errorf("%v, %v", k, err)
	}
}

// One line break at its end is the editor's; what else there is, is the secret's.
func TestLastLineBreakOfASecretDoesNotCount(t *testing.T) {
	signed := issuers()["HS256"].token(t, `{"exp":2000}`)
	for content, want := range map[string]Fault{
		aSecret: Valid, aSecret + "\n": Valid, aSecret + "\r\n": Valid,
		aSecret + "\n\n": Signature, " " + aSecret: Signature, aSecret + " ": Signature,
	} {
		k, err := ParseKey([]byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if _, fault := k.Verify(signed, second(1000)); fault != want {
			t.Errorf("%q: %v", content, fault)
		}
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := issuers()
	public, ec := all["EdDSA"].file, all["ES256"].private.(*ecdsa.PrivateKey)
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(public)
	for name, tt := range map[string]struct{ content, says string }{
		"empty":                  {"", "0 bytes is too short"},
		"line break":             {"\n", "0 bytes is too short"},
		"secret of 31 bytes":     {strings.Repeat("x", 31) + "\n", "31 bytes is too short for HS256: must be at least 32"},
		"RSA of 1024 bits":       {string(publicPEM(weak)), "1024 bits is too weak"},
		"P-384":                  {string(publicPEM(p384)), "P-384 is not for ES256"},
		"private Ed25519":        {string(privatePEM(all["EdDSA"].private)), "private key, which stays with"},
		"private RSA":            {string(encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(all["RS256"].private.(*rsa.PrivateKey)))), "private key, which stays with"},
		"private EC":             {string(encodePEM("EC PRIVATE KEY", sec1)), "private key, which stays with"},
		"private, encrypted":     {string(encodePEM("ENCRYPTED PRIVATE KEY", []byte("x"))), "private key, which stays with"},
		"private of OpenSSH":     {string(encodePEM("OPENSSH PRIVATE KEY", []byte("x"))), "private key, which stays with"},
		"certificate":            {string(encodePEM("CERTIFICATE", []byte("x"))), "certificate"},
		"other PEM":              {string(encodePEM("PUBLIC KEY", []byte("x"))), "no public key"},
		"damaged PEM":            {string(public[:len(public)-10]), "damaged"},
		"two keys":               {string(public) + string(all["ES256"].file), "more than one key"},
		"public in DER":          {string(block.Bytes), "not in PEM"},
		"public in bare base64":  {base64.StdEncoding.EncodeToString(block.Bytes) + "\n", "not in PEM"},
		"public of OpenSSH":      {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBrandomrandomrandomrandom a@b\n", "not in PEM"},
		"public as JSON Web Key": {`{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg"}`, "not in PEM"},
	} {
		k, err := ParseKey([]byte(tt.content))
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") || k != nil {
			t.Errorf("%s: %v, %v, want %q", name, k, err, tt.says)
		}
	}
}

package room

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"chatd/poller"
)

// issuer makes tokens, by the key whose public side is in the file.
type issuer struct {
	method jwt.SigningMethod
	key    any
	file   string
}

// issuers are one of each algorithm.
func issuers(t *testing.T) []issuer {
	t.Helper()
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rs, _ := rsa.GenerateKey(rand.Reader, 2048)
	public := func(k crypto.Signer) string {
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return []issuer{
		{jwt.SigningMethodHS256, []byte(tokenSecret), tokenSecret},
		{jwt.SigningMethodEdDSA, ed, public(ed)},
		{jwt.SigningMethodES256, ec, public(ec)},
		{jwt.SigningMethodRS256, rs, public(rs)},
	}
}

// raw is a token of these claims, as they are written.
func (i issuer) raw(t *testing.T, header, claims string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	signature, err := i.method.Sign(text, i.key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

// What package token refuses lets nobody in, whatever he asks for and however he gives
// it.
func TestForgedTokensLetNobodyIn(t *testing.T) {
	const good = `{"sub":"admin","exp":9999999999}`
	all := issuers(t)
	for _, i := range all {
		t.Run(i.method.Alg(), func(t *testing.T) {
			header := `{"alg":"` + i.method.Alg() + `"}`
			none := issuer{method: jwt.SigningMethodNone, key: jwt.UnsafeAllowNoneSignatureType}
			forged := map[string]string{
				"alg none":                 none.raw(t, `{"alg":"none"}`, good),
				"alg none, signed":         i.raw(t, `{"alg":"none"}`, good),
				"no signature":             none.raw(t, header, good),
				"exp missing":              i.raw(t, header, `{"sub":"admin"}`),
				"exp a string":             i.raw(t, header, `{"exp":"9999999999"}`),
				"exp null":                 i.raw(t, header, `{"exp":null}`),
				"exp a list":               i.raw(t, header, `{"exp":[9999999999]}`),
				"sub a number":             i.raw(t, header, `{"exp":9999999999,"sub":7}`),
				"name a list":              i.raw(t, header, `{"exp":9999999999,"name":["a"]}`),
				"rooms a string":           i.raw(t, header, `{"exp":9999999999,"rooms":"*"}`),
				"rooms of numbers":         i.raw(t, header, `{"exp":9999999999,"rooms":[7]}`),
				"say a string":             i.raw(t, header, `{"exp":9999999999,"say":"true"}`),
				"nbf a string":             i.raw(t, header, `{"exp":9999999999,"nbf":"0"}`),
				"claims a list":            i.raw(t, header, `[]`),
				"expired":                  i.raw(t, header, `{"exp":1764064799}`),
				"another key's algorithm":  issuer{jwt.SigningMethodHS384, []byte(i.file), ""}.raw(t, `{"alg":"HS384"}`, good),
				"as long as a head may be": i.raw(t, header, `{"exp":9999999999,"x":"`+strings.Repeat("x", 40<<10)+`"}`),
			}
			if public := []byte(i.file); i.method != jwt.SigningMethodHS256 {
				for name, secret := range map[string][]byte{"the public key": public, "the public key without its line break": bytes.TrimSpace(public)} {
					confused := issuer{jwt.SigningMethodHS256, secret, ""}
					forged[name+" as an HMAC secret"] = confused.raw(t, `{"alg":"HS256"}`, good)
					forged[name+" as an HMAC secret, which it denies"] = confused.raw(t, header, good)
				}
			}
			for _, other := range all {
				if other.method != i.method {
					forged["signed as "+other.method.Alg()] = other.raw(t, `{"alg":"`+other.method.Alg()+`"}`, good)
					forged["signed as "+other.method.Alg()+", which it denies"] = other.raw(t, header, good)
				}
			}
			s := startServer(t, withKey(t, i.file), func(c *Config) { c.MaxHead = poller.ScratchSize })
			s.setClock(begun * 1000)
			refused := func(name, token string, status int) {
				t.Helper()
				for target, lines := range map[string][]string{"?token=" + token: nil, "": {"Authorization: Bearer " + token}} {
					for _, request := range []string{rawRequest(target, lines...), chatRequest(target, lines...), eventsRequest("lobby/events"+target, lines...), bareRequest("lobby/events"+target, lines...)} {
						if s.answers(request, status); t.Failed() {
							t.Fatal(name)
						}
					}
				}
			}
			for name, token := range forged {
				refused(name, token, http.StatusUnauthorized)
			}
			refused("64 KiB", i.raw(t, header, `{"exp":9999999999,"x":"`+strings.Repeat("x", 48<<10)+`"}`), http.StatusRequestHeaderFieldsTooLarge)
			if st := s.Stats(); st.Joined != 0 {
				t.Errorf("%d are in", st.Joined)
			}
		})
	}
}

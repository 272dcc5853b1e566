package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/cmd/chatd/certs/certstest"
)

// otherCA is one that nobody trusts.
var otherCA = certstest.New()

// writeFile writes a file of the test's and returns its path.
func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// p224 is a key that TLS 1.3 has no signature by, and its certificate.
func p224(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestWhatCannotWorkIsRefusedWithOneLine(t *testing.T) {
	pair := ca.Pair("a.example")
	cert, key := pair.Write(t.TempDir(), "one")
	other := writeFile(t, ca.Pair("a.example").Key)
	der, _ := pem.Decode(pair.Cert)
	oddCert, oddKey := p224(t)
	encrypted := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("secret")}))
	old := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("secret")}))
	broken := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")}))
	cache := t.TempDir()
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"no key":                    {[]string{"-tls-cert", cert}, "-tls-cert has no -tls-key"},
		"key alone":                 {[]string{"-tls-key", key}, "-tls-key has no -tls-cert"},
		"two certificates, one key": {[]string{"-tls-cert", cert, "-tls-key", key, "-tls-cert", cert}, "-tls-cert is given 2 times, and -tls-key 1"},
		"no name":                   {[]string{"-tls-cert", ""}, "is empty: name a file"},
		"missing certificate":       {[]string{"-tls-cert", "/nonsense", "-tls-key", key}, "-tls-cert, -tls-key: open /nonsense: no such file"},
		"missing key":               {[]string{"-tls-cert", cert, "-tls-key", "/nonsense"}, "open /nonsense: no such file"},
		"directory":                 {[]string{"-tls-cert", cache, "-tls-key", key}, "is a directory"},
		"certificate in DER":        {[]string{"-tls-cert", writeFile(t, der.Bytes), "-tls-key", key}, "the certificate is not PEM"},
		"empty certificate":         {[]string{"-tls-cert", writeFile(t, nil), "-tls-key", key}, "the certificate is not PEM"},
		"broken certificate":        {[]string{"-tls-cert", writeFile(t, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), "-tls-key", key}, "x509: "},
		"key that is text":          {[]string{"-tls-cert", cert, "-tls-key", writeFile(t, []byte("secret"))}, "the key is not PEM"},
		"swapped":                   {[]string{"-tls-cert", key, "-tls-key", cert}, "are -tls-cert and -tls-key swapped?"},
		"no key in the key's file":  {[]string{"-tls-cert", cert, "-tls-key", cert}, "the key's file has a certificate, and no key"},
		"encrypted key":             {[]string{"-tls-cert", cert, "-tls-key", encrypted}, "the key is encrypted"},
		"key encrypted as of old":   {[]string{"-tls-cert", cert, "-tls-key", old}, "the key is encrypted"},
		"broken key":                {[]string{"-tls-cert", cert, "-tls-key", broken}, "failed to parse private key"},
		"another's key":             {[]string{"-tls-cert", cert, "-tls-key", other}, cert + ", " + other + ": tls: private key does not match public key"},
		"key of no use":             {[]string{"-tls-cert", writeFile(t, oddCert), "-tls-key", writeFile(t, oddKey)}, "TLS 1.3 has no P-224"},
		"missing authority":         {[]string{"-tls-cert", cert, "-tls-key", key, "-tls-client-ca", "/nonsense"}, "-tls-client-ca: open /nonsense"},
		"authority that is a key":   {[]string{"-tls-cert", cert, "-tls-key", key, "-tls-client-ca", key}, "has no certificate in PEM"},
		"authority without a name":  {[]string{"-tls-cert", cert, "-tls-key", key, "-tls-client-ca", ""}, "-tls-client-ca is empty"},
		"clients without TLS":       {[]string{"-tls-client-ca", cert}, "-tls-client-ca is without effect: there is no certificate"},
		"address without TLS":       {[]string{"-tls-addr", ":1"}, "-tls-addr is without effect"},
		"redirect without TLS":      {[]string{"-tls-redirect", ":1"}, "-tls-redirect is without effect"},
		"address of nothing":        {[]string{"-tls-cert", cert, "-tls-key", key, "-tls-addr", ""}, "-tls-addr is empty"},
		"redirect of nothing":       {[]string{"-tls-cert", cert, "-tls-key", key, "-tls-redirect", ""}, "-tls-redirect is empty"},
		"redirect on a path":        {[]string{"-tls-cert", cert, "-tls-key", key, "-tls-redirect", "unix:/x"}, "-tls-redirect is unix:/x: must be host:port"},
		"address that is none":      {[]string{"-tls-addr", "8443"}, "write :8443"},
		"files and an authority":    {[]string{"-tls-cert", cert, "-tls-key", key, "-acme-domain", "a.example", "-acme-cache", cache}, "are both given"},
		"no cache":                  {[]string{"-acme-domain", "a.example"}, "-acme-domain needs a directory"},
		"cache of nothing":          {[]string{"-acme-cache", cache}, "-acme-cache is without effect"},
		"directory of nothing":      {[]string{"-acme-directory", "https://a"}, "-acme-directory is without effect"},
		"cache that can't be made":  {[]string{"-acme-domain", "a.example", "-acme-cache", "/proc/nonsense"}, "-acme-cache: mkdir /proc/nonsense"},
		"cache that is a file":      {[]string{"-acme-domain", "a.example", "-acme-cache", cert}, "not a directory"},
		"directory without TLS":     {[]string{"-acme-domain", "a.example", "-acme-cache", cache, "-acme-directory", "http://a/dir"}, "-acme-directory is \"http://a/dir\": must be a URL, as https://"},
		"domain without a dot":      {[]string{"-acme-domain", "localhost"}, "must be a public name"},
		"domain that is an address": {[]string{"-acme-domain", "192.0.2.1"}, "must be a public name"},
		"domain with a port":        {[]string{"-acme-domain", "a.example:443"}, "must be a public name"},
		"domain that is a URL":      {[]string{"-acme-domain", "https://a.example"}, "must be a public name"},
		"pattern":                   {[]string{"-acme-domain", "*.example.org"}, "is a pattern"},
		"domain twice":              {[]string{"-acme-domain", "a.example", "-acme-domain", "A.example."}, "names a.example twice"},
	} {
		_, err := open(t, new(logged), tt.args...)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

func TestFlagsMayNameNothing(t *testing.T) {
	if c, err := open(t, new(logged)); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestDomainsAreReadAsDNSHasThem(t *testing.T) {
	f, err := parse(t, "-acme-domain", " Chat.Example.org. ", "-acme-domain", "bücher.example", "-acme-cache", "x")
	if err != nil || !slices.Equal(f.Domains, []string{"chat.example.org", "xn--bcher-kva.example"}) {
		t.Errorf("%v, %v", f, err)
	}
}

func TestReportSaysUntilWhenCertificatesAreOfUse(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	pair := func(name string, from, to time.Duration) []string {
		cert, key := ca.Between(now.Add(from), now.Add(to), name, "10.0.0.1").Write(dir, name)
		return []string{"-tls-cert", cert, "-tls-key", key}
	}
	const day = 24 * time.Hour
	good, soon, over, later := pair("good.example", -day, 90*day), pair("soon.example", -day, 2*day), pair("over.example", -2*day, -day), pair("later.example", day, 9*day)
	kept := ca.Between(now.Add(-day), now.Add(30*day), "a.example")
	if err := os.WriteFile(filepath.Join(dir, "a.example"), slices.Concat(kept.Key, kept.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	acme := []string{"-acme-cache", dir, "-acme-domain", "a.example"}
	for name, tt := range map[string]struct {
		args  []string
		wrong int
		says  string
	}{
		"good":           {good, 0, dir + "/good.example.pem  good.example 10.0.0.1  2030-04-01T00:00:00Z  90\n"},
		"soon":           {slices.Concat(good, soon), 0, dir + "/soon.example.pem: it expires soon\n"},
		"over":           {over, 1, "WRONG: " + dir + "/over.example.pem: it has expired: clients refuse it\n"},
		"later":          {slices.Concat(later, over), 2, "WRONG: " + dir + "/later.example.pem: it is not valid yet: clients refuse it\n"},
		"authority":      {acme, 0, "a.example    a.example  2030-01-31T00:00:00Z  30\n"},
		"not there, yet": {append(acme, "-acme-domain", "b.example"), 1, "WRONG: there is no certificate for b.example yet: chatd asks for it once it runs\n"},
	} {
		f, err := parse(t, tt.args...)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if wrong, err := Report(&out, f, now); wrong != tt.wrong || err != nil || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%s: %d wrong, %v, want %d, and\n%s\nin\n%s", name, wrong, err, tt.wrong, tt.says, &out)
		}
	}
	if _, err := Report(new(bytes.Buffer), &Flags{Certs: []string{"/nonsense"}, Keys: []string{"/nonsense"}}, now); err == nil {
		t.Error("a missing file is no error")
	}
}

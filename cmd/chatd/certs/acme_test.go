package certs

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

func TestAnAuthorityGivesCertificatesThatAreKept(t *testing.T) {
	t.Parallel()
	ln, cache := freePort(t), t.TempDir()
	pebble := ca.StartPebble(t, ln.Addr().(*net.TCPAddr).Port, 90*24*time.Hour)
	// The authority has no certificate of a client's, and is let in all the same.
	args := []string{"-acme-domain", "a.example", "-acme-domain", "b.example", "-acme-cache", cache, "-acme-directory", pebble.Directory, "-tls-client-ca", writeFile(t, ca.PEM)}
	s := serveOn(t, ln, args...)
	for _, e := range s.Expiries() {
		if at := e.At.Unix(); at != 0 && at < time.Now().Unix() {
			t.Errorf("%s expires at %d", e.Name, at)
		}
	}
	roots := pebble.Pool(t)
	client := func(name string) *tls.Config {
		return &tls.Config{ServerName: name, RootCAs: roots, MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{ca.Pair("client").TLS()}}
	}
	for _, name := range []string{"a.example", "b.example"} {
		soon(t, func() bool {
			conn, err := s.dial(client(name))
			if err != nil {
				return false
			}
			return conn.Close() == nil
		})
	}
	if replaced, failed := s.Reloads(); replaced != 2 || failed != 0 {
		t.Errorf("%d, %d:\n%s", replaced, failed, s.log)
	}
	var left []string
	for _, e := range s.Expiries() {
		if days := time.Until(e.At).Hours() / 24; days < 80 || days > 91 {
			t.Errorf("%s expires in %v days", e.Name, days)
		}
		left = append(left, e.Name)
	}
	if !slices.Equal(left, []string{"a.example", "b.example"}) {
		t.Errorf("%v", left)
	}
	if _, err := os.Stat(filepath.Join(cache, "a.example+rsa")); err == nil {
		t.Error("there is a second certificate, for clients that there are not")
	}
	for _, name := range []string{"a.example", "evil.example"} { // with nothing to prove
		if _, err := s.dial(&tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{acme.ALPNProto}}); err == nil {
			t.Errorf("a proof of %s is given to anybody", name)
		}
	}

	// The next start needs no authority.
	again, err := open(t, s.log, args...)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range again.places {
		if kept := p.cert.Load(); kept == nil || !slices.Equal(kept.Certificate[0], s.places[i].cert.Load().Certificate[0]) {
			t.Errorf("%s is not kept", p.name)
		}
	}
}

func TestCertificatesOfAnAuthorityAreRenewed(t *testing.T) {
	t.Parallel()
	ln := freePort(t)
	pebble := ca.StartPebble(t, ln.Addr().(*net.TCPAddr).Port, 12*time.Second)
	s := serveOn(t, ln, "-acme-domain", "a.example", "-acme-cache", t.TempDir(), "-acme-directory", pebble.Directory)
	soon(t, func() bool {
		replaced, _ := s.Reloads()
		return replaced >= 2
	})
	if log := s.log.String(); !strings.Contains(log, `msg="a new certificate is served" of=a.example names=[a.example] expires=`) {
		t.Errorf("the log says:\n%s", log)
	}
}

func TestAuthorityThatGivesNothingIsTold(t *testing.T) {
	gone := freePort(t)
	gone.Close()
	s := serve(t, "-acme-domain", "a.example", "-acme-cache", t.TempDir(), "-acme-directory", "https://"+gone.Addr().String()+"/dir")
	soon(t, func() bool {
		_, failed := s.Reloads()
		return failed == 1
	})
	if log := s.log.String(); !strings.Contains(log, `msg="the authority gives no certificate" domain=a.example err=`) || !strings.Contains(log, "again_in=2m0s") {
		t.Errorf("the log says:\n%s", log)
	}
	if _, err := s.dial(&tls.Config{ServerName: "a.example", InsecureSkipVerify: true}); err == nil {
		t.Error("there is a certificate")
	}
	if e := s.Expiries(); len(e) != 1 || e[0].Name != "a.example" || e[0].At.Unix() != 0 {
		t.Errorf("%v", e)
	}
}

package certs

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEachNameIsShownItsCertificate(t *testing.T) {
	dir := t.TempDir()
	one, oneKey := ca.Pair("a.example").Write(dir, "one")
	two, twoKey := ca.Pair("b.example", "*.b.example").Write(dir, "two")
	s := serve(t, "-tls-cert", one, "-tls-key", oneKey, "-tls-cert", two, "-tls-key", twoKey)
	for asked, shown := range map[string]string{
		"a.example": "a.example", "b.example": "b.example", "B.example": "b.example", "x.b.example": "b.example",
		"x.y.b.example": "a.example", "c.example": "a.example", "": "a.example",
	} {
		if got := s.shows(asked).Subject.CommonName; got != shown {
			t.Errorf("who asks for %q is shown %s, want %s", asked, got, shown)
		}
	}
}

func TestNothingButTLS13AndHTTP11IsSpoken(t *testing.T) {
	cert, key := ca.Pair("a.example").Write(t.TempDir(), "one")
	s := serve(t, "-tls-cert", cert, "-tls-key", key)
	if _, err := s.dial(&tls.Config{ServerName: "a.example", RootCAs: ca.Pool, MaxVersion: tls.VersionTLS12}); err == nil || !strings.Contains(err.Error(), "protocol version not supported") {
		t.Errorf("TLS 1.2: %v", err)
	}
	if _, err := s.dial(&tls.Config{ServerName: "a.example", RootCAs: ca.Pool, NextProtos: []string{"h2"}}); err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("HTTP/2: %v", err)
	}
	if _, err := s.dial(&tls.Config{ServerName: "a.example", RootCAs: ca.Pool, NextProtos: []string{"acme-tls/1"}}); err == nil {
		t.Error("without an authority its protocol is spoken")
	}
	conn, err := s.dial(&tls.Config{ServerName: "a.example", RootCAs: ca.Pool, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if state := conn.ConnectionState(); state.NegotiatedProtocol != "http/1.1" || state.Version != tls.VersionTLS13 {
		t.Errorf("%q, %x", state.NegotiatedProtocol, state.Version)
	}
}

func TestSessionsAreResumedAlsoUnderANewCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := ca.Pair("a.example").Write(dir, "one")
	s := serve(t, "-tls-cert", cert, "-tls-key", key)
	config := &tls.Config{ServerName: "a.example", RootCAs: ca.Pool, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i := range 3 {
		conn, err := s.dial(config)
		if err != nil {
			t.Fatal(err)
		}
		if resumed := conn.ConnectionState().DidResume; resumed != (i > 0) {
			t.Errorf("connection %d: resumed %v", i, resumed)
		}
		conn.Close()
		if i == 1 {
			ca.Pair("a.example").Over(cert, key)
			s.reread(1, 0)
		}
	}
}

// reread has the files read at once, and waits until so many certificates were replaced,
// and failed.
func (s *served) reread(replaced, failed uint64) {
	s.t.Helper()
	s.Reread()
	soon(s.t, func() bool {
		r, f := s.Reloads()
		return r == replaced && f == failed
	})
}

func TestChangedFilesAreServedWithinSecondsAndNobodyIsCutOff(t *testing.T) {
	t.Parallel()
	cert, key := ca.Pair("a.example").Write(t.TempDir(), "one")
	s := serve(t, "-tls-cert", cert, "-tls-key", key)
	there, err := s.dial(&tls.Config{ServerName: "a.example", RootCAs: ca.Pool})
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	before := s.shows("a.example").SerialNumber
	ca.Pair("a.example").Over(cert, key)
	soon(t, func() bool { return s.shows("a.example").SerialNumber.Cmp(before) != 0 })
	if err := s.echoes(there); err != nil {
		t.Errorf("who was there: %v", err)
	}
	if replaced, failed := s.Reloads(); replaced != 1 || failed != 0 {
		t.Errorf("%d, %d", replaced, failed)
	}
	if !strings.Contains(s.log.String(), `level=INFO msg="a new certificate is served" of=`+cert+" names=[a.example] expires=") {
		t.Errorf("the log says:\n%s", s.log)
	}
}

func TestPairThatDoesNotMatchIsToldAndTheOldOneStays(t *testing.T) {
	cert, key := ca.Pair("a.example").Write(t.TempDir(), "one")
	s := serve(t, "-tls-cert", cert, "-tls-key", key)
	before := s.shows("").SerialNumber
	next := ca.Pair("a.example")
	next.Key = ca.Pair("a.example").Key
	next.Over(cert, key)
	s.reread(0, 1)
	if s.shows("").SerialNumber.Cmp(before) != 0 {
		t.Error("the old one is gone")
	}
	if log := s.log.String(); !strings.Contains(log, "the new certificate is of no use, the old one stays") || !strings.Contains(log, "private key does not match public key") || strings.Contains(log, "BEGIN") {
		t.Errorf("the log says:\n%s", log)
	}
	ca.Pair("a.example").Over(cert, key)
	s.reread(1, 1)
	if s.shows("").SerialNumber.Cmp(before) == 0 {
		t.Error("the old one is still served")
	}
}

func TestOnlyThoseThatAreCertifiedMayConnect(t *testing.T) {
	dir := t.TempDir()
	cert, key := ca.Pair("a.example").Write(dir, "one")
	s := serve(t, "-tls-cert", cert, "-tls-key", key, "-tls-client-ca", writeFile(t, ca.PEM))
	config := &tls.Config{ServerName: "a.example", RootCAs: ca.Pool}
	if _, err := s.dial(config); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without a certificate: %v", err)
	}
	other := otherCA.Pair("client")
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c := other.TLS()
		return &c, nil
	}
	if _, err := s.dial(config); err == nil {
		t.Error("somebody else's certificate is taken")
	}
	config.Certificates, config.GetClientCertificate = []tls.Certificate{ca.Pair("client").TLS()}, nil
	conn, err := s.dial(config)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestExpiryIsToldAndTheEarliestOfAName(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	var args []string
	for i, days := range []int{100, 3, -1, 50} {
		from := now.Add(-48 * time.Hour)
		name := fmt.Sprintf("%c.example", 'a'+i)
		if i == 3 {
			name = "a.example"
		}
		cert, key := ca.Between(from, now.Add(time.Duration(days)*24*time.Hour), name).Write(dir, fmt.Sprint(i))
		args = append(args, "-tls-cert", cert, "-tls-key", key)
	}
	cert, key := ca.Between(now.Add(time.Hour), now.Add(1000*time.Hour), "127.0.0.1").Write(dir, "later")
	log := new(logged)
	c, err := open(t, log, append(args, "-tls-cert", cert, "-tls-key", key)...)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, e := range c.Expiries() {
		got += fmt.Sprintf("%s %.0f\n", e.Name, e.At.Sub(now).Hours()/24)
	}
	if want := "a.example 50\nb.example 3\nc.example -1\n127.0.0.1 42\n"; got != want {
		t.Errorf("%swant\n%s", got, want)
	}
	for _, line := range []string{
		"level=INFO msg=\"a certificate is served\" of=" + dir + "/0.pem names=[a.example] expires=",
		`names=[b.example]`, `but="it expires soon"`, `but="it has expired: clients refuse it"`, `names=[127.0.0.1]`, `but="it is not valid yet: clients refuse it"`,
	} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log has no %s:\n%s", line, log)
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 3 {
		t.Errorf("%d warnings", n)
	}
}

func TestOneThatExpiresIsSpokenOfEachDay(t *testing.T) {
	now := time.Now()
	cert, key := ca.Between(now, now.Add(48*time.Hour), "a.example").Write(t.TempDir(), "one")
	log := new(logged)
	c, err := open(t, log, "-tls-cert", cert, "-tls-key", key)
	if err != nil {
		t.Fatal(err)
	}
	for _, hours := range []time.Duration{1, 23, 25} {
		c.remind(c.places[0], now.Add(hours*time.Hour))
	}
	if n := strings.Count(log.String(), "it expires soon"); n != 2 {
		t.Errorf("%d times:\n%s", n, log)
	}
}

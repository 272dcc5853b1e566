package main

import (
	"crypto/tls"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/bench/certificate"
	"chatd/bench/result"
)

func TestServersAreComparedOverTLSBesideOursWithout(t *testing.T) {
	parts := make(map[string][]string)
	for _, s := range plan(false) {
		for _, k := range contestants {
			if s.family == result.Secure && k.runs(s) {
				parts[s.title()] = append(parts[s.title()], k.name+" "+k.scheme(s))
			} else if strings.HasSuffix(k.name, "-wss") && k.runs(s) {
				t.Errorf("%s runs %s", k.name, s.title())
			}
		}
	}
	want := []string{"chatd ws", "chatd-wss wss", "channels-wss wss", "nbio-wss wss"}
	for _, title := range []string{result.SecureIdle, result.SecureFanout, result.SecureFlood, result.SecureStuck, result.SecureStorm, result.SecureResumed} {
		if !slices.Equal(parts[title], want) {
			t.Errorf("%s is run by %v, want %v", title, parts[title], want)
		}
	}
}

// The same server is started with a certificate, and without.
func TestServerIsGivenACertificateWhereItSpeaksTLS(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asBadServer, "none")
	c := &comparison{share: 1000, rivals: make(map[string]contestant)}
	if c.cert, err = certificate.Write(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	short := overTLS(step{scenario: "storm", duration: 300 * time.Millisecond})
	for _, s := range []step{short, resumed(short), overTLS(fanoutStep(50, 300*time.Millisecond))} {
		for _, scheme := range []string{"ws", "wss"} {
			c.rivals[scheme] = contestant{name: scheme, secure: scheme}
			run, err := c.attempt(t.Context(), s, result.Server{Name: scheme, Command: exe}, "")
			if err != nil {
				t.Fatal(err)
			}
			if run.Faults.Any() || run.Handshakes == nil && run.Deliveries == 0 || run.Handshakes != nil && run.Handshakes.PerSecond == 0 {
				t.Errorf("%s by %s: %+v %v", s.title(), scheme, run, run.Warnings)
			}
		}
	}
}

// certificateOf is that which a server is started with, if it is.
func certificateOf(args []string) (pairs []tls.Certificate, err error) {
	cert, key := slices.Index(args, "-tls-cert"), slices.Index(args, "-tls-key")
	if cert < 0 || key < 0 {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(args[cert+1], args[key+1])
	return []tls.Certificate{pair}, err
}

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"chatd/room"
	"chatd/room/conformance"
)

// How many cases there are, and how many of them are not asked of chatd: none
// gets lost or skipped unseen.
const (
	allCases       = 838
	skipped        = 3   // on a context that chatd never agrees to, and on no compression
	skippedWithout = 196 // on compression
)

// testConformance runs all the cases against chatd with these arguments, by TLS if
// there are roots to trust. Each has a chatd to itself while it runs: in a room it
// would hear the others.
func testConformance(t *testing.T, deflate bool, skips int32, roots *x509.CertPool, args ...string) {
	cases := conformance.Cases()
	if len(cases) != allCases {
		t.Fatalf("%d cases, want %d", len(cases), allCases)
	}
	var ran, left atomic.Int32
	t.Cleanup(func() { // behind all the cases; -run may choose some
		if ran.Load() == allCases && left.Load() != skips {
			t.Errorf("%d cases are skipped, want %d", left.Load(), skips)
		}
	})
	free := make(chan conformance.Target, runtime.GOMAXPROCS(0))
	for range cap(free) {
		target := conformance.Target{
			Addr: startChatd(t, args...).Addr, Path: room.Path, Strict: true, Deflate: deflate, MaxMessage: 64 << 10, Patience: patience,
		}
		if roots != nil {
			target.TLS = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		}
		free <- target
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			target := <-free
			defer func() { free <- target }()
			ran.Add(1)
			switch err := c.Run(target); {
			case errors.Is(err, conformance.ErrSkipped):
				left.Add(1)
				t.Skip(err)
			case err != nil:
				t.Errorf("%s: %v", c.Level, err)
			}
		})
	}
}

func TestChatdConformsToTheRFCs(t *testing.T) { testConformance(t, true, skipped, nil) }

func TestChatdWithoutCompressionConformsToTheRFCs(t *testing.T) {
	testConformance(t, false, skippedWithout, nil, "-compress=false")
}

// Each stream must end with close_notify, too. Most sessions are resumed.
func TestChatdConformsToTheRFCsOverTLS(t *testing.T) {
	args, _, _ := certified(t)
	testConformance(t, true, skipped, theCA().Pool, args...)
}

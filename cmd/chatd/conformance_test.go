package main

import (
	"errors"
	"runtime"
	"testing"

	"chatd/room"
	"chatd/room/conformance"
)

// minCases is how many cases there are at least, so that none get lost unseen.
const minCases = 280

// testConformance runs all the cases against chatd with these arguments. Each
// has a chatd to itself while it runs: in a room it would hear the others.
func testConformance(t *testing.T, deflate bool, args ...string) {
	cases := conformance.Cases()
	if len(cases) < minCases {
		t.Fatalf("%d cases, want %d", len(cases), minCases)
	}
	free := make(chan conformance.Target, runtime.GOMAXPROCS(0))
	for range cap(free) {
		free <- conformance.Target{
			Addr: startChatd(t, args...).Addr, Path: room.Path, Strict: true, Deflate: deflate, MaxMessage: 64 << 10, Patience: patience,
		}
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			target := <-free
			defer func() { free <- target }()
			switch err := c.Run(target); {
			case errors.Is(err, conformance.ErrSkipped):
				t.Skip(err)
			case err != nil:
				t.Errorf("%s: %v", c.Level, err)
			}
		})
	}
}

func TestChatdConformsToTheRFCs(t *testing.T) { testConformance(t, true) }

func TestChatdWithoutCompressionConformsToTheRFCs(t *testing.T) {
	testConformance(t, false, "-compress=false")
}

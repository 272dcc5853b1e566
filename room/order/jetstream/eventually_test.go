package jetstream

import (
	"testing"
	"time"
)

// eventually waits until something is so that nobody tells.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(wait); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waiting for ", what)
		}
	}
}

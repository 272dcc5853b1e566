package room

import (
	"testing"
	"unsafe"
)

func TestClientIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(client{}); n > 128 {
		t.Errorf("a client has %d bytes, want at most 128", n)
	}
}

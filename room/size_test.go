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

// One over TLS has its session behind it, and that is all: the cast in secured relies on
// where it is.
func TestSecureClientIsAClientAndASession(t *testing.T) {
	if n := unsafe.Sizeof(secure{}); n > 288 {
		t.Errorf("a secure has %d bytes, want at most 288", n)
	}
	if n := unsafe.Offsetof(secure{}.client); n != 0 {
		t.Errorf("its client is %d bytes into it", n)
	}
}

// Each is the most that its size class takes.
func TestRoomIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(hub{}); n > 208 {
		t.Errorf("a hub has %d bytes, want at most 208", n)
	}
	if n := unsafe.Sizeof(roster{}); n > 160 {
		t.Errorf("a roster has %d bytes, want at most 160", n)
	}
}

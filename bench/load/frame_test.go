package load

import (
	"testing"

	"github.com/gobwas/ws"
)

func TestMessageOfAFramesLength(t *testing.T) {
	for _, size := range []int{25, 125, 126, 127, 245, 1<<16 - 1, 1 << 16, 100_000} {
		frame := ws.HeaderSize(ws.Header{Length: int64(size)}) + size
		if got := PayloadBytes(float64(frame) + 0.3); got != size {
			t.Errorf("a frame of %d bytes has %d, not %d", frame, got, size)
		}
	}
}

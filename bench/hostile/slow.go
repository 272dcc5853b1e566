package hostile

import (
	"context"
	"time"

	"github.com/gobwas/ws"
)

func neverReading(ctx context.Context, t Target) {
	again(ctx, 1, func() {
		c := dialWith(ctx, t, narrow)
		if c == nil {
			return
		}
		defer c.end()
		if c.join("") {
			<-ctx.Done() // also when the server has hung up: nobody looks
		}
	})
}

// zeroWindow's connection lives, as far as TCP and the peer's own words can
// tell.
func zeroWindow(ctx context.Context, t Target) {
	word := frame(ws.OpPong, true, nil)
	again(ctx, 1, func() {
		c := dialWith(ctx, t, narrow)
		if c == nil {
			return
		}
		defer c.end()
		for ok := c.join(""); ok && ctx.Err() == nil; ok = c.write(word) {
			pause(ctx, 500*time.Millisecond)
		}
	})
}

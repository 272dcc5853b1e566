package hostile

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"chatd/room/deflate"
)

// joined has do go on with a new member, so many times a second.
func joined(ctx context.Context, t Target, perSecond float64, extensions string, do func(c *conn)) {
	again(ctx, perSecond, func() {
		c := dial(ctx, t)
		if c == nil {
			return
		}
		defer c.end()
		if c.join(extensions) {
			do(c)
		}
	})
}

func halfFrame(ctx context.Context, t Target) {
	whole := frame(ws.OpBinary, true, make([]byte, 60_000))
	joined(ctx, t, 4, "", func(c *conn) {
		c.write(whole[:len(whole)/2])
		c.drain()
	})
}

// pingSize is the bytes of a ping of pingFlood.
const pingSize = 20

func pingFlood(ctx context.Context, t Target) {
	pings := bytes.Repeat(frame(ws.OpPing, true, make([]byte, pingSize-frameOverhead)), 100)
	joined(ctx, t, 4, "", func(c *conn) {
		var reading sync.WaitGroup
		reading.Go(c.drain)
		for c.write(pings) {
		}
		c.end()
		reading.Wait()
	})
}

// tinyMany is how many tiny frames are in one write.
const tinyMany = 10_000

func tinyFrames(ctx context.Context, t Target) {
	pings := bytes.Repeat(frame(ws.OpPing, true, nil), tinyMany)
	fragments := append(frame(ws.OpText, false, nil), bytes.Repeat(frame(ws.OpContinuation, false, nil), tinyMany-1)...)
	turn := 0
	joined(ctx, t, 2, "", func(c *conn) {
		frames := fragments
		if turn++; turn%2 == 0 {
			frames = pings
			c.SetDeadline(time.Now().Add(time.Second)) // then with another connection
		}
		c.write(frames)
		c.drain()
	})
}

// tinyMessages are heard by everybody, the peer included.
func tinyMessages(ctx context.Context, t Target) {
	c := dial(ctx, t)
	if c == nil {
		return
	}
	defer c.end()
	if c.join("") {
		c.write(bytes.Repeat(frame(ws.OpBinary, true, []byte{'x'}), tinyMany))
		c.drain()
	}
}

func hugeLength(ctx context.Context, t Target) {
	lengths := []string{
		"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04",
		"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00\x01\x02\x03\x04",
		"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x01\x01\x02\x03\x04",
	}
	turn := rand.N(len(lengths))
	joined(ctx, t, 4, "", func(c *conn) {
		turn++
		c.write([]byte(lengths[turn%len(lengths)]))
		c.drain()
	})
}

// packedBomb is a frame, which is the same for all.
var packedBomb = sync.OnceValue(func() []byte {
	packed, _ := deflate.Append(nil, make([]byte, 10<<20))
	f := frame(ws.OpBinary, true, packed)
	f[0] |= 0x40 // compressed (RFC 7692 §6)
	return f
})

func bomb(ctx context.Context, t Target) {
	bomb := packedBomb()
	joined(ctx, t, 4, wsflate.ExtensionName, func(c *conn) {
		c.write(bomb)
		c.drain()
	})
}

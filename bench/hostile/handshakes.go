package hostile

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"
)

func slowHandshake(ctx context.Context, t Target) {
	again(ctx, 4, func() {
		c := dial(ctx, t)
		if c == nil {
			return
		}
		defer c.end()
		for i := range len(c.request) {
			if !c.write([]byte(c.request[i : i+1])) {
				return
			}
			pause(ctx, time.Second)
		}
	})
}

func endlessHeaders(ctx context.Context, t Target) {
	field := append(append([]byte("X-Field: "), bytes.Repeat([]byte("x"), 500)...), "\r\n"...)
	again(ctx, 4, func() {
		c := dial(ctx, t)
		if c == nil {
			return
		}
		defer c.end()
		for ok := c.write([]byte(c.request)); ok && ctx.Err() == nil; {
			ok = c.write(field)
		}
	})
}

func connectAndReset(ctx context.Context, t Target) {
	again(ctx, 4, func() {
		c := dial(ctx, t)
		if c == nil {
			return
		}
		_ = c.SetLinger(0)
		if rand.N(2) == 0 {
			c.write([]byte(c.request[:rand.N(len(c.request))]))
		}
		c.end()
	})
}

// hello is how a TLS connection begins (RFC 8446 §4.1.2).
const hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

func garbage(ctx context.Context, t Target) {
	again(ctx, 4, func() {
		c := dial(ctx, t)
		if c == nil {
			return
		}
		defer c.end()
		if rand.N(2) == 0 {
			for i := range len(hello) {
				if !c.write([]byte(hello[i : i+1])) {
					return
				}
				pause(ctx, 50*time.Millisecond)
			}
		} else {
			noise := make([]byte, 1+rand.N(2000))
			for i := range noise {
				noise[i] = byte(rand.N(256)) | 0x80
			}
			c.write(noise)
		}
		c.drain()
	})
}

package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"chatd/poller/tls13/tls13test"
)

// clientHello is a record with which a handshake of TLS begins, with another random each
// time.
func clientHello() []byte {
	var out unanswered
	_ = tls.Client(&out, anybody).Handshake()
	return out.Bytes()
}

// unanswered is a connection that ends behind what is written.
type unanswered struct {
	net.Conn
	bytes.Buffer
}

func (u *unanswered) Write(p []byte) (int, error) { return u.Buffer.Write(p) }
func (u *unanswered) Read([]byte) (int, error)    { return 0, io.EOF }
func (u *unanswered) Close() error                { return nil }

// bare has do go on with a connection to where TLS is spoken, so many times a second.
func bare(ctx context.Context, t Target, perSecond float64, do func(c *conn)) {
	again(ctx, perSecond, func() {
		if c := connect(ctx, t, nil); c != nil {
			defer c.end()
			do(c)
		}
	})
}

func handshakeThatStops(ctx context.Context, t Target) {
	turn := rand.N(5)
	bare(ctx, t, 4, func(c *conn) {
		hello := clientHello()
		turn++
		c.write([][]byte{
			nil,
			hello[:1],
			hello[:len(hello)/2],
			hello,
			append(hello, "\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x35"...), // and the head of a record
		}[turn%5])
		c.drain()
	})
}

func handshakeGivenUp(ctx context.Context, t Target) {
	turn := rand.N(2)
	bare(ctx, t, 4, func(c *conn) {
		_ = c.SetLinger(0)
		c.write(clientHello())
		if turn++; turn%2 == 0 {
			_, _ = c.r.ReadByte() // the answer, or the end
		}
	})
}

func slowHello(ctx context.Context, t Target) {
	bare(ctx, t, 4, func(c *conn) {
		for b := range slices.Chunk(clientHello(), 1) {
			if !c.write(b) {
				return
			}
			pause(ctx, time.Second)
		}
	})
}

// crumbling puts each byte that is written into a record of its own, up to the first
// record that is sealed.
type crumbling struct{ net.Conn }

func (c crumbling) Write(p []byte) (int, error) {
	if p[0] != tls13test.RecordHandshake {
		return c.Conn.Write(p)
	}
	return len(p), c.crumble(p[5:])
}

// crumble writes a message of the handshake.
func (c crumbling) crumble(message []byte) error {
	var all []byte
	for _, b := range message {
		all = append(all, tls13test.RecordHandshake, 3, 3, 0, 1, b)
	}
	_, err := c.Conn.Write(all)
	return err
}

func helloInPieces(ctx context.Context, t Target) {
	nothing := append([]byte{1, 0, 0x10, 0}, make([]byte, 0x1000)...)
	turn := rand.N(2)
	bare(ctx, t, 4, func(c *conn) {
		if turn++; turn%2 == 0 {
			_ = crumbling{c.TCPConn}.crumble(nothing) // it may be answered before the end
			c.drain()
			return
		}
		if c.secure(tls.Client(crumbling{c.TCPConn}, anybody)) && c.join("") {
			c.write(frame(ws.OpClose, true, nil))
			c.drain()
		}
	})
}

func noTLS13(ctx context.Context, t Target) {
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}
	turn := rand.N(3)
	bare(ctx, t, 4, func(c *conn) {
		switch turn++; turn % 3 {
		case 0:
			c.write([]byte(c.request + "\r\n"))
		case 1:
			noise := make([]byte, 5+rand.N(2000)) // the head of a record, which is none
			for i := range noise {
				noise[i] = byte(rand.N(256)) | 0x80
			}
			c.write(noise)
		case 2:
			_ = tls.Client(c.TCPConn, old).Handshake()
		}
		c.drain()
	})
}

// forged has do go on with a new member that makes its records itself, so many times a
// second.
func forged(ctx context.Context, t Target, perSecond float64, do func(c *conn, f *tls13test.Forger)) {
	bare(ctx, t, perSecond, func(c *conn) {
		c.SetDeadline(time.Now().Add(patience))
		f, err := tls13test.Forge(c.TCPConn, anybody)
		if err != nil {
			return
		}
		c.SetDeadline(time.Time{})
		c.goOver(f)
		if c.join("") {
			do(c, f)
		}
	})
}

// flood writes what next makes until the server has had enough.
func (c *conn) flood(next func() []byte) {
	var reading sync.WaitGroup
	reading.Go(c.drain)
	for ok := true; ok; {
		var many []byte
		for range 100 {
			many = append(many, next()...)
		}
		_, err := c.Write(many)
		ok = err == nil
	}
	c.end()
	reading.Wait()
}

func emptyRecords(ctx context.Context, t Target) {
	forged(ctx, t, 4, func(c *conn, f *tls13test.Forger) {
		c.flood(func() []byte { return f.Seal(tls13test.RecordData, nil) })
	})
}

func keyUpdates(ctx context.Context, t Target) {
	forged(ctx, t, 4, func(c *conn, f *tls13test.Forger) { c.flood(f.Update) })
}

func wrongRecords(ctx context.Context, t Target) {
	word := frame(ws.OpPong, true, []byte("word"))
	wrong := []func(f *tls13test.Forger) []byte{
		func(f *tls13test.Forger) []byte {
			b := f.Seal(tls13test.RecordData, word)
			b[len(b)-1] ^= 1
			return b
		},
		func(f *tls13test.Forger) []byte {
			b := f.Seal(tls13test.RecordData, word)
			return append(b, b...)
		},
		func(f *tls13test.Forger) []byte {
			first := f.Seal(tls13test.RecordData, word)
			return append(f.Seal(tls13test.RecordData, word), first...)
		},
		func(f *tls13test.Forger) []byte { return f.Seal(tls13test.RecordData, make([]byte, 1<<14+1)) },
		func(f *tls13test.Forger) []byte { return []byte{tls13test.RecordData, 3, 3, 0xff, 0xff} },
		func(f *tls13test.Forger) []byte { return f.Seal(99, word) },
		func(f *tls13test.Forger) []byte { return word },
	}
	turn := rand.N(len(wrong))
	forged(ctx, t, 4, func(c *conn, f *tls13test.Forger) {
		turn++
		_, _ = c.Write(wrong[turn%len(wrong)](f)) // what comes tells
		c.drain()
	})
}

func cutOff(ctx context.Context, t Target) {
	message := frame(ws.OpBinary, true, make([]byte, 1000))
	forged(ctx, t, 4, func(c *conn, f *tls13test.Forger) {
		b := f.Seal(tls13test.RecordData, message[:500])
		_, _ = c.Write(append(b, f.Seal(tls13test.RecordData, message[500:])[:100]...)) // as above
		_ = c.CloseWrite()
		c.drain()
	})
}

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room"
)

const messageSize = 128

// serve runs a server in this process and returns its address.
func serve(b *testing.B) (addr string, server *room.Server) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	pool := poller.NewPool(runtime.GOMAXPROCS(0), poller.NewPlain, log)
	epoll, err := poller.New(pool, func(err error) { b.Error(err) })
	if err != nil {
		b.Fatal(err)
	}
	ln, err := poller.Listen("127.0.0.1:0", log)
	if err != nil {
		b.Fatal(err)
	}
	server = room.New(room.Config{
		Queue: 256, MaxMessage: 64 << 10, HandshakeTimeout: time.Minute, DrainTimeout: time.Minute,
		Page: http.NotFoundHandler(), Log: log,
	}, pool, epoll, ln.Resume)
	if err := ln.Start(epoll, pool, server); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ln.Close()
		if err := server.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
		epoll.Close()
		pool.Close()
	})
	return ln.Addr().String(), server
}

// listener is a plain blocking WebSocket client.
type listener struct {
	conn net.Conn
	r    *bufio.Reader
}

func dialBench(b *testing.B, addr string) *listener {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	br, _, err := ws.Dialer{}.Upgrade(conn, &url.URL{Scheme: "ws", Host: addr, Path: room.Path})
	if err != nil {
		b.Fatal(err)
	}
	if br != nil {
		b.Fatal("bytes before the first message")
	}
	return &listener{conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}
}

// next reads one message and returns the number it carries.
func (c *listener) next() (uint64, error) {
	var frame [4 + messageSize]byte
	if _, err := io.ReadFull(c.r, frame[:]); err != nil {
		return 0, err
	}
	if frame[0] != 0x82 || frame[1] != 126 {
		return 0, fmt.Errorf("not a message: % x", frame[:4])
	}
	return binary.BigEndian.Uint64(frame[4:]), nil
}

// BenchmarkBroadcast sends messages of 128 bytes through one room of 1,000,
// one sender keeping some outstanding. One operation is one message. It fails
// if any client misses one, gets one twice or in another order.
func BenchmarkBroadcast(b *testing.B) {
	for _, outstanding := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("listeners=1000/outstanding=%d", outstanding), func(b *testing.B) {
			broadcast(b, 1000, outstanding)
		})
	}
}

func broadcast(b *testing.B, listeners, outstanding int) {
	addr, server := serve(b)
	clients := make([]*listener, listeners)
	for i := range clients {
		clients[i] = dialBench(b, addr)
	}
	sender := dialBench(b, addr)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			for want := range uint64(b.N) {
				if got, err := c.next(); err != nil || got != want {
					b.Errorf("listener %d: message %d, want %d (%v)", i, got, want, err)
					return
				}
			}
		})
	}
	tokens := make(chan struct{}, outstanding)
	wg.Go(func() {
		for range b.N {
			if _, err := sender.next(); err != nil {
				b.Error(err)
				return
			}
			<-tokens
		}
	})
	payload := make([]byte, messageSize)
	for i := range uint64(b.N) {
		tokens <- struct{}{}
		binary.BigEndian.PutUint64(payload, i)
		frame := ws.MaskFrameWith(ws.NewBinaryFrame(payload), [4]byte{1, 2, 3, 4})
		if err := ws.WriteFrame(sender.conn, frame); err != nil {
			b.Fatal(err)
		}
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*listeners)/b.Elapsed().Seconds(), "deliveries/s")
	if n := server.Stats().Dropped["slow_consumer"]; n != 0 {
		b.Errorf("%d clients dropped", n)
	}
	for _, c := range append(clients, sender) {
		c.conn.Close()
	}
}

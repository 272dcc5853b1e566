package load

import (
	"net"
	"testing"
	"time"
)

func TestStuckClientHearsNothingOfWhatComesWithItsHandshake(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	answered := make(chan error, 1)
	go func() {
		answered <- func() error {
			conn, err := ln.Accept()
			if err != nil {
				return err
			}
			conn.SetDeadline(time.Now().Add(time.Minute))
			if _, err = conn.Read(make([]byte, 4096)); err != nil {
				return err
			}
			const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + secAccept + "\r\n\r\n"
			frame := append([]byte{0x82, 40}, make([]byte, 40)...)
			message{}.encode(frame[2:])
			_, err = conn.Write(append([]byte(answer), frame...))
			return err
		}()
	}()
	target, err := NewTarget("ws://"+ln.Addr().String()+"/ws", Raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFleet(target, Rooms{}, 40, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Connect(0, Stuck); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	f.Settled()
	f.Do(func() {}) // what the worker was at is over
	if n := f.Counts(); n.Opened != 1 || n.Delivered != 0 {
		t.Errorf("%+v", n)
	}
}

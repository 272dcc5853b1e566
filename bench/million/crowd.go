package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/bench/result"
)

const (
	port      = 8080
	batch     = 500    // clients whose handshakes are under way at a time
	perSource = 15_000 // clients from one address: fewer than there are ports

	handshakeRequest = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" // the key of RFC 6455 §1.3
	handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// crowd is the clients: blocking sockets, and nothing else. A system call is
// slow in the guest, so a client makes as few as can be, and waits in turn: a
// poller would double them.
type crowd struct {
	// patience is how long a batch of handshakes, or a message to everybody, may
	// take. It is one deadline for all of them: if each client had its own, a few
	// that are lost would take all the time there is, and nothing be reported.
	patience time.Duration

	fds    []int32
	answer []byte // to the first handshake; that to every other must be the same
	buf    [4 << 10]byte
}

// connect opens n clients. It calls progress now and then.
func (c *crowd) connect(n int, progress func(done int)) error {
	c.fds = make([]int32, 0, n)
	for len(c.fds) < n {
		first := len(c.fds)
		for range min(batch, n-first) {
			// With its handshake at once: on a busy machine those of all others may
			// take longer than the server waits for that.
			if err := c.dial(); err != nil {
				return fmt.Errorf("client %d: %w", len(c.fds), err)
			}
			if err := send(c.fds[len(c.fds)-1], []byte(handshakeRequest)); err != nil {
				return fmt.Errorf("client %d: send the handshake: %w", len(c.fds)-1, err)
			}
		}
		until := time.Now().Add(c.patience)
		for i, fd := range c.fds[first:] {
			if err := c.shake(fd, until); err != nil {
				return fmt.Errorf("client %d: %w", first+i, err)
			}
		}
		progress(len(c.fds))
	}
	return nil
}

func (c *crowd) dial() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	source := 2 + len(c.fds)/perSource
	c.fds = append(c.fds, int32(fd))
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(source >> 8), byte(source)}}); err != nil {
		return err
	}
	return unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

// undated is an answer without its second.
func undated(answer []byte) []byte {
	before, after, _ := bytes.Cut(answer, []byte("\r\nDate: "))
	_, after, _ = bytes.Cut(after, []byte("\r\n"))
	return slices.Concat(before, after)
}

// shake reads the answer to a handshake, which comes in one piece.
func (c *crowd) shake(fd int32, until time.Time) error {
	answer, err := c.receive(fd, until)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if c.answer != nil {
		if !bytes.Equal(undated(answer), undated(c.answer)) {
			return fmt.Errorf("answered otherwise than the first: %q", answer)
		}
		return nil
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Sec-WebSocket-Accept") != handshakeAccept {
		return fmt.Errorf("not upgraded: %q", answer)
	}
	c.answer = bytes.Clone(answer)
	return nil
}

// outcome is what became of one message to everybody.
type outcome struct {
	delivered   uint64
	first, last time.Duration
	faults      result.Faults
}

// broadcast has the first client send a message, and everybody read it.
func (c *crowd) broadcast(size int, progress func(done uint64)) (o outcome, err error) {
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(i)
	}
	frame := ws.MustCompileFrame(ws.NewBinaryFrame(payload))
	began := time.Now()
	if err := send(c.fds[0], ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(payload)))); err != nil {
		return o, err
	}
	for _, fd := range c.fds {
		got, err := c.receive(fd, began.Add(c.patience))
		switch {
		case errors.Is(err, unix.ETIMEDOUT):
			o.faults.Lost++
		case err != nil:
			o.faults.Disconnected++
		case !bytes.Equal(got, frame):
			o.faults.Corrupt++
		default:
			o.delivered++
			if o.delivered == 1 {
				o.first = time.Since(began)
			}
		}
		progress(o.delivered)
	}
	o.last = time.Since(began)
	return o, nil
}

// close hangs up. It returns how many clients had got something more.
func (c *crowd) close(progress func(done int)) (repeated uint64) {
	for i, fd := range c.fds {
		if n, _, _ := unix.Recvfrom(int(fd), c.buf[:], unix.MSG_DONTWAIT); n > 0 {
			repeated++
		}
		unix.Close(int(fd))
		progress(i + 1)
	}
	return repeated
}

func send(fd int32, b []byte) error { return unix.Sendto(int(fd), b, unix.MSG_NOSIGNAL, nil) }

// receive reads once, when there is something, and waits for it only until then.
// It looks at the clock only if it has to wait.
func (c *crowd) receive(fd int32, until time.Time) ([]byte, error) {
	for {
		n, _, err := unix.Recvfrom(int(fd), c.buf[:], unix.MSG_DONTWAIT)
		switch {
		case err == nil && n > 0:
			return c.buf[:n], nil
		case err == nil:
			return nil, errors.New("hung up on")
		case !errors.Is(err, unix.EAGAIN):
			return nil, err
		}
		left := max(0, time.Until(until).Milliseconds())
		ready, err := unix.Poll([]unix.PollFd{{Fd: fd, Events: unix.POLLIN}}, int(left))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case ready == 0:
			return nil, unix.ETIMEDOUT
		}
	}
}

// Command gnet broadcasts with panjf2000/gnet event loops and gobwas/ws
// frames: encoded once, written by each connection's own loop. A client whose
// buffer holds more than 4 MiB is closed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"

	"chatd/bench/peers/listen"
)

const (
	maxMessage = 64 << 10
	maxPending = 4 << 20
)

type server struct {
	gnet.BuiltinEventEngine
	addr string

	mu      sync.Mutex // keeps the order of messages the same for all
	members map[gnet.Conn]struct{}
}

// OnBoot implements gnet.EventHandler.
func (s *server) OnBoot(gnet.Engine) gnet.Action {
	listen.Announce(s.addr)
	return gnet.None
}

// OnClose implements gnet.EventHandler.
func (s *server) OnClose(c gnet.Conn, _ error) gnet.Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, c)
	return gnet.None
}

// OnTraffic implements gnet.EventHandler.
func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	if c.Context() == nil {
		if done, err := s.upgrade(c); err != nil {
			return gnet.Close
		} else if !done {
			return gnet.None
		}
	}
	for {
		whole, err := s.frame(c)
		if err != nil {
			return gnet.Close
		}
		if !whole {
			return gnet.None
		}
	}
}

// exchange is what ws.Upgrade reads from and writes to.
type exchange struct {
	io.Reader
	io.Writer
}

// upgrade answers the head when it is whole.
func (s *server) upgrade(c gnet.Conn) (done bool, err error) {
	b, err := c.Peek(-1)
	if err != nil {
		return false, err
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return false, nil
	}
	end += 4
	var answer bytes.Buffer
	if _, err := ws.Upgrade(exchange{bytes.NewReader(b[:end]), &answer}); err != nil {
		return false, err
	}
	if _, err := c.Discard(end); err != nil {
		return false, err
	}
	c.SetContext(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[c] = struct{}{}
	return true, c.AsyncWrite(answer.Bytes(), nil)
}

var errEnd = errors.New("closed by the peer, or too long")

// frame works on a frame and reports whether there was a whole one.
func (s *server) frame(c gnet.Conn) (whole bool, err error) {
	b, err := c.Peek(-1)
	if err != nil {
		return false, err
	}
	r := bytes.NewReader(b)
	h, err := ws.ReadHeader(r)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	if err != nil || h.Length > maxMessage || !h.Fin || h.OpCode == ws.OpClose {
		return false, errEnd
	}
	size := len(b) - r.Len()
	if int64(r.Len()) < h.Length {
		return false, nil
	}
	payload := append([]byte(nil), b[size:size+int(h.Length)]...)
	if _, err := c.Discard(size + int(h.Length)); err != nil {
		return false, err
	}
	ws.Cipher(payload, h.Mask, 0)
	if h.OpCode.IsData() {
		s.broadcast(ws.MustCompileFrame(ws.NewFrame(h.OpCode, true, payload)))
	}
	return true, nil
}

func (s *server) broadcast(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.members {
		c.AsyncWrite(frame, func(c gnet.Conn, err error) error {
			if err == nil && c.OutboundBuffered() > maxPending {
				return c.Close()
			}
			return nil
		})
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr) // resolves port 0, which gnet can't report
	if err != nil {
		listen.Fail(err)
	}
	s := &server{addr: ln.Addr().String(), members: make(map[gnet.Conn]struct{})}
	ln.Close()
	listen.Fail(gnet.Run(s, "tcp://"+s.addr, gnet.WithMulticore(true), gnet.WithTCPNoDelay(gnet.TCPNoDelay)))
}

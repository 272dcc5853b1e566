package hostile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// patience is how long a peer waits for what should come at once.
const patience = 10 * time.Second

// conn is a peer's connection. It is closed when the peer's ctx ends.
type conn struct {
	*net.TCPConn
	over    io.ReadWriter // what is spoken over: the socket, or TLS
	r       *bufio.Reader
	request string // begins its handshake
	stop    func() bool
}

// dial connects, by TLS if the target speaks it, or returns nil: the server may have no
// room.
func dial(ctx context.Context, t Target) *conn {
	return dialWith(ctx, t, nil)
}

func dialWith(ctx context.Context, t Target, control func(fd int)) *conn {
	c := connect(ctx, t, control)
	if c == nil || !t.TLS {
		return c
	}
	if !c.secure(tls.Client(c.TCPConn, anybody)) {
		return nil
	}
	return c
}

// anybody is trusted.
var anybody = &tls.Config{InsecureSkipVerify: true}

// secure has c go on over TLS. If its handshake can't be made, c is closed.
func (c *conn) secure(over *tls.Conn) bool {
	c.SetDeadline(time.Now().Add(patience))
	if over.Handshake() != nil {
		c.end()
		return false
	}
	c.SetDeadline(time.Time{})
	c.goOver(over)
	return true
}

// goOver has c go on over something else than its socket.
func (c *conn) goOver(over io.ReadWriter) {
	c.over = over
	c.r.Reset(over)
}

// connect is dialWith without TLS.
func connect(ctx context.Context, t Target, control func(fd int)) *conn {
	d := net.Dialer{Timeout: patience}
	if control != nil {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { control(int(fd)) })
		}
	}
	c, err := d.DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil
	}
	tcp := c.(*net.TCPConn)
	return &conn{tcp, tcp, bufio.NewReaderSize(tcp, 512), t.request(), context.AfterFunc(ctx, func() { tcp.Close() })}
}

// narrow has a socket's peer buffer little for it: a small window, of small
// segments.
func narrow(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 2048) // best effort
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 536)
}

// join makes c a member, or returns false.
func (c *conn) join(extensions string) bool {
	if extensions != "" {
		extensions = "Sec-WebSocket-Extensions: " + extensions + "\r\n"
	}
	if !c.write([]byte(c.request + extensions + "\r\n")) {
		return false
	}
	c.SetReadDeadline(time.Now().Add(patience))
	r, err := http.ReadResponse(c.r, nil)
	c.SetReadDeadline(time.Time{})
	return err == nil && r.StatusCode == http.StatusSwitchingProtocols
}

// write reports whether all was taken.
func (c *conn) write(b []byte) bool {
	_, err := c.over.Write(b)
	return err == nil
}

// drain reads until the server hangs up, or ctx ends.
func (c *conn) drain() { _, _ = io.Copy(io.Discard, c.r) }

// answerPings does nothing but that until the server hangs up, or ctx ends.
func (c *conn) answerPings() {
	for {
		h, err := ws.ReadHeader(c.r)
		if err != nil {
			return
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(c.r, payload); err != nil || h.OpCode == ws.OpPing && !c.write(frame(ws.OpPong, true, payload)) {
			return
		}
	}
}

// end closes c.
func (c *conn) end() {
	c.stop()
	c.Close()
}

// again calls do about so many times a second until ctx ends.
func again(ctx context.Context, perSecond float64, do func()) {
	for ctx.Err() == nil {
		do()
		pause(ctx, time.Duration((0.5+rand.Float64())/perSecond*float64(time.Second)))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// frameOverhead is the bytes of a small frame besides its payload: header and
// mask.
const frameOverhead = 6

// frame is a client's frame.
func frame(op ws.OpCode, fin bool, payload []byte) []byte {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrameWith(ws.NewFrame(op, fin, payload), [4]byte{1, 2, 3, 4})) // a Buffer takes all
	return b.Bytes()
}

package load

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"chatd/poller"
)

// Wire is a connection, by TLS if secure is there.
type Wire struct {
	poller.Conn
	secure *secure
}

// Handshake makes the handshake of TLS, and blocks until it is done. It comes before all
// else.
func (c *Wire) Handshake(config *tls.Config) (err error) {
	c.secure, err = newSecure(int(c.FD()), config, nil)
	return err
}

// Secure reports whether it speaks TLS.
func (c *Wire) Secure() bool { return c.secure != nil }

// Read is [poller.Conn.Read]. By TLS, a read that is short need not be the last: it is to
// be called until there is nothing.
func (c *Wire) Read(p []byte) int {
	if c.secure != nil {
		c.secure.socket.ending = c.Hangup()
		return c.secure.receive(p)
	}
	return c.Conn.Read(p)
}

// Send writes what the socket takes, as w.Send does. What TLS has taken may wait for
// Flush.
func (c *Wire) Send(w poller.Sender, p []byte) int {
	if c.secure != nil {
		return c.secure.send(p)
	}
	return w.Send(c.FD(), p)
}

// Flush writes what waits, and reports whether nothing does any more.
func (c *Wire) Flush() bool { return c.secure == nil || c.secure.flush() }

// End ends our side of the stream, as TLS does if it is spoken.
func (c *Wire) End() {
	if c.secure == nil || c.secure.end() {
		c.ShutdownWrite()
	}
}

// Close is [poller.Conn.Close]. Whoever still sends finds nobody: the descriptor's number may
// soon be another socket's.
func (c *Wire) Close() {
	if s := c.secure; s != nil {
		s.mu.Lock()
		s.socket.fd = -1
		s.mu.Unlock()
	}
	c.Conn.Close()
}

// secure is a connection's TLS, by crypto/tls, which waits for nothing once the
// handshake is made. Receive belongs to who reads the socket; anybody may send.
type secure struct {
	socket *socket
	conn   *tls.Conn

	mu sync.Mutex // guards what is written
}

// secureConfig is for connections to host. It takes any certificate: a load test knows
// whom it asks. Each connection makes a whole handshake.
func secureConfig(host string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, ServerName: host}
}

// newSecure makes the handshake on fd, which blocks until it is done. In is what who
// reads has for all its connections; nil, and crypto/tls reads by itself.
func newSecure(fd int, config *tls.Config, in *[inSize]byte) (*secure, error) {
	s := &socket{fd: fd, waits: true, in: in}
	conn := tls.Client(s, config)
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	s.waits = false
	return &secure{socket: s, conn: conn}, nil
}

// receive is poller.Conn's Read.
func (s *secure) receive(p []byte) int {
	n, err := s.conn.Read(p)
	switch {
	case n > 0:
		return n
	case errors.Is(err, os.ErrDeadlineExceeded):
		return poller.WouldBlock
	case err == io.EOF:
		return 0
	}
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return -int(errno)
	}
	return -int(unix.EPROTO)
}

// send is poller.Sender's Send, which takes all or nothing.
func (s *secure) send(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.socket.flush(); n < 0 {
		return n
	}
	if _, err := s.conn.Write(p); err != nil {
		return -int(unix.EPROTO)
	}
	if n := s.socket.flush(); n < 0 && n != poller.WouldBlock {
		return n
	}
	return len(p)
}

// flush reports whether the socket has taken all, by now.
func (s *secure) flush() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socket.flush() == 0
}

// end says that no more comes, and reports whether the socket has taken all.
func (s *secure) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn.CloseWrite() == nil && s.socket.flush() == 0
}

var errSilent = errors.New("the server says nothing")

// socket is a net.Conn on a socket of a poller's.
type socket struct {
	fd    int    // -1 once it is closed
	waits bool   // for what comes
	out   []byte // records that the socket has not taken

	// Owned by who reads, once nobody waits.
	in     *[inSize]byte // shared by who is read from by the same worker; nil: there is none
	came   []byte        // of in, what crypto/tls has yet to take
	empty  bool          // the socket has no more, by what the last read of it gave
	ending bool          // whatever that was, there is the end of the stream to be read
}

// inSize is how much is read at once. It takes crypto/tls three calls to read a long
// record by itself, and one more to see that there is nothing behind it.
const inSize = 64 << 10

// handshakeTimeout is how long the other side may be silent in a handshake.
const handshakeTimeout = 10 * time.Second

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if s.waits || s.in == nil {
		return s.read(p)
	}
	if len(s.came) == 0 {
		if s.empty && !s.ending {
			s.empty = false // by the next event
			return 0, os.ErrDeadlineExceeded
		}
		n, err := s.read(s.in[:])
		if err != nil {
			s.empty = false
			return 0, err
		}
		s.came, s.empty = s.in[:n], n < len(s.in)
	}
	n := copy(p, s.came)
	s.came = s.came[n:]
	return n, nil
}

// read reads from the socket.
func (s *socket) read(p []byte) (int, error) {
	for {
		switch n, err := unix.Read(s.fd, p); {
		case err == unix.EINTR:
		case err == unix.EAGAIN && s.waits:
			ready, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, int(handshakeTimeout.Milliseconds()))
			if err == nil && ready == 0 {
				return 0, errSilent
			}
		case err == unix.EAGAIN:
			return 0, os.ErrDeadlineExceeded // after which crypto/tls goes on
		case err != nil:
			return 0, err
		case n == 0:
			return 0, unix.ECONNABORTED // TLS says when it ends, and crypto/tls would take io.EOF for that
		default:
			return n, nil
		}
	}
}

// Write implements net.Conn. What the socket does not take waits for flush.
func (s *socket) Write(p []byte) (int, error) {
	s.out = append(s.out, p...)
	if n := s.flush(); n < 0 && n != poller.WouldBlock {
		return 0, unix.Errno(-n)
	}
	return len(p), nil
}

// flush writes what waits: 0, or why it still does.
func (s *socket) flush() int {
	for len(s.out) > 0 {
		n := poller.Plain{}.Send(int32(s.fd), s.out)
		if n < 0 {
			return n
		}
		s.out = s.out[n:]
	}
	s.out = nil
	return 0
}

// Close implements net.Conn: the socket is the poller's.
func (s *socket) Close() error { return nil }

// The rest of net.Conn is not asked for.
func (s *socket) LocalAddr() net.Addr              { return nil }
func (s *socket) RemoteAddr() net.Addr             { return nil }
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

package tls13

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chatd/poller"
)

// Conn is a Session as a net.Conn, for net/http, which has a goroutine for a connection.
// While it idles it holds no buffer, not even in a Read. Messages don't come by here, so
// locks are good enough.
//
// One goroutine may read while another writes. A Read or Write whose deadline has
// passed may be made again, and goes on where it was.
type Conn struct {
	net.Conn // below; its addresses and deadlines are the Conn's

	reading sync.Mutex
	source  source   // as the next one, of who reads
	session *Session // its Reader is of who reads, its Writer of who writes
	failed  error    // of who reads

	update atomic.Bool // the peer wants new keys: set by who reads, cleared by who writes

	writing sync.Mutex
	out     []byte // sealed, and yet to be sent
}

// NewConn returns a Conn that goes on with a Session on nc, which it closes. Of the Session
// nothing may be half sent.
func NewConn(nc net.Conn, s *Session) *Conn {
	return &Conn{Conn: nc, source: source{conn: nc}, session: s}
}

// Detach gives the Session back, for others to go on with, if all that was written is
// sent; else it is nil. c is not used any more then. What c has read and not given to
// anybody is in the Reader.
func (c *Conn) Detach() *Session {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.writing.Lock()
	defer c.writing.Unlock()
	s := c.session
	if s == nil || len(c.out) > 0 {
		return nil
	}
	if c.update.Load() {
		s.Writer.Update()
	}
	s.Writer.busy = nil // its cipher is in nobody's Ciphers
	c.session = nil
	return s
}

// source is the Source that a Conn reads from. It blocks.
type source struct {
	conn net.Conn
	err  error // of the last Read
}

// Read implements Source.
func (s *source) Read(p []byte) int {
	var n int
	n, s.err = s.conn.Read(p)
	switch {
	case n > 0:
		s.err = nil // it comes again
		return n
	case s.err == nil, errors.Is(s.err, os.ErrDeadlineExceeded):
		return poller.WouldBlock
	case s.err == io.EOF:
		return 0
	}
	return -int(syscall.EIO)
}

// Read implements net.Conn. At the end it is io.EOF if the peer has said that it is,
// else io.ErrUnexpectedEOF.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		if c.session == nil {
			return 0, net.ErrClosed
		}
		if c.failed != nil {
			return 0, c.failed
		}
		c.source.err = nil
		got := c.session.Reader.Read(&c.source, p, uint32(time.Now().Unix()))
		if got.Update {
			c.update.Store(true)
		}
		switch {
		case got.N > 0:
			return got.N, nil
		case got.N == poller.WouldBlock && c.source.err != nil:
			return 0, c.source.err
		case got.N != poller.WouldBlock:
			c.failed = c.failure(got)
		}
	}
}

// failure is why there is nothing to read any more. The peer is told, if that is its
// fault.
func (c *Conn) failure(got Got) error {
	switch got.N {
	case 0:
		return io.EOF
	case Truncated:
		return io.ErrUnexpectedEOF
	case Alerted:
		return fmt.Errorf("tls13: the peer gave up: %w", got.Alert)
	case Failed:
		c.end(got.Alert)
		return got.Alert
	}
	return c.source.err
}

// Write implements net.Conn. What it says was written may in part have yet to be sent,
// if there is an error, too; the next Write begins with it.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.flush(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	record := records.Get().(*[RecordMost]byte)
	defer records.Put(record)
	for n < len(p) {
		if c.session == nil || c.session.Writer.owes&ended != 0 {
			return n, net.ErrClosed
		}
		w := &c.session.Writer
		if c.update.Swap(false) {
			w.Update()
		}
		if w.owes&owesUpdate != 0 || w.seq >= updateAt { // also what its owner before owed
			if err := c.send(w.put(record, typeHandshake, keyUpdate)); err != nil {
				return n, err
			}
		}
		part := p[n:min(len(p), n+plainMost)]
		n += len(part)
		if err := c.send(w.put(record, typeData, part)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// put seals a record, whose number is used up with that: it is kept until it is sent.
func (w *Writer) put(to *[RecordMost]byte, kind byte, p []byte) []byte {
	b := w.cipher(nil)
	size := w.seal(b, to[:], kind, w.seq, p)
	w.wrote(b, kind)
	return to[:size]
}

// send sends a record, or keeps what it could not send.
func (c *Conn) send(record []byte) error {
	n, err := c.Conn.Write(record)
	if n < len(record) {
		c.out = append([]byte(nil), record[n:]...)
	}
	return err
}

// flush sends what is kept.
func (c *Conn) flush() error {
	for len(c.out) > 0 {
		n, err := c.Conn.Write(c.out)
		if c.out = c.out[n:]; err != nil {
			return err
		}
	}
	c.out = nil
	return nil
}

// closing is how long the end of a stream may take to be sent.
const closing = 5 * time.Second

// end ends the stream with an alert, unless somebody is writing.
func (c *Conn) end(a Alert) error {
	if !c.writing.TryLock() {
		return nil
	}
	defer c.writing.Unlock()
	if c.session == nil || c.session.Writer.owes&ended != 0 {
		return nil
	}
	if err := c.SetWriteDeadline(time.Now().Add(closing)); err != nil {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	record := records.Get().(*[RecordMost]byte)
	defer records.Put(record)
	return c.send(c.session.Writer.put(record, typeAlert, a.message()))
}

// CloseWrite tells the peer that nothing more is written.
func (c *Conn) CloseWrite() error { return c.end(CloseNotify) }

// Close implements net.Conn. The peer is told, and the secrets are wiped.
func (c *Conn) Close() error {
	_ = c.end(CloseNotify) // it is over, with this or without
	err := c.Conn.Close()
	c.reading.Lock() // a Read ends by now, and a Write
	defer c.reading.Unlock()
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.session != nil {
		c.session.Wipe()
		c.session = nil
	}
	return err
}

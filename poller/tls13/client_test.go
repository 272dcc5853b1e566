package tls13

import (
	"crypto/tls"
	"net"
)

// Client makes the handshake of a client on nc, and returns a Conn that goes on with
// it. crypto/tls then is gone, and with it its memory; the tickets that the server sends
// afterwards are not for anybody. Who wants to bound the time sets a deadline of nc.
func Client(nc net.Conn, config *tls.Config) (*Conn, tls.ConnectionState, error) {
	var s secrets
	defer s.wipe()
	config = config.Clone()
	config.MinVersion, config.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
	config.KeyLogWriter = (*clientLog)(&s)
	conn := tls.Client(&exact{Conn: nc}, config)
	if err := conn.Handshake(); err != nil {
		return nil, tls.ConnectionState{}, err
	}
	state := conn.ConnectionState()
	session := s.session(state.CipherSuite, true, nil)
	if session == nil {
		return nil, state, errKeyLog
	}
	return NewConn(nc, session), state, nil
}

// exact is a net.Conn that gives one record at a time.
type exact struct {
	net.Conn
	framer framer
}

// Read implements net.Conn.
func (e *exact) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p[:min(len(p), e.framer.want())])
	if n > 0 {
		e.framer.took(p[:n])
	}
	return n, err
}

// clientLog is where crypto/tls tells of the secrets of one client.
type clientLog secrets

// Write implements io.Writer. The line is made for it alone: it is wiped.
func (l *clientLog) Write(line []byte) (int, error) {
	defer clear(line)
	label, _, value, err := parse(line)
	if err != nil {
		return 0, err
	}
	(*secrets)(l).take(label, value)
	value = secret{}
	return len(line), nil
}

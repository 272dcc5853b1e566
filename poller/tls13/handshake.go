package tls13

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"chatd/poller"
)

const (
	// fedMost is how many bytes a Handshake holds that crypto/tls has not taken: a record.
	fedMost = RecordMost
	// A client may say so much in a handshake, in bytes of records: that is two
	// ClientHellos of 16 KiB each, and a Finished. If it is asked for a certificate that
	// comes, too. crypto/tls would keep 64 KiB of one message, and 256 KiB of that.
	helloMost       = 33 << 10
	certificateMost = 128 << 10
)

// Handshake is one under way. All of it is its connection's Task's: crypto/tls runs as a
// coroutine, which the Task resumes when there is something for it, on its own worker.
//
//	socket ──Task──Feed──▶ [fed] ──one record at a time──▶ crypto/tls ──▶ socket
//
// When there is a Result the coroutine has ended.
type Handshake struct {
	acceptor  *Acceptor // static, as the next three
	transport transport
	resume    func() (struct{}, bool) // runs the coroutine until it pauses, or has ended
	pause     func(struct{}) bool     // the coroutine calls it

	fed      []byte // that crypto/tls has yet to take
	ended    bool   // the peer's stream has
	canceled Reason
	sending  bool // it waits for the socket to take something
	result   *Result

	turn turn // owned by acceptor.turns

	// What the coroutine knows.
	framer  framer
	hello   hello
	named   bool // registered by the random of hello
	heard   int  // bytes of records that crypto/tls has taken
	secrets secrets
	sent    []byte // what was written since the server's secret was out
	said    Alert  // the alert that was sent in the clear
	broken  error  // of the socket
}

// Result is how a handshake ended.
type Result struct {
	// Session is what goes on. What the client has sent behind the handshake is in its
	// Reader.
	Session *Session
	// What was agreed upon.
	Protocol     string // of the application, "" if none
	ServerName   string // that the client asked for, "" if none
	Resumed      bool
	Suite        uint16
	Group        tls.CurveID
	Certificates []*x509.Certificate // of the client

	// Err is why there is no Session, and Reason what kind of reason that is. The
	// client has been told.
	Err    error
	Reason Reason
}

// transport is what a Handshake needs of a connection.
type transport interface {
	Send(p []byte) int
	WantWrite(on bool)
	Schedule()
	Peer() netip.AddrPort
}

// socket is the transport of a poller.Conn.
type socket struct{ *poller.Conn }

// Send writes as poller.Sender does.
func (s socket) Send(p []byte) int { return poller.Plain{}.Send(s.FD(), p) }

// WantWrite has the Task run, which tells the Handshake.
func (s socket) WantWrite(on bool) { s.WantRun(on) }

// Room is how many bytes Feed takes now. When there is none the Handshake waits for
// others, or for the socket: the Task need not read.
func (h *Handshake) Room() int { return fedMost - len(h.fed) }

// Feed hands over what has come, at most Room bytes.
func (h *Handshake) Feed(p []byte) { h.fed = append(h.fed, p...) }

// End says that the peer's stream is at its end, or broken.
func (h *Handshake) End() { h.ended = true }

// Continue goes on as far as what was fed, and the socket, allow. It gives the outcome,
// nil while there is none: then it is to be called again when there is more to feed, the
// socket takes bytes again (see [poller.Conn.WantRun]), or the Task is run because others
// have had their turn.
func (h *Handshake) Continue() *Result {
	if h.result == nil && h.canContinue() {
		if !h.mayCompute() {
			return nil
		}
		h.resume()
	}
	h.acceptor.turns.end(h)
	return h.result
}

// Cancel ends a handshake that has not ended. It gives the outcome.
func (h *Handshake) Cancel(why Reason) *Result {
	if h.canceled = why; h.result == nil {
		h.resume()
	}
	h.acceptor.turns.end(h)
	return h.result
}

// canContinue reports whether there is something for the coroutine.
func (h *Handshake) canContinue() bool { return h.sending || len(h.fed) > 0 || h.ended }

// mayCompute reports whether it is h's turn. What is left to do once the flight is made is
// little, unless there is a certificate to be verified: it needs no turn, so that those
// who were first are done first, and not all at the end.
func (h *Handshake) mayCompute() bool {
	return h.secrets.server.size > 0 && !h.acceptor.mutual || h.acceptor.turns.take(h)
}

// run is the coroutine.
func (h *Handshake) run(pause func(struct{}) bool) {
	h.pause = pause
	h.result = h.make()
	if h.named {
		h.acceptor.unregister(h.hello.random())
	}
	h.secrets.wipe()
	h.sent = nil
	if session := h.result.Session; session != nil && len(h.fed) > 0 {
		session.Reader.busy = &reading{partial: h.fed, fresh: true}
		h.fed = nil
	}
}

// make makes the handshake.
func (h *Handshake) make() (r *Result) {
	defer func() {
		if cause := recover(); cause != nil {
			r = &Result{Reason: Panicked, Err: fmt.Errorf("tls13: panic in a handshake: %v\n%s", cause, debug.Stack())}
		}
	}()
	w := &wire{Handshake: h}
	conn := tls.Server(w, h.acceptor.config)
	if err := conn.Handshake(); err != nil {
		return &Result{Err: err, Reason: w.reason(err)}
	}
	state := conn.ConnectionState()
	session := h.secrets.session(state.CipherSuite, false, h.sent)
	if session == nil {
		return &Result{Err: errKeyLog, Reason: Internal}
	}
	return &Result{
		Session:      session,
		Protocol:     state.NegotiatedProtocol,
		ServerName:   state.ServerName,
		Resumed:      state.DidResume,
		Suite:        state.CipherSuite,
		Group:        state.CurveID,
		Certificates: state.PeerCertificates,
	}
}

// wire is the net.Conn that crypto/tls has for a Handshake.
type wire struct {
	*Handshake
	lacking bool // there was no certificate for the client
}

// Read implements net.Conn. It gives one record, and then the next.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.fed) == 0 && !w.ended && w.canceled == None {
		w.pause(struct{}{})
	}
	switch {
	case w.canceled != None:
		return 0, errCanceled
	case len(w.fed) == 0:
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), w.framer.want())], w.fed) // what belongs to the record that is being read
	w.fed = append(w.fed[:0], w.fed[n:]...)
	return n, w.greet(w.framer.took(p[:n]))
}

var errTooMuch = errors.New("tls13: the client says more than a handshake takes")

// greet looks for the client's random in its first message, of which body may be a
// piece.
func (w *wire) greet(body []byte) error {
	if w.heard += len(body); w.heard > w.acceptor.most {
		if w.secrets.server.size == 0 { // else only what is sealed would be understood
			w.alert(IllegalParameter)
		}
		return errTooMuch
	}
	if w.framer.head[0] != typeHandshake || !w.hello.add(body) {
		return nil
	}
	if err := w.acceptor.register(w.hello.random(), w.Handshake); err != nil {
		w.alert(IllegalParameter)
		return err
	}
	w.named = true
	return nil
}

// alert sends an alert before there are keys.
func (w *wire) alert(a Alert) {
	_, _ = w.Write(a.Record()) // it will end anyway
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if len(p) == headerSize+2 && p[0] == typeAlert {
		w.said = Alert(p[len(p)-1])
	}
	if w.secrets.server.size > 0 {
		w.sent = append(w.sent, p...)
	}
	n := 0
	for n < len(p) {
		k := w.transport.Send(p[n:])
		switch {
		case k >= 0:
			n += k
		case k != poller.WouldBlock:
			w.broken = os.NewSyscallError("send", syscall.Errno(-k))
			return n, w.broken
		case !w.sending:
			w.sending = true
			w.transport.WantWrite(true) // and once more
		case w.canceled != None:
			return n, errCanceled
		default:
			w.pause(struct{}{})
		}
	}
	if w.sending {
		w.sending = false
		w.transport.WantWrite(false)
	}
	return n, nil
}

// Close implements net.Conn. The socket is the Task's.
func (w *wire) Close() error { return nil }

// LocalAddr implements net.Conn.
func (w *wire) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(w.transport.Peer()) }

// SetDeadline implements net.Conn. Time is whose who may cancel.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

var errCanceled = errors.New("tls13: the handshake was canceled")

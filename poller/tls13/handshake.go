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
	"sync"
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

// Handshake is one under way. A goroutine has crypto/tls make it, and writes to the
// socket; the connection's Task reads for it.
//
//	socket ──Task──Feed──▶ [fed] ──one record at a time──▶ crypto/tls ──▶ socket
//
// When there is a Result the goroutine has ended and touches nothing any more; before
// that the socket must not be closed. Who wants it to end calls Cancel. Its lock and channel
// go with it: a connection has none.
type Handshake struct {
	acceptor  *Acceptor // static, as the next two
	transport transport
	wake      chan struct{} // has a token when something of what follows has changed

	mu       sync.Mutex
	fed      []byte // that crypto/tls has yet to take
	ended    bool   // the peer's stream has
	canceled Reason
	result   *Result

	// Owned by the goroutine.
	framer  framer
	hello   hello
	named   bool // registered by the random of hello
	heard   int  // bytes of records that crypto/tls has taken
	secrets secrets
	sent    []byte // what was written since the server's secret was out
	said    Alert  // the alert that was sent in the clear
	broken  error  // of the socket
	turn    bool   // it has one of acceptor.turns
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

// Room is how many bytes Feed takes now. When there is none the Task need not read:
// it will be scheduled.
func (h *Handshake) Room() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fedMost - len(h.fed)
}

// Feed hands over what has come, at most Room bytes. Only the Task may call it.
func (h *Handshake) Feed(p []byte) {
	h.mu.Lock()
	h.fed = append(h.fed, p...)
	h.mu.Unlock()
	h.notify()
}

// End says that the peer's stream is at its end, or broken. The Task calls it.
func (h *Handshake) End() {
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	h.notify()
}

// Writable says that the socket may take bytes again, or is broken. The Task calls it
// when it is run: see [poller.Conn.WantRun].
func (h *Handshake) Writable() { h.notify() }

// Cancel ends a handshake that has not ended. Its Result follows.
func (h *Handshake) Cancel(why Reason) {
	h.mu.Lock()
	h.canceled = why
	h.mu.Unlock()
	h.notify()
}

// Result is the outcome, nil while there is none: then the Task will be scheduled.
// Only the Task may call it, and once it has a Result there is nothing more to do.
func (h *Handshake) Result() *Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.result
	if r != nil && r.Session != nil && len(h.fed) > 0 {
		r.Session.Reader.busy = &reading{partial: h.fed, fresh: true}
		h.fed = nil
	}
	return r
}

func (h *Handshake) notify() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run is the goroutine.
func (h *Handshake) run() {
	h.takeTurn()
	r := h.make()
	h.endTurn()
	if h.named {
		h.acceptor.unregister(h.hello.random())
	}
	h.secrets.wipe()
	h.sent = nil
	h.mu.Lock()
	defer h.mu.Unlock()
	h.result = r
	h.transport.Schedule() // who sees the result may close the pool
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

// wait waits until something has changed. Others may compute meanwhile. What is left to
// do once the flight is made is little, unless there is a certificate to be verified: it
// needs no turn, so that those who were first are done first, and not all at the end.
func (h *Handshake) wait() {
	h.endTurn()
	<-h.wake
	if h.secrets.server.size == 0 || h.acceptor.mutual {
		h.takeTurn()
	}
}

func (h *Handshake) takeTurn() {
	h.acceptor.turns <- struct{}{}
	h.turn = true
}

func (h *Handshake) endTurn() {
	if h.turn {
		h.turn = false
		<-h.acceptor.turns
	}
}

// wire is the net.Conn that crypto/tls has for a Handshake.
type wire struct {
	*Handshake
	lacking bool // there was no certificate for the client
}

// Read implements net.Conn. It gives one record, and then the next.
func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err := w.take(p)
		if err != nil {
			return 0, err
		}
		if n > 0 {
			return n, w.greet(w.framer.took(p[:n]))
		}
		w.wait()
	}
}

// take takes what belongs to the record that is being read.
func (w *wire) take(p []byte) (n int, err error) {
	w.mu.Lock()
	full := len(w.fed) == fedMost
	switch {
	case w.canceled != None:
		err = errCanceled
	case len(w.fed) > 0:
		n = copy(p[:min(len(p), w.framer.want())], w.fed)
		w.fed = append(w.fed[:0], w.fed[n:]...)
	case w.ended:
		err = io.EOF
	}
	w.mu.Unlock()
	if full && n > 0 {
		w.transport.Schedule()
	}
	return n, err
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
	n, armed := 0, false
	for n < len(p) {
		k := w.transport.Send(p[n:])
		switch {
		case k >= 0:
			n += k
		case k != poller.WouldBlock:
			w.broken = os.NewSyscallError("send", syscall.Errno(-k))
			return n, w.broken
		case !armed:
			armed = true
			w.transport.WantWrite(true) // and once more
		case w.isCanceled():
			return n, errCanceled
		default:
			w.wait()
		}
	}
	if armed {
		w.transport.WantWrite(false)
	}
	return n, nil
}

func (w *wire) isCanceled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.canceled != None
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

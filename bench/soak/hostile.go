package soak

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// attack is what a hostile client does with its connection.
type attack struct {
	name string
	// way is what it comes by, if not by TLS or without, as it happens.
	way way
	// send is what it sends; with join behind the answer to its handshake.
	join bool
	send []byte
	// code is the HTTP status or the close code with which it is to be sent
	// away, series the metric that must count it; 0: it leaves, by a reset.
	code   int
	series string
}

type way uint8

const (
	anyWay    way = iota
	unsecured     // to where TLS is spoken, but without
)

// The pieces of attacks.
var (
	request = "GET /ws" + fields
	head    = request + "\r\n"
	hello   = clientHello()
	masked  = ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(strings.Repeat("half", 100)))))
)

var attacks = []attack{
	{name: "reset at once"},
	{name: "half a ClientHello", way: unsecured, send: hello[:len(hello)/2]},
	{name: "a ClientHello, and then a reset", way: unsecured, send: hello},
	{name: "no TLS", way: unsecured, send: []byte(head),
		code: http.StatusBadRequest, series: `chatd_tls_handshake_failures_total{reason="not_tls"}`},
	{name: "half a head", send: []byte(head[:len(head)/2])},
	{name: "half a frame", join: true, send: masked[:len(masked)/2]},
	{name: "half a frame's header", join: true, send: masked[:3]},
	{name: "half a head, and then nothing", send: []byte(head[:len(head)/3]),
		code: http.StatusRequestTimeout, series: `chatd_handshake_failures_total{reason="handshake_timeout"}`},
	{name: "another method", send: []byte(strings.Replace(head, "GET", "POST", 1)),
		code: http.StatusMethodNotAllowed, series: `chatd_handshake_failures_total{reason="method"}`},
	{name: "another version", send: []byte(strings.Replace(head, "Version: 13", "Version: 12", 1)),
		code: http.StatusUpgradeRequired, series: `chatd_handshake_failures_total{reason="version"}`},
	{name: "a bad key", send: []byte(strings.Replace(head, secKey, "c2hvcnQ=", 1)),
		code: http.StatusBadRequest, series: `chatd_handshake_failures_total{reason="bad_key"}`},
	{name: "an endless head", send: []byte(request + "X: " + strings.Repeat("x", 10<<10) + "\r\n\r\n"),
		code: http.StatusRequestHeaderFieldsTooLarge, series: `chatd_handshake_failures_total{reason="header_too_large"}`},
	{name: "noise", send: append(bytes.Repeat([]byte{0, 0xff}, 100), "\r\n\r\n"...),
		code: http.StatusBadRequest, series: `chatd_handshake_failures_total{reason="bad_request"}`},
	{name: "a frame without a mask", join: true, send: ws.MustCompileFrame(ws.NewTextFrame([]byte("bare"))),
		code: int(ws.StatusProtocolError), series: `chatd_dropped_total{reason="protocol"}`},
	{name: "a text that is none", join: true, send: ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte{0xff, 0xfe}))),
		code: int(ws.StatusInvalidFramePayloadData), series: `chatd_dropped_total{reason="utf8"}`},
	{name: "a huge message", join: true, send: []byte{0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4},
		code: int(ws.StatusMessageTooBig), series: `chatd_dropped_total{reason="too_big"}`},
}

// clientHello is what TLS begins with.
func clientHello() []byte {
	var out helloOnly
	_ = tls.Client(&out, secureConfigs[0]).Handshake() // nobody answers
	return out.Bytes()
}

// helloOnly is a connection that keeps what is written, and then ends.
type helloOnly struct {
	net.Conn
	bytes.Buffer
}

func (h *helloOnly) Write(p []byte) (int, error) { return h.Buffer.Write(p) }
func (h *helloOnly) Read([]byte) (int, error)    { return 0, io.EOF }
func (h *helloOnly) SetDeadline(time.Time) error { return nil }
func (h *helloOnly) Close() error                { return nil }

// hostileTime is how long a hostile client waits for what it has coming: more
// than chatd's -handshake-timeout.
const hostileTime = 20 * time.Second

// hostile is those who never become clients, or bad ones.
func (c *crowd) hostile(ctx context.Context, p *Phase) {
	r := p.rand()
	var all sync.WaitGroup
	defer all.Wait()
	var deeds []deed
	for i := range p.Clients {
		a, secure := attacks[r.IntN(len(attacks))], r.IntN(2) == 0
		deeds = append(deeds, deed{p.sometime(r, 1), func() error {
			all.Go(func() {
				var born int
				lobby := c.rooms[0]
				c.do(func() { born = lobby.slowest })
				upgrades := c.upgrades.over.Load()
				conn, secured, err := a.dial(c.addr, i, secure)
				parted := secure && c.upgrades.since(upgrades)
				if err == nil {
					err = a.run(conn)
				}
				parted = parted || a.way == unsecured && c.upgrades.since(upgrades)
				c.do(func() {
					if secured && !parted && (a.join || a.code != 0) { // else it is gone before the server knows of it
						c.tally.Secured++
					} else if secured {
						c.tally.Fleeting++
					}
					if a.join {
						c.tally.Missed += lobby.ledger.unheard(born)
					}
					switch {
					case err != nil && parted:
						c.tally.Parted++
					case err != nil:
						c.fault(fmt.Errorf("%s: %w", a.name, err))
					case a.series != "":
						c.tally.Refused[a.series]++
					}
				})
			})
			return nil
		}})
	}
	_ = perform(ctx, deeds) // they don't fail here
}

// dial connects, and makes the handshake of TLS if that is how it comes.
func (a *attack) dial(addr Addr, number int, secure bool) (conn net.Conn, secured bool, err error) {
	to := addr.Plain
	if secure || a.way == unsecured {
		to = addr.TLS
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+number%sources))}, Timeout: hostileTime}
	if conn, err = d.Dial("tcp", to.String()); err != nil {
		return nil, false, err
	}
	if err = conn.SetDeadline(time.Now().Add(hostileTime)); err == nil && secure && a.way != unsecured {
		c := tls.Client(conn, secureConfigs[0])
		err, conn = c.Handshake(), c
		secured = err == nil
	}
	if err != nil {
		conn.Close()
	}
	return conn, secured, err
}

// run carries the attack out, and closes the connection.
func (a *attack) run(conn net.Conn) (err error) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	if a.join {
		if code, err := exchange(conn, r, []byte(head)); err != nil || code != http.StatusSwitchingProtocols {
			return fmt.Errorf("its handshake: status %d, error %v", code, err)
		}
	}
	var code int
	switch {
	case a.code == 0:
		if _, err := conn.Write(a.send); err != nil {
			return err
		}
		return socketOf(conn).SetLinger(0) // makes the Close a reset
	case a.join:
		if _, err := conn.Write(a.send); err != nil {
			return err
		}
		code, err = closeCode(r)
	default:
		code, err = exchange(conn, r, a.send)
	}
	if err == nil && code != a.code {
		err = fmt.Errorf("got %d, not %d", code, a.code)
	}
	return err
}

// socketOf is the socket of a connection, whatever is spoken over it.
func socketOf(conn net.Conn) *net.TCPConn {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	return conn.(*net.TCPConn)
}

// exchange sends a request and returns the answer's status.
func exchange(conn net.Conn, r *bufio.Reader, request []byte) (status int, err error) {
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, nil
}

// closeCode reads until the server's close frame.
func closeCode(r io.Reader) (int, error) {
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return 0, err
		}
		if h.Length > mostMessage {
			return 0, fmt.Errorf("%w: %+v", errBroken, h)
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return 0, err
		}
		switch h.OpCode {
		case ws.OpClose:
			code, _ := ws.ParseCloseFrameData(payload)
			return int(code), nil
		case ws.OpText, ws.OpBinary, ws.OpPing: // of the room, which it has joined
		default:
			return 0, fmt.Errorf("%w: %+v", errBroken, h)
		}
	}
}

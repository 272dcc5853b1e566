package soak

import (
	"bufio"
	"bytes"
	"context"
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
	// send is what it sends; with join behind the answer to its handshake.
	join bool
	send []byte
	// code is the HTTP status or the close code with which it is to be sent
	// away, series the metric that must count it; 0: it leaves, by a reset.
	code   int
	series string
}

// The pieces of attacks.
var (
	request = "GET /ws" + fields
	head    = request + "\r\n"
	masked  = ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(strings.Repeat("half", 100)))))
)

var attacks = []attack{
	{name: "reset at once"},
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
		a := attacks[r.IntN(len(attacks))]
		deeds = append(deeds, deed{p.sometime(r, 1), func() error {
			all.Go(func() {
				var born int
				lobby := c.rooms[0]
				c.do(func() { born = lobby.slowest })
				err := a.run(c.addr.String(), i)
				c.do(func() {
					if a.join {
						c.tally.Missed += lobby.ledger.unheard(born)
					}
					switch {
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

// run carries the attack out.
func (a *attack) run(addr string, number int) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+number%sources))}, Timeout: hostileTime}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(hostileTime)); err != nil {
		return err
	}
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
		return conn.(*net.TCPConn).SetLinger(0) // makes the Close a reset
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

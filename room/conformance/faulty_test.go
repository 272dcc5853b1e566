package conformance_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"chatd/room/conformance"
)

// fault is what a faulty server does wrong, in words; "" is nothing.
type fault string

// faulty is a small server that keeps the rules, but for its fault.
type faulty struct {
	fault
	conn    net.Conn
	in      *bufio.Reader
	deflate bool
	packer  *flate.Writer // of the server's messages
	packed  bytes.Buffer
	begun   *ws.Header // of a fragmented message
	message []byte
}

func serveFaulty(t *testing.T, f fault) conformance.Target {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return f.serveOn(t, ln)
}

// serveFaultyTLS is serveFaulty over TLS.
func serveFaultyTLS(t *testing.T, f fault) conformance.Target {
	certified := httptest.NewTLSServer(nil) // has a certificate, and clients that trust it
	t.Cleanup(certified.Close)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	target := f.serveOn(t, ln)
	target.TLS = certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	target.TLS.ServerName = "example.com"
	return target
}

func (f fault) serveOn(t *testing.T, ln net.Listener) conformance.Target {
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go (&faulty{fault: f, conn: conn, in: bufio.NewReader(conn)}).serve()
		}
	}()
	return conformance.Target{Addr: ln.Addr().String(), Path: "/ws", Strict: true, Deflate: true, MaxMessage: maxMessage}
}

func (s *faulty) serve() {
	defer s.conn.Close()
	if !s.open() {
		return
	}
	for {
		h, err := ws.ReadHeader(s.in)
		code := 0
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return
		case err != nil:
			code = 1002
		case h.Length > maxMessage+100 && s.fault != "takes messages of any size":
			code = 1009
		}
		var payload []byte
		if code == 0 {
			payload = make([]byte, h.Length)
			if _, err := io.ReadFull(s.in, payload); err != nil {
				return
			}
			if h.Masked {
				ws.Cipher(payload, h.Mask, 0)
			}
			if code = s.check(h, payload); code == 0 {
				code = s.take(h, payload)
			}
		}
		if code != 0 {
			s.close(code)
			return
		}
	}
}

// open answers the opening handshake.
func (s *faulty) open() bool {
	r, err := http.ReadRequest(s.in)
	if err != nil {
		return false
	}
	refuse := func(status int) bool {
		date := "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		if s.fault == "says no date" {
			date = ""
		}
		fmt.Fprintf(s.conn, "HTTP/1.1 %d x\r\n%sSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n", status, date)
		return false
	}
	switch {
	case r.Header.Get("Sec-WebSocket-Version") != "13" && s.fault != "takes any version":
		return refuse(426)
	case r.Header.Get("Sec-WebSocket-Key") == "" && s.fault != "takes any key":
		return refuse(400)
	}
	key := r.Header.Get("Sec-WebSocket-Key")
	if s.fault == "answers the wrong key" {
		key = strings.ToLower(key)
	}
	protocol := "HTTP/1.1"
	if s.fault == "answers in HTTP/1.0" {
		protocol = "HTTP/1.0"
	}
	fmt.Fprintf(s.conn, "%s 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", protocol, acceptOf(key))
	switch offer := r.Header.Get("Sec-WebSocket-Extensions"); {
	case offer == "permessage-deflate" || offer == "permessage-deflate; client_max_window_bits" || offer == "permessage-deflate; server_no_context_takeover":
		s.deflate = true
		fmt.Fprint(s.conn, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n")
	case s.fault == "invents an extension":
		fmt.Fprint(s.conn, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	}
	if s.fault == "invents a subprotocol" {
		fmt.Fprint(s.conn, "Sec-WebSocket-Protocol: chat\r\n")
	}
	fmt.Fprint(s.conn, "\r\n")
	return true
}

// check is the close code for a frame that breaks a rule, or 0.
func (s *faulty) check(h ws.Header, payload []byte) int {
	first := h.OpCode == ws.OpText || h.OpCode == ws.OpBinary
	switch {
	case !h.Masked && s.fault != "takes unmasked frames",
		h.Rsv&3 != 0 && s.fault != "ignores reserved bits",
		h.Rsv&4 != 0 && !(s.deflate && first) && s.fault != "ignores reserved bits",
		h.OpCode.IsReserved() && s.fault != "takes reserved opcodes for text",
		h.OpCode.IsControl() && !h.Fin && s.fault != "takes fragmented control frames",
		h.OpCode.IsControl() && h.Length > 125 && s.fault != "takes long control frames",
		h.OpCode == ws.OpContinuation && s.begun == nil && s.fault != "takes continuations of nothing",
		first && s.begun != nil && s.fault != "takes messages within messages",
		h.OpCode == ws.OpClose && len(payload) == 1:
		return 1002
	case h.OpCode != ws.OpClose || len(payload) < 2:
		return 0
	}
	code := ws.StatusCode(binary.BigEndian.Uint16(payload))
	switch {
	case (code < 1000 || code > 4999 || code.In(ws.StatusRangeProtocol) && (code > 1014 || code >= 1004 && code < 1007)) && s.fault != "takes any close code":
		return 1002
	case !utf8.Valid(payload[2:]) && s.fault != "takes any close reason":
		return 1007
	}
	return 0
}

// take answers a frame; the code is that of a close frame to follow.
func (s *faulty) take(h ws.Header, payload []byte) int {
	switch {
	case h.OpCode == ws.OpPong && s.fault != "answers pongs":
		return 0
	case h.OpCode == ws.OpPong, h.OpCode == ws.OpPing:
		if s.fault != "answers no pings" {
			s.send(ws.Header{Fin: s.fault != "fragments control frames", OpCode: ws.OpPong}, payload)
		}
		return 0
	case h.OpCode == ws.OpClose:
		if len(payload) == 0 {
			return 1005
		}
		return int(binary.BigEndian.Uint16(payload))
	case h.OpCode != ws.OpContinuation:
		s.begun, s.message = &h, nil
	case s.begun == nil:
		s.begun = &h
	}
	s.message = append(s.message, payload...)
	if !h.Fin {
		return 0
	}
	m, begun := s.message, *s.begun
	s.begun = nil
	return s.echo(begun, m)
}

// echo sends a whole message back.
func (s *faulty) echo(h ws.Header, m []byte) int {
	if h.Rsv&4 != 0 && s.deflate {
		r := flate.NewReader(io.MultiReader(bytes.NewReader(m), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
		var err error
		m, err = io.ReadAll(io.LimitReader(r, 1<<26))
		if err != nil {
			return 1002
		}
	}
	checked := s.fault != "does not check UTF-8" && !(s.fault == "does not check inflated UTF-8" && h.Rsv != 0)
	switch {
	case len(m) > maxMessage && s.fault != "takes messages of any size":
		return 1009
	case h.OpCode == ws.OpText && !utf8.Valid(m) && checked:
		return 1007
	case s.fault == "loses empty messages" && len(m) == 0:
		return 0
	case s.fault == "sends text as binary":
		h.OpCode = ws.OpBinary
	}
	out := ws.Header{Fin: true, OpCode: h.OpCode}
	if s.deflate && len(m) >= 128 {
		if m = s.pack(m); s.fault != "forgets the compression bit" {
			out.Rsv = 4
		}
	}
	s.send(out, m)
	return 0
}

// pack is m, compressed.
func (s *faulty) pack(m []byte) []byte {
	if s.packer == nil {
		s.packer, _ = flate.NewWriter(&s.packed, flate.DefaultCompression) // the level is one
	} else if s.fault != "compresses in one context" {
		s.packer.Reset(&s.packed)
	}
	s.packed.Reset()
	_, _ = s.packer.Write(m)
	_ = s.packer.Flush()
	return bytes.TrimSuffix(bytes.Clone(s.packed.Bytes()), []byte("\x00\x00\xff\xff"))
}

// send sends a frame.
func (s *faulty) send(h ws.Header, payload []byte) {
	h.Length = int64(len(payload))
	var b bytes.Buffer
	switch {
	case s.fault == "masks its frames":
		h.Masked, h.Mask = true, [4]byte{1, 2, 3, 4}
		payload = bytes.Clone(payload)
		ws.Cipher(payload, h.Mask, 0)
	case s.fault == "sends reserved bits":
		h.Rsv |= 2
	case s.fault == "writes long lengths" && len(payload) < 126:
		b.Write([]byte{0x80 | byte(h.OpCode), 126, 0})
		b.WriteByte(byte(len(payload)))
		s.write(append(b.Bytes(), payload...))
		return
	}
	_ = ws.WriteHeader(&b, h) // memory takes it
	s.write(append(b.Bytes(), payload...))
}

// write ignores errors: the reader finds them.
func (s *faulty) write(b []byte) { _, _ = s.conn.Write(b) }

// close sends a close frame and ends the stream.
func (s *faulty) close(code int) {
	body := binary.BigEndian.AppendUint16(nil, uint16(code))
	switch s.fault {
	case "closes with 1000 always":
		body = []byte{0x03, 0xe8}
	case "closes with 1005":
		body = []byte{0x03, 0xed}
	case "closes with a byte":
		body = []byte{0x03}
	case "closes with a reason that is no UTF-8":
		body = append(body, 0xff)
	default:
		if code == 1005 {
			body = nil
		}
	}
	if s.fault != "closes without a close frame" {
		s.send(ws.Header{Fin: true, OpCode: ws.OpClose}, body)
	}
	switch s.fault {
	case "speaks behind its close frame":
		s.send(ws.Header{Fin: true, OpCode: ws.OpText}, []byte("one more thing"))
	case "resets connections":
		_ = s.conn.(*net.TCPConn).SetLinger(0)
		return
	case "never closes TCP":
		_, _ = io.Copy(io.Discard, s.conn)
		return
	}
	end := s.conn.(interface{ CloseWrite() error })
	if s.fault == "does not say that TLS ends" {
		end = s.conn.(*tls.Conn).NetConn().(*net.TCPConn)
	}
	_ = end.CloseWrite()
	_, _ = io.Copy(io.Discard, s.conn)
}

package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// midway is a client that says exactly what it is told to, and of that only a part at
// first: of the bytes, or, over TLS, of the records.
type midway struct {
	net.Conn
	t    *testing.T
	r    *bufio.Reader
	wire *wire
}

// wire is what is below a midway, and below its TLS. It is one goroutine's that writes.
type wire struct {
	net.Conn
	holds bool // nothing goes out
	held  []byte
}

func (w *wire) Write(p []byte) (int, error) {
	if w.holds {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// midway connects one to addr, over TLS or not.
func (p *process) midway(t *testing.T, overTLS bool) *midway {
	t.Helper()
	addr := p.Addr
	if overTLS {
		addr = p.TLS
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// The buffer is small, or the kernels might take all that one is behind.
	if err := errors.Join(conn.SetDeadline(time.Now().Add(2*patience)), conn.(*net.TCPConn).SetReadBuffer(64<<10)); err != nil {
		t.Fatal(err)
	}
	m := &midway{t: t, wire: &wire{Conn: conn}}
	m.Conn = m.wire
	if overTLS {
		secure := tls.Client(m.wire, &tls.Config{RootCAs: theCA().Pool, ServerName: "127.0.0.1"})
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		m.Conn = secure
	}
	m.r = bufio.NewReader(m.Conn)
	return m
}

func (m *midway) say(text string) {
	m.t.Helper()
	if _, err := io.WriteString(m.Conn, text); err != nil {
		m.t.Error(err)
	}
}

// begin says the first half of what it says, and returns how to say the other one.
func (m *midway) begin(text string) (end func()) {
	m.wire.holds = true
	m.say(text)
	m.wire.holds = false
	half := len(m.wire.held) / 2
	_, err := m.wire.Write(m.wire.held[:half])
	rest := m.wire.held[half:]
	if m.wire.held = nil; err != nil {
		m.t.Error(err)
	}
	return func() {
		if _, err := m.wire.Write(rest); err != nil {
			m.t.Error(err)
		}
	}
}

// opening is the handshake of a client which wants to be in a room.
func opening(room string, lines ...string) string {
	return strings.Join(append([]string{"GET /ws/" + room + " HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}, append(lines, "", "")...), "\r\n")
}

// status reads the answer to a handshake.
func (m *midway) status(want int) {
	m.t.Helper()
	r, err := http.ReadResponse(m.r, nil)
	if err != nil || r.StatusCode != want {
		m.t.Fatalf("%v, %v, want %d", r, err, want)
	}
	if want != http.StatusSwitchingProtocols {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			m.t.Fatal(err)
		}
	}
}

// join makes it a member.
func (m *midway) join(room string, lines ...string) {
	m.t.Helper()
	m.say(opening(room, lines...))
	m.status(http.StatusSwitchingProtocols)
}

// frame is a client's.
func frame(op ws.OpCode, fin bool, payload string) string {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(payload)), [4]byte{7, 1, 9, 200})) // a Buffer takes all
	return b.String()
}

func text(s string) string { return frame(ws.OpText, true, s) }

// next reads a frame.
func (m *midway) next() ws.Frame {
	m.t.Helper()
	head, err := ws.ReadHeader(m.r)
	if err != nil {
		m.t.Fatal(err)
	}
	f := ws.Frame{Header: head, Payload: make([]byte, head.Length)}
	if _, err := io.ReadFull(m.r, f.Payload); err != nil {
		m.t.Fatal(err)
	}
	return f
}

// hears reads messages.
func (m *midway) hears(all ...string) {
	m.t.Helper()
	for _, want := range all {
		if f := m.next(); f.Header.OpCode != ws.OpText || string(f.Payload) != want {
			m.t.Fatalf("heard %v %.60q, want %.60q", f.Header.OpCode, f.Payload, want)
		}
	}
}

// heard reads events of chat.v1 until one has what is wanted.
func (m *midway) heard(want ...string) {
	m.t.Helper()
	for {
		said, all := string(m.next().Payload), true
		for _, piece := range want {
			all = all && strings.Contains(said, piece)
		}
		if all {
			return
		}
	}
}

// ends reads the end of the stream.
func (m *midway) ends() {
	m.t.Helper()
	if b, err := io.ReadAll(m.r); err != nil || len(b) > 0 {
		m.t.Errorf("%.60q, %v at the end", b, err)
	}
}

// phases are those of a client's life: each brings one there, and returns how it goes on.
// It has the room to itself.
var phases = map[string]func(m *midway, p *process, room string) (goOn func()){
	"nothing said": func(m *midway, _ *process, room string) func() {
		return func() { m.join(room); m.say(text("hello")); m.hears("hello") }
	},
	"half a head": func(m *midway, _ *process, room string) func() {
		end := m.begin(opening(room))
		return func() { end(); m.status(101); m.say(text("hello")); m.hears("hello") }
	},
	"half a frame": func(m *midway, _ *process, room string) func() {
		m.join(room)
		end := m.begin(text(strings.Repeat("long ", 1000)))
		return func() { end(); m.hears(strings.Repeat("long ", 1000)) }
	},
	"half a frame that is larger than what is read at a time": func(m *midway, _ *process, room string) func() {
		m.join(room)
		end := m.begin(text(strings.Repeat("long ", 50_000)))
		return func() { end(); m.hears(strings.Repeat("long ", 50_000)) }
	},
	"half a message": func(m *midway, _ *process, room string) func() {
		m.join(room)
		m.say(frame(ws.OpText, false, "in pie\xe2"))
		end := m.begin(frame(ws.OpContinuation, false, "\x82\xac") + frame(ws.OpContinuation, true, "ces"))
		return func() { end(); m.hears("in pie\u20acces") }
	},
	"half a compressed message": func(m *midway, _ *process, room string) func() {
		m.join(room, "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover")
		var b bytes.Buffer
		z, _ := flate.NewWriter(&b, 9)  // the level is one
		_, _ = z.Write([]byte("small")) // a Buffer takes all
		_ = z.Flush()
		packed := strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
		first := []byte(frame(ws.OpText, false, packed[:3]))
		first[0] |= 0x40
		m.say(string(first))
		return func() { m.say(frame(ws.OpContinuation, true, packed[3:])); m.hears("small") }
	},
	"member": func(m *midway, _ *process, room string) func() {
		m.join(room)
		m.say(text("before"))
		m.hears("before")
		return func() { m.say(text("after")); m.hears("after") }
	},
	"pinged": func(m *midway, _ *process, room string) func() {
		m.join(room)
		m.say(frame(ws.OpPing, true, "ping"))
		return func() {
			if f := m.next(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "ping" {
				m.t.Errorf("%v %q", f.Header.OpCode, f.Payload)
			}
			m.say(text("after"))
			m.hears("after")
		}
	},
	"paused by its rate": func(m *midway, _ *process, room string) func() {
		m.join(room)
		var all []string
		for n := range 250 {
			all = append(all, fmt.Sprint(n))
			m.say(text(all[n]))
		}
		return func() { m.say(text("last")); m.hears(append(all, "last")...) }
	},
	"in several rooms": func(m *midway, _ *process, room string) func() {
		m.join(room+"?name=ann", "Sec-WebSocket-Protocol: chat.v1")
		for n := range 3 {
			m.say(text(fmt.Sprintf(`{"type":"join","room":"%s-%d"}`, room, n)))
			m.heard(`"joined"`, fmt.Sprintf(`%s-%d"`, room, n))
		}
		m.say(text(`{"type":"name","name":"eve"}`))
		return func() {
			for n := range 3 {
				m.say(text(fmt.Sprintf(`{"type":"say","room":"%s-%d","text":"hi %d"}`, room, n, n)))
				m.heard(`"eve"`, fmt.Sprintf(`%s-%d"`, room, n), fmt.Sprintf(`"hi %d"`, n))
			}
		}
	},
	"in no room any more": func(m *midway, _ *process, room string) func() {
		m.join(room, "Sec-WebSocket-Protocol: chat.v1")
		m.say(text(fmt.Sprintf(`{"type":"leave","room":"%s"}`, room)))
		m.heard(`"left"`)
		return func() {
			m.say(text(fmt.Sprintf(`{"type":"join","room":"%s"}`, room)))
			m.heard(`"joined"`)
			m.say(text(`{"type":"say","text":"again"}`))
			m.heard(`"again"`)
		}
	},
	"reads events": func(m *midway, p *process, room string) func() {
		m.say("GET /rooms/" + room + "/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
		line := func(want string) {
			for {
				if said, err := m.r.ReadString('\n'); err != nil || strings.Contains(said, want) {
					if err != nil {
						m.t.Error(err)
					}
					return
				}
			}
		}
		line("200 OK")
		line("retry")
		speaker := p.dialRoom(m.t, room)
		speaker.send(1, "before")
		line("before")
		return func() { speaker.send(1, "after"); line("after") }
	},
	"behind": func(m *midway, p *process, room string) func() {
		m.join(room)
		speaker := p.dialRoom(m.t, room)
		var all []string
		for n := range 200 {
			all = append(all, fmt.Sprint(n, strings.Repeat("x", 30_000)))
			speaker.send(1, all[n])
		}
		return func() { speaker.send(1, "last"); m.hears(append(all, "last")...) }
	},
	"behind, and leaving": func(m *midway, p *process, room string) func() {
		m.join(room, "Sec-WebSocket-Protocol: chat.v1")
		m.heard(`"welcome"`)
		m.say(text(fmt.Sprintf(`{"type":"join","room":"%s-2"}`, room)))
		m.heard(`"joined"`)
		speaker := p.dialRoom(m.t, room)
		for n := range 200 {
			speaker.send(1, fmt.Sprint(n, strings.Repeat("x", 30_000)))
		}
		soon(m.t, func() bool { return p.state(room, "lagging") })
		m.say(frame(ws.OpClose, true, "\x03\xe8"))
		soon(m.t, func() bool { return p.states("leaving") > 0 })
		return func() {
			n := 0
			for f := m.next(); f.Header.OpCode != ws.OpClose; f = m.next() {
				if strings.Contains(string(f.Payload), fmt.Sprintf(`"text":"%dx`, n)) {
					n++
				}
			}
			if n == 0 {
				m.t.Errorf("no message before the end")
			}
			m.ends()
		}
	},
	"refused, and lingering": func(m *midway, _ *process, room string) func() {
		m.say("GET /ws/" + room + " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		m.status(400)
		return func() { m.ends() }
	},
	"closed, and lingering": func(m *midway, _ *process, room string) func() {
		m.join(room, "Sec-WebSocket-Protocol: chat.v1")
		m.say(text(fmt.Sprintf(`{"type":"join","room":"%s-2"}`, room)))
		m.heard(`"joined"`)
		m.say(frame(ws.OpClose, true, "\x03\xe8"))
		for m.next().Header.OpCode != ws.OpClose {
		}
		return func() { m.ends() }
	},
}

// table is what /debug/conns says.
func (p *process) table() (table struct{ Connections []conn }) {
	if err := json.Unmarshal([]byte(p.get("/debug/conns?format=json")), &table); err != nil {
		p.t.Fatal(err)
	}
	return table
}

// conn is a connection there.
type conn struct {
	State            string
	Rooms            []string
	Source, ID, Name string
}

// state reports whether somebody in the room is in a state.
func (p *process) state(room, state string) bool {
	for _, c := range p.table().Connections {
		if c.State == state && len(c.Rooms) > 0 && c.Rooms[0] == room {
			return true
		}
	}
	return false
}

// states is how many are in a state.
func (p *process) states(state string) (n int) {
	for _, c := range p.table().Connections {
		if c.State == state {
			n++
		}
	}
	return n
}

// Whatever they are in the middle of, over TLS or not, clients go on: whether the program
// was replaced, twice, or could not be.
func TestClientsGoOnFromEachPhaseOfTheirLives(t *testing.T) {
	t.Parallel()
	for name, upgrades := range map[string]func(*process){
		"replaced": func(p *process) {
			for range 2 {
				if said := p.asks(0); !strings.Contains(said, " carried, 0 not") {
					t.Error(said)
				}
			}
		},
		"not replaced": func(p *process) {
			for range 2 {
				if said := p.asks(1, wrapped(p.t.(*testing.T), "echo chatd-state ready; read go; exit 1")); !strings.Contains(said, "refused: ") {
					t.Error(said)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certificate, _, _ := certified(t)
			p := startChatd(t, append(certificate, "-tls-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-queue", "500", "-max-message", "300000",
				"-rate-messages", "200", "-handshake-timeout", "80s", "-drain-timeout", "80s", "-compress")...)
			type going struct {
				name string
				on   func()
			}
			var all []going
			for name, begin := range phases {
				for _, overTLS := range []bool{false, true} {
					room := strings.NewReplacer(" ", "-", ",", "").Replace(name)
					if len(room) > 30 {
						room = room[:30]
					}
					room = fmt.Sprint(room, overTLS)
					all = append(all, going{room, begin(p.midway(t, overTLS), p, room)})
				}
			}
			staying := func() int { // those that linger may be gone any moment
				return len(slices.DeleteFunc(p.table().Connections, func(c conn) bool { return c.State == "lingering" }))
			}
			before := staying()
			upgrades(p)
			if after := staying(); after != before {
				t.Errorf("%d connections, and %d before", after, before)
			}
			for _, g := range all {
				if g.on(); t.Failed() {
					t.Fatal(g.name)
				}
			}
		})
	}
}

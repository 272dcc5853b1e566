package room

import (
	"context"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"

	"chatd/room/deflate"
)

const deflateRequest = "GET /ws HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// joinDeflated is join with permessage-deflate.
func (s *testServer) joinDeflated() *peer {
	s.t.Helper()
	p := s.dial()
	p.say(deflateRequest)
	if r := p.response(); !strings.HasPrefix(r.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		s.t.Fatal(r.Header)
	}
	return p
}

// packed is a client's frame with the compressed form of payload.
func packed(op ws.OpCode, payload string) string {
	b, _ := deflate.Append(nil, []byte(payload))
	f := []byte(masked(op, true, string(b)))
	f[0] |= 0x40
	return string(f)
}

// expectPacked reads a compressed message.
func (p *peer) expectPacked(op ws.OpCode, payload string) {
	p.t.Helper()
	f, err := p.frame()
	if err != nil {
		p.t.Fatal(err)
	}
	got, err := deflate.Inflate(nil, f.Payload, len(payload))
	if f.Header.OpCode != op || !f.Header.Rsv1() || err != nil || string(got) != payload {
		p.t.Fatalf("got %+v %.60q, %v, want %v %.60q", f.Header, got, err, op, payload)
	}
}

var long = strings.Repeat("so it goes, ", 40)

func withDeflate(c *Config) { c.Compress = true }

func TestMembersGetEachMessageInTheFormTheyAskedFor(t *testing.T) {
	s := startServer(t, withDeflate)
	plain, packs, other := s.join(), s.joinDeflated(), s.joinDeflated()
	for _, from := range []struct {
		p    *peer
		form func(ws.OpCode, string) string
	}{
		{plain, func(op ws.OpCode, m string) string { return masked(op, true, m) }},
		{packs, func(op ws.OpCode, m string) string { return masked(op, true, m) }},
		{packs, packed},
	} {
		from.p.say(from.form(ws.OpText, long) + text("short") + from.form(ws.OpBinary, long))
		plain.expect(ws.OpText, long)
		plain.expect(ws.OpText, "short")
		plain.expect(ws.OpBinary, long)
		for _, p := range []*peer{packs, other} {
			p.expectPacked(ws.OpText, long)
			p.expect(ws.OpText, "short") // too short to be worth it
			p.expectPacked(ws.OpBinary, long)
		}
	}
	// Each was compressed once, for two members.
	if n := s.Stats().Compressed; n != 6 {
		t.Errorf("%d messages were compressed, want 6", n)
	}
}

func TestNothingIsCompressedWithoutReaders(t *testing.T) {
	s := startServer(t, withDeflate)
	plain := s.join()
	talk := func() {
		plain.say(text(long))
		plain.expect(ws.OpText, long)
	}
	talk()
	if n := s.Stats().Compressed; n != 0 {
		t.Fatalf("%d messages were compressed for nobody", n)
	}
	packs := s.joinDeflated()
	talk()
	packs.expectPacked(ws.OpText, long)
	packs.say(masked(ws.OpClose, true, ""))
	packs.expectClose(0)
	s.until(func() bool { // the room notices at a tick
		s.Tick()
		return !s.room().has(hubDeflating)
	})
	talk()
	if n := s.Stats().Compressed; n != 1 {
		t.Fatalf("%d messages were compressed, want 1", n)
	}
	packs = s.joinDeflated() // the compressed log goes on where the plain one is
	talk()
	packs.expectPacked(ws.OpText, long)
}

func TestBombsAndGarbageAreAnsweredWithTheirCloseCode(t *testing.T) {
	s := startServer(t, withDeflate)
	witness := s.join()
	for name, tt := range map[string]struct {
		bytes string
		code  ws.StatusCode
	}{
		"bomb":                     {packed(ws.OpBinary, strings.Repeat("\x00", 64<<10+1)), 1009},
		"garbage":                  {"\xc1" + text("\x07\x07\x07")[1:], 1002},
		"no UTF-8, once inflated":  {packed(ws.OpText, strings.Repeat("\xff\xfe", 100)), 1007},
		"compressed control frame": {"\xc9" + masked(ws.OpPing, true, "x")[1:], 1002},
		"compressed continuation":  {masked(ws.OpText, false, "a") + "\xc0" + masked(ws.OpContinuation, true, "b")[1:], 1002},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.joinDeflated()
			p.t = t
			p.say(tt.bytes)
			p.expectClose(tt.code)
		})
	}
	witness.say(text("fine"))
	witness.expect(ws.OpText, "fine")
}

func TestLargestMessagePassesHoweverItIsPacked(t *testing.T) {
	s := startServer(t, withDeflate)
	p := s.joinDeflated()
	largest := strings.Repeat("x", 64<<10)
	p.say(packed(ws.OpText, largest))
	p.expectPacked(ws.OpText, largest)
	// Stored blocks make it longer than it is (RFC 7692 §7.2.3.3).
	stored := "\x00\x00\x80\xff\x7f" + largest[:32<<10]
	stored = stored + stored + "\x00"
	f := []byte(masked(ws.OpText, true, stored))
	f[0] |= 0x40
	p.say(string(f))
	p.expectPacked(ws.OpText, largest)
}

// Other implementations' clients, with permessage-deflate and without, in one
// room.
func TestOtherClientsUnderstandTheCompressedMessages(t *testing.T) {
	s := startServer(t, withDeflate)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dialer := *gorilla.DefaultDialer
	dialer.EnableCompression, dialer.TLSClientConfig = true, clientTLS()
	g, _, err := dialer.Dial(s.url(Path), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	g.SetReadDeadline(time.Now().Add(patience))
	all := []chatter{gorillaClient{g}}
	for _, mode := range []coder.CompressionMode{coder.CompressionContextTakeover, coder.CompressionNoContextTakeover, coder.CompressionDisabled} {
		c, _, err := coder.Dial(ctx, s.url(Path), &coder.DialOptions{HTTPClient: theirTLS(), CompressionMode: mode, CompressionThreshold: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		all = append(all, coderClient{c, ctx})
	}
	for round := range 3 {
		for i, from := range all {
			message := strings.Repeat(string(rune('a'+i))+" says something, and ", 10*(round+1))
			from.write(t, i%2 == 0, []byte(message))
			for k, to := range all {
				if isText, got := to.read(t); isText != (i%2 == 0) || string(got) != message {
					t.Fatalf("client %d of %d got %.80q, want %.80q", k, i, got, message)
				}
			}
		}
	}
	if st := s.Stats(); st.Inflated == 0 || st.Compressed == 0 {
		t.Errorf("%+v", st)
	}
}

// BenchmarkPublish tells what a message costs until it is posted: without
// readers of the compressed form, and with them.
func BenchmarkPublish(b *testing.B) {
	for _, deflating := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "compressed"}[deflating]
		b.Run(name, func(b *testing.B) {
			payload := []byte(long)
			var t counters
			b.ReportAllocs()
			for b.Loop() {
				p := newPost(deflating)
				p.add(&t, ws.OpText, payload)
				p.free()
			}
		})
	}
}

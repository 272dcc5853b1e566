package room

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/gobwas/ws"

	"chatd/room/chat"
	"chatd/room/deflate"
)

// chatPeer is a client that speaks chat.v1.
type chatPeer struct {
	*peer
	id, session, epoch string
	seq                int // of the last message that it knows of
}

// event is one of the server's, as encoding/json reads it.
type event map[string]any

// has reports whether the event has those members, of those values; of nil it has
// none.
func (e event) has(members event) bool {
	for name, want := range members {
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if !reflect.DeepEqual(e[name], want) {
			return false
		}
	}
	return true
}

// chatRequest is an upgrade request for a target below /ws that offers chat.v1.
func chatRequest(target string, lines ...string) string {
	lines = append(lines, "Sec-WebSocket-Protocol: "+chat.Protocol, "", "")
	return strings.TrimSuffix(strings.Replace(upgradeRequest, "/ws", "/ws"+target, 1), "\r\n") + strings.Join(lines, "\r\n")
}

// chat opens a connection that speaks chat.v1 and reads its welcome. The target is
// what follows /ws.
func (s *testServer) chat(target string, lines ...string) *chatPeer {
	s.t.Helper()
	c, _ := s.chatWelcome(target, lines...)
	return c
}

// chatWelcome is chat, with the welcome.
func (s *testServer) chatWelcome(target string, lines ...string) (*chatPeer, event) {
	s.t.Helper()
	c := &chatPeer{peer: s.dial()}
	c.peer.say(chatRequest(target, lines...))
	r := c.response()
	if got := r.Header.Get("Sec-WebSocket-Protocol"); r.StatusCode != http.StatusSwitchingProtocols || got != chat.Protocol {
		s.t.Fatalf("%s, subprotocol %q", r.Status, got)
	}
	w := c.event()
	if w["type"] != "welcome" {
		s.t.Fatalf("%v comes first", w)
	}
	c.id, c.session, c.epoch = w["id"].(string), w["session"].(string), w["epoch"].(string)
	c.seq = int(w["seq"].(float64))
	return c, w
}

// sends sends an event.
func (c *chatPeer) sends(event string, args ...any) {
	c.t.Helper()
	c.peer.say(text(fmt.Sprintf(event, args...)))
}

// says says a text in the only room.
func (c *chatPeer) says(words string) { c.t.Helper(); c.sends(`{"type":"say","text":%q}`, words) }

// event is the next one.
func (c *chatPeer) event() (e event) {
	c.t.Helper()
	f, err := c.frame()
	if err != nil {
		c.t.Fatal(err)
	}
	if f.Header.OpCode != ws.OpText || !f.Header.Fin {
		c.t.Fatalf("%v %q", f.Header.OpCode, f.Payload)
	}
	if f.Header.Rsv1() {
		if f.Payload, err = deflate.Inflate(nil, f.Payload, 1<<20); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := json.Unmarshal(f.Payload, &e); err != nil {
		c.t.Fatalf("%q: %v", f.Payload, err)
	}
	if seq, ok := e["seq"].(float64); ok && e["type"] == "say" {
		c.seq = int(seq)
	}
	return e
}

// next is the next event that is not about how many members there are.
func (c *chatPeer) next() event {
	c.t.Helper()
	for {
		if e := c.event(); e["type"] != "members" {
			return e
		}
	}
}

// hears reads the next event and compares it.
func (c *chatPeer) hears(want event) event {
	c.t.Helper()
	e := c.next()
	if !e.has(want) {
		c.t.Fatalf("got %v, want %v", e, want)
	}
	return e
}

// hearsText reads what is said, one after the other.
func (c *chatPeer) hearsText(texts ...string) {
	c.t.Helper()
	for _, words := range texts {
		c.hears(event{"type": "say", "text": words})
	}
}

// hearsError reads an error of that code.
func (c *chatPeer) hearsError(code chat.Code) event {
	c.t.Helper()
	e := c.hears(event{"type": "error", "code": string(code)})
	if message, _ := e["message"].(string); message == "" {
		c.t.Fatalf("%v says nothing", e)
	}
	return e
}

// hearsMembers reads up to a count of the members.
func (c *chatPeer) hearsMembers(count int) {
	c.t.Helper()
	for {
		e := c.event()
		if e["type"] != "members" {
			c.t.Fatalf("got %v, want %d members", e, count)
		}
		if e["count"] == float64(count) {
			return
		}
	}
}

// joins comes into a further room.
func (c *chatPeer) joins(room string) event {
	c.t.Helper()
	c.sends(`{"type":"join","room":%q}`, room)
	return c.hears(event{"type": "joined", "room": room})
}

// position is where the client is.
func (c *chatPeer) position() string { return fmt.Sprintf("%s.%d", c.epoch, c.seq) }

// leaves ends the connection as a browser does.
func (c *chatPeer) leaves() {
	c.t.Helper()
	c.peer.say(masked(ws.OpClose, true, "\x03\xe8"))
	for {
		f, err := c.frame()
		if err != nil {
			c.t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpClose {
			break
		}
	}
	c.expectEnd()
	c.Close()
}

// expectCloseAfterEvents is expectClose, behind events that do not matter.
func (c *chatPeer) expectCloseAfterEvents(code ws.StatusCode) {
	c.t.Helper()
	for {
		f, err := c.frame()
		if err != nil {
			c.t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpClose {
			if got, _ := ws.ParseCloseFrameData(f.Payload); got != code {
				c.t.Fatalf("close %d, want %d", got, code)
			}
			c.expectEnd()
			return
		}
	}
}

// setClock stops the clock that tells the messages' time, at ms.
func (s *testServer) setClock(ms int64) {
	s.t.Helper()
	s.clock = func() int64 { return ms }
	if err := s.Alive(s.t.Context()); err != nil { // who works from now on knows
		s.t.Fatal(err)
	}
}

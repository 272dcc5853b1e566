package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"chatd/room/chattest"
	"chatd/room/order/natstest"
)

const aProgram = "a-token-of-a-program"

// startNode starts a chatd whose rooms span those at the same NATS.
func startNode(t *testing.T, nats string) *process {
	t.Helper()
	tokens := writeFile(t, "tokens", aProgram)
	return startChatd(t, "-nats", nats, "-nats-partitions", "1", "-secret", aSecret, "-api-token-file", tokens, "-admin", "127.0.0.1:0")
}

// asProgram asks the API.
func (p *process) asProgram(method, path string) (status int, body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.Addr+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+aProgram)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// hearsOf reads up to what is wanted.
func (c *talker) hearsOf(what string, wanted func(*chattest.Event) bool) *chattest.Event {
	c.t.Helper()
	for {
		e, err := c.Next()
		if err != nil {
			c.t.Fatalf("%s: %v", what, err)
		}
		if wanted(e) {
			return e
		}
	}
}

func TestClientsAreCountedKnownAndRemovedOnAllNodes(t *testing.T) {
	t.Parallel()
	nats := natstest.Start(t).URL
	a, b := startNode(t, nats), startNode(t, nats)
	ana, bob := dialChat(t, a.Addr, chattest.Options{Name: "Ana"}), dialChat(t, b.Addr, chattest.Options{Name: "Bob"})
	both := func(e *chattest.Event) bool { return e.Type == "members" && e.Count == 2 }
	for _, c := range []*talker{ana, bob} {
		if c.Welcome.Members.Count != 2 {
			c.hearsOf("both are counted", both)
		}
	}
	for _, p := range []*process{a, b} {
		if m := p.metrics(); !strings.Contains(m, "chatd_nats_connected 1\n") || !strings.Contains(m, "chatd_nats_nodes 1\n") {
			t.Error(m)
		}
		for _, path := range []string{"/rooms", "/rooms/lobby"} {
			if status, body := p.asProgram("GET", path); status != 200 || !strings.Contains(body, `"members":2,`) {
				t.Errorf("GET %s: %d %s", path, status, body)
			}
		}
	}

	// Who comes back to another node is who it was, and goes on where it was.
	ana.tell(say("hi"))
	hi := ana.hearsOf("its own", func(e *chattest.Event) bool { return e.Type == "say" })
	ana.Close()
	bob.tell(say("she is away"))
	session := ana.Welcome.Session
	back := dialChat(t, b.Addr, chattest.Options{Name: "Ana", Session: session, Since: fmt.Sprintf("%s.%d.%d", ana.Welcome.Epoch, hi.Seq, hi.At)})
	if w := back.Welcome; w.ID != ana.Welcome.ID || !w.Resumed || w.Seq != hi.Seq {
		t.Errorf("%+v", w)
	}
	back.hearsOf("what was missed", func(e *chattest.Event) bool { return e.Type == "say" && *e.Text == "she is away" })

	// Who is removed by way of one node is removed from all, and stays away.
	if status, body := a.asProgram("DELETE", "/rooms/lobby/members/"+back.Welcome.ID); status != 204 {
		t.Fatal(status, body)
	}
	for {
		if _, err := back.Next(); err != nil {
			if code := chattest.Closed(err); code != 1008 {
				t.Error(err)
			}
			break
		}
	}
	refused := func(p *process) bool {
		c, err := chattest.Dial(p.Addr, chattest.Options{Session: session})
		if err == nil {
			c.Close()
		}
		return errors.Is(err, chattest.Refused(403))
	}
	if !refused(a) || !refused(b) {
		t.Error("it may come back")
	}
	a.Stop() // others know of it, and tell those that begin
	c := startNode(t, nats)
	soon(t, func() bool { return refused(c) })
	if status, body := c.asProgram("GET", "/rooms/lobby/messages"); status != 200 || !strings.Contains(body, `"she is away"`) {
		t.Error("what is said elsewhere can't be read by way of a node that has not the room: ", status, body)
	}
	if status, body := c.asProgram("GET", "/rooms/nowhere"); status != 404 {
		t.Error(status, body)
	}
}

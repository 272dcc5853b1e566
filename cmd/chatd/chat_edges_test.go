package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatd/room/chattest"
)

func TestQueryThatIsNotWellEncoded(t *testing.T) {
	addr := startChat(t)
	for query, want := range map[string]int{
		"":                                   101,
		"?":                                  101,
		"?&&=&name":                          101,
		"?name=%zz":                          101,
		"?name=%":                            101,
		"?name=%ff":                          101,
		"?name=%00":                          101,
		"?name=" + strings.Repeat("x", 1000): 101,
		"?session=%zz":                       101,
		"?session=":                          101,
		"?unknown=%zz":                       101,
		"?since":                             101,
		"?since=":                            101,
		"?since=now":                         101,
		"?since=%6eow":                       101,
		"?since=%zz":                         400,
		"?since=now%":                        400,
		"?since=now;x":                       400,
		"?since=00000000.1+":                 400,
		"?since=00000000.1%00":               400,
	} {
		dialer := websocket.Dialer{Subprotocols: []string{"chat.v1"}}
		ws, response, err := dialer.Dial("ws://"+addr+"/ws"+query, nil)
		if response == nil || response.StatusCode != want {
			t.Errorf("%s: %v, %v; want %d", query, response, err, want)
		}
		if err != nil {
			continue
		}
		_, b, err := ws.ReadMessage()
		e, failed := chattest.Read(b)
		if err != nil || failed != nil || e.Type != "welcome" || e.Name != "" {
			t.Errorf("%s: %s, %v", query, b, err)
		}
		ws.Close()
	}
}

func TestSubprotocolIsChosenAmongThoseOffered(t *testing.T) {
	addr := startChat(t, "-subprotocol", "other")
	for offered, want := range map[string]string{
		"": "", "unknown": "", "CHAT.V1": "", "chat.v2": "", "chat.v1": "chat.v1", "unknown chat.v1": "chat.v1", "chat.v1 unknown": "chat.v1", "other": "other",
	} {
		dialer := websocket.Dialer{Subprotocols: strings.Fields(offered)}
		ws, _, err := dialer.Dial("ws://"+addr+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := ws.Subprotocol(); got != want {
			t.Errorf("%q is answered with %q, want %q", offered, got, want)
		}
		ws.Close()
	}
}

func TestPageOfAnotherOriginIsRefusedInEveryDialect(t *testing.T) {
	addr := startChat(t)
	dialer := websocket.Dialer{Subprotocols: []string{"chat.v1"}}
	_, response, err := dialer.Dial("ws://"+addr+"/ws", http.Header{"Origin": {"https://other.example"}})
	if err == nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("%v, %v", response, err)
	}
}

func TestTextThatIsNotUTF8ClosesWith1007(t *testing.T) {
	addr := startChat(t)
	c := dialChat(t, addr, chattest.Options{})
	if err := c.Write(false, []byte("{\"type\":\"say\",\"text\":\"\xff\"}")); err != nil {
		t.Fatal(err)
	}
	c.closed(1007)
}

func TestEverybodyIsSentAwayWith1001WhenTheServerGoes(t *testing.T) {
	p := startChatd(t)
	c, raw := dialChat(t, p.Addr, chattest.Options{}), listenRaw(t, p.Addr, chattest.Options{})
	c.tell(join("side"))
	c.hear("joined")
	outside := dialChat(t, p.Addr, chattest.Options{})
	outside.tell(event{"type": "leave"})
	outside.hear("left")
	c.tell(event{"type": "say", "text": "last", "room": "lobby"})
	c.hear("say")
	stopped := make(chan struct{})
	defer func() { <-stopped }()
	go func() {
		p.Stop()
		close(stopped)
	}()
	c.closed(1001)
	outside.closed(1001)
	raw.hears("last")
	if _, _, err := raw.Message(); chattest.Closed(err) != 1001 {
		t.Error(err)
	}
}

func TestHistoryIsAsOldAsItMayBe(t *testing.T) {
	t.Parallel()
	addr := startChat(t, "-history-age", "3s")
	author := dialChat(t, addr, chattest.Options{})
	epoch := author.Welcome.Epoch
	first := author.says("first")
	soon(t, func() bool { return time.Now().UnixMilli() > first.At+1500 })
	second := author.says("second")
	soon(t, func() bool {
		asked := time.Now().UnixMilli()
		c := dialChat(t, addr, chattest.Options{Since: epoch + ".0"})
		defer c.Close()
		answered := time.Now().UnixMilli()
		for i, said := range []*chattest.Event{first, second} {
			kept := c.Welcome.Seq <= uint64(i)
			if kept && asked > said.At+4000 || !kept && answered < said.At+3000 {
				t.Fatalf("after %d to %d ms message %d is kept: %t", asked-said.At, answered-said.At, i+1, kept)
			}
		}
		if c.Welcome.Resumed != (c.Welcome.Seq == 0) {
			t.Fatalf("%+v", c.Welcome)
		}
		if c.Welcome.Seq > 0 {
			if e := c.hear("gap"); e.From != 1 || e.To != c.Welcome.Seq || e.Why != "history" {
				t.Fatalf("%+v", e)
			}
		}
		return c.Welcome.Seq == 2
	})
	// It is not kept, but still known to be the last.
	for since, resumed := range map[string]bool{
		epoch + ".2": true, fmt.Sprintf("%s.2.%d", epoch, second.At): true, fmt.Sprintf("%s.2.%d", epoch, second.At+1): false,
	} {
		if c := dialChat(t, addr, chattest.Options{Since: since}); c.Welcome.Resumed != resumed || c.Welcome.Seq != 2 {
			t.Errorf("since %s: %+v", since, c.Welcome)
		}
	}
}

func TestRoomThatWasQuietLongestLosesItsHistoryFirst(t *testing.T) {
	t.Parallel()
	addr := startChat(t, "-history-memory", "1000000", "-max-message", "100000")
	const rooms = 6 // of 400 kB each
	text := strings.Repeat("x", 100_000)
	authors := make([]*talker, rooms)
	for i := range authors {
		authors[i] = dialChat(t, addr, chattest.Options{Room: fmt.Sprint("room", i)})
		authors[i].says(text, text, text, text)
		at := time.Now() // rooms that are quiet for as long to the second have no order
		soon(t, func() bool { return time.Since(at) > 1100*time.Millisecond })
	}
	kept := func(i int) int {
		c := dialChat(t, addr, chattest.Options{Room: fmt.Sprint("room", i)})
		defer c.Close()
		return 4 - int(c.Welcome.Seq)
	}
	soon(t, func() bool { return kept(0) == 0 })
	total, before := 0, 0
	for i := range rooms {
		n := kept(i)
		if n < before {
			t.Errorf("room %d keeps %d messages, the one before it, which was quiet for longer, %d", i, n, before)
		}
		total, before = total+n, n
	}
	if before != 4 || total*len(text) > 1_000_000 || total*len(text) < 300_000 {
		t.Errorf("%d messages are kept, of the last room %d", total, before)
	}
	if e := authors[0].says("still here"); e.Seq != 5 {
		t.Errorf("%+v", e)
	}
}

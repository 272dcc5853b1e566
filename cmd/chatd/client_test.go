package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// hasty makes the page's time pass faster, but not that of the browser, which
// waits 2 s for the end of a connection.
const hasty = `{
	const speed = 4;
	const timeout = setTimeout, interval = setInterval, abort = AbortSignal.timeout;
	window.setTimeout = (f, ms, ...args) => timeout(f, ms / speed, ...args);
	window.setInterval = (f, ms, ...args) => interval(f, ms / speed, ...args);
	AbortSignal.timeout = (ms) => abort.call(AbortSignal, ms / speed);
	const now = performance.now, date = Date.now, began = Date.now();
	performance.now = () => speed * now.call(performance);
	Date.now = () => began + speed * (date() - began);
}`

// site is a page of another site, which imports the client from the chat server. Its
// chats are made by begin(options), and each keeps what it is told in its log.
const site = `<!doctype html>
<link rel="icon" href="data:,">
<body data-state="loading">
<script type="module">
	import * as client from '%s/client.js';
	const types = ['state', 'close', 'welcome', 'joined', 'left', 'message', 'gap', 'members', 'who', 'entry', 'error'];
	window.chats = [];
	window.begin = (options) => {
		const chat = client.connect(options);
		chat.log = [];
		chats.push(chat);
		for (const type of types) {
			chat.addEventListener(type, ({ detail }) => {
				const { entry, ...rest } = detail instanceof Error ? { code: detail.code } : detail;
				chat.log.push(entry ? { type, ...rest, said: entry.text, is: entry.state } : { type, ...rest });
			});
		}
		chat.of = (type) => chat.log.filter((event) => event.type === type);
		chat.texts = (room) => chat.of('message').filter((message) => message.room === room).map(({ text }) => text).join();
		return chat;
	};
	window.sizeOf = client.sizeOf;
	Object.defineProperty(document.body, 'innerText', { get: () => JSON.stringify(chats.map(({ state, log }) => ({ state, log }))) });
	document.body.dataset.state = 'ready';
</script>`

// visit opens the other site's page, with the client of the server at url.
func visit(t *testing.T, browser context.Context, url string, before ...string) *tab {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, site, url)
	}))
	t.Cleanup(s.Close)
	b := openURL(t, browser, s.URL, "ready", before...)
	b.offline = true // what fails is told by the log, too
	return b
}

// begin begins a chat, as the global variable chat, and waits until it is connected.
func (b *tab) begin(options string) {
	b.t.Helper()
	get[any](b, `void (window.chat = begin(`+options+`))`)
	b.wait(`chat.state === 'open'`)
}

// do runs a statement.
func (b *tab) do(statement string) {
	b.t.Helper()
	get[any](b, `void (`+statement+`)`)
}

// witness is a client of a room, whose messages it remembers.
type witness struct {
	t    *testing.T
	conn *websocket.Conn
	mu   sync.Mutex
	seen map[string]int
	news chan struct{} // has a value when there is more
}

// witness connects to a room by chat.v1.
func (p *process) witness(t *testing.T, room string) *witness {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr+"/ws/"+room, &websocket.DialOptions{Subprotocols: []string{"chat.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{t: t, conn: conn, seen: make(map[string]int), news: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, b, err := conn.Read(t.Context())
			var e struct{ Type, Text string }
			if err != nil || json.Unmarshal(b, &e) != nil {
				return
			}
			if e.Type != "say" {
				continue
			}
			w.mu.Lock()
			w.seen[e.Text]++
			w.mu.Unlock()
			select {
			case w.news <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		conn.CloseNow()
		<-done
	})
	return w
}

// say says texts, each after the one before was heard.
func (w *witness) say(texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		b, err := json.Marshal(map[string]string{"type": "say", "text": text})
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.conn.Write(w.t.Context(), websocket.MessageText, b); err != nil {
			w.t.Fatal(err)
		}
		w.waitFor(text)
	}
}

func (w *witness) count(text string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[text]
}

// waitFor waits until w has seen text.
func (w *witness) waitFor(text string) {
	w.t.Helper()
	for w.count(text) == 0 {
		select {
		case <-w.news:
		case <-w.t.Context().Done():
			w.t.Fatalf("not seen: %q", text)
		}
	}
}

package main

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestClientStopsWhereTheSameWouldHappenAgain(t *testing.T) {
	t.Parallel()
	// The room's name is the code with which the server ends its first connection.
	s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		code, _ := strconv.Atoi(m.room) // it is a number
		switch {
		case r.FormValue("since") == "":
			m.hear() // what it is closed for
			m.Close(websocket.StatusCode(code), "why")
		case r.FormValue("token") == "new":
			m.serve(0)
		}
	})
	b := visit(t, startBrowser(t), s.URL)
	ends := map[int]bool{
		1000: false, 1001: false, 1002: false, 1007: false, 1011: false, 1012: false, 1013: false, 1014: false, 4001: false,
		1003: true, 1008: true, 1009: true, 1010: true, 4401: true,
	}
	for code := range ends {
		b.begin(fmt.Sprintf(`{ room: '%d', token: 'old' }`, code))
		b.do(`chat.token = 'new'`)
		b.do(`chat.entry = chat.say('mine')`)
	}
	for code, ends := range ends {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			b := &tab{t: t, ctx: b.ctx}
			b.do(fmt.Sprintf(`window.chat = chats.find((chat) => chat.rooms.has('%d'))`, code))
			if ends {
				b.wait(`chat.state === 'stopped'`)
				b.expect(fmt.Sprintf(`chat.of('state').at(-1).code === %d && chat.of('state').at(-1).reason === 'why'`, code))
				b.do(`window.dispatchEvent(new Event('online'))`)
				b.expect(`chat.state === 'stopped' && chat.entry.state === 'sent'`)
				b.do(`chat.connect()`)
			}
			b.wait(`chat.entry.state === 'confirmed'`) // by the next connection, once it is known that it was not published
			b.expect(`chat.state === 'open' && chat.of('welcome').length === 2`)
			b.expect(fmt.Sprintf(`chat.of('close').length === 1 && chat.of('close')[0].code === %d`, code))
		})
	}
}

func TestClientAsksForATokenBeforeEachConnection(t *testing.T) {
	tokens := make(chan string, 3) // of one connection after the other
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		tokens <- r.FormValue("token")
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		if n > 2 {
			m.serve(0)
			return
		}
		m.hear()
		m.Close(4401, "token_expired")
	})
	b := visit(t, startBrowser(t), s.URL, hasty)
	b.do(`window.n = 0`)
	b.begin("{ token: async () => { if (++n === 2) throw new Error('not now'); return `t${n}`; } }")
	b.do(`chat.entry = chat.say('mine')`)
	b.wait(`chat.of('welcome').length === 2`)
	b.do("chat.token = () => `u${++n}`")
	b.do(`chat.say('more')`)
	b.wait(`chat.of('welcome').length === 3 && chat.state === 'open'`)
	b.expect(`chat.of('close').every(({ code }) => code === 4401)`)
	for _, want := range []string{"t1", "t3", "u4"} {
		if got := <-tokens; got != want {
			t.Errorf("token %q, want %q", got, want)
		}
	}
}

func TestClientComesBackWithinTheServersHints(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	hinting := func(t *testing.T) *scripted {
		return newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
			if n > 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			m := welcome(w, r, event{"retry": event{"min_ms": 2000, "max_ms": 9000}})
			if m == nil {
				return
			}
			defer m.CloseNow()
			m.hear()
			m.Close(1012, "")
		})
	}
	t.Run("the random part doubles up to the most, and it is told that it is refused", func(t *testing.T) {
		b := visit(t, browser, hinting(t).URL, hasty, `Math.random = () => 1`)
		b.begin(`{}`)
		b.do(`chat.say('x')`)
		b.wait(`chat.of('state').at(-1).failures > 5`)
		const longest = `[1, 2, 3, 4, 5].map((n) => Math.max(...chat.of('state').filter(({ failures }) => failures === n).map(({ seconds }) => seconds))).join()`
		b.expect(longest + ` === '2,4,8,9,9'`)
		b.wait(`chat.of('state').at(-1).refused`) // status.json is answered
		b.expect(`chat.of('state').find(({ refused }) => refused).failures >= 5`)
		b.expect(`chat.entries.length === 1 && chat.state === 'retrying'`)
	})
	t.Run("with such luck at once, but not for ever", func(t *testing.T) {
		b := visit(t, browser, hinting(t).URL, hasty, `Math.random = () => 0`)
		b.begin(`{}`)
		b.do(`chat.say('x')`)
		b.wait(`chat.of('state').at(-1).failures > 5`)
		b.expect(`chat.of('state').every(({ seconds }) => seconds === 0)`)
		b.do(`Math.random = () => 1`)
		b.wait(`chat.of('state').at(-1).seconds === 9`)
	})
	t.Run("the network is back", func(t *testing.T) {
		s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
			m := welcome(w, r, nil)
			if m == nil {
				return
			}
			m.hear()
			m.CloseNow()
		})
		b := visit(t, browser, s.URL, patient)
		b.begin(`{}`)
		b.do(`chat.say('x')`)
		b.wait(`chat.state === 'retrying' && chat.of('state').at(-1).seconds > 60`)
		b.do(`window.dispatchEvent(new Event('online'))`)
		b.wait(`chat.state === 'open'`)
	})
}

// Nobody is refused by a server that is away, whatever its proxy says.
func TestProxyWithoutItsServerRefusesNobody(t *testing.T) {
	s := newScripted(t, func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	b := visit(t, startBrowser(t), s.URL, hasty, `Math.random = () => 0.01`)
	s.away.Store(true)
	b.do(`window.chat = begin({})`)
	b.wait(`chat.of('state').at(-1)?.failures > 7`)
	b.expect(`chat.of('state').every(({ refused }) => !refused)`)
}

func TestOriginThatMayNotConnectIsTold(t *testing.T) {
	chatd := startChatd(t)
	b := visit(t, startBrowser(t), "http://"+chatd.Addr, hasty, `Math.random = () => 0.01`)
	b.do(`window.chat = begin({})`) // the module was imported all the same
	b.wait(`chat.of('state').at(-1)?.refused`)
}

func TestDeadNetworkIsNoticedWithinFifteenSeconds(t *testing.T) {
	t.Parallel()
	browser, chatd := startBrowser(t), startChatd(t, "-allow-origin", "*")
	b := visit(t, browser, "http://"+chatd.Addr)
	for i, tt := range []struct {
		name     string
		up, down mood
		text     string
	}{
		{"idle, all is lost", swallows, swallows, ""},
		{"said, all is lost", swallows, swallows, "hello?"},
		{"said, all is held", holds, holds, "hello?"},
		{"said, nothing goes up", swallows, passes, "hello?"},
		{"said, nothing comes back", passes, swallows, "hello?"},
		{"idle, answers do not come", passes, holds, ""},
		{"idle, questions are not sent", holds, passes, ""},
	} {
		net := newNetwork(t, chatd)
		b.begin(fmt.Sprintf(`{ url: 'http://%s', room: 'room-%d' }`, net.Addr, i)) // one hears nothing of the others
		b.do(fmt.Sprintf(`Object.assign(chat, { called: %q })`, tt.name))
		net.become(tt.up, tt.down)
		b.do(`chat.began = performance.now()`)
		if tt.text != "" {
			b.do(fmt.Sprintf(`chat.say(%q)`, tt.text))
		}
		b.do(`((chat) => chat.addEventListener('state', ({ detail }) => { if (detail.state === 'silent') chat.took ??= performance.now() - chat.began; }))(chat)`)
	}
	b.wait(`chats.every(({ took }) => took > 0)`)
	for _, late := range get[[]string](b, "chats.filter(({ took }) => took > 15_000).map(({ called, took }) => `${called}: ${took} ms`)") {
		t.Error(late)
	}
	b.expect(`chats.every((chat) => chat.of('close').length === 0)`) // in doubt, and not given up
}

// As behind a proxy that forgot one connection and serves all others.
func TestConnectionThatIsDeafIsReplaced(t *testing.T) {
	t.Parallel()
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 1: // it does not even say welcome
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat.v1"}, InsecureSkipVerify: true})
			if err == nil {
				_, _, _ = conn.Read(r.Context())
				conn.CloseNow()
			}
		case 2:
			deaf(w, r)
		default:
			echo(w, r)
		}
	})
	b := visit(t, startBrowser(t), s.URL, hasty)
	b.begin(`{}`)
	b.expect(`chat.of('state')[0].state === 'silent'`)
	b.wait(`chat.of('state').filter(({ state }) => state === 'silent').length === 2`)
	b.wait(`chat.state === 'open' && chat.of('welcome').length === 2`)
	b.expect(`chat.of('close').length === 2 && chat.of('close').every(({ code }) => code === 0)`)
	b.expect(`chat.say('hello').then(({ seq }) => seq === 1)`)
}

func TestIdleConnectionIsAskedUnlessNobodyLooks(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100)
	s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		for e := m.hear(); e != nil; e = m.hear() {
			asked <- fmt.Sprint(e["type"])
			if e["type"] == "say" {
				m.say(e, 1)
			} else {
				m.who()
			}
		}
	})
	const hide = `window.hides = true; Object.defineProperty(Document.prototype, 'hidden', { get: () => hides })`
	b := visit(t, startBrowser(t), s.URL, hasty, hide)
	b.begin(`{}`)
	b.do(`window.until = performance.now() + 30_000`)
	b.wait(`performance.now() > until`)
	b.expect(`chat.say('first').then(() => true)`)
	if what := <-asked; what != "say" {
		t.Errorf("a hidden page asks for %s", what)
	}
	b.do(`hides = false`)
	b.do(`document.dispatchEvent(new Event('visibilitychange'))`)
	for range 3 { // one at once, the others from time to time
		if what := <-asked; what != "who" {
			t.Errorf("it asks for %s", what)
		}
	}
	b.expect(`chat.state === 'open' && chat.of('who').length >= 2 && chat.of('close').length === 0`)
}

// As over a satellite, or with a proxy that wakes its server.
func TestSlowHandshakeIsWaitedForWhenQuickOnesFail(t *testing.T) {
	t.Parallel()
	s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(2 * time.Second): // 8 s of the page's
			echo(w, r)
		case <-r.Context().Done():
		}
	})
	b := visit(t, startBrowser(t), s.URL, hasty)
	b.begin(`{}`)
	if n := s.dialled.Load(); n < 2 {
		t.Errorf("the first of %d attempts was waited for as long", n)
	}
}

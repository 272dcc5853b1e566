package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
)

// join takes the reader into a room, as by keyboard.
func (b *tab) join(room string) {
	b.t.Helper()
	run(b, chromedp.SendKeys(chromedp.CSS("#wanted"), room+"\r"))
	b.waitForRoom(room)
}

// waitForRoom waits until a room is shown, in which one is.
func (b *tab) waitForRoom(room string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`room.textContent === %q && members.textContent !== ''`, room))
	b.expect(fmt.Sprintf(`rooms.querySelector('[aria-current=page] .label').textContent === %q && document.activeElement === input`, room))
}

func TestEachRoomHasAPage(t *testing.T) {
	browser := startBrowser(t)
	chatd := startChatd(t)
	lobby := open(t, browser, chatd, "open")
	named := openURL(t, browser, "http://"+chatd.Addr+"/r/lobby", "open")
	ana := openURL(t, browser, "http://"+chatd.Addr+"/r/chat.js", "open") // a room's name, below /r/
	ben := openURL(t, browser, "http://"+chatd.Addr+"/r/chat.js?x#y", "open")
	ana.say("in the room")
	ben.waitForLast("in the room")
	lobby.say("in the lobby")
	named.waitForLast("in the lobby")
	ben.say("again")
	ana.waitForLast("again")
	lobby.expectLog("in the lobby")
	ana.expectLog("in the room", "again")
	ana.expect(`document.title === 'chat.js – chatd' && room.textContent === 'chat.js'`)
	named.expect(`document.title === 'lobby – chatd' && room.textContent === 'lobby'`)
}

func TestPageInSeveralRooms(t *testing.T) {
	browser := startBrowser(t)
	chatd := startChatd(t)
	b := open(t, browser, chatd, "open", `{
		const Socket = window.WebSocket;
		window.sockets = 0;
		window.joined = []; // the rooms after the first
		window.WebSocket = class extends Socket {
			constructor(...args) {
				super(...args);
				sockets++;
				this.addEventListener('message', ({ data }) => {
					const { type, room } = JSON.parse(data);
					if (type === 'joined') joined.push(room);
				});
			}
		};
	}`)
	lobby, side := chatd.dialRoom(t, "lobby"), chatd.dialRoom(t, "side")

	b.say("in the lobby")
	b.waitForLast("in the lobby")
	b.do(`input.value = 'a draft', input.dispatchEvent(new Event('input'))`)
	b.join("side")
	b.expect(`location.pathname === '/r/side' && input.value === '' && document.title === 'side – chatd'`)
	b.say("in the side room")
	b.waitForLast("in the side room")
	b.expectLog("in the side room")

	lobby.flood("unread", 3)
	b.wait(`rooms.querySelector('li .badge').textContent === '3 new' && document.title === '(3) side – chatd'`)
	side.flood("read", 1)
	b.waitForLast("read 1")

	b.do(`history.back()`)
	b.waitForRoom("lobby")
	b.expect(`location.pathname === '/' && input.value === 'a draft' && document.title === 'lobby – chatd'`)
	b.wait(`rooms.querySelector('li .badge').textContent === ''`)
	b.expectLog("in the lobby", "unread 1", "unread 2", "unread 3")

	// In the address, the tab and the browser it is all remembered.
	run(b, chromedp.Reload())
	b.waitForRoom("lobby")
	b.wait(`[...rooms.querySelectorAll('.label')].map((room) => room.textContent).join() === 'lobby,side'`)
	b.wait(`joined.join() === 'side'`) // what is said before is no news there
	b.expect(`sockets === 1 && input.value === 'a draft' && [...recent.options].map(({ value }) => value).sort().join() === 'lobby,side'`)
	side.flood("more", 1)
	b.wait(`rooms.querySelector('li:last-child .badge').textContent === '1 new'`)

	b.do(`rooms.querySelector('[aria-label="Leave lobby"]').click()`)
	b.waitForRoom("side")
	b.expect(`rooms.children.length === 1 && rooms.querySelector('.leave').hidden && location.pathname === '/r/side'`)
	b.expectLog("in the side room", "read 1", "more 1")

	// What is no room is told.
	run(b, chromedp.SendKeys(chromedp.CSS("#wanted"), "no room\r"))
	b.wait(`unwanted.textContent.startsWith('A room’s name is') && wanted.getAttribute('aria-invalid') === 'true'`)
	b.expect(`document.activeElement === wanted && rooms.children.length === 1`)
}

func TestPageWorksBelowAnyPath(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t)
	target := &url.URL{Scheme: "http", Host: chatd.Addr}
	for prefix, start := range map[string]func(http.Handler) *httptest.Server{"/chat": httptest.NewServer, "/a/b%20c": httptest.NewTLSServer} {
		t.Run(prefix, func(t *testing.T) {
			path, err := url.PathUnescape(prefix)
			if err != nil {
				t.Fatal(err)
			}
			s := start(http.StripPrefix(path, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Host = r.In.Host
			}}))
			t.Cleanup(s.Close)
			b := openURL(t, browser, s.URL+prefix+"/r/side", "open")
			t.Cleanup(s.CloseClientConnections)
			b.offline = true // the connection ends with the proxy
			b.say("below " + prefix)
			b.waitForLast("below " + prefix)
			b.join("lobby")
			b.expect(fmt.Sprintf(`location.href === %q`, s.URL+prefix+"/"))
			b.say("below " + prefix)
			b.waitForLast("below " + prefix)
			b.waitForPending()
			b.expect(`performance.getEntriesByType('resource').every(({ responseStatus }) => responseStatus === 200)`)
		})
	}
}

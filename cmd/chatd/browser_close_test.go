package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

func TestPageSaysWhyItWasClosed(t *testing.T) {
	browser := startBrowser(t)
	for _, tt := range []struct {
		code   websocket.StatusCode
		reason string
		words  string
		ends   bool // the page does not connect again by itself
	}{
		{1000, "", "Connection closed: the server ended it (1000).", false},
		{1001, "bye", "Connection closed: the server is going away (1001: bye).", false},
		{1002, "RSV1", "Connection closed: a rule of the protocol was broken (1002: RSV1).", false},
		{1007, "", "Connection closed: a message was not valid text (1007).", false},
		{1008, "sends too much", "Connection closed: a limit of the server was exceeded (1008: sends too much).", true},
		{1009, "", "Connection closed: a message was too long for the server (1009).", true},
		{1012, "", "Connection closed: the server starts again (1012).", false},
		{1013, "too slow", "Connection closed: this page was too slow, or the server has too much to do (1013: too slow).", false},
		{4001, "<b>x</b>", "Connection closed: the server ended it (4001: <b>x</b>).", false},
	} {
		t.Run(fmt.Sprint(int(tt.code)), func(t *testing.T) {
			var s *scripted
			s = newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
				if n > 1 {
					echo(w, r)
					return
				}
				conn, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer conn.CloseNow()
				_, _, _ = conn.Read(r.Context()) // what it is closed for
				conn.Close(tt.code, tt.reason)
			})
			b := openURL(t, browser, s.URL+"/", "open")
			b.say("one")
			if !tt.ends {
				b.waitForState("open")
				if tt.code > 1001 { // nobody knows whether it was delivered
					b.waitForPending("unsure: one")
				} else {
					b.waitForPending()
				}
				b.wait(fmt.Sprintf("[...%s].some((line) => line.textContent === %q)", lines, tt.words))
				return
			}
			b.waitForState("stopped")
			b.waitForPending("refused: one")
			b.waitForLast(tt.words)
			b.say("two")
			b.waitForPending("refused: one", "waiting: two")
			b.expect(`kept.textContent === '1 text may not be delivered: see above.'`)
			get[chromedp.Void](b, `void window.dispatchEvent(new Event('online'))`)
			if n := s.dialled.Load(); n != 1 {
				t.Fatalf("it has connected %d times", n)
			}
			run(b, chromedp.Click(chromedp.CSS("#now")))
			b.waitForState("open")
			b.waitForLast("two")
			b.waitForPending("refused: one")
			get[chromedp.Void](b, `void [...pending.querySelectorAll('button')].find((b) => b.textContent === 'Edit').click()`)
			b.waitForPending()
			b.expect(`input.value === 'one' && document.activeElement === input`)
		})
	}
}

func TestPageSaysThatItIsRefusedAndDoesNotHammer(t *testing.T) {
	browser := startBrowser(t)
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s := newScripted(t, func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
			b := openURL(t, browser, s.URL+"/", "retrying", `Math.random = () => 0`)
			b.offline = true
			b.wait(fmt.Sprintf("[...%s].some((line) => line.textContent.startsWith('The server answers, but does not accept'))", lines))
			get[chromedp.Void](b, `void (Math.random = () => 1)`) // from now on it waits as long as it may
			b.wait(`/^ in 1[0-9] s…$/.test(countdown.textContent)`)
		})
	}
}

func TestTextThatIsTooLongIsToldBeforeItIsSent(t *testing.T) {
	browser := startBrowser(t)
	paste := func(b *tab, text string) {
		t.Helper()
		run(b, func(ctx context.Context, _ *chromedp.Target) (cdp.Empty, error) {
			return chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
		})
	}
	t.Run("in bytes, and it is all kept", func(t *testing.T) {
		chatd := startChatd(t, "-max-message", "100")
		b := open(t, browser, chatd, "open")
		paste(b, strings.Repeat("€", 34)) // 102 bytes
		b.wait(`hint.textContent.startsWith('Too long') && size.textContent === '102 bytes of 100 bytes'`)
		b.say("")
		b.expect(`input.value.length === 34 && input.getAttribute('aria-invalid') === 'true' && pending.children.length === 0`)
		b.press("Backspace", 8, chromedp.ModifierNone)
		b.wait(`hint.textContent === '' && size.textContent === '99 bytes of 100 bytes'`)
		b.say("")
		b.waitForLast(strings.Repeat("€", 33))
		b.expect(`size.textContent === '' && input.value === ''`)
		b.waitForState("open")
	})
	t.Run("a paste of the longest that is taken is not cut", func(t *testing.T) {
		chatd := startChatd(t)
		b := open(t, browser, chatd, "open")
		paste(b, strings.Repeat("x", 64<<10))
		b.say("")
		b.wait(`log.querySelector('.message')?.textContent.length === 65536`)
	})
}

func TestPageWorksBelowAnyPath(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t)
	target := &url.URL{Scheme: "http", Host: chatd.Addr}
	for _, prefix := range []string{"", "/chat", "/a/b%20c"} {
		path, err := url.PathUnescape(prefix)
		if err != nil {
			t.Fatal(err)
		}
		proxy := http.StripPrefix(path, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		}})
		for scheme, start := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
			t.Run(scheme+prefix, func(t *testing.T) {
				s := start(proxy)
				t.Cleanup(s.Close)
				for _, page := range []string{"/", "/r/side"} {
					b := openURL(t, browser, s.URL+prefix+page, "open")
					t.Cleanup(s.CloseClientConnections)
					b.offline = true // the connection ends with the proxy
					b.say("below " + prefix)
					b.waitForLast("below " + prefix)
					b.waitForPending()
					b.wait(`performance.getEntriesByType('resource').some(({ name, responseStatus }) => name.includes('/status.json') && responseStatus === 200)`)
					b.expect(`performance.getEntriesByType('resource').every(({ responseStatus }) => responseStatus === 200)`)
				}
			})
		}
	}
}

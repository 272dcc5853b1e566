package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

func TestPage(t *testing.T) {
	browser := startBrowser(t)
	chatd := startChatd(t)
	room := func(name string) string { return "http://" + chatd.Addr + "/r/" + name }

	t.Run("what is said in one tab is shown once in both, under a name and its colour", func(t *testing.T) {
		ana, ben := openURL(t, browser, room("names"), "open"), openURL(t, browser, room("names"), "open")
		for name, b := range map[string]*tab{"Ana": ana, "Ben": ben} {
			b.call(name)
			b.expect(fmt.Sprintf("me.ariaLabel === 'Your name: %s. Change it' && nameless.hidden", name))
		}
		ana.say("anybody here?")
		ben.waitForLast("anybody here?")
		ben.say("  me  ")
		ben.waitForLast("  me  ")
		ben.say("and me")
		for _, b := range []*tab{ana, ben} {
			b.waitForLast("and me")
			b.expectLog("anybody here?", "  me  ", "and me")
			b.waitForPending()
			b.expect(`[...log.querySelectorAll('.head .name')].map((name) => name.textContent).join() === 'Ana,Ben'`)
			b.expect(`log.querySelectorAll('.day').length === 1 && log.querySelectorAll('time[datetime$=Z]').length === 2`)
			b.expect(`log.querySelector('.message:last-child .spoken').textContent === 'Ben: '`)
			b.wait(`members.textContent === '2 here'`)
		}
		const colours = `[...log.querySelectorAll('.name')].map((name) => getComputedStyle(name).color).join()`
		if a, b := get[string](ana, colours), get[string](ben, colours); a != b {
			t.Errorf("in one tab the colours are %s, in the other %s", a, b)
		}
		ana.expect(`log.querySelectorAll('.you').length === 1 && log.querySelector('.head .you').parentElement.textContent.startsWith('Ana you')`)
		ana.expect(`document.activeElement === input && input.value === ''`)
		run(ana, chromedp.Reload())
		ana.waitForState("open")
		ana.waitForLast("and me") // the history
		ana.expectLog("anybody here?", "  me  ", "and me")
		ana.expect(`me.ariaLabel.startsWith('Your name: Ana.') && log.querySelectorAll('.you').length === 1`)
	})

	t.Run("one without a name is a guest, and is asked for one", func(t *testing.T) {
		b := openURL(t, browser, room("guests"), "open", `localStorage.clear()`)
		b.wait(`!nameless.hidden && /^Guest ....$/.test(guest.textContent)`)
		b.say("hello")
		b.waitForLast("hello")
		b.expect(`log.querySelector('.name').textContent === guest.textContent`)
	})

	t.Run("markup is shown as text, in names too", func(t *testing.T) {
		const markup = `<b>x</b><img src=x onerror="document.title='broken'"><script>document.title='broken'</script>`
		const name = `<img src=x onerror=alert(1)>`
		b := openURL(t, browser, room("markup"), "open")
		b.call(name)
		b.say(markup)
		b.waitForLast(markup)
		b.expect(fmt.Sprintf(`log.querySelector('.name').textContent === %q`, name))
		b.do(`members.click()`)
		b.wait(fmt.Sprintf(`who.querySelector('.name')?.textContent === %q`, name))
		b.expect(`document.querySelectorAll(':is(.log, #who, #me) :is(b, img, script)').length === 0 && document.title === 'markup – chatd'`)
	})

	t.Run("links are links, and nothing else is", func(t *testing.T) {
		b := openURL(t, browser, room("links"), "open")
		for text, links := range map[string][]string{
			"see https://example.org/a_(b)?q=1#c.":            {"https://example.org/a_(b)?q=1#c"},
			"(HTTP://EXAMPLE.org), 'https://b.example/x'!":    {"HTTP://EXAMPLE.org", "https://b.example/x"},
			`"https://c.example/">x<script>`:                  {"https://c.example/"},
			"javascript:alert(1) data:text/html,x //evil x:y": {},
			"https:// https://] xhttps://a.example":           {},
		} {
			b.say(text)
			b.waitForLast(text)
			want, _ := json.Marshal(links)
			b.expect(fmt.Sprintf("JSON.stringify([...lines.at(-1).querySelectorAll('a')].map((a) => a.textContent)) === `%s`", want))
		}
		b.expect(`[...log.querySelectorAll('a')].every((a) => a.target === '_blank' && a.rel === 'noopener noreferrer nofollow' && /^https?:$/.test(a.protocol))`)
	})

	t.Run("what raw clients send has no name, and bytes are summed up", func(t *testing.T) {
		b := openURL(t, browser, room("raw"), "open")
		c := chatd.dialRoom(t, "raw")
		c.send(websocket.MessageText, "plain")
		c.send(websocket.MessageBinary, "<b>\x00 and many more bytes")
		b.waitForLast("24 bytes of binary data: 3c 62 3e 00 20 61 6e 64 20 6d 61 6e …")
		b.expectLog("plain", "24 bytes of binary data: 3c 62 3e 00 20 61 6e 64 20 6d 61 6e …")
		b.expect(`log.querySelector('.name').textContent === 'Raw client' && !log.querySelector('.painted')`)
	})

	t.Run("empty input is not sent", func(t *testing.T) {
		b := openURL(t, browser, room("empty"), "open")
		b.say("")
		b.say("  ")
		b.say("x")
		b.waitForLast("  x")
		b.expectLog("  x")
	})

	t.Run("Shift and Enter start a new line, and Enter of an input method sends nothing", func(t *testing.T) {
		b := openURL(t, browser, room("lines"), "open")
		run(b, chromedp.SendKeys(chromedp.CSS("#input"), "one"))
		get[bool](b, `input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true }))`)
		height := get[int](b, `input.clientHeight`)
		run(b, chromedp.KeyEvent("\r", chromedp.KeyModifiers(chromedp.ModifierShift)))
		b.expect(fmt.Sprintf("input.clientHeight > %d", height))
		b.say("two")
		b.waitForLast("one\ntwo")
		b.expectLog("one\ntwo")
		b.expect(fmt.Sprintf("input.clientHeight === %d", height))
	})

	t.Run("the log follows the newest message only for a reader at the bottom", func(t *testing.T) {
		const atBottom = `log.scrollHeight - log.scrollTop - log.clientHeight < 1`
		b, c := openURL(t, browser, room("scroll"), "open"), chatd.dialRoom(t, "scroll")
		c.flood("line", 100)
		b.waitForLast("line 100")
		b.wait(`log.scrollTop > 1000 && ` + atBottom)
		get[bool](b, `new Promise((resolve) => {
			log.addEventListener('scroll', () => resolve(true), { once: true });
			log.scrollTop = 500;
		})`)
		c.flood("later", 3)
		b.waitForLast("later 3")
		b.wait(`!jump.hidden && unseen.textContent === '3 new messages' && document.title === '(3) scroll – chatd'`)
		b.expect(`log.scrollTop === 500`)
		run(b, chromedp.Click(chromedp.CSS("#jump")))
		b.wait(`jump.hidden && document.title === 'scroll – chatd' && ` + atBottom)
		b.expect(`document.activeElement === input`)
		run(b, chromedp.KeyEvent("\r", chromedp.KeyModifiers(chromedp.ModifierShift))) // the input takes room from the log
		b.wait(atBottom)
		c.flood("last", 1)
		b.waitForLast("last 1")
		b.wait(atBottom)
	})

	t.Run("a hidden tab, which has no frames, shows what comes all the same, and counts it in its title", func(t *testing.T) {
		b, c := openURL(t, browser, room("hidden"), "open", `window.requestAnimationFrame = () => 1; window.hides = false;
			Object.defineProperty(document, 'hidden', { get: () => hides })`), chatd.dialRoom(t, "hidden")
		b.say("hello")
		b.waitForLast("hello")
		b.do(`hides = true`)
		c.flood("unread", 2)
		b.wait(`document.title === '(2) hidden – chatd'`)
		b.waitForLast("unread 2")
		b.do(`hides = false, document.dispatchEvent(new Event('visibilitychange'))`)
		b.wait(`document.title === 'hidden – chatd'`)
	})

	t.Run("where nothing may be stored it works as well, until it is left", func(t *testing.T) {
		for _, forbid := range []string{
			`for (const kind of ['localStorage', 'sessionStorage']) Object.defineProperty(window, kind, { get() { throw new DOMException('no', 'SecurityError') } })`,
			`Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }`,
		} {
			b := openURL(t, browser, room("stored"), "open", `localStorage.clear()`, forbid)
			b.call("Ana")
			b.say("hello")
			b.waitForLast("hello")
			b.expect(`log.querySelector('.message:last-child .name, .name').textContent === 'Ana'`)
			b.join("elsewhere")
			b.expect(`rooms.textContent.includes('stored') && recent.options.length === 2`)
		}
	})

	t.Run("a name that the server would not take is told before it is sent", func(t *testing.T) {
		b := openURL(t, browser, room("long"), "open")
		b.call("Zoë")
		b.do(`me.click()`)
		for _, name := range []string{strings.Repeat("é", 33), "a\u202eb"} {
			b.do(fmt.Sprintf(`document.getElementById('name').value = %q, naming.querySelector('form').requestSubmit()`, name))
			b.expect(`naming.open && unnamed.textContent !== '' && document.getElementById('name').getAttribute('aria-invalid') === 'true'`)
		}
		b.press("Escape", 27, chromedp.ModifierNone)
		b.wait(`!naming.open`)
		b.expect(`me.ariaLabel.startsWith('Your name: Zoë.')`)
		b.call(strings.Repeat("é", 32))
		b.say("hello")
		b.waitForLast("hello")
		b.wait(fmt.Sprintf(`log.querySelector('.name').textContent === '%s'`, strings.Repeat("é", 32)))
	})

	t.Run("a browser without WebSockets is told so", func(t *testing.T) {
		b := openURL(t, browser, room("none"), "unsupported", `delete window.WebSocket`)
		b.expect(`refused.textContent === 'Your browser does not support WebSockets.'`)
	})

	t.Run("who is here, as others come", func(t *testing.T) {
		b := openURL(t, browser, room("here"), "open")
		b.call("Ana")
		run(b, chromedp.Click(chromedp.CSS("#members")))
		const names = `[...who.querySelectorAll('.name')].map((name) => name.textContent).sort().join()`
		b.wait(names + ` === 'Ana' && who.querySelector('.you') !== null`)
		c := openURL(t, browser, room("here"), "open", `sessionStorage.clear()`)
		c.call("Ben")
		chatd.dialRoom(t, "here")
		b.wait(names + ` === 'Ana,Ben' && who.querySelector('.rest').textContent === 'and 1 other'`)
	})

	t.Run("the link to the room", func(t *testing.T) {
		b := openURL(t, browser, room("linked"), "open", `navigator.clipboard.writeText = (text) => window.refuse ? Promise.reject() : void (window.copied = text)`)
		run(b, chromedp.Click(chromedp.CSS("#copy")))
		b.wait(`notice.textContent === 'The link is copied.'`)
		b.expect(fmt.Sprintf(`copied === '%s'`, room("linked")))
		b.do(`refuse = true`)
		run(b, chromedp.Click(chromedp.CSS("#copy")))
		b.wait(fmt.Sprintf(`notice.textContent === 'The link to this room is %s'`, room("linked")))
	})
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
		b.wait(`lines[0]?.textContent.length === 65536`)
	})
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"iter"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// startBrowser starts a Chromium with a profile of its own.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		found, err := exec.LookPath(name)
		if err == nil {
			path = cmp.Or(path, found)
		}
	}
	if path == "" {
		t.Fatal("no Chromium found: make test installs it")
	}
	// The profile is in a new directory, which chromedp makes and removes.
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // it does not work in containers
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true), // a test's proxy signs its own
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	browser, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	t.Cleanup(func() { // killed, it would leave files behind
		if err := chromedp.Cancel(browser); err != nil {
			t.Error(err)
		}
	})
	return browser
}

// tab is a browser's tab in a visible window of its own.
type tab struct {
	t       *testing.T
	ctx     context.Context
	offline bool // connections that fail are no fault
}

// open opens the page of p in a new tab and waits until its connection has the
// given state. The scripts before run before the page's own. The test must not
// leave an error in the console, of the content security policy for instance.
func open(t *testing.T, browser context.Context, p *process, state string, before ...string) *tab {
	t.Helper()
	return openURL(t, browser, "http://"+p.Addr+"/", state, before...)
}

// openURL is open for a page that is elsewhere.
func openURL(t *testing.T, browser context.Context, url, state string, before ...string) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	// The first run decides the life of the tab, so it has no time limit.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t, ctx: ctx}
	console := chromedp.Console(ctx)
	t.Cleanup(func() { b.checkConsole(console) })
	for _, script := range before {
		run(b, func(ctx context.Context, _ *chromedp.Target) (page.AddScriptToEvaluateOnNewDocumentResult, error) {
			return chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		})
	}
	run(b, chromedp.Navigate(url))
	b.waitForState(state)
	return b
}

func (b *tab) checkConsole(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	const last = "the test is over"
	run(b, chromedp.Evaluate[chromedp.Void]("console.log('"+last+"')"))
	for message, err := range console {
		switch {
		case err != nil:
			b.t.Fatal(err)
		case message.Text == last:
			return
		case b.offline && message.Source == "network":
		default:
			b.t.Errorf("in the browser's console: %s", message)
		}
	}
}

// run runs one action in b.
func run[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// lines are the log's, in JavaScript.
const lines = `log.querySelectorAll('.message, .note')`

// get evaluates a JavaScript expression. In it, an element's id is a variable.
func get[T any](b *tab, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// expect fails the test unless a JavaScript expression is true.
func (b *tab) expect(expression string) {
	b.t.Helper()
	if !get[bool](b, expression) {
		b.t.Errorf("not so: %s", expression)
	}
}

// wait waits until a JavaScript expression is true. (chromedp.Poll makes code
// from text in the page, which the content security policy forbids.)
func (b *tab) wait(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`new Promise((resolve) => {
		const check = () => (`+expression+`) ? resolve(true) : setTimeout(check, 10);
		check();
	})`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("waiting for %s: %v; the page shows: %q", expression, err, get[string](b, `document.body.innerText`))
	}
}

func (b *tab) waitForState(state string) {
	b.t.Helper()
	b.wait(`document.body.dataset.state === '` + state + `'`)
}

// waitForLast waits until text is the newest line of the log.
func (b *tab) waitForLast(text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("[...%s].at(-1)?.textContent === %q", lines, text))
}

// expectLog fails the test unless the log has just these lines.
func (b *tab) expectLog(want ...string) {
	b.t.Helper()
	if got := get[[]string](b, `[...`+lines+`].map((line) => line.textContent)`); !slices.Equal(got, want) {
		b.t.Errorf("the log has %q, want %q", got, want)
	}
}

// waitForPending waits until what is not confirmed is just this, as "STATE: TEXT".
func (b *tab) waitForPending(want ...string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("[...pending.children].map((line) => `${line.dataset.state}: ${line.firstChild.textContent}`).join('\\n') === %q", strings.Join(want, "\n")))
}

// say types text into the input and presses Enter.
func (b *tab) say(text string) {
	b.t.Helper()
	run(b, chromedp.SendKeys(chromedp.CSS("#input"), text))
	b.press("Enter", 13, chromedp.ModifierNone)
}

// press presses a key that types no character, unlike [chromedp.KeyEvent].
func (b *tab) press(key string, code int64, modifier chromedp.Modifier) {
	b.t.Helper()
	for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		run(b, func(ctx context.Context, _ *chromedp.Target) (cdp.Empty, error) {
			return chromedp.Call(ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{
				Type: typ, Key: key, Code: key, WindowsVirtualKeyCode: code, Modifiers: int64(modifier),
			})
		})
	}
}

func TestPage(t *testing.T) {
	browser := startBrowser(t)
	chatd := startChatd(t)

	t.Run("what is typed in one tab is shown once in both", func(t *testing.T) {
		ana, ben := open(t, browser, chatd, "open"), open(t, browser, chatd, "open")
		ana.say("ana: anybody here?")
		ben.waitForLast("ana: anybody here?")
		ben.say("  ben:  me  ")
		for _, b := range []*tab{ana, ben} {
			b.waitForLast("  ben:  me  ")
			b.expectLog("ana: anybody here?", "  ben:  me  ")
			b.expect(`counter.textContent === '2 messages'`)
			b.expect(`document.activeElement === input && input.value === ''`)
		}
	})

	t.Run("markup is shown as text", func(t *testing.T) {
		const markup = `<b>x</b><img src=x onerror="document.title='broken'"><script>document.title='broken'</script>`
		b := open(t, browser, chatd, "open")
		b.say(markup)
		b.waitForLast(markup)
		b.expect(`log.querySelectorAll('b, img, script').length === 0 && document.title === 'chatd'`)
	})

	t.Run("binary messages are summed up", func(t *testing.T) {
		b := open(t, browser, chatd, "open")
		chatd.dial(t).send(websocket.MessageBinary, "<b>bytes</b>")
		b.waitForLast("[binary, 12 bytes]")
	})

	t.Run("empty input is not sent", func(t *testing.T) {
		b := open(t, browser, chatd, "open")
		b.say("")
		b.say("  ")
		b.say("x")
		b.waitForLast("  x")
		b.expectLog("  x")
	})

	t.Run("Shift and Enter start a new line, and Enter of an input method sends nothing", func(t *testing.T) {
		b := open(t, browser, chatd, "open")
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
		b, c := open(t, browser, chatd, "open"), chatd.dial(t)
		c.flood("line", 100)
		b.waitForLast("line 100")
		b.wait(`log.scrollTop > 1000 && ` + atBottom)
		get[bool](b, `new Promise((resolve) => {
			log.addEventListener('scroll', () => resolve(true), { once: true });
			log.scrollTop = 500;
		})`)
		c.flood("later", 3)
		b.waitForLast("later 3")
		b.wait(`!jump.hidden && unseen.textContent === '3 new messages'`)
		b.expect(`log.scrollTop === 500`)
		run(b, chromedp.Click(chromedp.CSS("#jump")))
		b.wait(`jump.hidden && ` + atBottom)
		b.expect(`document.activeElement === input`)
		run(b, chromedp.KeyEvent("\r", chromedp.KeyModifiers(chromedp.ModifierShift))) // the input takes room from the log
		b.wait(atBottom)
		c.flood("last", 1)
		b.waitForLast("last 1")
		b.wait(atBottom)
	})

	t.Run("a burst leaves the page responsive and the newest lines in it", func(t *testing.T) {
		b, c := open(t, browser, chatd, "open"), chatd.dial(t)
		// The log changes once a frame, or four times a second without frames.
		get[bool](b, `(window.began = performance.now(), window.changes = 0, window.drawn = 0,
			window.draw = () => requestAnimationFrame(() => (drawn++, draw())), draw(),
			new MutationObserver(() => changes++).observe(log, { childList: true, subtree: true }), true)`)
		c.flood("burst", 5000)
		b.waitForLast("burst 5000")
		b.wait(`counter.textContent.replace(/\D/g, '') === '5000'`)
		b.expect(lines + `.length <= 2000 && ` + lines + `.length > 1800`)
		b.expect(`document.activeElement === input`)
		b.expect(`changes > 0 && changes <= drawn + (performance.now() - began) / 250 + 1`)

		// The reader looks at a line while more and more of those above it go.
		get[bool](b, `new Promise((resolve) => {
			log.addEventListener('scroll', () => resolve(true), { once: true });
			window.line = `+lines+`[1500];
			line.scrollIntoView();
			window.was = line.getBoundingClientRect().top;
		})`)
		for i := range 13 {
			round := fmt.Sprint("round ", i)
			c.flood(round, 100)
			b.waitForLast(round + " 100")
			b.expect(lines + `.length <= 2000`)
		}
		b.expect(`Math.abs(line.getBoundingClientRect().top - was) < 1`)
	})

	t.Run("a tab without frames, because it is hidden, shows what comes all the same", func(t *testing.T) {
		b := open(t, browser, chatd, "open", `window.requestAnimationFrame = () => 1`)
		b.say("hello")
		b.waitForLast("hello")
	})

	t.Run("a browser without WebSockets is told so", func(t *testing.T) {
		b := open(t, browser, chatd, "unsupported", `delete window.WebSocket`)
		b.waitForLast("Your browser does not support WebSockets.")
	})
}

func TestPageWhenTheServerIsAway(t *testing.T) {
	browser := startBrowser(t)

	t.Run("it tells so, keeps what is typed and sends it by itself", func(t *testing.T) {
		const gone = "Connection closed: the server is going away (1001: server is shutting down)."
		chatd := startChatd(t)
		b := open(t, browser, chatd, "open")
		b.offline = true
		b.say("before")
		b.waitForLast("before")
		chatd.Stop()
		b.waitForState("retrying")
		b.say("typed while away")
		b.say("and more")
		b.waitForPending("waiting: typed while away", "waiting: and more")
		b.expect(`kept.textContent.startsWith('Your text is kept') && input.value === ''`)
		b.expectLog("before", gone)
		const asked = `!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))`
		b.expect(asked)

		startChatd(t, "-addr", chatd.Addr)
		b.waitForState("open")
		b.waitForPending()
		b.waitForLast("and more")
		b.expect(`kept.textContent === '' && now.hidden`)
		b.expectLog("before", gone, "typed while away", "and more")
		b.expect(`!(` + asked + `)`)
	})

	t.Run("what was typed goes out no faster than the server takes it", func(t *testing.T) {
		chatd := startChatd(t)
		b := open(t, browser, chatd, "open")
		b.offline = true
		chatd.Stop()
		b.waitForState("retrying")
		var typed []string
		for i := range 12 {
			typed = append(typed, fmt.Sprint("text ", i))
			b.say(typed[i])
		}
		notes := get[int](b, `log.querySelectorAll('.note').length`)
		startChatd(t, "-addr", chatd.Addr, "-rate-messages", "4", "-rate-close")
		b.waitForState("open")
		b.waitForPending()
		b.waitForLast(typed[len(typed)-1]) // what is confirmed is shown with the next frame
		b.expect(fmt.Sprintf(`log.querySelectorAll('.note').length === %d`, notes))
		if got := get[[]string](b, `[...log.querySelectorAll('.message')].map((line) => line.textContent)`); !slices.Equal(got, typed) {
			t.Errorf("shown: %q", got)
		}
	})

	// With such random numbers it would wait for minutes.
	const patient = `Math.random = () => 1000`
	for name, hurry := range map[string]string{
		"its button connects at once":                  `now.click()`,
		"it connects at once when the network is back": `window.dispatchEvent(new Event('online'))`,
	} {
		t.Run(name, func(t *testing.T) {
			chatd := startChatd(t)
			b := open(t, browser, chatd, "open", patient)
			b.offline = true
			chatd.Stop()
			b.wait(`/^ in \d+ s…$/.test(countdown.textContent) && !now.hidden`)
			startChatd(t, "-addr", chatd.Addr)
			get[chromedp.Void](b, `void now.focus()`)
			get[chromedp.Void](b, `void `+hurry)
			b.waitForState("open")
			b.expect(`document.activeElement === input`)
		})
	}
}

// TestScreenshot takes the picture of the page for the README: a desk's window
// in light colours beside a phone in dark ones.
func TestScreenshot(t *testing.T) {
	name := os.Getenv("CHATD_SCREENSHOT")
	if name == "" {
		t.Skip("CHATD_SCREENSHOT names no file")
	}
	browser, chatd := startBrowser(t), startChatd(t)
	desk, phone := open(t, browser, chatd, "open"), open(t, browser, chatd, "open")
	desk.emulate("light", 1000, 640)
	phone.emulate("dark", 340, 640, chromedp.EmulateMobile, chromedp.EmulateTouch)
	for i, line := range []string{
		"ana: morning! did the release go out?",
		"ben: it did, twenty minutes ago, and nobody noticed",
		"ana: the best kind. how many are in here now?",
		"ben: everybody who is awake, and cleo",
		"cleo: hello from the train!\ntwo tunnels so far, and each time I was back before I had put the phone away",
		"ana: welcome back, cleo. we kept your seat",
		"cleo: <b>thank you</b>",
	} {
		b := []*tab{desk, phone}[i%2]
		get[chromedp.Void](b, fmt.Sprintf("void (input.value = %q)", line))
		b.say("")
		desk.waitForLast(line)
		phone.waitForLast(line)
	}

	const gap = 32
	left, right := desk.picture(), phone.picture()
	size := image.Rect(0, 0, left.Bounds().Dx()+gap+right.Bounds().Dx(), left.Bounds().Dy())
	both := image.NewNRGBA(size)
	draw.Draw(both, left.Bounds(), left, image.Point{}, draw.Src)
	draw.Draw(both, size.Add(image.Pt(left.Bounds().Dx()+gap, 0)), right, image.Point{}, draw.Src)
	var out bytes.Buffer
	if err := png.Encode(&out, both); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// emulate gives b a colour scheme and a size.
func (b *tab) emulate(scheme string, width, height int64, options ...chromedp.EmulateViewportOption) {
	b.t.Helper()
	run(b, chromedp.EmulateViewport(width, height, append(options, chromedp.EmulateScale(2))...))
	run(b, func(ctx context.Context, _ *chromedp.Target) (cdp.Empty, error) {
		return chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // nothing is half-way
		}})
	})
}

func (b *tab) picture() image.Image {
	b.t.Helper()
	picture, err := png.Decode(bytes.NewReader(run(b, chromedp.CaptureScreenshot())))
	if err != nil {
		b.t.Fatal(err)
	}
	return picture
}

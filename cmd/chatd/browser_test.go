package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// theBrowser is one Chromium for all tests: each that starts costs a second or two.
// TestMain ends it.
var theBrowser = sync.OnceValues(launchBrowser)

// startBrowser returns a profile of its own in a Chromium.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	browser, err := theBrowser()
	if err != nil {
		t.Fatal(err)
	}
	profile, leave := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	if err := chromedp.Do(profile); err != nil {
		t.Fatalf("the browser has no other profile: %v", err)
	}
	return profile
}

// browserStarted has TestMain end the browser, if there is one.
var browserStarted context.Context

func launchBrowser() (context.Context, error) {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		found, err := exec.LookPath(name)
		if err == nil {
			path = cmp.Or(path, found)
		}
	}
	if path == "" {
		return nil, errors.New("no Chromium found: make test installs it")
	}
	// The profile is in a new directory, which chromedp makes and removes.
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // it does not work in containers
		chromedp.DisableGPU,
		chromedp.WindowSize(1000, 640), // a desk's
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true), // a test's server, or proxy, signs its own
		chromedp.Flag("host-resolver-rules", "MAP chat.example 127.0.0.1"),
	)
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	browser, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		return nil, fmt.Errorf("the browser does not start: %w", err)
	}
	browserStarted = browser
	return browser, nil
}

// stopBrowser ends the browser, if one was started: killed, it would leave files
// behind.
func stopBrowser() error {
	if browserStarted == nil {
		return nil
	}
	return chromedp.Cancel(browserStarted)
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
	for _, script := range append(before, shown) {
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
		case b.offline && (message.Source == "network" || strings.Contains(message.Text, "blocked by CORS policy")):
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

// shown makes variables of parts of the room that is shown.
const shown = `
	Object.defineProperty(window, 'log', { get: () => document.getElementById('log') });
	Object.defineProperty(window, 'pending', { get: () => log.querySelector('.end') });
	Object.defineProperty(window, 'lines', { get: () => [...log.querySelectorAll('.block :is(.text, .note, .left, .mark)')] });`

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
	b.wait(fmt.Sprintf("lines.at(-1)?.textContent === %q", text))
}

// expectLog fails the test unless the log has just these lines.
func (b *tab) expectLog(want ...string) {
	b.t.Helper()
	if got := get[[]string](b, `lines.map((line) => line.textContent)`); !slices.Equal(got, want) {
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

// call gives the reader a name, as by keyboard.
func (b *tab) call(name string) {
	b.t.Helper()
	b.do(`me.click()`)
	b.wait(`document.activeElement.id === 'name'`)
	run(b, chromedp.SendKeys(chromedp.CSS("#name"), name+"\r"))
	b.wait(`!naming.open`)
}

// emulate gives b a colour scheme and a size.
func (b *tab) emulate(scheme string, width, height int64, options ...chromedp.EmulateViewportOption) {
	b.t.Helper()
	run(b, chromedp.EmulateViewport(width, height, options...))
	run(b, func(ctx context.Context, _ *chromedp.Target) (cdp.Empty, error) {
		return chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // nothing is half-way
		}})
	})
}

package main

import (
	"fmt"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
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

// counts is the page's knowledge of how many messages there were, which it has a
// second after it was told.
const counts = `performance.getEntriesByType('resource').some(({ name, responseEnd }) =>
	name.endsWith('status.json') && performance.now() > responseEnd * 4 + 1500)`

// witness is a client of the room that remembers everything.
type witness struct {
	*client
	mu   sync.Mutex
	seen map[string]int
	news chan struct{} // has a value when there is more
}

func (p *process) witness(t *testing.T) *witness {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{client: &client{t, conn}, seen: make(map[string]int), news: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, message, err := conn.Read(t.Context())
			if err != nil {
				return
			}
			w.mu.Lock()
			w.seen[string(message)]++
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

func TestNetworkThatVanishesIsNoticedWithinFifteenSeconds(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t)
	net := newNetwork(t, chatd)
	for name, tt := range map[string]struct {
		up, down mood
		text     string
	}{
		"idle, all is lost":            {swallows, swallows, ""},
		"typed, all is lost":           {swallows, swallows, "hello?"},
		"typed, all is held":           {holds, holds, "hello?"},
		"typed, nothing goes up":       {swallows, passes, "hello?"},
		"typed, nothing comes back":    {passes, swallows, "hello?"},
		"idle, answers do not come":    {passes, holds, ""},
		"idle, questions are not sent": {holds, passes, ""},
	} {
		t.Run(name, func(t *testing.T) {
			net.become(passes, passes)
			b := openURL(t, browser, "http://"+net.Addr+"/", "open")
			b.offline = true
			net.become(tt.up, tt.down)
			get[chromedp.Void](b, `void (window.began = performance.now())`)
			if tt.text != "" {
				b.say(tt.text)
				b.waitForPending("sent: " + tt.text)
			}
			b.waitForState("silent")
			b.expect(`document.getElementById('status').textContent === 'No answer' && performance.now() - began < 15_000`)
		})
	}
}

func TestTextIsDeliveredOnceTheNetworkIsBackAndOnlyOnce(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t)
	for name, tt := range map[string]struct {
		up, down mood
		breaks   bool // the old connections, when it is back
	}{
		"all was lost":                           {swallows, swallows, false},
		"all was held":                           {holds, holds, false},
		"all was held, old connections are gone": {holds, holds, true},
		"all was lost, old connections are gone": {swallows, swallows, true},
		"nothing went up":                        {swallows, passes, false},
		"what went up was held":                  {holds, passes, false},
		"what came back was held":                {passes, holds, false},
	} {
		t.Run(name, func(t *testing.T) {
			net, ben := newNetwork(t, chatd), chatd.witness(t)
			ana := openURL(t, browser, "http://"+net.Addr+"/", "open", hasty)
			ana.offline = true
			ana.wait(counts)
			net.become(tt.up, tt.down)
			first, second := name+": first", name+": second"
			ana.say(first)
			ana.waitForPending("sent: " + first)
			ana.waitForState("silent")
			ana.say(second)
			ana.waitForPending("sent: "+first, "waiting: "+second)
			net.become(passes, passes)
			if tt.breaks {
				net.reset()
			}
			ben.waitFor(first)
			ben.waitFor(second)
			ana.waitForPending()
			ana.waitForState("open")
			ben.send(websocket.MessageText, name+": over")
			ana.waitForLast(name + ": over")
			ben.waitFor(name + ": over")
			for _, text := range []string{first, second} {
				if n := ben.count(text); n != 1 {
					t.Errorf("ben saw %q %d times", text, n)
				}
				ana.expect(fmt.Sprintf("[...%s].filter((line) => line.textContent === %q).length === 1", lines, text))
			}
		})
	}
}

// Should a middlebox lose what comes back, the page can't know whether its text was
// delivered. But it knows that the room has had a message that it has not.
func TestTextThatMayHaveBeenDeliveredIsSentAgainOnlyAtAClick(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t)
	for _, button := range []string{"Send again", "Remove"} {
		t.Run(button, func(t *testing.T) {
			net, ben := newNetwork(t, chatd), chatd.witness(t)
			ana := openURL(t, browser, "http://"+net.Addr+"/", "open", hasty)
			ana.offline = true
			ana.wait(counts)
			net.become(passes, swallows)
			ana.say(button)
			ben.waitFor(button)
			ana.waitForState("silent")
			get[chromedp.Void](ana, `void performance.clearResourceTimings()`)
			net.become(passes, passes)
			ana.waitForPending("unsure: " + button)
			ana.waitForState("open")
			ana.wait(`kept.textContent.startsWith('1 text may not be delivered')`)
			// It asks once for the account of the new connection, once at the end of
			// the old one, and once when nothing can be on its way any more.
			ana.wait(`performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('status.json')).length >= 3`)
			ana.say("next")
			ana.waitForLast("next")
			ana.waitForPending("unsure: " + button)
			if n := ben.count(button); n != 1 {
				t.Fatalf("ben saw it %d times", n)
			}
			get[chromedp.Void](ana, fmt.Sprintf(`void [...pending.querySelectorAll('button')].find((b) => b.textContent === %q).click()`, button))
			ana.waitForPending()
			if button == "Send again" {
				ana.waitForLast(button)
			}
		})
	}
}

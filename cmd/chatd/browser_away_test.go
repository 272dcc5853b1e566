package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

func TestPageWhenTheServerIsAway(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)

	t.Run("it tells so, keeps what is typed and sends it by itself", func(t *testing.T) {
		const gone = "Connection closed: the server is going away (1001: server is shutting down)."
		const forgotten = "Messages may be missing here: the server has started again and forgotten what was before."
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
		b.waitForLast(gone)
		b.expectLog("before", gone)
		const asked = `!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))`
		b.expect(asked)

		startChatd(t, "-addr", chatd.Addr)
		b.waitForState("open")
		b.waitForPending()
		b.waitForLast("and more")
		b.expect(`kept.textContent === '' && now.hidden`)
		b.expectLog("before", gone, "While you were away", forgotten, "typed while away", "and more")
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
		startChatd(t, "-addr", chatd.Addr, "-rate-messages", "4", "-rate-close")
		b.waitForState("open")
		b.waitForPending()
		b.waitForLast(typed[len(typed)-1]) // what is confirmed is shown with the next frame
		if got := get[[]string](b, `lines.filter((line) => line.className === 'text').map((line) => line.textContent)`); !slices.Equal(got, typed) {
			t.Errorf("shown: %q", got)
		}
		b.expect(`lines.filter((line) => line.textContent.startsWith('Connection closed')).length === 1`)
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
			b.do(`now.focus()`)
			b.do(hurry)
			b.waitForState("open")
			b.expect(`document.activeElement === input`)
		})
	}
}

// What was missed is marked, and what is missing told.
func TestPageThatWasCutOffMissesNothing(t *testing.T) {
	t.Parallel()
	browser, chatd := startBrowser(t), startChatd(t, "-history", "10")
	net := newNetwork(t, chatd)
	b := openURL(t, browser, "http://"+net.Addr+"/", "open")
	b.offline = true
	b.join("side")
	b.join("lobby")
	ben, cleo := chatd.witness(t, "lobby"), chatd.witness(t, "side")
	ben.say("seen")
	b.waitForLast("seen")

	net.become(swallows, swallows)
	net.reset()
	b.waitForState("retrying")
	ben.say("missed", "and this")
	cleo.say("elsewhere")
	b.say("typed while away")
	net.become(passes, passes)
	b.do(`now.click()`)
	b.waitForState("open")
	b.waitForLast("typed while away")
	ben.say("live")
	b.waitForLast("live")
	const broken = "Connection closed: it broke (1006)."
	b.expectLog("seen", broken, "While you were away", "missed", "and this", "typed while away", "live")
	b.wait(`rooms.querySelector('li:last-child .badge').textContent === '1 new'`)
	b.do(`rooms.querySelector('li:last-child .open').click()`)
	b.waitForRoom("side")
	b.expectLog("While you were away", "elsewhere")

	net.become(swallows, swallows)
	net.reset()
	b.waitForState("retrying")
	for i := range 13 {
		cleo.say(fmt.Sprint("message ", i))
	}
	net.become(passes, passes)
	b.do(`now.click()`)
	b.waitForLast("message 12")
	b.expect(`lines.at(-11).textContent === '3 messages are missing here: the server keeps no more than the last ones.' && lines.at(-12).textContent === 'While you were away'`)
	b.expect(`lines.at(-10).textContent === 'message 3'`)
}

func TestNetworkThatVanishesIsToldWithinFifteenSeconds(t *testing.T) {
	t.Parallel()
	browser, chatd := startBrowser(t), startChatd(t)
	net := newNetwork(t, chatd)
	b := openURL(t, browser, "http://"+net.Addr+"/", "open", hasty)
	b.offline = true
	net.become(swallows, swallows)
	b.do(`window.began = performance.now()`)
	b.waitForState("silent")
	b.expect(`document.getElementById('status').textContent === 'No answer' && performance.now() - began < 15_000`)
	b.say("hello?")
	b.waitForPending("waiting: hello?")
	net.become(passes, passes)
	b.waitForState("open")
	b.waitForLast("hello?")
	b.waitForPending()
}

func TestPageSaysWhyItWasClosed(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, tt := range []struct {
		code   websocket.StatusCode
		reason string
		words  string
		ends   bool // the page does not connect again by itself
	}{
		{1000, "", "Connection closed: the server ended it (1000).", false},
		{1008, "sends too much", "Connection closed: a limit of the server was exceeded (1008: sends too much).", true},
		{1013, "too slow", "Connection closed: this page was too slow, or the server has too much to do (1013: too slow).", false},
		{4001, "<b>x</b>", "Connection closed: the server ended it (4001: <b>x</b>).", false},
		{4401, "token_expired", "Connection closed: the permission to be here has expired (4401: token_expired).", true},
	} {
		t.Run(fmt.Sprint(int(tt.code)), func(t *testing.T) {
			s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
				if n > 1 {
					echo(w, r)
				} else if m := welcome(w, r, nil); m != nil {
					m.hear()
					m.Close(tt.code, tt.reason)
				}
			})
			b := openURL(t, browser, s.URL+"/", "open")
			b.say("one")
			if tt.ends {
				b.waitForState("stopped")
				b.say("two")
				b.wait(`kept.textContent === 'Your text is kept. Connect to send it.' && now.textContent === 'Connect'`)
				b.do(`window.dispatchEvent(new Event('online'))`)
				if n := s.dialled.Load(); n != 1 {
					t.Fatalf("it has connected %d times", n)
				}
				run(b, chromedp.Click(chromedp.CSS("#now")))
			}
			b.waitForState("open")
			b.waitForPending()
			b.expect(fmt.Sprintf(`lines[0].textContent === %q`, tt.words))
		})
	}
}

func TestPageSaysThatItIsRefusedAndDoesNotHammer(t *testing.T) {
	s := newScripted(t, func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	b := openURL(t, startBrowser(t), s.URL+"/", "retrying", `Math.random = () => 0`)
	b.offline = true
	b.wait(`refused.textContent.startsWith('The server answers, but does not accept')`)
	b.do(`Math.random = () => 1`) // from now on it waits as long as it may
	b.wait(`/^ in 1[0-9] s…$/.test(countdown.textContent)`)
}

// What the server does not take, or may have taken, is for the reader to decide.
func TestTextThatIsNotTakenStaysWithItsReason(t *testing.T) {
	t.Parallel()
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, event{"epoch": fmt.Sprintf("0000000%d", n), "resumed": false})
		if m == nil {
			return
		}
		defer m.CloseNow()
		if n > 1 {
			m.tell(event{"type": "gap", "room": m.room, "from": 1, "to": 0, "why": "epoch"})
			m.serve(0)
			return
		}
		e := m.hear()
		m.tell(event{"type": "error", "code": "not_allowed", "message": "you only listen", "nonce": e["nonce"]})
		m.hear()
	})
	b := openURL(t, startBrowser(t), s.URL+"/", "open")
	b.offline = true
	b.say("refused")
	b.waitForPending("refused: refused")
	b.wait(`pending.querySelector('.foot').firstChild.textContent === 'Not taken by the server: you only listen'`)
	b.expect(`kept.textContent === '1 text may not be delivered: see above.'`)
	b.do(`[...pending.querySelectorAll('button')].find((b) => b.textContent === 'Edit').click()`)
	b.expect(`input.value === 'refused' && document.activeElement === input && pending.children.length === 0`)
	b.say(", is this?") // the server hangs up on it, and starts again
	const text = "refused, is this?"
	b.waitForPending("unsure: " + text)
	b.expect(`kept.textContent === '1 text may not be delivered: see above.'`)
	b.do(`[...pending.querySelectorAll('button')].find((b) => b.textContent === 'Send again').click()`)
	b.waitForLast(text)
	b.waitForPending()
	b.expect(`kept.textContent === ''`)
}

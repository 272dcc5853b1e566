package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

func TestBurstIsShownWholeAsFarAsThePageHolds(t *testing.T) {
	chatd := startChatd(t)
	b, c := open(t, startBrowser(t), chatd, "open"), chatd.dial(t)
	// The log changes once a frame, or four times a second without frames.
	get[bool](b, `(window.began = performance.now(), window.changes = 0, window.drawn = 0,
		window.draw = () => requestAnimationFrame(() => (drawn++, draw())), draw(),
		new MutationObserver(() => changes++).observe(log, { childList: true, subtree: true }), true)`)
	c.flood("burst", 5000)
	b.waitForLast("burst 5000")
	b.expect(`document.activeElement === input && log.querySelectorAll('.block > *').length <= 2000`)
	b.expect(`changes > 0 && changes <= drawn + (performance.now() - began) / 250 + 1`)
	b.wait(`flood.textContent === ''`)

	// The reader looks at a line while more and more of those above it go.
	c.flood("calm", 2000)
	b.waitForLast("calm 2000")
	b.wait(`flood.textContent === ''`)
	get[bool](b, `new Promise((resolve) => {
		log.addEventListener('scroll', () => resolve(true), { once: true });
		window.line = lines.at(-100);
		line.scrollIntoView();
		window.was = line.getBoundingClientRect().top;
	})`)
	for i := range 13 {
		round := fmt.Sprint("round ", i)
		c.flood(round, 100)
		b.waitForLast(round + " 100")
		b.expect(`log.querySelectorAll('.block > *').length <= 2000`)
	}
	b.expect(`Math.abs(line.getBoundingClientRect().top - was) < 1`)
}

// Nobody can read ten thousand messages a second. The page shows some, says so, and
// changes no more often than it would for a few.
func TestOfAFloodASampleIsShown(t *testing.T) {
	var stop atomic.Bool
	var said atomic.Int64
	s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		for seq := 1; !stop.Load() && r.Context().Err() == nil; seq++ {
			m.tell(event{"type": "say", "room": m.room, "seq": seq, "at": time.Now().UnixMilli(), "id": fmt.Sprint("id", seq%50), "name": "Ana", "text": fmt.Sprint("message ", seq)})
			said.Store(int64(seq))
		}
		m.serve(int(said.Load()))
	})
	b := openURL(t, startBrowser(t), s.URL+"/", "open")
	b.offline = true
	b.wait(`flood.textContent.endsWith('a sample is shown.')`)
	b.do(`window.changes = 0, new MutationObserver(() => changes++).observe(log, { childList: true, subtree: true })`)
	b.wait(`changes >= 6`)
	b.expect(`log.querySelectorAll('.block > *').length <= 2000 && log.getAttribute('aria-live') === 'off'`)
	b.expect(`lines.slice(-6).filter((line) => /^[\d,.\s]+ messages not shown$/.test(line.textContent)).length === 1`)
	b.expect(`Number(graph.textContent.replace(/\D/g, '')) > 100`)
	b.do(`input.focus()`)
	stop.Store(true)
	b.say("still here") // it works as ever
	b.waitForLast("still here")
	b.wait(`flood.textContent === ''`)

	// What is shown and what is said not to be is all there was.
	shown := get[int](b, `lines.map((line) => line.className === 'left' ? Number(line.textContent.replace(/\D/g, '')) : 1).reduce((a, b) => a + b)`)
	if want := int(said.Load()) + 1; shown != want && get[int](b, `log.querySelectorAll('.block').length`) < 20 {
		t.Errorf("shown or counted %d messages of %d", shown, want)
	}
}

package main

import (
	"fmt"
	"testing"
)

func TestBurstIsShownWholeAsFarAsThePageHolds(t *testing.T) {
	chatd := startChatd(t)
	// In a second that does not end there is no flood.
	b, c := open(t, startBrowser(t), chatd, "open", `performance.now = () => 0`), chatd.dial(t)
	// The log changes once a frame, or four times a second without frames.
	get[bool](b, `(window.began = Date.now(), window.changes = 0, window.drawn = 0,
		window.draw = () => requestAnimationFrame(() => (drawn++, draw())), draw(),
		new MutationObserver(() => changes++).observe(log, { childList: true, subtree: true }), true)`)
	c.flood("burst", 5000)
	b.waitForLast("burst 5000")
	b.expect(`log.querySelectorAll('.block > *').length <= 2000 && log.querySelectorAll('.block > *').length > 1800`)
	b.expect(`document.activeElement === input && changes > 0 && changes <= drawn + (Date.now() - began) / 250 + 1`)

	// The reader looks at a line while more and more of those above it go.
	get[bool](b, `new Promise((resolve) => {
		log.addEventListener('scroll', () => resolve(true), { once: true });
		window.line = lines[1500];
		line.scrollIntoView();
		window.was = line.getBoundingClientRect().top;
	})`)
	for i := range 13 {
		round := fmt.Sprint("round ", i)
		c.flood(round, 100)
		b.waitForLast(round + " 100")
		b.expect(`log.querySelectorAll('.block > *').length <= 2000`)
	}
	b.expect(`lines.indexOf(line) < 400 && Math.abs(line.getBoundingClientRect().top - was) < 1`)
}

// flooding is a WebSocket of a room where ten thousand messages a second are said, or
// as many as the page takes, until window.enough is set; said counts them.
const flooding = `window.said = 0;
window.WebSocket = class {
	static OPEN = 1;
	protocol = 'chat.v1';
	constructor() {
		setTimeout(() => {
			this.readyState = 1;
			this.onopen();
			this.tell({ type: 'welcome', id: 'me', session: 's', room: 'lobby', name: '', epoch: '0000000a', seq: 0, resumed: false, members: 51,
				retry: { min_ms: 500, max_ms: 15000 }, limits: { message: 1000, name: 32, rooms: 16 } });
			const timer = setInterval(() => {
				if (window.enough) clearInterval(timer);
				else for (let i = 0; i < 50; i++) this.say({ id: 'id' + i % 50, name: 'Ana', text: 'message' });
			}, 10);
		});
	}
	tell(event) { this.onmessage?.({ data: JSON.stringify(event) }); }
	say(event) { this.tell({ type: 'say', room: 'lobby', seq: ++said, at: Date.now(), ...event }); }
	send(data) {
		const event = JSON.parse(data);
		setTimeout(() => event.type === 'say' ? this.say({ ...event, id: 'me' }) : this.tell({ ...event, count: 51, members: [] }));
	}
	close() {}
}`

// Nobody can read thousands of messages a second. The page shows some, says so, and
// changes no more often than it would for a few.
func TestOfAFloodASampleIsShown(t *testing.T) {
	b := open(t, startBrowser(t), startChatd(t), "open", flooding)
	b.wait(`flood.textContent.endsWith('a sample is shown.')`)
	b.do(`window.changes = 0, new MutationObserver(() => changes++).observe(log, { childList: true, subtree: true })`)
	b.wait(`changes >= 6`)
	b.expect(`log.querySelectorAll('.block > *').length <= 2000 && log.getAttribute('aria-live') === 'off'`)
	b.expect(`lines.slice(-6).filter((line) => /^[\d,.\s]+ messages not shown$/.test(line.textContent)).length === 1`)
	b.wait(`Number(graph.textContent.replace(/\D/g, '')) > 100`)
	b.say("still here") // it works as ever
	b.wait(`lines.some((line) => line.textContent === 'still here')`)
	b.waitForPending()
	b.do(`window.enough = true`)
	b.wait(`flood.textContent === ''`)
	b.say("and now")
	b.waitForLast("and now")
	// What is shown and what is said not to be is all that there was.
	b.expect(`said === lines.reduce((sum, line) => sum + (line.matches('.left') ? Number(line.textContent.replace(/\D/g, '')) : 1), 0) ||
		log.querySelectorAll('.block > *').length > 1900`)
}

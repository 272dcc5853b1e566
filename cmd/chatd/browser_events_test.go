package main

import (
	"strings"
	"testing"
)

func TestPageSaysThatOneCanOnlyListenAndWhy(t *testing.T) {
	t.Parallel()
	const words = "You can only listen here: no WebSocket gets through to the server, and "
	chatd := startChatd(t)
	g := newGate(t, chatd, refused)
	ben := chatd.witness(t, "lobby")
	b := openURL(t, startBrowser(t), "http://"+g.Addr+"/", "open", quick)
	b.offline = true
	ben.say("hello")
	b.waitForLast("hello")
	b.expect(`document.getElementById('status').textContent === 'Listening'`)
	b.expect(`listening.textContent === '` + words + `only who has a token may speak without one. What you type is kept.'`)
	b.say("typed")
	b.expect(`input.value === 'typed' && pending.children.length === 0`)

	g.treat(nil)
	g.reset()
	b.wait(`listening.textContent === '' && document.getElementById('status').textContent === 'Connected'`)
	b.expect(`input.value === 'typed'`)
	b.say(" there")
	ben.waitFor("typed there")
	b.waitForLast("typed there")

	// A token that does not let one publish is found out with the first text.
	g.treat(refused)
	b.do(`location.hash = 'token=` + aPublisherToken + `'`)
	g.reset()
	b.wait(`document.body.dataset.state === 'open' && lines.at(-1).textContent.startsWith('Connection closed')`)
	b.wait(`listening.textContent === ''`)
	b.say("is kept")
	b.wait(`listening.textContent.startsWith('` + words + `the server does not let you speak without one (')`)
	b.waitForPending("waiting: is kept")
	if label := get[string](b, `pending.querySelector('.foot span').textContent`); !strings.HasPrefix(label, "Not sent yet: ") || !strings.Contains(label, "-api-token-file") {
		t.Errorf("it says %q", label)
	}
	b.expect(`kept.textContent === 'Your text is kept, and sent when you can speak here.'`)
	g.treat(nil)
	g.reset()
	b.waitForLast("is kept")
	b.waitForPending()
	b.expect(`listening.textContent === '' && kept.textContent === ''`)
	if n := ben.count("is kept"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
}

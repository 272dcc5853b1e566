package main

import (
	"fmt"
	"net/http"
	"testing"
)

func TestTextIsPublishedOnceTheNetworkIsBackAndOnlyOnce(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*")
	page := visit(t, startBrowser(t), "http://"+chatd.Addr, hasty)
	cases := []struct {
		name     string
		up, down mood
		breaks   bool // the old connections, when it is back
		net      *network
		ben      *witness
	}{
		{name: "all was lost", up: swallows, down: swallows},
		{name: "all was held", up: holds, down: holds},
		{name: "all was held, old connections are gone", up: holds, down: holds, breaks: true},
		{name: "all was lost, old connections are gone", up: swallows, down: swallows, breaks: true},
		{name: "nothing went up", up: swallows},
		{name: "what went up was held", up: holds},
		{name: "what came back was held", down: holds},
		{name: "what came back was lost", down: swallows},
		{name: "what came back was lost, old connections are gone", down: swallows, breaks: true},
	}
	for i := range cases { // all wait at the same time
		tt, room := &cases[i], fmt.Sprint("room-", i)
		tt.net, tt.ben = newNetwork(t, chatd), chatd.witness(t, room)
		page.begin(fmt.Sprintf(`{ url: 'http://%s', room: %q }`, tt.net.Addr, room))
		tt.net.become(tt.up, tt.down)
		page.do(`chat.first = chat.say('first')`)
		page.wait(`chat.first.state === 'sent'`)
	}
	for i, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			ana := &tab{t: t, ctx: page.ctx}
			ana.do(fmt.Sprintf(`window.chat = chats[%d]`, i))
			ana.wait(`chat.state === 'silent'`)
			ana.do(`chat.second = chat.say('second')`)
			ana.expect(`chat.second.state === 'waiting'`)
			tt.net.become(passes, passes)
			if tt.breaks {
				tt.net.reset()
			}
			tt.ben.waitFor("first")
			tt.ben.waitFor("second")
			ana.wait(`chat.state === 'open' && chat.first.state === 'confirmed' && chat.second.state === 'confirmed' && chat.entries.length === 0`)
			tt.ben.say("over")
			ana.wait(fmt.Sprintf(`chat.texts('room-%d') === 'first,second,over'`, i))
			for _, text := range []string{"first", "second", "over"} {
				if n := tt.ben.count(text); n != 1 {
					t.Errorf("ben saw %q %d times", text, n)
				}
			}
		})
	}
}

func TestTextWhoseFateIsUnknownIsLeftToItsAuthor(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	// cut says a text whose connection breaks before it comes back, with so many others
	// meanwhile, of which the server remembers three.
	cut := func(t *testing.T, others int) (*tab, *witness) {
		chatd := startChatd(t, "-allow-origin", "*", "-history", "3")
		net, ben := newNetwork(t, chatd), chatd.witness(t, "lobby")
		ana := visit(t, browser, "http://"+chatd.Addr, patient)
		ana.begin(`{ url: 'http://` + net.Addr + `' }`)
		net.become(passes, swallows)
		ana.do(`window.entry = chat.say('mine')`)
		ben.waitFor("mine")
		for i := range others {
			ben.say(fmt.Sprint("other ", i))
		}
		ana.away(net)
		net.become(passes, passes)
		ana.expect(`entry.state === 'sent'`)
		ana.back()
		return ana, ben
	}
	t.Run("among what was missed it is found", func(t *testing.T) {
		ana, ben := cut(t, 2)
		ana.wait(`entry.state === 'confirmed'`)
		ana.expect(`entry.then(({ seq }) => seq === 1)`)
		ben.say("over")
		ana.wait(`chat.texts('lobby') === 'mine,other 0,other 1,over'`)
		if n := ben.count("mine"); n != 1 {
			t.Errorf("ben saw it %d times", n)
		}
	})
	t.Run("it is sent again", func(t *testing.T) {
		ana, ben := cut(t, 3)
		ana.wait(`entry.state === 'unsure' && chat.entries[0] === entry`)
		ana.expect(`chat.of('gap').length === 1`)
		ana.do(`chat.say('next')`) // it holds up no others
		ana.wait(`chat.texts('lobby') === 'other 0,other 1,other 2,next'`)
		ana.expect(`entry.state === 'unsure'`)
		if n := ben.count("mine"); n != 1 {
			t.Errorf("ben saw it %d times before", n)
		}
		ana.do(`entry.again()`)
		ana.wait(`entry.state === 'confirmed' && chat.entries.length === 0`)
		ana.expect(`entry.then(({ seq }) => seq === 6)`)
	})
	t.Run("it is dropped", func(t *testing.T) {
		ana, _ := cut(t, 3)
		ana.wait(`entry.state === 'unsure'`)
		ana.expect(`entry.drop() && entry.state === 'dropped' && chat.entries.length === 0 && !entry.drop()`)
		ana.expect(`entry.then(() => false, ({ code, nonce }) => code === 'dropped' && nonce === entry.nonce)`)
	})
	t.Run("the server has forgotten all", func(t *testing.T) {
		chatd := startChatd(t, "-allow-origin", "*")
		net := newNetwork(t, chatd)
		ana := visit(t, browser, "http://"+chatd.Addr, patient)
		ana.begin(`{ url: 'http://` + net.Addr + `' }`)
		net.become(passes, swallows)
		ana.do(`window.entry = chat.say('mine')`)
		chatd.witness(t, "lobby").waitFor("mine")
		ana.away(net)
		net.become(passes, passes)
		chatd.Stop()
		startChatd(t, "-addr", chatd.Addr, "-allow-origin", "*")
		ana.back()
		ana.wait(`entry.state === 'unsure'`)
	})
}

// Before a text is sent again, what was missed is looked through: the server may have
// forgotten by then that it had it.
func TestTextIsNotSentAgainThatIsAmongWhatWasMissed(t *testing.T) {
	said, next := make(chan event, 1), make(chan event, 1)
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		if n == 1 {
			m.say(m.hear(), 1)
			said <- m.hear()
			return
		}
		m.tell(event{"type": "say", "room": "lobby", "seq": 2, "at": 2, "text": "other"})
		m.say(<-said, 3)
		next <- m.hear()
		m.who()
		m.serve(3)
	})
	b := visit(t, startBrowser(t), s.URL)
	b.begin(`{}`)
	b.do(`chat.say('first')`)
	b.do(`window.entry = chat.say('mine')`)
	b.wait(`entry.state === 'confirmed' && chat.texts('lobby') === 'first,other,mine'`)
	b.expect(`chat.who().then(() => true)`)
	if e := <-next; e["type"] != "who" {
		t.Errorf("it says %v", e)
	}
	b.expect(`chat.say('next').then(({ seq }) => seq === 4)`)
}

// What goes back to waiting was said on a connection that was closed in order: the
// server had told all that it took.
func TestServerThatSaysGoodbyeHasToldWhatItTook(t *testing.T) {
	browser := startBrowser(t)
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, event{"resumed": false})
		if m == nil {
			return
		}
		defer m.CloseNow()
		if n == 1 {
			m.hear()
			m.Close(1001, "going away")
			return
		}
		m.serve(0)
	})
	b := visit(t, browser, s.URL, patient)
	b.begin(`{ storage: sessionStorage }`)
	b.do(`window.entry = chat.say('mine')`)
	b.wait(`entry.state === 'waiting' && chat.state === 'retrying'`)
	b.back()
	b.wait(`entry.state === 'confirmed'`)
	b.expect(`chat.of('entry').map(({ is }) => is).join() === 'waiting,sent,waiting,sent,confirmed'`)
}

func TestTextsThatTheServerDoesNotTakeAreRefused(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t, "-allow-origin", "*", "-max-message", "100")
	net := newNetwork(t, chatd)
	b := visit(t, browser, "http://"+chatd.Addr, patient)
	b.begin(`{ url: 'http://` + net.Addr + `' }`)
	refused := func(say, code string) {
		t.Helper()
		b.do(`window.entry = ` + say)
		b.wait(`entry.state === 'refused'`)
		b.expect(fmt.Sprintf(`entry.error.code === %q && entry.error.nonce === entry.nonce && chat.entries.length === 0`, code))
		b.expect(`entry.then(() => false, (error) => error === entry.error)`)
	}
	refused(`chat.say('€'.repeat(34))`, "too_long") // bytes count
	b.expect(`sizeOf('€'.repeat(34)) === 102`)
	refused(`chat.say('')`, "bad_event")
	refused(`chat.say('x', { room: 'elsewhere' })`, "not_member")
	b.expect(`chat.say('€'.repeat(33)).then(({ seq }) => seq === 1)`)
	b.expect(`chat.say('"'.repeat(100)).then(({ seq }) => seq === 2)`) // twice as long in the frame

	// What is said before the limits are known is looked at when they are.
	b.expect(`window.chat = begin({ url: 'http://` + net.Addr + `' }), window.long = chat.say('x'.repeat(101)), window.short = chat.say('x'.repeat(100)), long.state === 'waiting'`)
	b.wait(`long.state === 'refused' && long.error.code === 'too_long' && short.state === 'confirmed'`)
	b.expect(`chat.of('close').length === 0 && chats[0].of('close').length === 0`)

	// The chat's end is theirs.
	b.away(net)
	b.do(`window.entry = chat.say('never')`)
	b.do(`chat.close()`)
	b.expect(`chat.state === 'stopped' && entry.state === 'refused' && entry.error.code === 'closed'`)
	refused(`chat.say('after')`, "closed")
}

func TestErrorOfTheServerRefusesTheTextThatItNames(t *testing.T) {
	browser := startBrowser(t)
	s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		first, second := m.hear(), m.hear()
		m.tell(event{"type": "error", "code": "not_allowed", "message": "you listen", "nonce": first["nonce"]})
		m.say(second, 1)
		m.tell(event{"type": "error", "code": "rate", "message": "of nothing"})
		m.serve(1)
	})
	b := visit(t, browser, s.URL)
	b.begin(`{}`)
	b.do(`[window.first, window.second] = [chat.say('one'), chat.say('two')]`)
	b.wait(`first.state === 'refused' && second.state === 'confirmed'`)
	b.expect(`first.error.code === 'not_allowed' && first.error.message === 'you listen'`)
	b.wait(`chat.of('error').length === 1`)
	b.expect(`chat.of('error')[0].code === 'rate'`)
}

func TestTextsGoOutInOrderAndNotAllAtOnce(t *testing.T) {
	const window, texts = 8, 20
	browser := startBrowser(t)
	heard := make(chan event, 2*texts)
	proceed := make(chan bool)
	s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		var said []event
		for range window + 1 {
			e := m.hear()
			heard <- e
			if e["type"] == "say" {
				said = append(said, e)
			}
		}
		<-proceed
		m.who()
		for i, e := range said {
			m.say(e, i+1)
		}
		m.serve(len(said))
	})
	b := visit(t, browser, s.URL)
	b.begin(`{}`)
	b.do(fmt.Sprintf(`window.entries = [...Array(%d).keys()].map((i) => chat.say('text ' + i))`, texts))
	b.wait(fmt.Sprintf(`chat.entries.filter(({ state }) => state === 'sent').length === %d`, window))
	b.do(`window.asked = chat.who()`)
	for i := range window + 1 {
		e := <-heard
		if want := fmt.Sprint("text ", i); i < window && e["text"] != want || i == window && e["type"] != "who" {
			t.Fatalf("event %d is %v", i, e)
		}
	}
	close(proceed)
	b.wait(`chat.entries.length === 0`)
	b.expect(fmt.Sprintf(`chat.texts('lobby') === [...Array(%d).keys()].map((i) => 'text ' + i).join()`, texts))
	b.expect(`new Set(entries.map(({ nonce }) => nonce)).size === entries.length`)
}

// One that was cut for its rate would not come back by itself.
func TestTextsGoOutNoFasterThanTheServerTakesThem(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	chatd := startChatd(t, "-allow-origin", "*", "-rate-messages", "4", "-rate-close")
	net := newNetwork(t, chatd)
	b := visit(t, browser, "http://"+chatd.Addr, patient)
	b.begin(`{ url: 'http://` + net.Addr + `' }`)
	b.expect(`chat.join('side').then(() => chat.join('yard')).then(() => true)`)
	b.away(net)
	b.do(`window.said = [...Array(12).keys()].map((i) => chat.say('text ' + i, { room: ['lobby', 'side'][i % 2] }))`)
	b.back()
	b.expect(`Promise.all(said).then(() => chat.rooms.get('yard').joined)`)
	b.expect(`chat.of('close').length === 1 && chat.of('error').length === 0`)
}

// What the server can't take at present is kept, with the reason, and can be sent again
// under its nonce; the place that a gap tells is where the client is.
func TestTextThatCannotBeTakenIsKeptAndSentAgain(t *testing.T) {
	t.Parallel()
	s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		first := m.hear()
		m.tell(event{"type": "error", "code": "unavailable", "message": "no messages can be taken at present", "nonce": first["nonce"]})
		m.tell(event{"type": "gap", "room": "lobby", "from": 1, "to": 7, "why": "epoch", "epoch": "0000000c"})
		again := m.hear()
		if again["nonce"] != first["nonce"] {
			panic("it has another nonce")
		}
		m.say(again, 8)
		for e := m.hear(); e != nil; e = m.hear() {
			if e["type"] == "who" {
				m.who()
			}
		}
	})
	page := visit(t, startBrowser(t), s.URL)
	page.begin(fmt.Sprintf(`{ url: %q }`, s.URL))
	page.do(`chat.first = chat.say('first')`)
	page.wait(`chat.first.state === 'unsure' && chat.first.error.code === 'unavailable' && chat.entries.length === 1`)
	page.wait(`chat.of('gap').length === 1`)
	page.do(`chat.first.again()`)
	page.wait(`chat.first.state === 'confirmed' && chat.first.error === null`)
	page.expect(`chat.rooms.get('lobby').position === '0000000c.8.1008'`)
}

package main

import (
	"fmt"
	"net/http"
	"testing"
)

// quick makes the client come back without a long wait, and wait long for a WebSocket: a
// browser in which many have failed has each further one wait for seconds.
const quick = `{
	Math.random = () => 0.1;
	const timeout = setTimeout;
	window.setTimeout = (f, ms, ...args) => timeout(f, ms >= 3_000 ? 10 * ms : ms, ...args);
}`

const aPublisherToken = "shop-token"

// visitGate opens a page whose client comes back at once.
func visitGate(t *testing.T, p *process) *tab {
	t.Helper()
	return visit(t, startBrowser(t), "http://"+p.Addr, quick)
}

// beginBy begins a chat through g, with further options, and waits until it is connected by
// the transport.
func (b *tab) beginBy(g *gate, transport, options string) {
	b.t.Helper()
	b.begin(fmt.Sprintf(`{ url: 'http://%s', %s }`, g.Addr, options))
	b.expect(fmt.Sprintf(`chat.transport === %q`, transport))
}

// change breaks the connection and waits until there is one by the transport.
func (b *tab) change(g *gate, upgrades http.HandlerFunc, transport string) {
	b.t.Helper()
	g.treat(upgrades)
	b.do(`window.closes = chat.of('close').length`)
	g.reset()
	b.wait(fmt.Sprintf(`chat.of('close').length > closes && chat.state === 'open' && chat.transport === %q`, transport))
}

func TestClientListensWhereNoWebSocketOpens(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*")
	g, ben := newGate(t, chatd, refused), chatd.witness(t, "lobby")
	ben.say("before")
	b := visitGate(t, chatd)
	b.beginBy(g, "events", ``)
	b.expect(`chat.readOnly.code === 'no_token' && chat.of('state').at(-1).readOnly === chat.readOnly && chat.of('state').at(-1).transport === 'events'`)
	b.expect(`chat.id === '' && chat.limits.message === 65536 && chat.limits.rooms === 3`)
	b.wait(`chat.rooms.get('lobby').members === 2`)
	ben.say("live", "ünd more")
	b.wait(`chat.texts('lobby') === 'before,live,ünd more'`)
	b.expect(`(({ epoch, position }) => position.startsWith(epoch + '.3.'))(chat.rooms.get('lobby'))`)

	b.do(`window.entry = chat.say('kept')`)
	b.expect(`entry.state === 'waiting' && entry.error === chat.readOnly && chat.entries.length === 1`)
	b.change(g, refused, "events")
	ben.say("after a break")
	b.wait(`chat.texts('lobby') === 'before,live,ünd more,after a break'`)
	b.expect(`entry.state === 'waiting' && entry.error === chat.readOnly`)

	b.change(g, nil, "websocket")
	b.wait(`entry.state === 'confirmed'`)
	ben.say("over")
	b.wait(`chat.texts('lobby') === 'before,live,ünd more,after a break,kept,over'`)
	b.expect(`chat.readOnly === null && entry.error === null && chat.id !== ''`)
	b.expect(`chat.of('gap').length === 0 && chat.of('welcome').map(({ again, resumed }) => again + ' ' + resumed).join() === 'false false,true true,true true'`)
}

func TestClientListensWhereWebSocketsAreNotAnswered(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*")
	g, ben := newGate(t, chatd, ignored), chatd.witness(t, "lobby")
	b := visit(t, startBrowser(t), "http://"+chatd.Addr, hasty, `Math.random = () => 0.1`)
	b.beginBy(g, "events", ``)
	ben.say("hello")
	b.wait(`chat.texts('lobby') === 'hello'`)
	b.change(g, ignored, "events")
	ben.say("and again")
	b.wait(`chat.texts('lobby') === 'hello,and again'`)
}

func TestClientPublishesWithATokenThatMay(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*", "-api-token-file", writeFile(t, "tokens", aPublisherToken+"\n"), "-rate-messages", "5")
	g, ben := newGate(t, chatd, refused), chatd.witness(t, "lobby")
	b := visitGate(t, chatd)
	for range 2 { // together they are too fast for the server, which puts them off
		b.beginBy(g, "events", `name: 'Ana', token: async () => '`+aPublisherToken+`'`)
	}
	b.expect(`chat.readOnly === null`)
	b.do(`window.said = chats.map((chat, c) => [1, 2, 3, 4, 5, 6].map((n) => chat.say(c + '-' + n)))`)
	b.expect(`Promise.all(said.flat()).then((places) => new Set(places.map(({ seq }) => seq)).size === 12)`)
	b.wait(`chats.every((chat) => chat.of('message').length === 12)`)
	b.expect(`chats.every((chat, c) => chat.of('message').filter(({ own }) => own).map(({ text }) => text).join() === [1, 2, 3, 4, 5, 6].map((n) => c + '-' + n).join())`)
	b.expect(`chats.every((chat) => chat.of('message').every(({ seq, name }, i) => seq === i + 1 && name === 'Ana') && chat.entries.length === 0 && chat.of('close').length === 0)`)
	b.do(`window.entry = chat.say('x'.repeat(70_000))`)
	b.expect(`entry.state === 'refused' && entry.error.code === 'too_long'`)
	b.expect(`chat.rename('Ben').then(() => chat.say('by another name')).then(() => true)`)
	b.wait(`chat.of('message').at(-1).name === 'Ben'`)
	for c := range 2 {
		for n := range 6 {
			text := fmt.Sprint(c, "-", n+1)
			ben.waitFor(text)
			if k := ben.count(text); k != 1 {
				t.Errorf("ben saw %q %d times", text, k)
			}
		}
	}
}

func TestClientWhoseTokenMayNotPublishKeepsWhatIsSaid(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"nobody may":  nil,
		"others may":  {"-api-token-file", writeFile(t, "tokens", aPublisherToken+"\n")},
		"it is a JWT": {"-api-token-file", writeFile(t, "tokens", aPublisherToken+"\n"), "-jwt-key-file", writeFile(t, "key", aTokenSecret)},
	} {
		t.Run(name, func(t *testing.T) {
			chatd := startChatd(t, append(args, "-allow-origin", "*")...)
			g := newGate(t, chatd, refused)
			b := visitGate(t, chatd)
			b.beginBy(g, "events", fmt.Sprintf(`token: %q`, signToken(t, aTokenSecret, patience*2, nil)))
			b.expect(`chat.readOnly === null`) // as far as is known
			b.do(`window.said = ['one', 'two'].map((text) => chat.say(text))`)
			b.wait(`chat.readOnly !== null`)
			b.expect(`chat.readOnly.code === 'not_allowed' && chat.readOnly.message.includes('-api-token-file') && chat.of('state').at(-1).readOnly === chat.readOnly`)
			b.expect(`said.every(({ state, error }) => state === 'waiting' && error === chat.readOnly) && chat.entries.length === 2`)
			b.change(g, nil, "websocket")
			b.expect(`Promise.all(said).then((places) => places.map(({ seq }) => seq).join() === '1,2')`)
			b.wait(`chat.texts('lobby') === 'one,two'`)
			b.expect(`chat.readOnly === null && said.every(({ error }) => error === null)`)
		})
	}
}

func TestTextOfWhichTheAnswerIsLostIsPublishedOnce(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*", "-api-token-file", writeFile(t, "tokens", aPublisherToken+"\n"))
	b := visitGate(t, chatd)
	for i, tt := range []struct {
		name      string
		up        mood
		upgrades  http.HandlerFunc // afterwards
		transport string
		state     string // its end
	}{
		{"it was published", passes, refused, "events", "confirmed"},
		{"it was not published", swallows, refused, "events", "confirmed"},
		{"it was published, and a WebSocket opens", passes, nil, "websocket", "confirmed"},
		{"it was not published, and a WebSocket opens: who knows?", swallows, nil, "websocket", "unsure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			room := fmt.Sprint("room-", i)
			g, ben := newGate(t, chatd, refused), chatd.witness(t, room)
			b := &tab{t: t, ctx: b.ctx}
			b.beginBy(g, "events", fmt.Sprintf(`room: %q, token: %q`, room, aPublisherToken))
			b.expect(`chat.say('first').then(({ seq }) => seq === 1)`)
			b.do(`Math.random = () => 1000`) // no attempt by itself
			g.become(tt.up, swallows)
			b.do(`window.entry = chat.say('mine')`)
			b.expect(`entry.state === 'sent'`)
			if tt.up == passes {
				ben.waitFor("mine")
			}
			g.treat(tt.upgrades)
			g.reset()
			b.wait(`chat.of('close').length > 0`)
			g.become(passes, passes)
			b.do(`Math.random = () => 0.1`)
			b.do(`chat.connect()`)
			b.wait(fmt.Sprintf(`entry.state === %q && chat.state === 'open'`, tt.state))
			b.expect(fmt.Sprintf(`chat.transport === %q`, tt.transport))
			if tt.state == "unsure" {
				b.do(`entry.again()`)
				b.wait(`entry.state === 'confirmed'`)
			}
			ben.say("over")
			b.wait(fmt.Sprintf(`chat.texts(%q) === 'first,mine,over'`, room))
			if n := ben.count("mine"); n != 1 {
				t.Errorf("ben saw it %d times", n)
			}
		})
	}
}

func TestClientInSeveralRoomsByEvents(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*", "-api-token-file", writeFile(t, "tokens", aPublisherToken+"\n"))
	g, b := newGate(t, chatd, nil), visitGate(t, chatd)
	b.beginBy(g, "websocket", `room: 'one', token: '`+aPublisherToken+`'`)
	b.expect(`Promise.all(['two', 'three', 'four'].map((room) => chat.join(room))).then(() => true)`)
	witnesses := map[string]*witness{}
	for _, room := range []string{"one", "two", "three", "four", "five"} {
		witnesses[room] = chatd.witness(t, room)
		witnesses[room].say("first")
	}
	const all = `['one', 'two', 'three', 'four'].map((room) => room + ': ' + chat.texts(room)).join('; ')`
	b.wait(all + ` === 'one: first; two: first; three: first; four: first'`)

	b.change(g, refused, "events")
	b.wait(`chat.of('error').length === 1`)
	b.expect(`chat.of('error')[0].code === 'too_many_rooms' && [...chat.rooms.values()].filter(({ joined }) => joined).length === 3 && chat.rooms.size === 4`)
	for room, w := range witnesses {
		w.say("second in " + room)
	}
	b.wait(`chat.of('message').filter(({ text }) => text.startsWith('second')).length === 3`)
	b.expect(`chat.join('five').then(() => false, ({ code }) => code === 'too_many_rooms')`)
	b.expect(`chat.say('said here', { room: 'one' }).then(({ seq }) => seq === 3)`)
	b.expect(`chat.who('one').then(({ count, members }) => count === 2 && members.length === 0)`)
	b.do(`window.absent = [...chat.rooms.values()].find(({ joined }) => !joined).name, window.present = ['two', 'three', 'four'].find((name) => name !== absent)`)
	b.expect(`chat.leave(present).then(() => chat.join('five')).then((room) => room.joined && !chat.rooms.has(present))`)
	b.wait(`chat.texts('five') === 'first,second in five'`)

	b.change(g, nil, "websocket")
	b.wait(`chat.texts(absent) === 'first,second in ' + absent`)
	b.expect(`chat.texts('one') === 'first,second in one,said here' && chat.texts('five') === 'first,second in five' && chat.of('gap').length === 0`)
}

func TestGapsAreToldByEvents(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*", "-history", "3")
	g, ben := newGate(t, chatd, refused), chatd.witness(t, "lobby")
	b := visitGate(t, chatd)
	b.beginBy(g, "events", ``)
	ben.say("seen")
	b.wait(`chat.texts('lobby') === 'seen'`)
	g.away.Store(true)
	g.reset()
	b.wait(`chat.state === 'retrying'`)
	for i := range 5 {
		ben.say(fmt.Sprint(i))
	}
	g.away.Store(false)
	b.wait(`chat.texts('lobby') === 'seen,2,3,4'`)
	b.expect(`(({ from, to, why, count }) => from === 2 && to === 3 && why === 'history' && count === 2)(chat.of('gap')[0]) && chat.of('gap').length === 1`)

	chatd.Stop()
	chatd = startChatd(t, "-addr", chatd.Addr, "-allow-origin", "*", "-history", "3")
	b.wait(`chat.of('gap').length === 2 && chat.state === 'open'`)
	b.expect(`chat.of('gap')[1].why === 'epoch'`)
	b.change(g, refused, "events") // it is not told again, though the new epoch is not known yet
	ben = chatd.witness(t, "lobby")
	ben.say("anew")
	b.wait(`chat.texts('lobby') === 'seen,2,3,4,anew'`)
	b.change(g, refused, "events")
	ben.say("and more")
	b.wait(`chat.texts('lobby') === 'seen,2,3,4,anew,and more'`)
	b.expect(`chat.of('gap').length === 2`)
}

// Where nothing was heard yet there is no position to come back with.
func TestNothingIsLostThatIsSaidBeforeAPositionIsKnown(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*")
	g, ben := newGate(t, chatd, refused), chatd.witness(t, "lobby")
	b := visitGate(t, chatd)
	b.beginBy(g, "events", `since: 'now'`)
	g.away.Store(true)
	g.reset()
	b.wait(`chat.state === 'retrying'`)
	ben.say("while away")
	g.away.Store(false)
	b.wait(`chat.texts('lobby') === 'while away'`)
	b.expect(`chat.of('gap').length === 0`)
}

func TestClientStaysWithWebSocketsWhenTheServerIsAway(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*")
	g := newGate(t, chatd, nil)
	b := visitGate(t, chatd)
	for _, options := range []string{`{ url: 'http://%s' }`, `{ url: 'http://%s', room: 'other' }`} {
		g.away.Store(true)
		b.do(`window.chat = begin(` + fmt.Sprintf(options, g.Addr) + `)`)
		b.wait(`chat.of('state').at(-1)?.failures > 5`)
		g.away.Store(false)
		b.wait(`chat.state === 'open'`)
	}
	g.away.Store(true)
	g.reset()
	b.wait(`chats.every((chat) => chat.state === 'retrying' && chat.of('state').at(-1).failures > 5)`)
	g.away.Store(false)
	b.wait(`chats.every((chat) => chat.state === 'open')`)
	b.expect(`chats.every((chat) => chat.of('state').every(({ transport, readOnly }) => transport === 'websocket' && readOnly === null))`)
}

func TestClientThatIsRefusedIsRefusedEventsToo(t *testing.T) {
	t.Parallel()
	chatd := startChatd(t, "-allow-origin", "*", "-jwt-key-file", writeFile(t, "key", aTokenSecret))
	b := visitGate(t, chatd)
	elsewhere := signToken(t, aTokenSecret, patience*2, map[string]any{"rooms": []string{"side"}})
	for _, token := range []string{"", "nonsense", elsewhere} {
		b.do(fmt.Sprintf(`window.chat = begin({ token: %q })`, token))
	}
	b.wait(`chats.every((chat) => chat.of('state').at(-1)?.refused)`)
	b.expect(`chats.every((chat) => chat.of('welcome').length === 0 && chat.of('state').every(({ transport }) => transport === 'websocket'))`)
}

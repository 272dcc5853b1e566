package main

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

func TestClientIsImportedByAnySiteThatMayConnect(t *testing.T) {
	browser := startBrowser(t)
	chatd := startChatd(t, "-allow-origin", "*")
	ana, ben := visit(t, browser, "http://"+chatd.Addr), visit(t, browser, "http://"+chatd.Addr)
	ana.begin(`{ name: 'Ana' }`) // where the module is from
	ben.begin(`{ url: 'ws://` + chatd.Addr + `', room: 'lobby' }`)
	ana.expect(`/^[a-z0-9]+$/.test(chat.id) && chat.session !== '' && chat.name === 'Ana' && chat.limits.message === 65536`)
	ana.expect(`chat.of('welcome').length === 1 && !chat.of('welcome')[0].again && chat.rooms.get('lobby').joined`)

	// Half of a pair can't be sent.
	ana.expect(`window.entry = chat.say('hello 👋 \ud800'), entry.state === 'sent' && chat.entries[0] === entry && entry.room === 'lobby'`)
	ana.expect(`(async () => { const { seq, at } = await entry; return seq === 1 && at > 0; })()`)
	ana.expect(`entry.state === 'confirmed' && chat.entries.length === 0`)
	ben.wait(`chat.of('message').length === 1`)
	ben.expect(`(({ room, seq, id, name, text, own, missed, nonce }) => room === 'lobby' && seq === 1 && id !== chat.id && name === 'Ana' && text === 'hello 👋 \ufffd' && !own && !missed && nonce.length > 0)(chat.of('message')[0])`)
	ana.expect(`(({ own, said, is }) => own && said === entry.text && is === 'confirmed')(chat.of('message')[0])`)

	raw := chatd.dial(t)
	raw.send(websocket.MessageText, "raw")
	raw.send(websocket.MessageBinary, "\x00\xff")
	ben.wait(`chat.of('message').length === 3`)
	ben.expect(`(({ id, name, text, data }) => id === '' && name === '' && text === 'raw' && data === undefined)(chat.of('message')[1])`)
	ben.expect(`(({ data, text }) => data.join() === '0,255' && text === undefined)(chat.of('message')[2])`)
	ben.expect(`chat.rooms.get('lobby').position === chat.rooms.get('lobby').epoch + '.3.' + chat.of('message')[2].at`)
	ben.expect(`chat.who().then(({ room, count, members }) => room === 'lobby' && count === 3 && members.some(({ name }) => name === 'Ana'))`)
	ben.expect(`chat.rooms.get('lobby').members === 3 && chat.of('members').at(-1).count === 3`)

	// History, and where it ends.
	ana.begin(`{ session: chat.session }`)
	ana.wait(`chat.of('message').length === 3`)
	ana.do(`chat.say('now')`)
	ana.wait(`chat.of('message').map(({ missed, own }) => missed + ' ' + own).join() === 'true true,true false,true false,false true'`)
	ana.expect(`chats[0].id === chat.id`)
	ana.begin(`{ since: 'now' }`)
	ana.do(`chat.say('last')`)
	ana.wait(`chat.texts('lobby') === 'last'`)
}

// With such random numbers it would wait for minutes.
const patient = `Math.random = () => 1000`

// away is the client's network failing, until it is told to connect again.
func (b *tab) away(net *network) {
	b.t.Helper()
	net.reset()
	b.wait(`chat.state === 'retrying'`)
}

func (b *tab) back() {
	b.t.Helper()
	b.do(`chat.connect()`)
	b.wait(`chat.state === 'open'`)
}

func TestClientResumesEachRoomWhereItWas(t *testing.T) {
	t.Parallel()
	browser, chatd := startBrowser(t), startChatd(t, "-allow-origin", "*", "-history", "1000")
	t.Run("what was missed comes once, in order, and is marked", func(t *testing.T) {
		net, lobby, side := newNetwork(t, chatd), chatd.witness(t, "lobby"), chatd.witness(t, "side")
		b := visit(t, browser, "http://"+chatd.Addr, patient)
		b.begin(`{ url: 'http://` + net.Addr + `' }`)
		b.expect(`chat.join('side').then((room) => room.joined && [...chat.rooms.keys()].join() === 'lobby,side')`)
		lobby.say("a1", "a2")
		side.say("b1")
		b.wait(`chat.texts('lobby') === 'a1,a2' && chat.texts('side') === 'b1'`)
		b.away(net)
		b.expect(`chat.of('close').length === 1 && !chat.rooms.get('side').joined`)
		lobby.say("a3")
		side.say("b2", "b3")
		b.back()
		b.wait(`chat.texts('lobby') === 'a1,a2,a3' && chat.texts('side') === 'b1,b2,b3'`)
		lobby.say("a4")
		side.say("b4")
		b.wait(`chat.texts('lobby') === 'a1,a2,a3,a4' && chat.texts('side') === 'b1,b2,b3,b4'`)
		b.expect(`chat.of('message').filter(({ missed }) => missed).map(({ text }) => text).sort().join() === 'a3,b2,b3'`)
		b.expect(`chat.of('welcome').map(({ again, resumed }) => again + ' ' + resumed).join() === 'false false,true true'`)
		b.expect(`chat.of('joined').map(({ room, again, resumed }) => room + ' ' + again + ' ' + resumed).join() === 'side false false,side true true'`)
		b.expect(`chat.of('gap').length === 0 && chat.of('error').length === 0`)
	})

	t.Run("under fire", func(t *testing.T) {
		const messages, cuts = 300, 8
		net := newNetwork(t, chatd)
		rooms := []*witness{chatd.witness(t, "fire"), chatd.witness(t, "ember")}
		b := visit(t, browser, "http://"+chatd.Addr)
		b.begin(`{ url: 'http://` + net.Addr + `', room: 'fire', since: 'now' }`)
		b.expect(`chat.join('ember', 'now').then(() => true)`)
		var publishing sync.WaitGroup
		for _, w := range rooms {
			publishing.Go(func() {
				for i := range messages {
					w.say(strconv.Itoa(i))
				}
			})
		}
		for range cuts {
			had := get[int](b, `chat.of('message').length`)
			b.wait(fmt.Sprintf(`chat.of('message').length >= Math.min(%d + 20, %d)`, had, 2*messages))
			net.reset()
		}
		publishing.Wait()
		for _, room := range []string{"fire", "ember"} {
			b.wait(fmt.Sprintf(`chat.texts(%q).endsWith(',%d')`, room, messages-1))
			b.expect(fmt.Sprintf(`chat.texts(%q) === [...Array(%d).keys()].join()`, room, messages))
		}
		b.expect(`chat.of('gap').length === 0`)
	})
}

func TestClientTellsWhatIsMissing(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t, "-allow-origin", "*", "-history", "3")
	net, ben := newNetwork(t, chatd), chatd.witness(t, "lobby")
	b := visit(t, browser, "http://"+chatd.Addr, patient)
	b.begin(`{ url: 'http://` + net.Addr + `' }`)
	ben.say("1", "2")
	b.wait(`chat.texts('lobby') === '1,2'`)
	b.away(net)
	ben.say("3", "4", "5", "6", "7")
	b.back()
	b.wait(`chat.texts('lobby') === '1,2,5,6,7'`)
	b.expect(`(({ room, from, to, why, count }) => room === 'lobby' && from === 3 && to === 4 && why === 'history' && count === 2)(chat.of('gap')[0])`)
	b.expect(`chat.log.findIndex(({ type }) => type === 'gap') === chat.log.findIndex(({ seq }) => seq === 5) - 1`)

	// The room's life ends with the server.
	ben.conn.CloseNow()
	chatd.Stop()
	b.wait(`chat.state === 'retrying' && chat.of('close').at(-1).code === 1001 && chat.of('state').at(-1).code === 1001`)
	again := startChatd(t, "-addr", chatd.Addr, "-allow-origin", "*", "-history", "3")
	again.witness(t, "lobby").say("first", "second")
	b.back()
	b.wait(`chat.texts('lobby') === '1,2,5,6,7,first,second'`)
	b.expect(`(({ why, count }) => why === 'epoch' && count === 0)(chat.of('gap')[1]) && chat.of('gap').length === 2`)
	b.expect(`chat.of('message').at(-1).seq === 2 && chat.of('message').at(-1).missed`)
}

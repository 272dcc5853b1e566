package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestClientIsInSeveralRooms(t *testing.T) {
	t.Parallel()
	browser, chatd := startBrowser(t), startChatd(t, "-allow-origin", "*")
	refused := func(b *tab, ask, code string) {
		t.Helper()
		b.expect(fmt.Sprintf(`%s.then(() => false, ({ name, code }) => name === 'ChatError' && code === %q)`, ask, code))
	}
	t.Run("joins and leaves", func(t *testing.T) {
		net, side := newNetwork(t, chatd), chatd.witness(t, "side")
		side.say("before")
		b := visit(t, browser, "http://"+chatd.Addr, patient)
		b.begin(`{ url: 'http://` + net.Addr + `', room: 'first' }`)
		refused(b, `chat.leave('first')`, "no_room")
		refused(b, `chat.leave('side')`, "not_member")
		refused(b, `chat.who('side')`, "not_member")
		refused(b, `chat.join('first')`, "bad_event")
		refused(b, `chat.join('no room')`, "bad_room")
		refused(b, `chat.join('side', 'nonsense')`, "bad_event")
		b.expect(`[...chat.rooms.keys()].join() === 'first' && chat.of('left').length === 2`)

		b.expect(`Promise.all([chat.join('side'), chat.say('to side', { room: 'side' })]).then(([room, { seq }]) => room.members === 2 && seq === 2)`)
		b.wait(`chat.texts('side') === 'before,to side'`)
		b.expect(`chat.say('to first').then(({ seq }) => seq === 1)`)
		b.expect(`chat.who('side').then(({ room, count }) => room === 'side' && count === 2)`)
		b.expect(`chat.leave('first').then(() => [...chat.rooms.keys()].join() === 'side')`)
		refused(b, `chat.say('x', { room: 'first' })`, "not_member")

		// The room that is left is the one that it comes back to.
		b.away(net)
		side.say("missed")
		b.back()
		b.wait(`chat.texts('side') === 'before,to side,missed'`)
		b.expect(`chat.of('welcome').at(-1).room === 'side' && chat.of('welcome').at(-1).again && [...chat.rooms.keys()].join() === 'side'`)
	})

	t.Run("asked for while there is no connection", func(t *testing.T) {
		net, side := newNetwork(t, chatd), chatd.witness(t, "later")
		b := visit(t, browser, "http://"+chatd.Addr, patient)
		b.begin(`{ url: 'http://` + net.Addr + `', room: 'one', name: 'Ana' }`)
		b.expect(`chat.join('two').then(() => true)`)
		b.away(net)
		b.do(`window.asked = Promise.all([chat.join('later', 'now'), chat.leave('one'), chat.rename('Ben'), chat.who('two')])`)
		b.do(`window.entry = chat.say('hello', { room: 'later' })`)
		b.back()
		b.expect(`asked.then(([room, , , who]) => room.name === 'later' && who.room === 'two')`)
		b.expect(`chat.name === 'Ben' && [...chat.rooms.keys()].join() === 'two,later'`)
		b.wait(`entry.state === 'confirmed'`)
		side.waitFor("hello")
	})

	t.Run("as many as the server lets it, and no faster", func(t *testing.T) {
		net := newNetwork(t, chatd)
		b := visit(t, browser, "http://"+chatd.Addr, patient)
		b.begin(`{ url: 'http://` + net.Addr + `', room: 'room-0' }`)
		b.do(`window.joins = Promise.all([...Array(15).keys()].map((i) => chat.join('room-' + (i + 1))))`)
		b.expect(`joins.then((rooms) => rooms.every(({ joined }) => joined))`)
		refused(b, `chat.join('room-16')`, "too_many_rooms")
		b.away(net)
		b.back()
		b.wait(`[...chat.rooms.values()].every(({ joined }) => joined)`)
		b.expect(`chat.rooms.size === 16 && chat.of('error').length === 0 && chat.of('joined').slice(15).map(({ room }) => room).join() === [...chat.rooms.keys()].slice(1).join()`)
	})

	t.Run("under a name that others see", func(t *testing.T) {
		net := newNetwork(t, chatd)
		b := visit(t, browser, "http://"+chatd.Addr, patient)
		b.begin(`{ url: 'http://` + net.Addr + `', room: 'names', name: 'Ana' }`)
		b.expect(`chat.rename('Ana Two').then(() => chat.name === 'Ana Two')`)
		refused(b, `chat.rename('a\u0007')`, "bad_name")
		refused(b, `chat.rename('x'.repeat(33))`, "bad_name")
		b.expect(`chat.name === 'Ana Two'`)
		b.away(net)
		b.back()
		b.expect(`chat.name === 'Ana Two'`)
		b.expect(`chat.rename('').then(() => chat.name === '')`)
		b.expect(`chat.say('nameless').then(() => chat.of('message').at(-1).name === '')`)
	})
}

func TestClientKeepsItsID(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t, "-allow-origin", "*")
	b := visit(t, browser, "http://"+chatd.Addr)
	b.begin(`{ storage: sessionStorage }`)
	id := get[string](b, `chat.id`)
	run(b, chromedp.Reload())
	b.waitForState("ready")
	b.begin(`{ storage: sessionStorage }`)
	b.expect(fmt.Sprintf(`chat.id === %q`, id))
	b.begin(`{ storage: { getItem() { throw new Error('forbidden'); }, setItem() { throw new Error('forbidden'); } } }`)
	b.expect(fmt.Sprintf(`chat.id !== %q`, id))
}

func TestRoomThatMayNotBeJoinedAgainIsLeft(t *testing.T) {
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		for e := m.hear(); e != nil; e = m.hear() {
			switch {
			case e["type"] == "join" && n == 1:
				m.tell(event{"type": "joined", "room": e["room"], "epoch": "0000000b", "seq": 0, "resumed": false, "members": 1})
			case e["type"] == "join" && e["room"] == "banned":
				m.tell(event{"type": "error", "code": "not_allowed", "message": "you were sent away"})
			case e["type"] == "join":
				m.tell(event{"type": "error", "code": "rate", "message": "too fast"})
				m.hear() // once more
				m.tell(event{"type": "joined", "room": e["room"], "epoch": "0000000b", "seq": 0, "resumed": true, "members": 1})
			case e["type"] == "say" && n == 1:
				return
			case e["type"] == "say":
				m.say(e, 1)
			}
		}
	})
	b := visit(t, startBrowser(t), s.URL, hasty)
	b.begin(`{}`)
	b.expect(`chat.join('banned').then(() => chat.join('busy')).then(() => true)`)
	b.do(`window.entry = chat.say('mine', { room: 'banned' })`)
	b.wait(`chat.of('left').length === 1`)
	b.expect(`chat.of('left')[0].room === 'banned' && chat.of('left')[0].error.code === 'not_allowed'`)
	b.expect(`entry.state === 'refused' && entry.error.code === 'not_member'`)
	b.wait(`chat.rooms.get('busy').joined`)
	b.expect(`[...chat.rooms.keys()].join() === 'lobby,busy' && chat.of('error').length === 0`)
}

// The server tells the first one's event when it hears a text again, in its turn or later;
// and numbers may have holes, in which nothing is missing.
func TestMessagesAreGivenOnceAndInOrderWhateverComes(t *testing.T) {
	said := func(seq int) event {
		return event{"type": "say", "room": "lobby", "seq": seq, "at": seq, "text": fmt.Sprint(seq)}
	}
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		if n == 1 {
			m.tell(said(1))
			m.hear()
			return
		}
		if r.FormValue("since") != "0000000a.1.1" {
			t.Errorf("it resumes at %q", r.FormValue("since"))
		}
		m.tell(said(2))
		mine := m.hear() // again
		for _, seq := range []int{1, 2, 3, 4, 4, 5} {
			if seq == 4 {
				m.say(mine, 4)
			} else {
				m.tell(said(seq))
			}
		}
		m.tell(event{"type": "nonsense"})
		m.tell(said(8))
		m.tell(said(8))
		m.serve(8)
	})
	b := visit(t, startBrowser(t), s.URL, hasty)
	b.begin(`{}`)
	b.do(`window.entry = chat.say('mine')`)
	b.wait(`chat.texts('lobby') === '1,2,3,mine,5,8'`)
	b.expect(`entry.then(({ seq }) => seq === 4)`)
	b.expect(`chat.of('gap').length === 0 && chat.rooms.get('lobby').position === '0000000a.8.8'`)
}

// What is lost while one is there the server tells at its place. How many messages that
// are only those numbers say that have no holes.
func TestMessagesThatAreLostAreTold(t *testing.T) {
	gap := func(from, to int) event {
		return event{"type": "gap", "room": "lobby", "from": from, "to": to, "why": "history"}
	}
	said := func(seq int) event {
		return event{"type": "say", "room": "lobby", "seq": seq, "at": seq, "text": fmt.Sprint(seq)}
	}
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		resumed := n == 2 // in which nothing is missing: that was told
		m := welcome(w, r, event{"seq": 14 * (n - 1), "resumed": resumed})
		if m == nil {
			return
		}
		defer m.CloseNow()
		if resumed {
			if r.FormValue("since") != "0000000a.14" {
				t.Errorf("it resumes at %q", r.FormValue("since"))
			}
			m.serve(14)
			return
		}
		for _, e := range []event{said(1), gap(2, 4), said(5), said(9), gap(10, 11), said(12)} {
			m.tell(e)
		}
		m.hear()
		m.tell(gap(13, 14)) // it may be among them
		m.CloseNow()
	})
	b := visit(t, startBrowser(t), s.URL, hasty)
	b.begin(`{}`)
	b.wait(`chat.texts('lobby') === '1,5,9,12'`)
	b.expect(`chat.of('gap').map(({ from, to, why, count }) => [from, to, why, count].join()).join(' ') === '2,4,lost,3 10,11,lost,0'`)
	b.do(`window.entry = chat.say('mine')`)
	b.wait(`entry.state === 'unsure' && chat.state === 'open'`)
	b.do(`entry.again()`)
	b.expect(`entry.then(({ seq }) => seq === 15)`)
	b.expect(`chat.of('gap').length === 3`)
}

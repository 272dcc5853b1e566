package room

import (
	"slices"

	"github.com/gobwas/ws"

	"chatd/room/chat"
	"chatd/room/frame"
)

// What a chat client may do before something is done about it.
const (
	maxCommands = 10 // in a second, but for what is said: that has rates of its own
	maxErrors   = 10 // in a row
)

// take does what the client's message asks for.
func (cs *chatSession) take(t *turn, m frame.Message) {
	if m.Op != ws.OpText {
		t.post.last = &mail{bytes: goodbye[Unsupported], reason: Unsupported}
		return
	}
	c, failed := chat.Decode(m.Payload, cs.server.config.MaxMessage)
	if failed == nil {
		failed = cs.obey(t, &c)
	}
	switch {
	case failed != nil:
		cs.fail(t, failed)
	case cs.stays == nil || cs.stays.entry == nil: // else it is not known yet
		cs.errors = 0
	}
}

// obey carries a command out.
func (cs *chatSession) obey(t *turn, c *chat.Command) *chat.Error {
	if c.Kind != chat.Say && cs.hurries() {
		return reject(c, chat.Rate, "too many commands in a second")
	}
	switch c.Kind {
	case chat.Name:
		if g := cs.grant(); g != nil && g.Named {
			return reject(c, chat.NotAllowed, "the token says the name")
		}
		cs.rename(c.Name)
		return nil
	case chat.Join:
		return cs.join(t, c)
	}
	h, failed := cs.room(c)
	if failed != nil {
		return failed
	}
	switch c.Kind {
	case chat.Say:
		if cs.mute() {
			return reject(c, chat.NotAllowed, "the token allows listening only")
		}
		t.speakIn(h)
		if cs.stays != nil {
			cs.stays.say(h)
		}
		t.post.say(cs.server.counters.of(t.w), cs.client, said{cs.speaks(), c.Nonce}, c.Text)
	case chat.Leave:
		cs.leaveRoom(t, h)
	case chat.Who:
		t.flush()
		cs.ask(t.w, h)
		t.halt = true
	}
	return nil
}

// hurries counts a command, and reports whether it is one too many.
func (cs *chatSession) hurries() bool {
	now := cs.server.now.Load()
	if now-cs.second >= ticksPerSecond {
		cs.second, cs.commands = now, 0
	}
	if cs.commands == maxCommands {
		return true
	}
	cs.commands++
	return false
}

// fail tells the client what is wrong with a command. Too often in a row, and it is
// sent away.
func (cs *chatSession) fail(t *turn, failed *chat.Error) {
	at := len(t.told)
	t.told = enclose(chat.AppendError(t.told, failed), at)
	cs.server.counters.of(t.w).rejected[slices.Index(chat.Codes[:], failed.Code)].Add(1)
	if cs.errors++; cs.errors == maxErrors {
		t.post.last = &mail{bytes: goodbye[BadEvents], reason: BadEvents}
	}
}

// reject is why a command is not carried out.
func reject(c *chat.Command, code chat.Code, message string) *chat.Error {
	return &chat.Error{Code: code, Message: message, Nonce: c.Nonce}
}

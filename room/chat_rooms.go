package room

import (
	"slices"

	"chatd/poller"
	"chatd/room/chat"
)

// stays is the rooms that a chat client is in, as its session sees them, from the
// first join or leave on. It belongs to the session.
type stays struct {
	hubs  []*hub
	last  *hub    // where it said something last
	heard []*hub  // where it said something, and which were not seen to have caught up since
	entry *change // into a further room: how it ended is not known yet; nil: there is none
	nonce string  // of the command that asked for it
}

// moving is the stays, known from now on.
func (cs *chatSession) moving() *stays {
	if cs.stays == nil {
		h := cs.hub()
		cs.stays = &stays{hubs: []*hub{h}, last: h}
	}
	return cs.stays
}

// say notes that the client says something in the room h.
func (y *stays) say(h *hub) {
	y.last = h
	if !slices.Contains(y.heard, h) {
		y.heard = append(y.heard, h)
	}
}

// congested reports whether c's session has to wait for one of the rooms in which it
// has said something. One that it only listens to may be behind.
func (y *stays) congested(c *client) bool {
	for ; len(y.heard) > 0; y.heard = y.heard[1:] {
		if y.heard[0].congested(c) {
			return true
		}
	}
	y.heard = nil
	return false
}

// speaksIn is the room in which the client spoke last, as far as that is known; nil:
// in none. Only the session may call it.
func (c *client) speaksIn() *hub {
	if cs := c.chat(); cs != nil && cs.stays != nil {
		return cs.stays.last
	}
	return c.hub()
}

// room is the one that a command is for: the only one, if none is named.
func (cs *chatSession) room(c *chat.Command) (*hub, *chat.Error) {
	if cs.stays == nil {
		if h := cs.hub(); c.Room == "" || c.Room == h.name {
			return h, nil
		}
	} else if hubs := cs.stays.hubs; c.Room == "" {
		if len(hubs) != 1 {
			return nil, reject(c, chat.NoRoom, "name a room: this connection is in none, or in several")
		}
		return hubs[0], nil
	} else if i := slices.IndexFunc(hubs, func(h *hub) bool { return h.name == c.Room }); i >= 0 {
		return hubs[i], nil
	}
	return nil, reject(c, chat.NotMember, "this connection is not in that room")
}

// join asks for a further room. Settle learns what came of it.
func (cs *chatSession) join(t *turn, c *chat.Command) *chat.Error {
	stays, allowed := cs.moving(), cs.server.handshake.Rooms
	if _, missing := cs.room(c); missing == nil {
		return reject(c, chat.BadEvent, "this connection is in that room already")
	}
	if len(stays.hubs) >= chat.MaxRooms {
		return reject(c, chat.TooManyRooms, "this connection is in as many rooms as one may be in")
	}
	if allowed != nil && !allowed[c.Room] { // which in the handshake is 404
		return reject(c, chat.BadRoom, "there is no such room")
	}
	if g := cs.grant(); g != nil && !g.Allows(c.Room) {
		return reject(c, chat.NotAllowed, "the token does not allow that room")
	}
	if cs.isBanned(c.Room) {
		return reject(c, chat.NotAllowed, "this client was removed from the room, and may not come back yet")
	}
	t.flush()
	stays.entry, stays.nonce = cs.enter(t.w, c.Room, c.Since, nil), c.Nonce
	t.halt = true
	return nil
}

// settle looks at how a join has ended, if there was one; no change is under way. Of
// a room that it is in, the client knows from the shard.
func (cs *chatSession) settle(w *poller.Worker) {
	stays := cs.stays
	if stays == nil || stays.entry == nil {
		return
	}
	entry := stays.entry
	stays.entry = nil
	if entry.hub != nil {
		stays.hubs = append(stays.hubs, entry.hub)
		cs.errors = 0
		return
	}
	failed := &chat.Error{Code: chat.NotAllowed, Message: "there are too many rooms (-max-rooms)", Nonce: stays.nonce}
	if entry.late {
		failed.Code, failed.Message = chat.Unavailable, ErrUnavailable.Error()
	}
	t := cs.newTurn(w)
	cs.fail(&t, failed)
	t.end()
}

// enters reports whether its session has yet to see how a join has ended. Nothing else may
// be under way.
func (c *client) enters() bool {
	cs := c.chat()
	return cs != nil && cs.stays != nil && cs.stays.entry != nil
}

// leaveRoom takes the client out of a room: what it said there is heard, and the
// answer comes behind the last message that it gets.
func (cs *chatSession) leaveRoom(t *turn, h *hub) {
	t.flush()
	stays := cs.moving()
	stays.hubs = slices.DeleteFunc(stays.hubs, func(other *hub) bool { return other == h })
	if stays.last == h {
		stays.last, t.hub = nil, nil
	}
	cs.exit(t.w, h, enclose(chat.AppendLeft(nil, h.name), 0))
	t.halt = true
}

// leaveAll publishes p, the client's last post, which is for h if there is something
// in it, and has the client leave all its rooms.
func (cs *chatSession) leaveAll(w *poller.Worker, h *hub, p *post) {
	hubs := cs.stays.hubs
	p.last.leaving = newLeaving(hubs...)
	if len(hubs) == 0 {
		cs.send(w, p.last)
		p.free()
		return
	}
	if !slices.Contains(hubs, h) {
		h = hubs[0]
	}
	for _, other := range hubs {
		if other != h {
			farewell := newPost(false)
			farewell.leaver, farewell.last = cs.client, p.last
			other.publish(w, farewell)
		}
	}
	h.publish(w, p)
}

package room

import (
	"sync/atomic"

	"chatd/room/chat"
)

// chatSession is the session of a connection that speaks chat.v1. It is the
// handler of the client's socket, and the client is its: who has one finds the
// other. One that speaks raw has none.
type chatSession struct {
	*client                           // static
	credential string                 // static: proves the id
	author     atomic.Pointer[author] // who it is now: set by the session, read by shards and in posts
}

// speakChat has a new chat session go on with the connection. Its session calls it
// before it joins.
func (c *client) speakChat(q query) {
	cs := &chatSession{client: c}
	cs.author.Store(&author{})
	c.status.Or(statusChat)
	c.Handover(cs)
}

// session implements speaker.
func (cs *chatSession) session() *chatSession { return cs }

// speaker is a handler that speaks chat.v1.
type speaker interface{ session() *chatSession }

// chat is c's chat session, nil if it speaks raw.
func (c *client) chat() *chatSession {
	if !c.has(statusChat) {
		return nil
	}
	return c.Handler().(speaker).session()
}

// What a client is told of reconnecting, in ms.
const (
	retryMin = 500
	retryMax = 15_000
)

// welcome is what the connection is told first, but for its place in the room.
func (cs *chatSession) welcome() *chat.Welcome {
	a := cs.author.Load()
	return &chat.Welcome{
		ID: a.id, Session: cs.credential, Name: a.name, RetryMin: retryMin, RetryMax: retryMax,
		Limits: chat.Limits{Message: cs.server.config.MaxMessage, Name: chat.MaxName, Rooms: chat.MaxRooms},
	}
}

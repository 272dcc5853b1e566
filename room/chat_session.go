package room

import (
	"sync/atomic"

	"chatd/room/chat"
	"chatd/room/handshake"
	"chatd/room/identity"
	"chatd/room/token"
)

// chatSession is the session of a connection that speaks chat.v1. It is the
// handler of the client's socket, and the client is its: who has one finds the
// other. One that speaks raw has none. Very many may be idle: what is seldom there
// is behind a pointer.
type chatSession struct {
	*client                        // static
	author  atomic.Pointer[author] // who it is now: set by the session, read by shards
	silent  author                 // static: that it is as long as it says nothing and keeps its name
	owed    atomic.Int32           // answers that are not written: its session and hubs add, the shard subtracts

	// Owned by the session.
	stays    *stays // nil: it is in the room that it came into, and always was
	second   uint32 // the tick at which the second began in which commands are counted
	commands uint8  // in that second, but for what was said
	errors   uint8  // in a row
}

// speakChat has a new chat session go on with the connection. Its session calls it
// before it joins. What its token says, if it has one, comes before what it says
// itself.
func (c *client) speakChat(q *handshake.Query, grant *token.Grant) {
	id, proven := c.server.config.Secrets.ID(q.Session)
	if !proven {
		id = identity.NewID()
	}
	name, _ := chat.CleanName(q.Name)
	c.status.Or(statusChat)
	if grant == nil {
		c.Handover(newChatSession(c, id, name))
		return
	}
	if grant.Subject != "" {
		id = grant.Subject
	}
	if grant.Named {
		name = grant.Name
	}
	cs := &grantedChat{token: grant}
	cs.begin(c, id, name)
	c.status.Or(statusGranted)
	c.Handover(cs)
}

func newChatSession(c *client, id, name string) *chatSession {
	cs := new(chatSession)
	cs.begin(c, id, name)
	return cs
}

func (cs *chatSession) begin(c *client, id, name string) {
	cs.client, cs.silent = c, newAuthor(id, name)
	cs.author.Store(&cs.silent)
}

// speaks returns the author of what the client says. It may outlive the connection,
// which must not hang on it.
func (cs *chatSession) speaks() *author {
	a := cs.author.Load()
	if a == &cs.silent {
		own := *a
		a = &own
		cs.author.Store(a)
	}
	return a
}

// rename gives the client another name for what it says from now on.
func (cs *chatSession) rename(name string) {
	a := newAuthor(cs.author.Load().id(), name)
	cs.author.Store(&a)
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

// greetingSize is memory for the handshake's answer and the welcome, mostly: very
// many may come at once.
const greetingSize = 768

// What a client is told of reconnecting, in ms.
const (
	retryMin = 500
	retryMax = 15_000
)

// welcome is what the connection is told first, but for its place in the room. The
// session is not kept: it is as long as all else that is.
func (cs *chatSession) welcome() *chat.Welcome {
	a, config := cs.author.Load(), &cs.server.config
	proven := a.id()
	if g := cs.grant(); g != nil && g.Subject != "" {
		// The session would outlive the token, and be as good: it proves another id.
		proven = identity.NewID()
	}
	return &chat.Welcome{
		ID: a.id(), Session: config.Secrets.Session(proven), Name: a.name(), RetryMin: retryMin, RetryMax: retryMax,
		Limits: chat.Limits{Message: config.MaxMessage, Name: chat.MaxName, Rooms: chat.MaxRooms},
	}
}

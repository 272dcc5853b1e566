package room

import (
	"sync/atomic"

	"chatd/poller"
	"chatd/poller/tls13"
)

// client is one connection, from accept to close.
//
// Two owners work on it. Its session, the Task of its Conn, reads the socket
// and in the end closes it. Its owner holds it in a list and looks after its
// deadlines: first the pending ones' Task, then, once it is a member, a shard, which
// also writes to it, whatever rooms it is in; when the shard is done with the socket
// it releases the client, and a client that lingers until its peer hangs up is
// among the pending ones again.
//
// A server holds very many: it has 128 bytes, and what is seldom there is
// behind a pointer.
type client struct {
	poller.Conn
	server *Server // static

	// Owned by the session.
	in    *inbound // what the peer has begun and used up; nil if that is nothing
	phase phase
	ended bool  // the peer's stream is at its end, or broken
	wrong bool  // the peer broke the rules of TLS: a member's shard is to tell it
	spent uint8 // blocks that were discarded, see discardBlock

	// From the owner to the session, but for those bits that say otherwise.
	status atomic.Uint32

	// The first of its rooms: set by the hub of that, then by the shard, which
	// stays the same. Read by anybody once the client is a member.
	roster atomic.Pointer[roster]

	// Owned by the owner.
	out  *outbox // what keeps the client from being caught up; nil if it is
	slot int32   // its place in the owner's list, -1 if in none

	source atomic.Int32 // its place in Server.sources, -1 if in none; written by the session
	born   uint32       // static: the tick at which it came

	// From the session (and the poller) to the owner.
	heard  atomic.Uint32 // the tick at which the peer was last heard of; also set by the owner
	spoke  atomic.Uint32 // the tick at which it last sent a message
	events atomic.Uint32 // what to look at; non-zero: it is in the owner's inbox
	link   *client       // of the inbox that holds it
	mail   atomic.Pointer[mail]
}

// phase is where a session is.
type phase uint8

const (
	phaseNew     phase = iota // not watched yet
	phaseTLS                  // makes the handshake of TLS, or waits for it to begin
	phaseHead                 // collects the HTTP head
	phaseJoining              // on its way into the room: reads nothing
	phaseOpen                 // a member: reads frames
	phaseLeaving              // discards what comes until the shard releases it
	phaseLinger               // discards what comes until the peer hangs up
	phaseClosed
)

// Events. An owner may find some that are for the other one: the poller and
// the hub may still signal the shard when it has released the client.
const (
	// For those that are pending.
	eventHandshake uint32 = 1 << iota // keep it until the handshake's deadline
	eventLinger                       // keep it until the linger deadline
	eventGone                         // forget it
	// For a shard.
	eventMail     // c.mail is set
	eventUpdate   // its peer wants the keys changed with which it is written to
	eventWritable // its socket takes bytes again, or is broken

	pendingEvents = eventHandshake | eventLinger | eventGone
)

// Status bits. Each is set once, but for statusExpired, statusChanging,
// statusSeveral, statusPinged and statusDoubted; statusSecure is cleared in the end.
const (
	statusExpired    uint32 = 1 << iota // its time among the pending ones is over
	statusCrowded                       // it has to make room for other handshakes
	statusRefused                       // too many from its address (set before anybody sees it)
	statusIntroduced                    // its PROXY header has come (set by the session, or before anybody sees it)
	statusProxied                       // a proxy speaks for it, see peer (likewise)
	statusTLS                           // its listener speaks TLS: it is in a secure (set before anybody sees it)
	statusSecure                        // … whose session is there (set and cleared by the session)
	statusDeflate                       // permessage-deflate was agreed upon (set by the session, before it joins)
	statusChat                          // chat.v1 was agreed upon (likewise)
	statusEvents                        // it reads events, and says nothing (likewise)
	statusBare                          // … over HTTP/1.0 (likewise)
	statusGranted                       // it came with a token, see grant (likewise)
	statusFull                          // its room can't be entered: there are too many (set by the directory, or a hub)
	statusLate                          // … or the room's order can't be reached (set by the hub, before)
	statusMember                        // it is in a room
	statusWaiting                       // its session waits for statusMember (set by the session)
	statusChanging                      // it asked for a change that is not done (set by the session, cleared by the shard)
	statusSeveral                       // it is in several rooms (set and cleared by the shard, for itself)
	statusPinged                        // it owes a pong (cleared by the session, too)
	statusDoubted                       // it is among its shard's doubts
	statusLeft                          // it left all rooms; what it says is not heard any more
	statusReleased                      // its shard is done with the socket
	statusLinger                        // … whose peer may not know yet: wait until it hangs up
	statusClosed                        // it is closed, or net/http's (set by the session)
)

// has reports whether a status bit is set.
func (c *client) has(bit uint32) bool { return c.status.Load()&bit != 0 }

// mail is what a session asks its shard to write to the session's own client,
// between two frames of the log. A newer one replaces one that was not taken.
type mail struct {
	bytes []byte
	// leaving says that the client leaves all its rooms: it still gets the frames
	// before the limits, then bytes.
	leaving *leaving
	// broken says that nothing can be written any more.
	broken bool
	// reason is why the server, not the client, ends it; 0: it doesn't.
	reason Reason
	// alert is what a peer is told that broke the rules of TLS, and is broken for that.
	alert tls13.Alert
}

// Link implements the inbox's element.
func (c *client) Link() **client { return &c.link }

// signal tells c's shard about events. Any worker may call it once c is a
// member.
func (c *client) signal(w *poller.Worker, events uint32) {
	if c.events.Or(events) == 0 {
		s := c.roster.Load().shard
		s.inbox.Put(c)
		s.ScheduleOn(w)
	}
}

// send hands m to the shard. Only the session may call it, and the hub for it.
func (c *client) send(w *poller.Worker, m *mail) {
	if unsent := c.mail.Swap(nil); unsent != nil && m.leaving != nil {
		// A ping that came before is still to be answered (RFC 6455 §5.5.2).
		m.bytes = append(unsent.bytes, m.bytes...)
		m.broken = unsent.broken
	}
	c.mail.Store(m)
	c.signal(w, eventMail)
}

// Writable implements poller.Handler.
func (c *client) Writable(w *poller.Worker) { c.signal(w, eventWritable) }

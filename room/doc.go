// Package room is the chat: it takes accepted sockets, speaks HTTP and
// WebSocket with them, over TLS if they came by [Server.Secure], and sends every
// message to everybody in its room.
//
// It knows frames. It must not know epoll, flags or signals; time enters as
// [Server.Tick], but for the time at which something was said.
//
// # The way of a message
//
//	socket ─▶ session ──post──▶ hub ──append──▶ log ◀──cursor── shard ─▶ sockets
//	          reads, parses,    one order       framelog        passes: one write
//	          unmasks           for a room                      per member and pass
//
// What a member reads is a stream: a dialect (dialect.go), compressed or not. The
// log of the raw stream has the messages as they came, and is the room's memory of
// them. Each other stream has a log of its own, of the same messages under the same
// numbers, made from the raw one with its first reader and dropped with its last.
// Server-sent events are such a stream, too: who reads them asked by HTTP and never
// says anything, and is a member like any other (events.go).
// Who reads a message compresses it for the raw stream, once for all (post.go); what
// only the hub knows, number and time, is encoded by the hub (translate.go).
//
// The log is all the queues there are. A member that is caught up has no state
// beyond its place in a list; one that is not has an outbox with a cursor into
// the log of each of its rooms. A message is encoded once and stored once,
// whatever the number of members, and a pass writes everything that has come
// since the last one.
//
// A room keeps its last messages (archive.go, history.go). Who comes, or comes back
// with a position, is a reader further back in its stream's log: nothing is gated,
// copied or merged for it, and if its socket takes all at once it never has a queue
// (place.go, join.go). How many members a room has is no message but state, of which
// only the newest counts: rosters carry it beside the log (notice.go).
//
// Where rooms outlive the process, or are shared with other servers, their order comes from
// an [order.Source] (ordered.go): then the hub hands over what is published, and appends
// what comes back, its own messages and others'. Joins wait until it has begun. Its numbers
// may have holes, the log's have none: numbering.go says which is which. What is lost there
// is a gap that has its place in the logs as a message.
//
// # Owners
//
// Everything serial is a [poller.Task]:
//
//	session    one connection: reads its socket, as fast as it may, and closes it
//	pending    those that are in no shard, before and after, and their deadlines
//	directory  the rooms' names, birth and death
//	hub        one room: the order of its messages, its logs, its history, its rosters
//	shard      about 2,048 connections: their rooms, how far each is in them, all
//	           writes to their sockets, their deadlines
//
// A connection lives in one shard for life. A roster is the members of a room that
// live in one shard and read one stream, side by side; it is the shard's, and what a
// pass walks. A room puts its members into as few shards as it can, so a message
// wakes few, and a connection in several rooms costs nothing to those in one.
//
//	            hub of lobby           hub of side
//	            │          │             │
//	shard 1   {ana bob}    │           {bob eve}      a roster each; bob is in two rooms
//	shard 2              {cyd}
//
// Where to look:
//
//	who a connection is    client.go, session.go, messages.go, inbound.go, meter.go,
//	                       pending.go, proxied.go, sources.go, web.go
//	over TLS               secure.go; records, handshakes: package tls13
//	who only listens       events.go; the events: package sse
//	what a client wants    turn.go, chat_session.go, chat_commands.go, chat_rooms.go,
//	                       author.go; events and names: package chat
//	what it may do         grant.go; tokens: package token
//	what a room is         directory.go, silence.go, hub.go, hub_rosters.go, post.go,
//	                       change.go, rate.go, flush.go
//	whose its order is     ordered.go, ordered_enter.go, ordered_publish.go,
//	                       ordered_place.go, ordered_recall.go, numbering.go; package order
//	who else has it        nodes.go, ordered_ahead.go
//	what it keeps          archive.go, history.go, place.go, translate.go, dialect.go
//	who writes to whom     shard.go, shards.go, roster.go, membership.go, join.go,
//	                       farewell.go, pass.go, outbox.go, notice.go, reply.go,
//	                       shard_tick.go, doubt.go
//	what can be asked      inspect.go, inspect_rooms.go, stats.go, counters.go,
//	                       disconnects.go, reason.go
//	who goes on with it    freeze.go, carry.go, carry_rooms.go, carry_ordered.go,
//	                       carry_members.go, revive.go; the form of what is carried: package carry
//
// A client is in the hands of one owner at a time: pending → directory → hub →
// shard → pending. Sessions ask it for things by setting event bits and entering
// its inbox, and for a change of rooms by sending one on its way (change.go); the
// answer is a status bit.
//
// # What is used instead of locks
//
// There is no mutex and no channel operation for a message or a delivery. A
// message crosses from session to hub through an inbox (one compare-and-swap),
// from hub to shards as the log's published length (one atomic store) and by
// putting the rosters into the shards' inboxes, and each crossing schedules a Task
// (one compare-and-swap). Each worker has counters of its own. A mutex is used
// where connections of an address are limited or proxies speak for clients
// (sources.go), when a client is sent away (disconnects.go), when a room needs a
// shard (shards.go), by others that look a room up (directory.go), in a handshake of TLS
// (package tls13), and by the clock, ten times a second (Server.Tick, see freeze.go): those
// are no matters of messages. Only a hub whose order is a Source's locks one of its own when
// it hands a message over (ordered_enter.go).
//
// What time is, and when each deadline comes, is said in time.go.
//
// Whoever runs the server can ask owners about what they own (inspect.go): the
// question is answered on the owner's own Task.
//
// # Another program goes on
//
// Whoever runs the server can have another program go on with it, in the same process:
//
//	Freeze ──▶ Carry ──bytes, descriptors──▶ New, Restore ──▶ Revive
//	  │
//	  └─────▶ Thaw: there is none
//
// What keeps it simple is that nothing waits in a Task: a session that may not read
// returns, and who is not caught up has an outbox. So when sessions read no more and time
// stands still, all that is under way comes to its end by itself, and the server is frozen
// when no inbox has anything and no pass, change, reply or post is anybody's. Then the
// pool stands still, too, and whoever has frozen it owns what all Tasks own, until Thaw. A
// Source may tell of messages meanwhile: they wait in its rooms' inboxes, which end with
// the program, and are told again to the next one, which says from where on.
//
// What is carried is what an owner has between two runs of its Task, no more: places in
// lists, rosters and marks follow from it, links, queues and inboxes are empty. What
// follows is made again by the one who would have made it. An owner writes its part in a
// function carry and reads it in restore, side by side; tests name each field of an owner,
// with what becomes of it. Restore believes nothing: what it reads is refused, or can be
// gone on with, whatever it is. Before Revive nothing runs; then each owner has a run, and
// finds what is to be done. Sessions are many: only those have one that have begun something,
// or whose sockets have something to read.
//
// Handshakes of TLS and requests that net/http answers are not carried: Freeze waits a
// moment for them, and what is left ends with the program.
//
// # Invariants
//
//   - Between passes, every ready member of a roster is at the roster's pos, and a
//     member that is behind is ready in none of its rooms. A shard has one pass at
//     a time.
//   - A hub is at most Config.Queue messages ahead of its slowest roster, and gaps that
//     may follow.
//   - All logs of a room have the same messages under the same numbers, and nothing
//     else; each goes back at least as far as the history.
//   - A member gets each message behind the place at which it came once, in order.
//     One whose place is ahead of its roster comes in when that has got there.
//   - A member leaves at the message that would be the Queue+1st of a room to wait
//     for it, however late the shard finds that out; it gets those that waited. What
//     was said before it came does not count.
//   - What is handed over to a Source has one end: it has its place, or it has none and
//     its author is told so, if he can be. What the Source tells of is in the logs,
//     or a gap is.
//   - Whole frames are written, whatever rooms they are of, and whichever program has
//     begun one.
//   - In a frozen server nothing is under way: each message is in the logs of its room,
//     and each connection has an owner.
//   - A session reads nothing while a change of rooms is under way, an answer of its
//     client's own is not written, or a room in which it has spoken is behind.
//   - All members' dues, counted by when they came and left, are what they got
//     and what was lost with them, once nothing is under way.
//   - Only the directory removes a room, and only one that has neither members nor
//     history, which others may have that share it, and to which none are on their
//     way; a client that has left is no
//     member, though it may still get what was queued for it.
//   - What is given to a client's Writer, over TLS, stays as it is: frames of a log,
//     and bytes made for that client, or for all and never changed. No ready member
//     has anything unsent there, and a frame of which a record was begun is one that
//     the socket took.
//   - A session touches its socket until it has closed it; a shard touches it
//     until it has set statusReleased, which comes first.
package room

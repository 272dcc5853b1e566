// Package room is the chat: it takes accepted sockets, speaks HTTP and
// WebSocket with them, and sends every message to everybody in the room.
//
// It knows frames. It must not know epoll, flags or signals; time enters as
// [Server.Tick].
//
// # The way of a message
//
//	socket ─▶ session ──post──▶ hub ──append──▶ log ◀──cursor── shard ─▶ sockets
//	          reads, parses,    one order       framelog        passes: one write
//	          unmasks           for all                         per member and pass
//
// For members that agreed upon permessage-deflate there is a second log, of the
// same messages under the same numbers, compressed. It is made only while it
// has readers; who reads a message compresses it, once for all (post.go).
//
// The log is all the queues there are. A member that is caught up has no state
// beyond its place in a list; one that is not has an outbox with a cursor into
// the log. A message is encoded once and stored once, whatever the number of
// members, and a pass writes everything that has come since the last one.
//
// # Owners
//
// Everything serial is a [poller.Task]:
//
//	session (client.go, session.go, inbound.go, messages.go, meter.go)
//	                                 reads one socket, as fast as it may, and closes it
//	lobby                            clients before and after the room, and their deadlines
//	hub                              the order of messages, the log's end, who goes into which shard
//	shard (shard.go, shard_tick.go, doubt.go, pass.go, outbox.go)
//	                                 a part of the members: who is in, how far each is, all writes
//
// A client is in the hands of one keeper at a time: lobby → hub → shard →
// lobby. Sessions ask their keeper for things by setting event bits and
// entering its inbox; the answer is a status bit.
//
// # What is used instead of locks
//
// There is no mutex and no channel operation for a message or a delivery. A
// message crosses from session to hub through an inbox (one compare-and-swap),
// from hub to shards as the log's published length (one atomic store), and
// each crossing schedules a Task (one compare-and-swap). Each worker counts in
// a tally of its own (tally.go). Where connections of an address are limited
// or proxies speak for clients (sources.go, proxied.go), and when a client is sent
// away (departures.go), a mutex is used: that is no matter of messages.
//
// What time is, and when each deadline comes, is said in time.go.
//
// Whoever runs the server can ask keepers about what they own (census.go): the
// question is answered on the keeper's own Task.
//
// # Invariants
//
//   - Between passes, every ready member of a shard is at the shard's pos.
//   - The hub is at most Config.Queue messages ahead of the slowest shard.
//   - A member leaves at the message that would be the Queue+1st to wait for
//     it, however late the shard finds that out; it gets those that waited.
//   - All members' dues, counted by when they came and left, are what they got
//     and what was lost with them, once nothing is under way.
//   - A session touches its socket until it has closed it; a shard touches it
//     until it has set statusReleased, which comes first.
package room

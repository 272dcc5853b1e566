// Package jetstream is an [order.Source] whose order NATS JetStream gives: rooms span
// any number of nodes, and what they keep outlives each of them.
//
//	hub ──Publish──▶ publisher ──c.3.lobby──▶ stream chat-3 ──r.3.lobby──▶ dispatcher ──Place──▶ hub
//	                    ▲                        │   (RePublish: to each node)    ▲
//	                    └──── acknowledged ──────┘                                │
//	                                             └──── Direct Get ──▶ reader ─────┘
//	                                                   what did not come, what was before
//
// What a room's messages are published on is kept in one of P streams; the server
// sends a copy of what it has stored to the nodes that have the room. A message has
// its place when its copy has come, on the node that published it, too. Of one author in a
// room one message is under way at a time, so his keep their order. Copies come
// at most once, and may be lost or doubled: each says its number and that of the one
// before it in its room, so what is missing is known, and read from the stream.
// A lost last copy is found by asking for the rooms' last messages every few seconds.
//
// What comes is what anybody said who may publish there: what a node would not say counts
// for nothing, what nobody can read is skipped, and what is too large is missed.
//
// # Owners
//
//	publisher    what is under way to a stream, by partition: one goroutine
//	dispatcher   the rooms of some partitions: all that their hubs are told; one
//	             goroutine each, and a channel into which all copies for them come
//	partition    whether its stream is as it must be, and which life of it this is: a
//	             goroutine, which also asks for the last messages
//	reader       reads a partition's stream, at most four at a time
//	opener       subscribes for rooms that are entered
//	nodes        what the nodes tell each other besides: members, removals
//
// There are two connections. The second is for what the server answers in the loop
// that reads it: on the first, what is published would wait behind that.
//
// # One epoch for all nodes
//
// A room's epoch is made of its stream's time of creation and a generation, which
// the stream's metadata hold. Who finds that the stream has other messages than it
// had (an older state was restored; its numbers are given out again), raises the
// generation by one, unless somebody has done it: all find the same, and begin all
// rooms of the partition anew. A purge takes history, no numbers: the order goes on.
//
// Where to look:
//
//	config.go, source.go    what is given, what there is
//	connect.go              the two connections; rebalance.go: to which server
//	stream.go               the streams: what they must be, and what is wrong with one
//	partition.go, tail.go   which life of a stream this is; the last messages
//	subject.go, entry.go    rooms' names and messages, as NATS has them
//	publish.go              from the hub to the stream
//	enter.go, receive.go    from the stream to the hub
//	ask.go                  how far a room is, as the stream's leader knows
//	read.go, history.go,    what is read: for a room that is entered, of all rooms,
//	scan.go, fill.go        for a gap
//	peers.go                history that another node has
//	counts.go, removals.go  what else nodes tell each other
package jetstream

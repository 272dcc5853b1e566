// Package cluster runs several nodes of chatd and the NATS servers that they share on this
// machine, does them harm at random from a seed while clients and publishers are at work on
// all of them, and holds what everybody heard against what was acknowledged.
//
// The map:
//
//	child.go     a process that is ended, paused and started again
//	cluster.go   the nodes, the servers, and the proxies between them
//	schedule.go  what is done to them, decided by the seed alone
//	faults.go    does it
//	client.go    a client of chat.v1, which resumes on whatever node it finds;
//	             publisher.go one who publishes by HTTP
//	place.go     what a client has heard of a room, by its place in it
//	room.go      what all have heard of a room, and were told to be in it
//	judge.go     the one against the other, when all is well again
//	run.go       all of it; summary.go the report
//	figures.go   what it costs, without harm; failover.go is of a node's death, whose
//	             clients move to the others
//
// # What must hold
//
// A client is at a place in a room. Behind it, it hears all that has a place there, in that
// order, once, over all its connections and nodes, or is told of a gap. What was
// acknowledged has a place: its author heard it, or got a receipt. What was not may have one
// or not, but for everybody the same. A room has one order: whoever hears a number hears the
// same message under it, and no message has two. When everything is well again, everybody
// hears soon all that there is.
package cluster

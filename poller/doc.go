// Package poller turns readiness into work: it watches sockets with epoll and
// runs what they need on a small, fixed pool of workers.
//
//	epoll ──ready──▶ Conn ──Schedule──▶ Pool's run queue ──▶ Worker ──▶ Runner.Run
//
// The goroutine that waits for epoll is itself one of the workers: it runs what
// has become ready, and asks at least every few milliseconds whether others are. It
// wakes another worker when very much is to be run, or sockets wait, too. A quiet
// server wakes nobody.
//
// It knows file descriptors and bytes. It must not know HTTP, WebSocket or
// chat.
//
// # Ownership
//
// A [Task] is run by at most one [Worker] at a time, so what a Task owns needs
// no lock. Everything serial in the server is a Task: a connection's reading,
// a room's hub, a shard of a room's members. What crosses from one Task to
// another goes through an [Inbox] or an atomic.
//
// # What is used instead of locks
//
// Scheduling is a compare-and-swap on the Task's state and an exchange on the
// run queue's tail. Workers that find nothing park on a channel; that channel
// is touched only when a worker goes to sleep or is woken, never per task,
// message or delivery. The epoll set of easygo takes its own read lock once
// per batch of readiness events, and its write lock when a descriptor's number is
// watched for the first time; a lock is held to read when a connection comes or goes
// (watch.go).
//
// # Another program goes on
//
// A set of sockets can go to the program that replaces this one, in the same process
// (inherit.go), while the pool stands still (freeze.go).
package poller

import _ "chatd/poller/linuxonly"

// Package soak puts a random mix of everything on chatd for minutes or hours,
// from a seed, and holds the server's own metrics against what its clients saw.
//
// The map:
//
//	schedule.go  what happens, decided by the seed alone: lives of the server,
//	             each a mix of phases
//	phases.go    carries out one phase; hostile.go those who never become clients
//	crowd.go     all clients, on one worker, and how much may be under way;
//	             client.go is one of them, publish.go its sending, leave.go
//	             its end, inflate.go permessage-deflate
//	room.go      a room, and which messages are whose
//	ledger.go    the one order of a room's messages, against which each client is
//	             checked; message.go is what a message looks like
//	upgrade.go   the server's program is replaced: what must be as before
//	metrics.go   the server's metrics at a moment
//	counts.go    its counts of members and rooms, against the clients'
//	checks.go    what must hold at the end of a life
//	life.go      one life, from start to exit status; run.go all of them
//	summary.go   the report
package soak

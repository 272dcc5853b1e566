// Package hostile sends broken, slow and malicious peers against a chatd,
// beside healthy clients that must not notice.
//
//	kinds.go                    what there is, and what chatd is to do about it
//	peer.go                     a raw connection
//	handshakes.go frames.go slow.go vanish.go descriptors.go secure.go
//	                            how each kind behaves
//	chatd.go                    the server's process, and its counters
//	trial.go                    healthy clients and one kind of peers, for a while
//	table.go                    what came of it
//
// Peers are goroutines with blocking sockets; the healthy clients are package
// load's, which check every delivery.
package hostile

// Package tls13 is TLS 1.3 for connections of an event loop. crypto/tls makes the
// handshake, and is gone; what goes on is a [Session] of 160 bytes, which idles without
// a buffer, a cipher or a goroutine.
//
//	socket ──Task──▶ Handshake ──▶ crypto/tls          once: a coroutine, for a round trip or two
//	                     │
//	                  Session
//	socket ──Task──▶ Reader ──▶ plaintext              the Conn's Task, in its worker's scratch
//	socket ◀── Writer ◀── plaintext, as it is in a log  who writes to the socket
//
// It knows records and descriptors. It must not know HTTP, WebSocket or chat.
//
//	what is kept for a connection  record.go, keys.go
//	reading, writing               reader.go, writer.go, fanout.go
//	the handshake                  acceptor.go, handshake.go, turns.go, framer.go, secrets.go, reason.go
//	with a goroutine               conn.go
//	to another program             state.go
//
// # Owners
//
// A Handshake is its Task's, which has crypto/tls run on its own worker until that lacks
// something. Of a Session the Reader belongs to who reads the socket and the Writer to who
// writes to it. They share no word that changes: what the Reader wants of the Writer is in
// what [Reader.Read] returns, and goes there as other things do that a Task has for
// another.
//
// # How to use it
//
// The connection's Task, from its first bytes on:
//
//	h := acceptor.Begin(&c.Conn)
//	for each run:
//	    r := h.Continue()                 // not nil: on with r.Session, or close
//	    c.Read(scratch[:h.Room()])        // no Room: the Task will be scheduled
//	    h.Feed(…), or h.End(), and Continue
//	when its time is over:
//	    r := h.Cancel(TimedOut)
//
// Then, where it said c.Read(p), it says session.Reader.Read(&c.Conn, p, seconds):
//
//	n as before, but       More, not n == len(p), says whether to read again at once; a record
//	                       that has not come whole is WouldBlock; In is what to count as received
//	0                      the peer has said that this is the end
//	Truncated              it has not: as a reset
//	Failed                 whoever owns the Writer is to do End(got.Alert), one Flush, and give
//	                       the connection up
//	Alerted                as a reset
//	Update                 whoever owns the Writer is to do Update and Flush, soon
//
// The first Read finds what the client sent behind the handshake, and needs no event.
//
// Where it said w.Send(fd, p), it says writer.Send(w, ciphers, fd, p). The result counts
// plaintext. What is taken is taken: the next Send begins behind it, and may be of
// whatever else. But who is Pending is not caught up, even if all is taken: it waits for
// the socket, and then Flush, or the next Send, goes on with the record that is half
// sent. So
//
//   - a member is behind if the result is not len(p), or it is Pending;
//   - it has caught up when there is nothing left and Flush is 0;
//   - p must not be in the worker's scratch, and must not change while it is Pending:
//     bytes of a log don't, nor do those that were made for one client and are not used
//     again. If they do, nothing is sent any more, and the result is Changed.
//
// Where it said w.Fanout(fds, p, results), it says [Fanout], which is as many Sends in few
// calls.
//
// A frame counts as delivered with the first byte of its record that the socket takes:
// a record early, at most.
//
// Behind what is queued comes End(CloseNotify) and Flush, and then the socket is shut
// down. Each shard has one Ciphers, and calls Tick about once a second, and Drop before a
// Writer gets another owner. Who writes now and then, as a Task does that refuses a
// request, gives none.
//
// What is for net/http is NewConn with the Session; a connection that comes back from
// there is Detach, and what it has read is in the Reader. When the socket is closed the
// Task calls Session.Wipe: both directions are its own by then. All handshakes must have
// ended before the pool is closed.
//
// # The life of the keys
//
//	what                            where it lives                      until
//	both traffic secrets, in hex    the line that crypto/tls makes for  keyLog.Write: wiped
//	                                Config.KeyLogWriter
//	… as bytes                      Handshake.secrets                   a Session is made of them (secrets.session), or
//	                                                                    the handshake ends otherwise: wiped
//	secret, key (AES-128), iv       keys, in the Session                keys.update overwrites them; Session.Wipe
//	key (AES-256, ChaCha20)         derived in keys.aead                the cipher is built: wiped
//	the next secret                 keys.update                         it is in keys: wiped
//	expanded keys                   a cipher.AEAD: of a Reader within   dropped, for the garbage collector: nobody can
//	                                one Read; of a Writer in Ciphers,   wipe them
//	                                for a second or two after its last
//	                                use; of a Conn, as long as it lives
//	plaintext of a half-sent record a slice of the log, in Writer.busy  the record has gone
//
// When the program is replaced, Session.Append puts what keys has, and that plaintext, into
// its caller's bytes, and ParseSession takes them out of those: who has them wipes them.
//
// What crypto/tls has made itself (its own copies of the secrets, those of the
// handshake, the buffer in which the line was formatted) is garbage once the handshake
// is done, and not wiped: it gives nobody the means. Nor are the stacks on which a secret
// was passed on. Nothing of any of these goes to a file, a log or an error. A Config's own
// KeyLogWriter is replaced. Handshakes are told apart by the client's random; the second
// with one that is in use is refused.
//
// # Where a number of a record changes
//
//	keys.set       0, with new keys (newSession, keys.update)
//	session        the Writer's of a server begins at the number of tickets that
//	               crypto/tls has sent: those of the records it wrote that the keys
//	               open (written)
//	Reader.unseal  + 1 when a record is what the peer sealed under that number
//	Writer.took    + 1 for each record of data that the socket has taken whole, of a Fanout, too;
//	               whose result there is an error sends nothing more under any number
//	Writer.wrote   + 1 for a record that was half sent, a KeyUpdate, an alert, when the
//	               socket has taken it whole; of a Conn when it is sealed, since a Conn
//	               keeps the record itself until it is sent. A KeyUpdate brings new keys
//
// A record of which the socket has taken a byte is bound to its number. It is sealed
// again, from the same plaintext, until all of it has gone, and before anything else: a
// KeyUpdate or an alert waits behind it, data, too. Its tag is kept, so that with other
// bytes it would be found to be another, and not be sent. What was sealed behind it in
// the scratch, and of which the socket has taken nothing, has left the process in no
// way; its numbers are free. All of that goes with a Session to another program, and
// exactly one of the two goes on with it. Our keys change before the record 2^24, and
// when the peer asks for it.
package tls13

// Package interop lets WebSocket clients that others wrote talk to a real chatd,
// and judges on the wire what came of it.
//
//	client ──▶ tap ──▶ chatd ◀── neighbour
//	           sees every frame     writes and hears, too
//
// Every client is a small program in clients/, run as
//
//	PROGRAM URL plain|offer
//
// It connects, offering permessage-deflate if it is told to; sends the four
// messages of [Greeting], in several frames what it can; answers pings; and
// closes with 1000 when it hears the text "bye". Meanwhile it prints lines:
//
//	text HEX      a text message that it heard, its bytes in hexadecimal
//	binary HEX    a binary one
//	closed CODE   the code of the close frame that it got; - if its library does not tell
//
// Over TLS nothing can be seen between it and chatd: then it is judged by what it and
// the neighbour heard. Which certificate to believe is in the file that SSL_CERT_FILE
// names.
//
// It judges nothing: what the frames were, whether the messages are those that
// the neighbour heard, in the same order, whether a ping was answered and how
// the connection was closed, is found out here, for all in the same way.
//
// Tools that put load on a server are run as they are: each has to deliver what
// it was told to send, to everybody.
package interop

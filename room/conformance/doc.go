// Package conformance checks a WebSocket server against RFC 6455 and RFC 7692:
// a table of cases, each named after the section that it checks. The server
// may be any that listens on TCP, speaks TLS or not, and sends every message back
// to its sender.
//
//	Cases ─▶ Case ─▶ Run(Target) ─▶ peer ─▶ dialog ─▶ nil, ErrSkipped or what is wrong
//	            │                    │
//	            │                    ├─ head, frame: what is sent, well-formed or not
//	            │                    └─ reader: what comes, each byte judged
//	            └─ by section: opening.go negotiation.go framing.go fragmentation.go
//	               control.go closing.go utf8.go limits.go deflate.go takeover.go
//
// A case says what is sent and what may come back. Everything that comes is
// held against the rules for servers besides, whatever the case is about: no
// masks, no reserved bits, no length that could be shorter, no control frame
// that is long or fragmented, text that is UTF-8, a valid close frame, nothing
// behind it, and then the end of the stream, which is the server's to make.
//
// Where the RFCs leave a choice, a case lists what they permit, chatd's choice
// first. A [Target] that is Strict has that one only.
package conformance

// Package chattest speaks chat.v1 as its description says it (static/PROTOCOL.md),
// to any server of it, and finds out what a server does wrong. It is for tests.
//
//	Dial ─▶ Conn ── Next ─▶ schema ─▶ Event ─▶ Ledger ─▶ Position ─▶ Dial …
//
// It knows nothing of how the server is built. Every event that comes is held
// against the schema (static/chat.v1.schema.json), whatever the test is about, and a
// [Ledger] holds what is heard of a room against what had to be heard, over as many
// connections as it takes.
package chattest

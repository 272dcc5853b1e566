// Package token says what a client may do: it verifies JSON Web Tokens (RFC 7519)
// that somebody else made for it, by a key from a file.
//
//	claim   what it grants
//	sub     the client's id; without it, the server gives one
//	name    its name, which it can't change; without it, it takes one itself
//	rooms   patterns of the rooms that it may come into, * is any characters;
//	        without it all, an empty list is none
//	say     false: it listens only
//	exp     required: until when
//	nbf     from when on
//
// The kind of the key says which algorithm a token is signed by, never the token
// (RFC 8725 §3.1). Nothing of a token is in an error: it is as good as a password
// until it expires.
//
//	key.go     what is a key, and what is none
//	verify.go  token in, grant or fault out: pure
//	claims.go  what a token says
//	grant.go   what it allows
//	file.go    the key's file, which may change
package token
